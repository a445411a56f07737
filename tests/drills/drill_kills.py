"""Does a command that was killed, met another of its kind or found the disk full end with the bytes of one that was not?

Each command that writes is played on a survey of 48 small galaxies, cut into eight parts:

* once undisturbed in a fork, which measures the span from its first write to its end and counts its steps, the calls of
  `os.fsync` and `os.replace`; and once in a new interpreter, whose bytes must be the same;
* killed with SIGKILL, half of the times at a random moment of that span, half of the times before a random step. A process
  that had ended before is killed anew. Then the same command goes on to the end;
* started twice, the second at a random moment of the first's span: each works or is refused in a sentence, and what the last
  of them leaves, given once more where it was refused, is compared;
* on a disk with a random part of the room that it needs (a tmpfs of its own for root, else a limit on the size of files): it
  ends with exit code 1 and a sentence, each file that has its name can be read, and with room it goes on to the end.

Every file of the workspace is compared byte for byte, but for the entry `made` of how.json, which says when; no journal
holds a time. Training is told to be deterministic. Two kinds of files are left out: TensorBoard's, where it is installed,
and locks. The system lets go of a dead process's lock, whose file stays where the next command finds the run finished and
locks nothing; how many stayed is printed.

    python tests/drills/drill_kills.py                        # everything
    python tests/drills/drill_kills.py predict --kills 5 --pairs 0 --full 0
"""

from __future__ import annotations

import argparse
import atexit
import functools
import importlib
import io
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "cli"), str(TESTS / "labels")]

import warm_interpreter  # noqa: E402
from warm_interpreter import AS_COMMAND, ONE_THREAD  # noqa: E402

GALAXIES, ROWS = 48, 6
"""Of the survey, and of each of its parts."""

SETTINGS = """\
[survey]
tree = "../survey/tree.toml"
catalogue = "../survey/survey.csv"
images = "../survey/images"
rehearsal = 36
[model]
backbone = "tiny1"
image_size = 16
folder = "runs/first"
start = "runs/first"
[training]
epochs = 2
batch_size = 8
[pool]
draws = 8
batch_size = 8
[acquire]
n = 4
"""
TRAINING = ("--deterministic", "--epochs", 5)
REHEARSED = ("--learner", "head", "--seeds", 1, "--start", 16, "--rounds", 2)
COMPARED = ("--strategy", "entropy", "--strategy", "random")
JOBS = {
    "prepare": ("prepare",),
    "train": ("train", "--run-dir", "runs/second", *TRAINING),
    "predict": ("predict",),
    "embed": ("embed",),
    "finetune": ("finetune", "../survey/rings.csv", "--column", "ring", "--images", "../survey/images"),
    "votes": ("votes", "../survey/second.csv", "--wording", "../survey/wording.toml", "--out", "votes.csv"),
    "loop rehearse": ("loop", "rehearse", *REHEARSED, *COMPARED),
    "loop ask": ("loop", "ask"),
}
LONGEST = 300  # seconds

# What runs in a fork -------------------------------------------------------------------------------------------------

