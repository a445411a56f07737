"""Trace a result back to everything that it was made from, and find what has changed since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from zooactive.foundation.addresses import address_of
from zooactive.foundation.errors import WorkspaceError, ZooactiveError
from zooactive.foundation.provenance import Source, mark_of, mark_of_files, place_of, sources_of
from zooactive.foundation.remote_folders import bring, folder_here
from zooactive.foundation.spelling import with_addresses
from zooactive.foundation.writing import file_hash, how_of, how_path
from zooactive.training.finetuning.finetuned_numbers import is_number_task

State: TypeAlias = Literal["as it was", "changed", "gone", "not known"]

_DEEPEST = 20
"""Greatest depth of results made from results, so that a file that names itself does not loop forever."""

_NOTHING = "nothing that the predictions depend on"

_NO_COMPARISON = "it cannot be compared"

_NOT_WALKED = ("not marked", "files of a list")
"""What marks of folders are taken from that are not those of all that is there."""

_MARK = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Traced:
    """A file or folder in the history of a result.

    Parameters
    ----------
    what : str
        What it was used as, such as "catalogue"; for the result itself "result".
    path : Path
        Where it is now, or was.
    state : {"as it was", "changed", "gone", "not known"}
        The state of a source compared with when it was used, or of the result compared with when it was written.
    changes : tuple of str
        What has changed, as far as this can be found out.
    made : mapping
        How it was made, if this is known: command, counts, failures, settings, options, versions, and when and where.
    sources : tuple of Traced
        What it was made from.
    """

    what: str
    path: Path
    state: State
    changes: tuple[str, ...]
    made: Mapping[str, Any]
    sources: tuple[Traced, ...]

    def everything(self) -> Iterator[Traced]:
        """Yield this and everything that it was made from."""
        yield self
        for source in self.sources:
            yield from source.everything()

    def lines(self, depth: int = 0) -> list[str]:
        """Return a line for this and for everything that it was made from; sources are indented below their result."""
        how = ""
        if self.made.get("command"):
            when = self.made.get("made") if isinstance(self.made.get("made"), dict) else {}
            at = f" {when['ended']} on {when['host']}" if when and {"ended", "host"} <= set(when) else ""
            how = f", by {self.made['command']}{at}"
            how += "".join(f", {number} {name}" for name, number in _counts(self.made))
        state = "" if self.state == "as it was" else f": {self.state.upper()}"
        changes = f" ({'; '.join(self.changes)})" if self.changes else ""
        line = f"{'  ' * depth}{self.what} {self.path}{how}{state}{changes}"
        return [line, *(text for source in self.sources for text in source.lines(depth + 1))]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "what": self.what,
            "path": with_addresses(str(self.path)),
            "state": self.state,
            "changes": list(self.changes),
            "made": dict(self.made),
            "sources": [source.to_dict() for source in self.sources],
        }


def trace(result: str | Path) -> Traced:
    """Trace a result back to the tables, images and votes that it was made from, and find what has changed since.

    Parameters
    ----------
    result : path
        A result of a command: a selection, a plan, a folder of predictions, a run, a task, votes, a catalogue, and so on.

    Returns
    -------
    Traced

    Raises
    ------
    WorkspaceError
        If the result does not exist, or nothing records how it was made.
    """
    path = folder_here(result)
    bring(path)
    if not path.exists():
        raise WorkspaceError(f"{path} does not exist; give a result of a command, such as selection.csv")
    place = _told_at(path)
    if place is None:
        raise WorkspaceError(
            f"nothing records how {path} was made: there is no {how_path(path)}; give a result of a zooactive command"
        )
    how = how_of(place)
    changes = _outputs_changed(place, how)
    return Traced("result", path, "changed" if changes else "as it was", changes, _told(how), _sources(place, how, 1))


def _told_at(path: Path) -> Path | None:
    """Return the file or folder whose how.json covers a path: the run of a model, or the CSV of a Parquet file."""
    for place in (path, path.with_suffix(".csv"), *([path.parent] if path.name == "model" else [])):
        if how_of(place):
            return place
    return None


def _outputs_changed(place: Path, how: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which files of a result are gone, or were changed after they were written."""
    found = []
    outputs = how.get("outputs")
    for name, about in (outputs if isinstance(outputs, dict) else {}).items():
        file = how_path(place).parent / name
        if not file.is_file():
            found.append(f"{name} is gone")
        elif isinstance(about, dict) and file_hash(file) != about.get("blake2b"):
            found.append(f"{name} was changed after it was written")
    return tuple(found)


def _sources(place: Path, how: Mapping[str, Any], depth: int) -> tuple[Traced, ...]:
    if depth > _DEEPEST:
        return ()
    known = sources_of(how)
    if known:
        return tuple(_source(place, how, source, known, depth) for source in known)
    return tuple(_older(name, mark, depth) for name, mark in _named_inputs(how))


def _source(place: Path, how: Mapping[str, Any], source: Source, known: list[Source], depth: int) -> Traced:
    state: State
    try:
        path = _now_at(place, source)
        by, mark = (source.by, None) if source.by in _NOT_WALKED else mark_of(path)
    except (OSError, ZooactiveError) as error:
        return Traced(source.what, Path(source.path), "not known", (" ".join(str(error).split()),), {}, ())
    changes: tuple[str, ...] = ()
    if source.by in _NOT_WALKED:
        state, changes = _images(place, how, source, path, known)
    elif source.mark is None:
        state = "not known"
    elif mark is None:
        state = "gone"
    elif (by, mark) == (source.by, source.mark):
        state = "as it was"
    else:
        state, changes = "changed", _what_changed(place, how, source, path, known)
    return _followed(source.what, path, state, changes, depth)


