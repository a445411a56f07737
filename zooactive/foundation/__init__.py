"""The basis of all other packages: errors that say what to do, hashed ids, word lists, safe writing, strict TOML."""

from __future__ import annotations

from zooactive.foundation.errors import ZooactiveError

__all__ = ["ZooactiveError"]
