"""Stores that fail when a test wants it: fsspec's file system of this machine, with a script of faults."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.local import LocalFileSystem


@dataclass
class Fault:
    """What happens to calls of a kind on files of a name: an error, a `cut` write, or a file that is not `listed` yet."""

    call: str  # "write", "read", "info", "list", "rename", "delete"
    name: str = "*"
    times: int = 1
    error: Exception | None = None
    cut: bool = False
    silent: bool = False  # of a cut: the store says that all went well


class FaultyStore(LocalFileSystem):
    """Folders of this machine at ``faulty://folder``: no put is whole there, and a file is renamed in one step."""

    protocol = "faulty"
    cachable = False
    faults: ClassVar[list[Fault]] = []
    calls: ClassVar[list[tuple[str, str]]] = []
    unlisted: ClassVar[set[str]] = set()

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return LocalFileSystem._strip_protocol(str(path).replace("faulty://", "/"))

    def _meet(self, call: str, path: str) -> Fault | None:
        name = Path(path).name
        self.calls.append((call, name))
        for fault in self.faults:
            if fault.call == call and fault.times > 0 and fnmatch.fnmatch(name, fault.name):
                fault.times -= 1
                if fault.error is not None and not fault.cut:
                    raise fault.error
                return fault
        return None

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        fault = self._meet("write", path)
        super().pipe_file(path, value[: len(value) // 2] if fault else value, **options)
        if fault is not None and not fault.silent:
            raise fault.error or OSError(5, "Input/output error")

    def cat_file(self, path: str, *given: Any, **options: Any) -> Any:
        self._meet("read", path)
        return super().cat_file(path, *given, **options)

    def get_file(self, path: str, target: Any, **options: Any) -> None:
        fault = self._meet("read", path)
        super().get_file(path, target, **options)
        if fault is not None:
            content = Path(target).read_bytes()
            Path(target).write_bytes(content[: len(content) // 2])

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        self._meet("info", path) if isinstance(path, str) else None
        found: dict[str, Any] = super().info(path, **options)
        return found

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        self._meet("list", path)
        found = super().ls(path, detail=True, **options)
        found = [info for info in found if Path(info["name"]).name not in self.unlisted]
        return found if detail else [info["name"] for info in found]

    def mv(self, old: str, new: str, **options: Any) -> None:
        self._meet("rename", new)
        super().mv(old, new, **options)

    def rm_file(self, path: str) -> None:
        self._meet("delete", path)
        super().rm_file(path)


def faulty_store() -> Iterator[type[FaultyStore]]:
    """Register the store under ``faulty://`` and forget its faults afterwards."""
    fsspec.register_implementation("faulty", FaultyStore, clobber=True)
    FaultyStore.faults, FaultyStore.calls, FaultyStore.unlisted = [], [], set()
    yield FaultyStore
    FaultyStore.faults, FaultyStore.calls, FaultyStore.unlisted = [], [], set()
