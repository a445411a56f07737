"""The options of every command: --quiet, --progress, --log and --summary."""

from __future__ import annotations

import json
import logging
import os
import platform
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.exit_codes import OUTCOMES, STOPPED
from zooactive.foundation.errors import ZooactiveError, did_you_mean
from zooactive.foundation.logs import ROOT, JsonLines, finite, log
from zooactive.foundation.showing import PROGRESSES, on_stderr, show_as
from zooactive.foundation.stopping import TERMINATED
from zooactive.foundation.writing import output_explained, write_json

if TYPE_CHECKING:
    import pandas as pd

PANEL = "Every command"
"""The panel of the help that shows these options."""

SUMMARY_FORMAT = 1

_run: Run | None = None
"""The command that is running: one at a time in a process."""


class Run:
    """A running command, with its log, its summary and its outcome."""

    def __init__(self) -> None:
        self.began, self._since = time.time(), time.monotonic()
        self.quiet = False
        self.command = ""
        self.error: BaseException | None = None
        self.said = ""
        self._summaries: list[Path | str] = []
        self._table: list[dict[str, Any]] | None = None
        self._handlers: list[logging.Handler] = []
        self._level = ROOT.level
        self._jobs = _Jobs()

    def logs_to(self, file: Path, *, debug: bool) -> None:
        """Append each record to a file as a line of JSON."""
        with output_explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            handler = _LogFile(file, encoding="utf-8", errors="backslashreplace")
        handler.setFormatter(JsonLines())
        self._listen(handler, logging.DEBUG if debug else logging.INFO)
        log(
            __name__, logging.INFO, "command begun", command=self.command, typed=shlex.join(sys.argv), folder=str(Path.cwd())
        )

    def sums_up_to(self, target: Path | str) -> None:
        """Write a summary into a file at the end, or on stdout."""
        if target not in self._summaries:
            self._summaries.append(target)
        self._listen(self._jobs, logging.INFO)

    def show(self, table: pd.DataFrame) -> None:
        """Let the summary on stdout hold a table that people would see there."""
        self._table = json.loads(table.to_json(orient="records"))

    def _listen(self, handler: logging.Handler, level: int) -> None:
        handler.setLevel(level)
        self._handlers.append(handler)
        ROOT.addHandler(handler)
        ROOT.setLevel(min(level, ROOT.level or level))

    def end(self, code: int) -> int:
        """Write the end of the log and the summary, and return the exit code: 1 if the summary cannot be written."""
        if self.error is not None and code not in (STOPPED, TERMINATED):
            log(__name__, logging.ERROR, "failed", command=self.command, **self._why())
        summary = self._summed_up(code)
        told = {name: summary[name] for name in ("command", "exit_code", "seconds", "peak_memory_bytes")}
        log(__name__, logging.INFO, "command ended", **told)
        try:
            for target in self._summaries:
                if target == "-":
                    shown = {} if self._table is None else {"table": self._table}
                    typer.echo(json.dumps(finite(summary | shown), indent=1))
                else:
                    write_json(target, summary)
        except (ZooactiveError, OSError) as error:
            on_stderr().line(f"zooactive: the summary cannot be written: {error}")
            return code or 1
        return code

    def close(self) -> None:
        """Leave the process's logging as it was."""
        for handler in self._handlers:
            ROOT.removeHandler(handler)
            handler.close()
        ROOT.setLevel(self._level)

    def _why(self) -> dict[str, str]:
        """Return why the command failed: the kind of exception, and what people were told."""
        return {"kind": type(self.error).__name__, "said": self.said or " ".join(str(self.error).split())}

    def _summed_up(self, code: int) -> dict[str, Any]:
        """Return the summary of the command, as plain values."""
        last = self._jobs.done[-1] if self._jobs.done else {}
        return {
            "format": SUMMARY_FORMAT,
            "command": self.command,
            "exit_code": code,
            "outcome": OUTCOMES.get(code, "failed"),
            "error": None if self.error is None else self._why(),
            "counts": last.get("counts", {}),
            "failures": last.get("failures", {}),
            "rates": {"per_second": last["per_second"]} if "per_second" in last else {},
            "outputs": last.get("outputs", []),
            "jobs": self._jobs.done,
            "warnings": self._jobs.warnings,
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._since, 3),
            "peak_memory_bytes": _peak_memory(),
            "host": socket.gethostname(),
            "versions": {"python": platform.python_version(), "zooactive": _version()},
        }