IN_A_FORK = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
import drill_kills
drill_kills.prepare_process(int(sys.argv.pop(1)), sys.argv.pop(1))
"""


def prepare_process(kill_before: int, tally: str) -> None:
    """Make parts small, and die before a step, or write the number of steps into a file at the end."""
    from tiny_network import tiny_network

    from zooactive.catalogue.shards import write_shards

    tiny_network()
    _fit_eagerly()
    predicting: Any = importlib.import_module("zooactive.prediction.predict")
    small = functools.partial(predicting.PredictionConfig, rows_per_part=ROWS)
    for module in (predicting, importlib.import_module("zooactive.prediction.parts")):
        module.PredictionConfig = small
    assert write_shards.__kwdefaults__ is not None
    write_shards.__kwdefaults__["rows_per_shard"] = ROWS
    if "DRILL_LARGEST_FILE" in os.environ:
        largest = int(os.environ["DRILL_LARGEST_FILE"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    steps = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given, **options)

        return step

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    if tally != "-":
        atexit.register(lambda: Path(tally).write_text(str(steps)))


def _fit_eagerly() -> None:
    """Let short fits run as plain Python, as the tests do: tracing takes longer than all that is to be killed."""
    import keras

    fit = keras.Model.fit

    def eager_fit(self: Any, *given: Any, **options: Any) -> Any:
        self.run_eagerly = True
        return fit(self, *given, **options)

    keras.Model.fit = eager_fit


# The place -----------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """A survey, a workspace that jobs begin with, and the folder in which they are played, always the same."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def begin(self) -> None:
        """Write the survey, train the first model and count the first votes."""
        from crowd import annotated, row, wording, write
        from small_survey import write_survey

        from zooactive.tree import load_tree

        survey = write_survey(self.folder / "survey", GALAXIES)
        tree, dice = load_tree(survey / "tree.toml"), random.Random(0)
        (survey / "wording.toml").write_text(wording("tree.toml", tree))
        marks = [annotated(tree, columns) for columns in ([0], [1, 3], [1, 4, 6], [2])]
        rows = [row(i, f"g{i % GALAXIES:03d}", f"v{i}", dice.choice(marks)) for i in range(8000)]
        write(survey / "first.csv", rows[:4000])
        write(survey / "second.csv", rows[3000:])
        self.run.mkdir()
        (self.run / "zooactive.toml").write_text(SETTINGS.replace('start = "runs/first"\n', ""))
        first = ("votes", "../survey/first.csv", "--wording", "../survey/wording.toml", "--out", "votes.csv")
        for words in (("train", *TRAINING), first):
            self.typed(*words)
        (self.run / "zooactive.toml").write_text(SETTINGS)
        shutil.move(self.run, self.base)

    def fresh(self) -> None:
        """Put the workspace back to where every job begins, times of change and all."""
        if self.run.is_mount():
            for entry in self.run.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        else:
            shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.base, self.run, dirs_exist_ok=True)

    def start(self, *words: object, kill_before: int = 0, tally: object = "-") -> Any:
        return warm_interpreter.start(IN_A_FORK + AS_COMMAND, kill_before, tally, *words, folder=self.run)

    def typed(self, *words: object) -> str:
        """Type a command, which must come to its end, and return what it says."""
        process = self.start(*words)
        told = process.communicate(timeout=LONGEST)[1]
        assert process.returncode == 0, f"{words} ended with {process.returncode}:\n{told}"
        return str(told)

    def state(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of all files, those that pass among them."""
        found, folders = {}, [str(self.run)]
        while folders:
            try:
                for entry in os.scandir(folders.pop()):
                    if entry.is_dir():
                        folders.append(entry.path)
                    else:
                        file = entry.stat()
                        found[entry.path[len(str(self.run)) + 1 :]] = (file.st_size, file.st_mtime_ns)
            except FileNotFoundError:  # it went meanwhile
                continue
        return found

    def files(self) -> dict[str, bytes]:
        """What all files hold."""
        return {
            str(path.relative_to(self.run)): _without_times(path)
            for path in sorted(self.run.rglob("*"))
            if path.is_file() and path.name != "ballast" and "tensorboard" not in path.parts
        }


def _without_times(path: Path) -> bytes:
    """Return what a file holds, of a how.json without the entry that says when and in which process it was made."""
    content = path.read_bytes()
    if not path.name.endswith("how.json"):
        return content
    try:
        said = json.loads(content)
    except ValueError:
        return content
    return json.dumps({name: value for name, value in said.items() if name != "made"}).encode()


# One job -------------------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """What was seen of a process: seconds from its start to its first write and to its end, and its words."""

    first: float | None
    end: float
    code: int
    told: str


@dataclass
class Drill:
    """A job with what its undisturbed run measured, and what came out of the others."""

    place: Place
    name: str
    dice: random.Random
    whole: dict[str, bytes] = field(default_factory=dict)
    first: float = 0.0
    span: float = 0.0
    steps: int = 0
    room: int = 0
    odd: list[str] = field(default_factory=list)
    locks: int = 0

    @property
    def words(self) -> tuple[object, ...]:
        return JOBS[self.name]

    def measure(self) -> None:
        """Play it undisturbed, in a fork and in a new interpreter."""
        self.place.fresh()
        before, tally = self.place.state(), self.place.folder / "steps"
        seen = self._watch(self.place.start(*self.words, tally=tally), before)
        assert seen.code == 0, seen.told
        assert seen.first is not None
        self.first, self.span, self.steps = seen.first, seen.end - seen.first, int(tally.read_text())
        self.whole = self.place.files()
        new = [name for name, (size, at) in self.place.state().items() if before.get(name) != (size, at)]
        self.room = sum(math.ceil(len(self.whole[name]) / 4096) * 4096 for name in new if name in self.whole)
        self.place.fresh()
        code = IN_A_FORK + AS_COMMAND
        asked = [sys.executable, "-c", code, "0", "-", *map(str, self.words)]
        done = subprocess.run(asked, cwd=self.place.run, capture_output=True, text=True, timeout=LONGEST)
        assert done.returncode == 0, done.stderr
        self.compare("in a new interpreter")

    def kills(self, number: int) -> list[str]:
        """Kill it so often, and let it go on."""
        shares, left, locked, missed, equal, inside = [], 0, 0, 0, 0, 0
        for trial in range(number):
            at_step = trial % 2 == 1
            while True:
                self.place.fresh()
                before = self.place.state()
                share = (trial + self.dice.random()) / number
                step = self.dice.randint(1, self.steps) if at_step else 0
                process = self.place.start(*self.words, kill_before=step)
                seen = self._watch(process, before, after=None if at_step else share * self.span)
                if seen.code == -signal.SIGKILL:
                    break
                missed += 1
                assert missed < 10 * number, "it ends before it is killed"
            assert seen.first is not None
            inside += 1
            shares.append(min((seen.end - seen.first) / self.span, 1.0))
            names = self.place.state()
            left += any(".part-" in name for name in names)
            locked += any(Path(name).name.startswith(".lock") for name in names)
            try:
                self.place.typed(*self.words)
            except AssertionError as error:
                self.odd.append(f"{self.name}, kill {trial}: {error}")
                continue
            equal += self.compare(f"kill {trial}, at {shares[-1]:.2f} of the span{f', before step {step}' if step else ''}")
        moments = " ".join(f"{share:.2f}" for share in sorted(shares))
        print(f"  kills at these shares of {self.span:.2f} s and {self.steps} steps: {moments}")
        print(f"  half-written files lay there after {left}, a lock after {locked}; {missed} had ended and were killed anew")
        return [str(inside), f"{min(shares, default=0):.2f}-{max(shares, default=0):.2f}", f"{equal} of {number}"]

    def pairs(self, number: int) -> list[str]:
        """Start two at a time."""
        worked = refused = equal = 0
        for trial in range(number):
            self.place.fresh()
            one = self.place.start(*self.words)
            time.sleep(self.dice.random() * self.span)  # and as long again as the first took to its first write
            two = self.place.start(*self.words)
            codes = []
            for process in (one, two):
                told = process.communicate(timeout=LONGEST)[1]
                codes.append(process.returncode)
                if process.returncode == 0:
                    worked += 1
                elif process.returncode == 1 and "Traceback" not in told and " is in use by " in told:
                    refused += 1
                else:
                    self.odd.append(f"{self.name}, pair {trial}: exit code {process.returncode}: {told[-300:]}")
            if 0 not in codes:
                self.odd.append(f"{self.name}, pair {trial}: nobody came to the end: {codes}")
            equal += self.compare(f"pair {trial}")
        return [f"{worked} worked, {refused} refused", f"{equal} of {number}"]

    def full(self, number: int) -> list[str]:
        """Play it on a disk without room for it, and then with room."""
        sentences = equal = 0
        sayings = set[str]()
        for trial in range(number):
            with self._little_room() as (make_small, make_room):
                for attempt in range(20):
                    self.place.fresh()
                    make_small(int(self.dice.random() * self.room * 0.9**attempt))
                    process = self.place.start(*self.words)
                    told = process.communicate(timeout=LONGEST)[1]
                    make_room()
                    if process.returncode:
                        break
                last = (told.strip().splitlines() or [""])[-1]
                as_said = process.returncode == 1 and "Traceback" not in told
                if as_said and re.search("disk is full|is the disk full|larger than", last):
                    sentences += 1
                    sayings.add(re.sub(r"^zooactive: \S+ ", "", last))
                else:
                    self.odd.append(f"{self.name}, full disk {trial}: exit code {process.returncode}: {told[-400:]}")
                self.odd += [f"{self.name}, full disk {trial}: {name} {why}" for name, why in self._halves()]
                try:
                    self.place.typed(*self.words)
                except AssertionError as error:
                    self.odd.append(f"{self.name}, full disk {trial}, with room: {error}")
                    continue
                equal += self.compare(f"full disk {trial}")
        for said in sorted(sayings):
            print(f"  full disk: {said}")
        return [f"{sentences} of {number}", f"{equal} of {number}"]

    def _watch(self, process: Any, before: dict[str, tuple[int, int]], after: float | None = None) -> Watched:
        """Look at a process and its folder until it ends; kill it so long after its first write."""
        began, first = time.monotonic(), None
        while process.poll() is None:
            now = time.monotonic() - began
            assert now < LONGEST, "it does not end"
            if first is None and self.place.state() != before:
                first = time.monotonic() - began
            if first is not None and after is not None and now >= first + after:
                process.kill()
                process.wait(10)
            time.sleep(0.001)
        end = time.monotonic() - began
        told = process.communicate()[1]
        if first is None and self.place.state() != before:
            first = end
        return Watched(first, end, process.returncode, told)

    def compare(self, what: str) -> bool:
        """Whether the folder holds the bytes of the undisturbed run and nothing else; note what it does not."""
        now = self.place.files()
        self.locks += any(Path(name).name == ".lock" for name in now)
        names = {name for name in {*now, *self.whole} if now.get(name) != self.whole.get(name)}
        names = sorted(name for name in names if Path(name).name != ".lock")
        for name in names:
            kind = "is missing" if name not in now else "is too many" if name not in self.whole else "has other bytes"
            self.odd.append(f"{self.name}, {what}: {name} {kind}{_other_keys(now.get(name), self.whole.get(name))}")
        return not names

    def _halves(self) -> Iterator[tuple[str, str]]:
        """Files under their own names that are not whole, and what was left of those aside."""
        yield from self.leftovers()
        for name, content in self.place.files().items():
            if not Path(name).name.startswith((".part-", ".lock")) and self.whole.get(name) != content:
                try:
                    _read_whole(name, content)
                except Exception as error:
                    yield name, f"is not whole: {error}"

    def leftovers(self) -> Iterator[tuple[str, str]]:
        """Half-written files and locks that a process which ended of itself has left."""
        for name in self.place.files():
            if Path(name).name.startswith((".part-", ".lock")):
                yield name, "was left"

    @contextmanager
    def _little_room(self) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
        """Yield what makes a disk of the folder in which a job is played small, and what gives it room."""
        if os.geteuid() == 0:
            shutil.rmtree(self.place.run)
            self.place.run.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", self.place.run], check=True)
            ballast = self.place.run / "ballast"

            def fill(left: int) -> None:
                disk = os.statvfs(self.place.run)
                with ballast.open("wb") as stream:
                    os.posix_fallocate(stream.fileno(), 0, max(disk.f_bavail * disk.f_frsize - left, 4096))

            try:
                yield fill, lambda: ballast.unlink()
            finally:
                subprocess.run(["umount", self.place.run], check=True)
            return
        largest = max(len(content) for content in self.whole.values())

        def limit(left: int) -> None:
            os.environ["DRILL_LARGEST_FILE"] = str(left * largest // max(self.room, 1))

        try:
            yield limit, lambda: os.environ.pop("DRILL_LARGEST_FILE", None)
        finally:
            os.environ.pop("DRILL_LARGEST_FILE", None)


def _other_keys(now: bytes | None, whole: bytes | None) -> str:
    """Name the entries of a JSON file that are other."""
    try:
        one, two = json.loads(now or b""), json.loads(whole or b"")
        return f" in {', '.join(key for key in {**one, **two} if one.get(key) != two.get(key))}"
    except (ValueError, AttributeError, TypeError):
        return ""


def _read_whole(name: str, content: bytes) -> None:
    """Raise something where a file was cut off."""
    import h5py
    import numpy as np
    import pyarrow.parquet as pq
    from PIL import Image

    readers: dict[str, Callable[[io.BytesIO], Any]] = {
        ".json": json.load,
        ".parquet": pq.read_table,
        ".npz": lambda stream: dict(np.load(stream)),
        ".h5": lambda stream: h5py.File(stream, "r").visititems(_read_entry),
        ".png": lambda stream: Image.open(stream).load(),
    }
    if not content:
        raise ValueError("it is empty")
    reader = readers.get(Path(name).suffix)
    if reader is not None:
        reader(io.BytesIO(content))
    elif name.endswith((".csv", ".toml")) and not content.endswith(b"\n"):
        raise ValueError("its last line is cut off")


def _read_entry(_: str, entry: Any) -> None:
    if getattr(entry, "shape", None) is not None:
        entry[()]


def drilled(
    about: str | None, usual: Sequence[str], numbers: Mapping[str, int], heads: Sequence[str], play: Callable[..., list[str]]
) -> int:
    """Play the jobs that are asked for on the command line, and print a table of what came out; return the exit code.

    `usual` are played where none is named; `numbers` are options with their defaults. `play` takes a drill that is measured
    and these numbers by their names, and returns the cells of its row, under `heads`.
    """
    asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}; default: {', '.join(usual)}")
    for name, number in numbers.items():
        asked.add_argument(f"--{name}", type=int, default=number)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    os.environ.update({**ONE_THREAD, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "200"})
    lines, odd = [], []
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        place = Place(Path(folder))
        place.begin()
        for name in given.jobs or usual:
            drill = Drill(place, name, random.Random(f"{given.seed} {name}"))
            drill.measure()
            print(f"{name}: writes for {drill.span:.2f} s after {drill.first:.2f} s, in {drill.steps} steps", flush=True)
            cells = play(drill, **{option: getattr(given, option) for option in numbers})
            lines.append(f"| {' | '.join([name, *cells])} |")
            odd += drill.odd
            for line in drill.odd:
                print(f"  ODD: {line}")
            if drill.locks:
                print(f"  files of locks that nobody holds lay there at the end of {drill.locks} runs")
            print(lines[-1], flush=True)
    print(f"\n| {' | '.join(['command', *heads])} |\n|{' --- |' * (1 + len(heads))}")
    print("\n".join(lines))
    print(f"\n{len(odd)} things were not as they should be" + "".join(f"\n* {line}" for line in odd))
    return 1 if odd else 0


def played(drill: Drill, kills: int, pairs: int, full: int) -> list[str]:
    """Kill a job, start two at a time and give it little room, so often each."""
    return [*drill.kills(kills), *drill.pairs(pairs), *drill.full(full)]


def main() -> int:
    """Play the jobs, and print a table of what came out."""
    heads = ("killed inside", "at shares", "equal", "two at a time", "equal", "full disk: in a sentence", "equal")
    return drilled(__doc__, list(JOBS), {"kills": 20, "pairs": 20, "full": 20}, heads, played)


if __name__ == "__main__":
    sys.exit(main())
