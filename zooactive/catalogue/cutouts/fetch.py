"""Fetch cutouts of a table's galaxies from a service, each once and courteously, and report which did not come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.column_names import names_apart
from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates
from zooactive.catalogue.cutouts.fetching import Fetcher
from zooactive.catalogue.cutouts.records import Cutout, Fetched
from zooactive.catalogue.cutouts.request import CutoutRequest
from zooactive.catalogue.cutouts.services import CutoutService, load_service
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.catalogue.patience import PERMANENT, TRANSIENT
from zooactive.catalogue.stored_images import StoredImage
from zooactive.catalogue.tables import read_table
from zooactive.foundation.appended import AppendedLines
from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.locking import held
from zooactive.foundation.parsing import read_object
from zooactive.foundation.parts_folder import Failed, failed_of
from zooactive.foundation.provenance import Making
from zooactive.foundation.showing import counted
from zooactive.foundation.spelling import file_name
from zooactive.foundation.stopping import kept_when_stopped
from zooactive.foundation.telling import Auto, Progress
from zooactive.foundation.vocabulary import CutoutForm
from zooactive.foundation.writing import aside, file_hash, write_how, write_json

if TYPE_CHECKING:
    import pandas as pd

TABLE = "cutouts.parquet"
"""The name of the table, in the folder, of the galaxies whose cutouts were fetched."""

_FORMAT = 1
_COLUMNS = frozenset({"id", "file_loc", "ra", "dec", "arcsec", "survey"})
"""The columns of the table in addition to the galaxies' own."""


@dataclass(frozen=True)
class Cutouts:
    """The result of `fetch_cutouts`: which cutouts were fetched, and which were not.

    Parameters
    ----------
    folder : Path
    table : Path
        The table of the galaxies that have an image. It has all columns of the original table, and ``file_loc``, ``ra`` and
        ``dec`` in degrees, ``arcsec`` (the length of a side) and ``survey``. `zooactive.read_catalogue` reads it.
    galaxies : int
        The number of galaxies with an image.
    failed : Failed
        How many galaxies have no image; ``failures.parquet`` in the folder says for each what the service answered.
    kinds : dict of str to int
        How often each kind of failure occurred.
    credit : str
        The credit to give with the images.
    """

    folder: Path
    table: Path
    galaxies: int
    failed: Failed
    kinds: Mapping[str, int]
    credit: str


def cutouts_of(
    table: str | Path,
    survey: str | Path | CutoutService,
    *,
    size: CutoutSize,
    form: CutoutForm = "jpg",
    bands: str = "",
    id_column: str | None = None,
    ra: str | None = None,
    dec: str | None = None,
) -> list[Cutout]:
    """Return the cutouts that would be fetched, in table order, without any request; parameters as in `fetch_cutouts`."""
    request = CutoutRequest(_service(survey), size, form, bands)
    return _planned(_Table.read(table, id_column), request, (ra, dec))


def fetch_cutouts(
    table: str | Path,
    survey: str | Path | CutoutService,
    out: str | Path,
    *,
    size: CutoutSize,
    form: CutoutForm = "jpg",
    bands: str = "",
    id_column: str | None = None,
    ra: str | None = None,
    dec: str | None = None,
    retry_failures: bool = False,
    contact: str | None = None,
    progress: Auto | Progress = "auto",
) -> Cutouts:
    """Fetch a cutout of each galaxy in a table, or resume a run that was stopped.

    The bytes are kept as they came. Bands that come in separate files become one FITS file with one extension per band. If a
    service lists its files first, each list is requested once. The number of simultaneous requests and the pause between
    them stay within the limits in the service's file. If a server asks for a pause (429, 503, Retry-After), all connections
    pause. A request that may succeed later is made five times.

    Parameters
    ----------
    table : path
        A table with ids and coordinates: in degrees, sexagesimal, or with units.
    survey : str, path or CutoutService
        A name in `list_services`, or a TOML file.
    out : path
        The folder for the images. A folder with images of another survey, size or form is refused.
    size : CutoutSize
        The size in pixels and in arcsec.
    form : {"jpg", "fits"}
    bands : str
        For example "grz", or "VIS,Y" if a name has more than one letter. By default the service's bands.
    id_column, ra, dec : str, optional
        By default the usual names are looked for.
    retry_failures : bool
        Whether to request cutouts again that failed before. Failures that may pass are always tried again.
    contact : str, optional
        A contact address for the service's operators, sent with each request.
    progress : callable, "auto" or None
        Called with the number of galaxies done.

    Returns
    -------
    Cutouts

    Raises
    ------
    CatalogueError
        If the table has no ids or coordinates, the service is unknown or gives no images at all, or the folder holds other
        cutouts.
    """
    request = CutoutRequest(_service(survey), size, form, bands)
    galaxies = _Table.read(table, id_column)
    wanted = _planned(galaxies, request, (ra, dec))
    folder = Path(out)
    own = None if isinstance(survey, CutoutService) else Path(survey)
    made = Making("cutouts", {"table": galaxies.source, "survey": own if own is not None and own.is_file() else None})
    with held(folder):
        _enter(folder, request)
        lines = AppendedLines(folder / "fetched.jsonl", parse=Fetched.parse, values=Fetched.values)
        try:
            known = {entry.galaxy: entry for entry in lines.entries}
            waiting = [one for one in wanted if not _is_done(one, known.get(one.galaxy), folder, retry_failures)]
            there = len(wanted) - len(waiting)
            shown = counted(progress, f"cutouts of {request.service.name}", len(wanted))
            kept = kept_when_stopped(lambda: f"the images so far are kept in {folder}; run it again to resume")
            fetcher = Fetcher(request, folder, contact, anew=retry_failures)
            with shown as done, kept, closing(fetcher.fetch(waiting)) as entries:
                done(there)
                for number, entry in enumerate(entries, 1):
                    lines.add(entry)
                    known[entry.galaxy] = entry
                    done(there + number)
        finally:
            lines.close()
        return _written(made, folder, galaxies, wanted, known, request.service)


