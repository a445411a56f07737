"""zooactive.toml, and one whole job a file, named as the command that types it."""

from __future__ import annotations

from zooactive.workspace.file import find_workspace, load_workspace
from zooactive.workspace.settings import Workspace

__all__ = ["Workspace", "find_workspace", "load_workspace"]
