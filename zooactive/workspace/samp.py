"""Send a table or a galaxy to other astronomy programs by SAMP, and receive a selection."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zooactive.foundation.errors import CatalogueError, OutputError, did_you_mean, explained
from zooactive.foundation.provenance import Making
from zooactive.foundation.writing import file_hash, write_how

if TYPE_CHECKING:
    from zooactive.catalogue.tables import GalaxyTable

_PATIENCE = 20
"""Seconds in which a program must take a table."""


class Sent(NamedTuple):
    """The programs that took the table, and how many galaxies were selected there; None without waiting."""

    taken_by: tuple[str, ...]
    selected: int | None


def send_by_samp(
    table: str | Path,
    *,
    to: str | None = None,
    galaxy: str | None = None,
    out: str | Path | None = None,
    wait: float = 600.0,
    id_column: str | None = None,
) -> Sent:
    """Send a table to TOPCAT, Aladin, DS9 or any program that takes tables, and write what is selected there.

    Parameters
    ----------
    table : path
    to : str, optional
        The program's name, such as "topcat"; by default all programs.
    galaxy : str, optional
        An id of the table; the programs point at this galaxy.
    out : path, optional
        The file for the selected rows: those of the first selection within `wait` seconds.
    wait : float
    id_column : str, optional

    Raises
    ------
    CatalogueError
        If the table, the galaxy or the program does not exist, or no program takes tables.
    OutputError
        If no hub runs, pyvo is not installed, or nothing is selected in time.
    """
    from zooactive.catalogue.tables import read_table

    made = Making("samp", {"table": Path(table)})
    known = read_table(Path(table), id_column=id_column)
    place = None if galaxy is None else _place_of(known, galaxy, table)
    with _on_the_desk() as desk, tempfile.TemporaryDirectory(prefix="zooactive-samp-") as folder:
        taken = desk.send(known, Path(table), Path(folder), to)
        if place is not None:
            desk.point(*place)
        if out is None:
            return Sent(taken, None)
        rows = desk.selection(_table_id(Path(table)), wait)
    target = Path(out)
    chosen = _write_rows(known, rows, target)
    write_how(target, command="samp", options={"galaxies": chosen}, inputs={str(table): file_hash(table)})
    made.done(target, outputs=[target], counts={"galaxies": chosen})
    return Sent(taken, chosen)


@dataclass
class _Desk:
    """A connection to the hub, and the selections received so far."""

    client: Any
    selections: queue.Queue[tuple[str, list[int]]] = field(default_factory=queue.Queue)

    def programs(self, mtype: str) -> dict[str, str]:
        """Return the programs that take a kind of message: id -> name."""
        found = {}
        for program in self.client.get_subscribed_clients(mtype):
            found[program] = str(self.client.get_metadata(program).get("samp.name", program))
        return found

    def send(self, known: GalaxyTable, table: Path, folder: Path, to: str | None) -> tuple[str, ...]:
        """Ask programs to load the table, and return the names of those that did."""
        from zooactive.prediction.combined_files import Column, write_table

        programs = self.programs("table.load.votable")
        if to is not None:
            names = list(programs.values())
            programs = {program: name for program, name in programs.items() if name.casefold() == to.casefold()}
            if not programs:
                listed = ", ".join(names) or "none"
                raise CatalogueError(f"no program '{to}' takes tables.{did_you_mean(to, names)} Programs that do: {listed}")
        if not programs:
            raise CatalogueError("no program on the hub takes tables; start TOPCAT or Aladin")
        file = folder / "table.xml"
        about = {known.id_column: Column("Id of the galaxy", "meta.id;meta.main")}
        write_table(iter([known.frame]), about, f"Galaxies of {table.name}", file, None)
        params = {"url": file.as_uri(), "table-id": _table_id(table), "name": table.stem}
        message = {"samp.mtype": "table.load.votable", "samp.params": params}
        taken = []
        for program, name in programs.items():
            said = f"{name} did not take the table: {{reason}}"
            with explained(OutputError, said, Exception):  # whatever a program, or the way to it, raises
                reply = self.ask(program, message)
            if reply is None:
                raise OutputError(f"{name} did not take the table within {_PATIENCE} s; look whether it is busy")
            if reply.get("samp.status") != "samp.error":
                taken.append(name)
        if not taken:
            raise CatalogueError(f"{', '.join(programs.values())} could not load the table")
        return tuple(taken)

    def ask(self, program: str, message: dict[str, Any]) -> dict[str, Any] | None:
        """Send a message, and return the program's answer, or None if there is none in time.

        The hub could wait in our place (`callAndWait`). But that of astropy and pyvo forgets an answer that arrives before
        it has begun to wait.
        """
        answers = queue.Queue[dict[str, Any]]()

        def answered(key: str, sender: str, tag: str, answer: dict[str, Any]) -> None:
            answers.put(answer)

        tag = f"to {program}"
        self.client.bind_receive_response(tag, answered)
        self.client.call(program, tag, message)
        try:
            return answers.get(timeout=_PATIENCE)
        except queue.Empty:
            return None

    def point(self, ra: float, dec: float) -> None:
        """Ask all programs that can to point at coordinates in degrees."""
        params = {"ra": f"{ra:.8f}", "dec": f"{dec:.8f}"}
        self.client.notify_all({"samp.mtype": "coord.pointAt.sky", "samp.params": params})

    def selection(self, table_id: str, seconds: float) -> list[int]:
        """Wait for the first selection of a table, and return its rows."""
        import time

        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                of, rows = self.selections.get(timeout=min(left, 0.5))
            except queue.Empty:
                continue
            if of == table_id:
                return rows
        raise OutputError(f"nothing in the table was selected within {seconds:g} s; broadcast a subset, or wait longer")

    def received(self, key: str, sender: str, mtype: str, params: dict[str, Any], extra: Any) -> None:
        """Keep the rows that a program selected."""
        del key, sender, mtype, extra
        rows = params.get("row-list", ())
        if all(isinstance(row, str) and row.isdecimal() and len(row) < 16 for row in rows):
            self.selections.put((str(params.get("table-id", "")), [int(row) for row in rows]))

    def called(self, key: str, sender: str, message: str, mtype: str, params: dict[str, Any], extra: Any) -> None:
        """Keep the rows that a program selected, and answer that they arrived."""
        self.received(key, sender, mtype, params, extra)
        self.client.ereply(message, "samp.ok", result={})


@contextmanager
def _on_the_desk() -> Iterator[_Desk]:
    with explained(OutputError, "SAMP needs pyvo, which is not installed; pip install 'zooactive[desk]'", ImportError):
        samp = import_module("pyvo.samp")
    client = samp.SAMPIntegratedClient(name="zooactive", description="Active learning on galaxy images", addr="127.0.0.1")
    none = "no SAMP hub runs on this machine ({reason}); start TOPCAT or Aladin, which start a hub"
    with explained(OutputError, none, samp.SAMPHubError, samp.SAMPClientError, OSError):
        client.connect()
    desk = _Desk(client)
    try:
        client.bind_receive_notification("table.select.rowList", desk.received)
        client.bind_receive_call("table.select.rowList", desk.called)
        yield desk
    finally:
        client.disconnect()


def _table_id(table: Path) -> str:
    """Return the name of a table for other programs; it is the same for the same file."""
    return f"zooactive-{blake2b(str(table.resolve()).encode(), digest_size=8).hexdigest()}"


def _place_of(known: GalaxyTable, galaxy: str, table: str | Path) -> tuple[float, float]:
    from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates

    rows = [row for row, name in enumerate(known.ids) if name == galaxy]
    if not rows:
        raise CatalogueError(f"{table} has no galaxy '{galaxy}'; check the ids")
    frame = known.frame.iloc[rows]
    ((ra, dec),) = degrees_of(frame, *find_coordinates(frame.columns, None, None, table), table)
    return float(ra), float(dec)


def _write_rows(known: GalaxyTable, rows: list[int], out: Path) -> int:
    """Write the rows that were selected; row numbers that the table does not have are left out."""
    from zooactive.foundation.spelling import write_csv
    from zooactive.foundation.writing import aside

    chosen = known.frame.iloc[[row for row in sorted(set(rows)) if row < len(known.frame)]]
    with aside(out) as temporary:
        if out.suffix == ".parquet":
            chosen.to_parquet(temporary, index=False)
        elif out.suffix == ".csv":
            write_csv(chosen, temporary, only=known.id_column)
        else:
            raise OutputError(f"the selection cannot be written to {out}; give a name that ends in .csv or .parquet")
    return len(chosen)
