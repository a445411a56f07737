"""The command line: one file per command, which reads options and prints tables but makes no decisions.

Data goes to stdout. Everything else goes to stderr.
"""

from __future__ import annotations

import errno
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zooactive.cli.console import note
from zooactive.cli.exit_codes import FAILED, STOPPED
from zooactive.cli.lazy_commands import LazyCommands
from zooactive.cli.run import Run, ended_with, running
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.spelling import for_terminal
from zooactive.foundation.stopping import TERMINATED, Terminated, answering_signals, stop_behind, work_begins, work_ends

_KEPT = "no file is half written; run the same command again to do the rest"
"""The line after Ctrl-C or SIGTERM for jobs that say nothing of their own."""


NAMES = (
    "init",
    "demo",
    "cutouts",
    "show",
    "trees",
    "sheet",
    "prepare",
    "train",
    "embed",
    "predict",
    "acquire",
    "export",
    "votes",
    "catalogue",
    "allocate",
    "finetune",
    "evaluate",
    "calibrate",
    "top",
    "similar",
    "label",
    "table",
    "match",
    "samp",
    "report",
    "publish",
    "convert",
    "trace",
    "migrate",
    "loop",
    "simulate",
)
"""Commands in the order of the help: from a table of galaxies to votes, then what is made from the votes."""


class Commands(TyperGroup):
    """A group that ends every explained failure in one or two lines and the right exit code."""

    commands: LazyCommands

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands(NAMES)
        self._lists = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands without building any command."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; in a list of all commands it comes without its options."""
        return self.commands.listed(cmd_name) if self._lists else self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with a list of the commands."""
        self._lists = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._lists = False

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and end with one of `EXIT_CODES`."""
        with running() as run:
            try:
                found = self._invoke(ctx, run)
            except BaseException as error:
                run.error = run.error or (None if isinstance(error, typer.Exit) else error)
                run.end(ended_with(error))
                raise
            if code := run.end(0):
                raise typer.Exit(code)
            return found

    def _invoke(self, ctx: Any, run: Run) -> Any:
        try:
            work_begins()
            return super().invoke(ctx)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            debug = ctx.params.get("debug")
            if (stop := stop_behind(error)) is not None:
                if debug and stop is not error:
                    traceback.print_exception(error)
                raise _stopped(stop, run) from None
            # A reader that stops early (`zooactive ... | head`) is not a failure of the command.
            explained = isinstance(error, ZooactiveError | OSError | MemoryError)
            if not explained or debug or getattr(error, "errno", None) == errno.EPIPE:
                raise
            run.error = error
            note(f"zooactive: {_sentence(error)}")
            raise typer.Exit(FAILED) from None
        finally:
            work_ends()


def _stopped(stop: KeyboardInterrupt, run: Run) -> typer.Exit:
    """Say that the command was stopped and what is kept; return its exit."""
    kept = getattr(stop, "__notes__", None) or [_KEPT]
    run.error, run.said = stop, kept[0]
    ended = isinstance(stop, Terminated)
    typer.echo(f"zooactive: {'ended by SIGTERM' if ended else 'stopped'}; {for_terminal(kept[0])}", err=True)
    return typer.Exit(TERMINATED if ended else STOPPED)


def _sentence(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; use a smaller --batch-size or fewer --draws"
    # A decoder's or pandas' own words, quoted in an error, may run over lines.
    text = " ".join(str(error).split())
    return for_terminal(text if isinstance(error, ZooactiveError) else f"{text}; `zooactive --debug COMMAND` shows where")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn from volunteers' votes on galaxy images, and choose the galaxies worth their next hour.",
)


def _version(value: bool) -> None:
    if value:
        from zooactive import __version__

        typer.echo(f"zooactive {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    del debug, version  # read by Commands.invoke and by the callback


def main() -> None:
    """Run the command line."""
    with answering_signals():
        from zooactive.cli.signs import show_what_can_be_shown

        show_what_can_be_shown()
        app()
