"""zooactive.toml, and the whole jobs of a workspace: one file per job, named like its command."""

from __future__ import annotations

from zooactive.workspace.workspace import Workspace, find_workspace, load_workspace

__all__ = ["Workspace", "find_workspace", "load_workspace"]
