"""How commands end: the exit codes that scripts may rely on."""

from __future__ import annotations

from zooactive.foundation.stopping import TERMINATED

DONE = 0
FAILED = 1
WRONG_USAGE = 2
NOT_WHOLE = 3
STOPPED = 130

EXIT_CODES = {
    DONE: "all is done",
    FAILED: "a failure, explained in a line or two on stderr; `zooactive --debug COMMAND` shows the traceback",
    WRONG_USAGE: "wrong usage: an unknown command or option, or a value that cannot be",
    NOT_WHOLE: "all is written, and more galaxies failed than may fail (`--max-failed`): `prepare` and `predict`",
    STOPPED: "stopped by Ctrl-C; what is finished is kept, and the last line says what",
    TERMINATED: "ended by SIGTERM, which batch systems send; the same",
}

OUTCOMES = {DONE: "done", NOT_WHOLE: "not whole", STOPPED: "stopped", TERMINATED: "ended by SIGTERM"}
"""What summaries call these; all others are "failed"."""
