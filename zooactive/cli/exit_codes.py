"""The exit codes of commands, on which scripts may rely."""

from __future__ import annotations

from zooactive.foundation.stopping import TERMINATED

DONE = 0
FAILED = 1
WRONG_USAGE = 2
NOT_WHOLE = 3
STOPPED = 130

EXIT_CODES = {
    DONE: "everything is done",
    FAILED: "a failure, explained in a line or two on stderr; `zooactive --debug COMMAND` shows the traceback",
    WRONG_USAGE: "wrong usage: an unknown command or option, or an impossible value",
    NOT_WHOLE: "everything is written, but more images failed than `--max-failed` allows",
    STOPPED: "stopped by Ctrl-C; finished work is kept, and the last line says what is finished",
    TERMINATED: "ended by SIGTERM, which batch systems send; finished work is kept, as after Ctrl-C",
}

OUTCOMES = {DONE: "done", NOT_WHOLE: "not whole", STOPPED: "stopped", TERMINATED: "ended by SIGTERM"}
"""The names of these codes in summaries; all other codes are "failed"."""
