"""What everything stands on: errors that name the mend, ids as numbers, word lists, files written aside, TOML read."""

from __future__ import annotations

from zooactive.foundation.errors import ZooactiveError

__all__ = ["ZooactiveError"]