# What is wanted, and what is there -----------------------------------------------------------------------------------


def _service(survey: str | Path | CutoutService) -> CutoutService:
    return survey if isinstance(survey, CutoutService) else load_service(survey)


@dataclass(frozen=True, eq=False)
class _Table:
    """A table of galaxies, with its ids and its file, but without the images that it may hold."""

    frame: pd.DataFrame
    ids: NDArray[np.object_]
    source: Path

    @classmethod
    def read(cls, table: str | Path, id_column: str | None) -> _Table:
        found = read_table(Path(table), id_column=id_column)
        frame = found.frame.drop(columns=["id"] if found.id_column == "id" else [])
        stored = [name for name in frame.columns if len(frame) and isinstance(frame[name].iloc[0], StoredImage)]
        return cls(frame.drop(columns=stored), found.ids, Path(table))


def _planned(table: _Table, request: CutoutRequest, columns: tuple[str | None, str | None]) -> list[Cutout]:
    """Return one cutout per row, each with its URL and its file."""
    places = degrees_of(table.frame, *find_coordinates(table.frame.columns, *columns, table.source), table.source)
    sides = request.size.sides(table.frame, table.source)
    return [
        request.cutout(galaxy, float(ra), float(dec), float(side), name)
        for galaxy, (ra, dec), side, name in zip(table.ids, places, sides, _names(table.ids.tolist()), strict=True)
    ]


def _names(ids: Sequence[str]) -> list[str]:
    """Return a file name for each id that does not depend on other ids, unless two names would be the same on some disk."""
    names = [file_name(galaxy) for galaxy in ids]
    often = Counter(name.casefold() for name in names)
    return [
        file_name(galaxy, {name.casefold()}) if often[name.casefold()] > 1 else name
        for galaxy, name in zip(ids, names, strict=True)
    ]


def _is_done(one: Cutout, entry: Fetched | None, folder: Path, retry_failures: bool) -> bool:
    """Return whether a galaxy needs no request: the same cutout was requested before, and it came or never will."""
    if entry is None or entry.address != one.address:
        return False
    if entry.sha256:
        return (folder / one.file).is_file()
    return not (entry.again or retry_failures)


def _enter(folder: Path, request: CutoutRequest) -> None:
    """Raise a CatalogueError for a folder with cutouts of another survey, size or form; record the request in a new one."""
    asked = {"format": _FORMAT} | request.to_dict()
    path = folder / "cutouts.json"
    said = f"{path} is damaged ({{reason}}); delete the folder, or restore the file from a copy"
    with explained(CatalogueError, said, OSError, ValueError):
        try:
            known = read_object(path)
        except FileNotFoundError:
            write_json(path, asked)
            return
    refuse_future(path, known.get("format", 0), _FORMAT, CatalogueError)
    for name in ("survey", "form", "bands", "size"):
        if known.get(name) != asked[name]:
            raise CatalogueError(
                f"{folder} holds cutouts of another {name}: {known.get(name)} and not {asked[name]}; give another folder"
            )


def _written(
    made: Making,
    folder: Path,
    galaxies: _Table,
    wanted: list[Cutout],
    known: Mapping[str, Fetched],
    service: CutoutService,
) -> Cutouts:
    """Write the table of the images that came, and the table of those that did not."""
    import pandas as pd

    came = np.array([bool(known[one.galaxy].sha256) for one in wanted], dtype=bool)
    there = [one for one, has in zip(wanted, came, strict=True) if has]
    table = names_apart(galaxies.frame, _COLUMNS, str(galaxies.source))[came].reset_index(drop=True)
    table.insert(0, "id", [one.galaxy for one in there])
    table = table.assign(
        file_loc=[one.file for one in there],
        ra=[one.ra for one in there],
        dec=[one.dec for one in there],
        arcsec=[one.arcsec for one in there],
        survey=service.name,
    )
    lost = [known[one.galaxy] for one, has in zip(wanted, came, strict=True) if not has]
    files = {one.galaxy: one.file for one in wanted}
    failures = pd.DataFrame(
        [
            (
                entry.galaxy,
                files[entry.galaxy],
                entry.reason,
                TRANSIENT if entry.again else PERMANENT,
                entry.what,
                entry.asked or entry.address,
            )
            for entry in lost
        ],
        columns=["id", "path", "reason", "kind", "what", "address"],
    ).astype("str")
    with aside(folder / "failures.parquet") as temporary:
        failures.to_parquet(temporary, index=False)
    with aside(folder / TABLE) as temporary:
        table.to_parquet(temporary, index=False)
    credit = {"survey": service.name, "credit": service.credit, "licence": service.licence}
    write_how(folder / TABLE, command="cutouts", options=credit, inputs={str(galaxies.source): file_hash(galaxies.source)})
    kinds = {str(what): int(number) for what, number in failures["what"].value_counts().items()}
    counts = {"galaxies": len(wanted), "fetched": len(there), "failed": len(lost)}
    made.done(folder / TABLE, outputs=[folder / TABLE, folder / "failures.parquet"], counts=counts, failures=kinds)
    return Cutouts(folder, folder / TABLE, len(there), failed_of(failures, len(wanted), folder), kinds, service.credit)