class _Jobs(logging.Handler):
    """A log handler that keeps the last record of each job of a command, and the warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._written = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a record says."""
        event, values = getattr(record, "event", None), dict(getattr(record, "values", None) or {})
        if event == "part written":
            self._written += values["galaxies"]
        elif event == "warning":
            self.warnings.append(values["said"])
        elif event == "done":
            if self._written and "worked" not in values:  # parts that existed before do not count for the rate
                values |= {"worked": self._written, "per_second": round(self._written / max(values["seconds"], 1e-9), 3)}
            self._written = 0
            self.done.append(values)


class _LogFile(logging.FileHandler):
    """A log file that warns once if it cannot be written, for example on a full disk, while the work goes on."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a record could not be written."""
        if not self._told:
            self._told = True
            os.write(2, f"warning: {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n".encode())


def _peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None on systems that do not report it."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _version() -> str:
    from zooactive import __version__

    return __version__


@contextmanager
def running() -> Iterator[Run]:
    """Yield the command that begins now; when it ends, restore logging and progress."""
    global _run
    before, _run = _run, Run()
    try:
        yield _run
    finally:
        _run.close()
        show_as(None)
        _run = before


def is_quiet() -> bool:
    """Return whether only warnings and failures are printed."""
    return _run is not None and _run.quiet


def take_json(asked: bool) -> bool:
    """Print the summary of this command on stdout, if `asked`."""
    if asked and _run is not None:
        _run.sums_up_to("-")
    return asked


def show_in_summary(table: pd.DataFrame) -> None:
    """Have the summary on stdout hold a table, in place of one for people."""
    if _run is not None:
        _run.show(table)


# The options ---------------------------------------------------------------------------------------------------------


def _take_quiet(context: typer.Context, quiet: bool) -> bool:
    if _run is not None:
        _run.command = _name(context)
    if quiet and _run is not None:
        _run.quiet = True
        show_as("none")
    return quiet


def _name(context: typer.Context) -> str:
    """Return the command as it is typed after `zooactive`."""
    names: list[str] = []
    here: Any = context
    while here.parent is not None:
        names.insert(0, here.info_name)
        here = here.parent
    return " ".join(names)


def _take_progress(progress: str | None) -> str | None:
    if progress is not None and progress not in PROGRESSES:
        near = did_you_mean(progress, PROGRESSES)
        raise typer.BadParameter(f"there is no progress '{progress}'.{near} Known are {', '.join(PROGRESSES)}")
    if progress is not None and _run is not None:
        show_as(progress)
    return progress


def _take_log(context: typer.Context, file: Path | None) -> Path | None:
    if file is not None and _run is not None:
        _run.command = _name(context)
        _run.logs_to(file, debug=bool(context.find_root().params.get("debug")))
    return file


def _take_summary(file: Path | None) -> Path | None:
    if file is not None and _run is not None:
        _run.sums_up_to("-" if str(file) == "-" else file)
    return file


def _options(
    quiet: Annotated[
        bool,
        typer.Option("--quiet", callback=_take_quiet, help="Print only warnings and failures.", rich_help_panel=PANEL),
    ] = False,
    progress: Annotated[
        str | None,
        typer.Option(
            callback=_take_progress,
            help=f"How progress is shown: {', '.join(PROGRESSES)} (default: a bar in a terminal, lines otherwise).",
            rich_help_panel=PANEL,
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            callback=_take_log,
            help="Append a line of JSON to this file for each event.",
            rich_help_panel=PANEL,
            show_default=False,
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            callback=_take_summary,
            help="Write a summary of the command to this file as JSON; - for stdout.",
            rich_help_panel=PANEL,
            show_default=False,
        ),
    ] = None,
) -> None:
    del quiet, progress, log, summary  # the callbacks have taken them


def common_options() -> Sequence[Any]:
    """Return the options that every command has, as parameters whose values the command does not see."""
    alone = typer.Typer(add_completion=False)
    alone.command()(_options)
    found: list[Any] = typer.main.get_command(alone).params
    for option in found:
        option.expose_value = False
    return found


def add_common_options(command: Any) -> None:
    """Give a command, or each command of a group, the options that all have."""
    for inner in getattr(command, "commands", {}).values():
        add_common_options(inner)
    if not hasattr(command, "commands"):
        command.params = [*command.params, *common_options()]


def ended_with(error: BaseException | None) -> int:
    """Return the exit code for an exception that ended a command; 0 for none."""
    if error is None:
        return 0
    code = getattr(error, "exit_code", None)  # Typer's own exceptions have one: 2 for wrong usage
    if isinstance(error, SystemExit):
        code = error.code
    return code if isinstance(code, int) else 1
