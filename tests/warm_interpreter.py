"""Processes that start at once: forks of an interpreter that has imported what commands import, and has used none of it.

Importing TensorFlow takes longer than what a test has a command do. The interpreter that is forked has one thread and has
made no tensor, so that its forks are what new interpreters are after these imports. They share its seed of `hash`: where the
order of sets may matter, compare with a new interpreter. On other systems than Linux, all are new.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

AS_COMMAND = "import runpy; runpy.run_module('zooactive', run_name='__main__', alter_sys=True)"
ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"} | dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)
"""Keeps PyArrow and OpenBLAS from starting threads when they are imported, of which a fork would know nothing."""


def start(code: str, *words: object, folder: Path) -> Process | subprocess.Popen[str]:
    """Start `python -c CODE WORDS` in a folder, with pipes for stdout and stderr."""
    told = [str(word) for word in words]
    if sys.platform == "linux":
        return Process(code, told, folder)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen([sys.executable, "-c", code, *told], cwd=folder, **pipes)


def run(code: str, *words: object, folder: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Do the same, and wait until it ends."""
    process = start(code, *words, folder=folder)
    stdout, stderr = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess([code, *words], process.returncode, stdout, stderr)


class Process:
    """A fork, with what tests use of `subprocess.Popen`."""

    def __init__(self, code: str, words: list[str], folder: Path) -> None:
        pipes = [os.pipe() for _ in range(3)]
        request = {"code": code, "words": words, "folder": str(folder), "environment": dict(os.environ)}
        socket.send_fds(_interpreter(), [json.dumps(request).encode()], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        self.stdout, self.stderr, self._ending = (os.fdopen(read) for read, _ in pipes)
        self.pid = int(self._ending.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; as `subprocess` has it, that of signal 9 is -9."""
        if self.returncode is None:
            if not select.select([self._ending], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
            self.returncode = int(self._ending.readline())
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send the signal that no process can catch."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read the rest of stdout and stderr, and wait; kill what takes longer."""
        late = threading.Timer(timeout or 600, self.kill)
        late.start()
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr, self._ending:
            stdout, stderr = readers.map(lambda stream: stream.read(), (self.stdout, self.stderr))
            self.wait()
        late.cancel()
        return stdout, stderr


@functools.cache
def _interpreter() -> socket.socket:
    """Start the interpreter that is forked, and return the socket on which it waits for requests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__], stdin=theirs, env=os.environ | ONE_THREAD, start_new_session=True
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# What runs in the interpreter that is forked --------------------------------------------------------------------------


def _import_what_commands_import() -> None:
    import zooactive

    for package in ("keras", "pandas", "PIL.ImageFilter", "pyarrow.parquet", "rich.progress", "tensorflow_probability"):
        importlib.import_module(package)
    for module in pkgutil.walk_packages(zooactive.__path__, "zooactive."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert len(threads) == 1, f"an interpreter with the threads {threads} is not forked"
    gc.freeze()  # the collector would copy every page that parent and forks share


def _forked() -> dict[str, Any] | None:
    """Fork for each request; return in each fork, with its request, and at the end in the parent, with None."""
    requests = socket.socket(fileno=0)
    running: dict[int, int] = {}

    def tell(*_: object) -> None:
        for pid, ending in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                os.write(running.pop(pid), f"{os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(ending)

    signal.signal(signal.SIGCHLD, tell)
    while True:
        message, pipes, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            break
        *outputs, ending = pipes
        pid = os.fork()
        if pid == 0:
            requests.detach()
            return _settle(json.loads(message), outputs)
        os.write(ending, f"{pid}\n".encode())
        for output in outputs:
            os.close(output)
        running[pid] = ending
        tell()  # of what ended before it was noted down
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in list(running):  # what a failed test left
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


def _settle(request: dict[str, Any], outputs: list[int]) -> dict[str, Any]:
    """Give a fork its own signals, streams, environment, folder and words."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Tests that a shell runs in the background would hand down that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for stream, number in zip((os.open(os.devnull, os.O_RDONLY), *outputs), range(3), strict=True):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv, sys.path[0] = ["-c", *request["words"]], ""
    return request


if __name__ == "__main__":
    _import_what_commands_import()
    asked = _forked()
    if asked is not None:
        exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})