def _followed(what: str, path: Path, state: State, changes: tuple[str, ...], depth: int) -> Traced:
    """Return a source together with what it was made from in turn."""
    place = _told_at(path) if path.exists() else None
    how = {} if place is None else how_of(place)
    if place is not None and state == "as it was":
        changes = _outputs_changed(place, how)
        state = "changed" if changes else state
    sources = () if place is None else _sources(place, how, depth + 1)
    return Traced(what, path, state, changes, _told(how), sources)


def _now_at(place: Path, source: Source) -> Path:
    """Return where a source is: where it was, or beside the result if both were moved; of what lies at an address a copy."""
    if address_of(source.path) is not None:
        return place_of(source.what, Path(source.path), by=source.by)
    then, beside = Path(source.path), how_path(place).parent / source.beside
    return beside if not then.exists() and beside.exists() else then


def _images(
    place: Path, how: Mapping[str, Any], source: Source, path: Path, known: list[Source]
) -> tuple[State, tuple[str, ...]]:
    """Say whether those images of a folder are as they were that a result was made of."""
    if address_of(path) is not None:
        return "not known", ()
    if not path.is_dir():
        return "gone", ()
    if source.by == "not marked":
        _, *found = _what_changed(place, how, source, path, known)
        if not found:
            return "not known", ()
        if found == [_NOTHING]:
            return "as it was", ()
        return ("not known" if found[0].startswith(_NO_COMPARISON) else "changed"), tuple(found)
    labels = next((entry for entry in known if entry.what == "labels"), None)
    table = None if labels is None else _now_at(place, labels)
    if labels is None or table is None or mark_of(table) != (labels.by, labels.mark):
        return "not known", ("the labels that name them are others",)
    try:
        now = mark_of_files(image for image in _learnt_from(place, how, table, path) if isinstance(image, Path))
    except (ZooactiveError, KeyError, TypeError, ValueError) as error:
        return "not known", (f"{_NO_COMPARISON}: {error}",)
    return ("as it was", ()) if now == source.mark else ("changed", ("images that were learnt from are others",))


def _learnt_from(place: Path, how: Mapping[str, Any], labels: Path, images: Path) -> Iterable[object]:
    """Return the images of the galaxies that a task was learnt from, by its table and folder as they lie now."""
    from zooactive.catalogue.set_aside import MAX_SET_ASIDE
    from zooactive.training.finetuning.tasks import NumberTask, Task

    options, where = how["options"], str(place / "how.json")
    if is_number_task(place):
        return NumberTask.from_dict(options["task"], where=where).read(labels, images=images).catalogue.images
    most = options.get("max_set_aside") or MAX_SET_ASIDE
    found = Task.from_dict(options["task"], where=where).read(labels, images=images, max_set_aside=most)
    return found.take(found.labelled).images


def _what_changed(place: Path, how: Mapping[str, Any], source: Source, path: Path, known: list[Source]) -> tuple[str, ...]:
    """Return what has changed in a source, as far as the result records what it was."""
    when = f"changed {datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec='seconds')}"
    if source.what not in ("catalogue", "images") or how.get("command") not in ("predict", "embed"):
        return (when,)
    by_what = {entry.what: address_of(entry.path) or _now_at(place, entry) for entry in known}
    settings = how.get("settings") if isinstance(how.get("settings"), dict) else {}
    try:
        from zooactive.catalogue import read_catalogue
        from zooactive.prediction.changes import changed_since

        asked: dict[str, Any] = {name: (settings or {}).get(name) for name in ("id_column", "image_column", "where")}
        galaxies = read_catalogue(by_what["catalogue"], images=by_what.get("images"), **asked)
        found = changed_since(place, galaxies, images="shards" not in by_what)
    except (ZooactiveError, KeyError, OSError) as error:
        return when, f"{_NO_COMPARISON}: {error}"
    of_images = [said for said in found if " images were " in said]
    found = of_images if source.what == "images" else [said for said in found if said not in of_images]
    return when, *(found or [_NOTHING])


def _told(how: Mapping[str, Any]) -> dict[str, Any]:
    names = ("command", "counts", "failures", "settings", "options", "versions", "made")
    return {name: how[name] for name in names if name in how}


def _counts(made: Mapping[str, Any]) -> list[tuple[str, int]]:
    counts = made.get("counts")
    return [(str(name), number) for name, number in counts.items()] if isinstance(counts, dict) else []


def _named_inputs(how: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a result that records only a name with a path, and a checksum, for each of them."""
    inputs = how.get("inputs")
    for name, mark in (inputs if isinstance(inputs, dict) else {}).items():
        if isinstance(mark, str) and _MARK.fullmatch(mark):
            yield str(name), mark


def _older(name: str, mark: str, depth: int) -> Traced:
    """Return a source that is known only by its name and a checksum: "predictions FOLDER", "votes FILE", or a path."""
    what, _, rest = name.partition(" ")
    path = Path(rest) if rest and not Path(name).exists() else Path(name)
    if not path.exists():
        seen = path.is_absolute() or path.suffix != ""
        return Traced(what if rest else "input", path, "gone" if seen else "not known", (), {}, ())
    now = mark_of(path)[1]
    return _followed(what if rest else "input", path, "as it was" if now == mark else "changed", (), depth)
