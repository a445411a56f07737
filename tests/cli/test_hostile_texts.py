"""Ids and cells that a terminal, a spreadsheet or a file system would do something with."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.acquisition.selection_files import read_selection, write_selection
from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.catalogue.tables import read_table
from zooactive.cli import console, show, trees
from zooactive.foundation.errors import AcquisitionError, CatalogueError
from zooactive.labels import kind_of
from zooactive.labels.classifications import Unusable, galaxy_in
from zooactive.labels.rows import rows_of
from zooactive.labels.subjects import manifest_rows, write_subjects
from zooactive.labels.votes import _write
from zooactive.tree import DecisionTree, Question

MARKED = ("a[b]c", "[/]", "[red]x[/red]", "[link=http://x]y[/link]", "\\[b]", ":smiley:", "[@click=app.quit]z", "[bold")
FORMULAS = ("=1+1", "+a", "-a", "@b", '=HYPERLINK("http://x")', "'=quoted", "-5", "''=2")


@pytest.mark.parametrize("cell", MARKED)
def test_cells_are_printed_as_they_are(cell: str, capsys) -> None:
    console.print_table(pd.DataFrame({"id": [cell], cell: [1.0]}), as_json=False)
    assert capsys.readouterr().out.count(cell) == 2


@pytest.mark.parametrize("cell", ["a\x1b[2Jb", "a\x07b", "a\x9b31mb", "a\rb", "a\u202eb", "a\x00b"])
def test_no_control_character_reaches_the_terminal(cell: str, capsys) -> None:
    console.print_table(pd.DataFrame({"id": [cell], cell: [cell]}), as_json=False)
    console.print_table(pd.DataFrame({"id": [cell]}), as_json=True)
    console.note(f"the galaxy {cell}")
    console.last_line(f"the galaxy {cell}", cell)
    with console.progress_bar(f"[/]{cell}", 1) as done:
        done(1)
    said = capsys.readouterr()
    letter = next(sign for sign in cell if not sign.isprintable())
    if letter != "\u202e":  # which JSON may hold
        assert letter not in said.out
    assert letter not in said.err


def test_questions_and_ids_of_one_galaxy_are_printed_as_they_are(capsys) -> None:
    row = {"question": "[/]q", "asked": 0.9, "answer": "[b]a\x1b[2J", "fraction": 0.5, "low": 0.1, "high": 0.9}
    show._print(pd.DataFrame([row]), "id[/]\x1b]0;x")
    said = capsys.readouterr().out
    assert all(text in said for text in ("[/]q", "[b]a\\x1b[2J", "id[/]\\x1b]0;x"))
    assert "\x1b" not in said


def test_a_tree_of_somebody_is_drawn_as_it_is_written(capsys) -> None:
    tree = DecisionTree("t", [Question("q", ["[red]a", "[bold]b"])], title="[/]title\x1b[2J")
    console.screen().print(trees._drawing(tree))
    said = capsys.readouterr().out
    assert all(text in said for text in ("[red]a", "[bold]b", "[/]title\\x1b[2J"))
    assert "\x1b" not in said


@pytest.mark.parametrize("letter", ["\n", "\r\n", "\x1b[2J", "\x00", "\x07", "\x85", "\u2028", "\x9b"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_id_with_a_control_character_is_refused_with_its_row(letter: str, kind: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", f"b{letter}c"], "m": [1, 2]})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_bytes(f'id,m\na,1\n"b{letter}c",2\n'.encode())
    else:
        table.to_parquet(path)
    with pytest.raises(CatalogueError, match=r"row 2: the id 'b.*control character") as caught:
        read_catalogue(path)
    assert str(caught.value).isprintable() or letter.strip() == ""


def test_the_name_of_an_image_with_a_control_character_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J.jpg").touch()
    with pytest.raises(CatalogueError, match="control character"):
        read_catalogue(tmp_path)


INVISIBLE = ("\u200b", "\u00ad", "\ufeff", "\u2066", "\u202e", "\u00a0", "\u3000", "\u2060", "\ue000")


@pytest.mark.parametrize("letter", INVISIBLE, ids=ascii)
def test_an_id_with_a_letter_that_nobody_sees_is_refused_as_two_would_look_the_same(letter: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"id,m\nNGC 1,1\nNGC{letter}1,2\n")
    with pytest.raises(CatalogueError, match=r"row 2: the id 'NGC.*1'.*control character") as caught:
        read_catalogue(tmp_path / "t.csv")
    assert letter not in str(caught.value)
    with pytest.raises(Unusable, match="not text"):
        galaxy_in({"#id": f"NGC{letter}1"}, ["#id"])


@pytest.mark.parametrize(
    "image",
    ["../secret", "/etc/passwd", "a/../../secret", "..", ".", "", "..\\secret", "../images/x", "file:/etc/passwd"],
)
@pytest.mark.parametrize("header", ["#image", "image"])
def test_a_manifest_that_names_a_file_elsewhere_has_it_not_published(header: str, image: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    pd.DataFrame({header: ["a.png", image], "#id": ["a", "b"]}).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(CatalogueError, match="is not a file in images/"):
        manifest_rows(tmp_path)


def test_a_header_and_a_cell_as_long_as_a_survey_are_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a" * (1 << 24) + "aa,b\n1,2\n")
    with pytest.raises(CatalogueError, match="has no header"):
        kind_of(tmp_path / "e.csv")
    (tmp_path / "e.csv").write_text("a,b\n1,2\n" + "3" * (1 << 24) + "33,4\n5,6\n")
    told = list[str]()
    rows = list(rows_of(tmp_path / "e.csv", "an export", lambda reason, where: told.append(f"{where}: {reason}")))
    assert [cells for _, cells in rows] == [["a", "b"], ["1", "2"], ["5", "6"]]
    assert told == ["line 3: a row that is not CSV: field larger than field limit (16777216)"]


# Spreadsheets ---------------------------------------------------------------------------------------------------------


def selection(ids: list[str]) -> pd.DataFrame:
    numbers = {"score": 0.5, "rank": range(1, len(ids) + 1), "inclusion_probability": 1.0}
    return pd.DataFrame({"id": ids, **numbers, "arm": "chosen", "question": "q"})


def cells_of(path: Path) -> list[str]:
    return pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel().tolist()


def test_ids_in_a_selection_are_no_formulas_and_come_back(tmp_path: Path) -> None:
    ids = [*FORMULAS, "J1", "0012", "NA"]
    write_selection(selection(ids), tmp_path / "s.csv", options={}, inputs={})
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells_of(tmp_path / "s.csv"))
    assert read_selection(tmp_path / "s.csv")["id"].tolist() == ids
    assert pd.read_parquet(tmp_path / "s.parquet")["id"].tolist() == ids


def test_a_table_of_such_ids_is_read_as_a_catalogue(tmp_path: Path) -> None:
    write_selection(selection(list(FORMULAS)), tmp_path / "s.csv", options={}, inputs={})
    assert read_catalogue(tmp_path / "s.csv").ids.tolist() == list(FORMULAS)
    assert read_catalogue(tmp_path / "s.csv", where="id == '=1+1'").ids.tolist() == ["=1+1"]


def test_a_selection_with_a_control_character_is_refused(tmp_path: Path) -> None:
    write_selection(selection(["a", "b"]), tmp_path / "s.csv", options={}, inputs={})
    (tmp_path / "s.csv").write_text((tmp_path / "s.csv").read_text().replace("\nb,", "\nb\x1b[2J,"))
    with pytest.raises(AcquisitionError, match=r"row 2.*control character"):
        read_selection(tmp_path / "s.csv")


@pytest.fixture
def sent(tmp_path: Path, write_pictures) -> tuple[list[str], Path]:
    """Ids of all kinds as a subject set: the ids, and its folder."""
    ids = [*FORMULAS, "x" * 300, "x" * 300 + "y", "../../out", "a/b", "a_b", "é" * 200, "J1"]
    folder = write_pictures([f"p{i}" for i in range(len(ids))])
    paths = tuple(folder / f"p{i}.jpg" for i in range(len(ids)))
    notes = pd.DataFrame({"note": ["=2+2"] * len(ids), "dec": [-1.5] * len(ids)})
    galaxies = Catalogue(np.array(ids, dtype=object), paths, None, None, notes, "galaxies.csv")
    write_subjects(selection(ids), galaxies, tmp_path / "out", columns=["note", "dec"], credit="@me")
    return ids, tmp_path / "out"


def test_a_manifest_holds_no_formula_and_its_ids_come_back_from_the_zooniverse(sent) -> None:
    ids, out = sent
    texts = [cell for cell in cells_of(out / "manifest.csv") if cell != "-1.5"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)
    rows = manifest_rows(out)
    assert [galaxy_in(row, ["#id"]) for row in rows] == ids
    assert [row["#dec"] for row in rows] == ["-1.5"] * len(ids)


def test_an_id_of_300_characters_does_not_stop_an_export(sent) -> None:
    ids, out = sent
    names = [row["#image"] for row in manifest_rows(out)]
    assert len({name.casefold() for name in names}) == len(ids)
    assert sorted(path.name for path in (out / "images").iterdir()) == sorted(names)
    assert all(len(name.encode()) < 130 for name in names)
    assert not (out.parent.parent / "out.jpg").exists()


def test_votes_are_written_so_too_and_others_cells_stay(tmp_path: Path) -> None:
    tree = DecisionTree("t", [Question("q", ["a", "b"])])
    votes = pd.DataFrame({"id": list(FORMULAS), "q_a": 1, "q_b": 2, "volunteers": 3})
    _write(votes, None, tree, tmp_path / "votes.csv", source="")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells_of(tmp_path / "votes.csv"))
    assert read_table(tmp_path / "votes.csv").ids.tolist() == list(FORMULAS)
    stream = io.StringIO("objid,note\n'=1+1,+5\n")
    (tmp_path / "g.csv").write_text(stream.getvalue())
    _write(votes, read_table(tmp_path / "g.csv", id_column="objid"), tree, tmp_path / "with.csv", source="g.csv")
    assert (tmp_path / "with.csv").read_text().splitlines()[1].startswith("'=1+1,")
    assert read_table(tmp_path / "with.csv", id_column="objid").frame["q_a"].tolist() == [1]


@pytest.mark.filterwarnings("error")
def test_a_selection_of_no_galaxies_is_one_without_a_word_of_the_packages_below(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,score,rank,arm,inclusion_probability\n")
    assert read_selection(tmp_path / "s.csv").empty
