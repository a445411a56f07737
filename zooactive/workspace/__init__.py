"""zooactive.toml, and one whole job a file, named as the command that types it."""

from __future__ import annotations

from zooactive.workspace.workspace import Workspace, find_workspace, load_workspace

__all__ = ["Workspace", "find_workspace", "load_workspace"]
