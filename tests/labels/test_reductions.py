"""Totals become the votes that the same classifications give; what is left out is counted, and nothing is lost.

The reductions are in the form that panoptes-aggregation 5.3.1 wrote of an export of this module's crowd (its `config`,
`extract` and `reduce`, and the batches that the Zooniverse runs of it), and in older forms of its own tests:
https://github.com/zooniverse/aggregation-for-caesar/blob/master/panoptes_aggregation/tests/scripts_tests
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crowd import annotated, one_answer_each, row, tree_toml, wording, write
from typer.testing import CliRunner, Result

from zooactive.catalogue import read_catalogue
from zooactive.cli import app
from zooactive.foundation.errors import CatalogueError
from zooactive.labels import (
    Dropped,
    Kind,
    Ledger,
    SubjectExport,
    kind_of,
    load_wording,
    read_counts,
    read_export,
    read_reductions,
)
from zooactive.labels.reductions import _nested
from zooactive.labels.slugs import Slugs, slug
from zooactive.labels.wording import plain

FLAT = """\
subject_id,workflow_id,task,reducer,data.artifact,data.smooth,data.featured,data.aggregation_version,data.yes,data.no,data.None
90000,77,T0,question_reducer,29.0,5.0,6.0,5.3.1,,,
90000,77,T1,question_reducer,,,,5.3.1,4.0,2.0,
90000,77,T2,question_reducer,,,,5.3.1,,2.0,
90000,77,T3,question_reducer,,,,5.3.1,10.0,,1.0
90001,77,T0,question_reducer,28.0,,12.0,5.3.1,,,
90001,77,T1,question_reducer,,,,5.3.1,11.0,1.0,
"""
SUBJECTS = "subject_id,project_id,workflow_id,subject_set_id,metadata,locations,classifications_count,retired_at"


@pytest.fixture
def place(tree, tmp_path) -> Path:
    """A folder with a tree, its wording, and a subject export of six subjects of three galaxies, in two workflows each."""
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    (tmp_path / "wording.toml").write_text(wording("tree.toml", tree))
    write_subjects(tmp_path / "subjects.csv", {90000 + number: f"58773257831245427{number // 2}" for number in range(6)})
    return tmp_path


def write_subjects(path: Path, galaxies: dict[int, str]) -> Path:
    """Write a subject export in the Zooniverse's form."""
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(SUBJECTS.split(","))
        for workflow in (77, ""):
            for subject, galaxy in galaxies.items():
                metadata = json.dumps({"retired": None, "#id": galaxy, "credit": "SDSS"})
                locations = json.dumps({"0": "https://panoptes-uploads.zooniverse.org/subject_location/5346.jpeg"})
                out.writerow([subject, 5, workflow, 1000, metadata, locations, 40, ""])
    return path


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def votes_of(place: Path, *files: Path, dropped: Dropped | None = None) -> tuple[pd.DataFrame, Dropped]:
    words, dropped = load_wording(place / "wording.toml"), dropped or Dropped()
    return read_reductions(files, words, SubjectExport(place / "subjects.csv", words, dropped), dropped), dropped


def said_of(dropped: Dropped) -> dict[str, tuple[str, object, str]]:
    return {str(row["reason"]): (str(row["dropped"]), row["number"], str(row["first"])) for row in dropped.rows()}


def crowd_of(tree, number: int = 240) -> list[tuple[int, list[int]]]:
    """Subjects and the columns that each of a crowd's classifications chose."""
    rng = np.random.default_rng(3)
    chances = np.concatenate([rng.dirichlet(np.ones(len(question.answers))) for question in tree.questions])
    return [(90000 + i % 6, one_answer_each(tree, chances, rng)) for i in range(number)]


def reduce_crowd(path: Path, tree, crowd, form: str) -> Path:
    """Count as the question reducer does, and write in one of its forms: a row for each subject and task, empty ones too."""
    counts: dict[tuple[int, str], Counter[str]] = {
        (subject, f"T{q}"): Counter() for subject, _ in sorted(crowd) for q in range(4)
    }
    for subject, columns in crowd:
        for column in columns:
            question = tree.question_of(tree.columns[column])
            name = question.answers[question.columns.index(tree.columns[column])]
            if form == "pictures":
                name = f"{name}-png-https-panoptes-uploads-zooniverse-org-{name}-png-{name}"
            counts[subject, f"T{tree.questions.index(question)}"][name] += 1
    rows = []
    for (subject, task), answers in counts.items():
        start = {"subject_id": subject, "workflow_id": 77, "task": task, "reducer": "question_reducer"}
        data = dict(answers) | ({} if form == "old" else {"aggregation_version": "5.3.1"})
        tracked = {f"user_ids_{name}": list(range(n)) for name, n in answers.items()} if form == "tracked" else {}
        nested = {
            "python": str(data),
            "ordered": f"OrderedDict({list(OrderedDict(data).items())})",
            "json": json.dumps(data),
        }
        if form in nested:
            rows.append(start | {"data": nested[form]})
        else:
            rows.append(start | {f"data.{name}": value for name, value in (data | tracked).items()})
    frame = pd.DataFrame(rows)
    if form == "batch":  # the same people again, as the Zooniverse's batches put them into one file
        again = frame[["subject_id", "workflow_id", "task"]].assign(reducer="question_consensus_reducer")
        frame = pd.concat([frame, again.assign(**{"data.most_likely": "yes", "data.num_votes": 9.0, "data.agreement": 0.9})])
    frame.to_csv(path, index=form == "old")  # with pandas' unnamed index, as many save it
    return path


@pytest.mark.parametrize("form", ["flat", "pictures", "tracked", "old", "python", "ordered", "json", "batch"])
def test_a_reduction_gives_the_votes_of_the_same_classifications_through_an_export(tree, place, form):
    crowd = crowd_of(tree)
    galaxy_of = {90000 + number: f"58773257831245427{number // 2}" for number in range(6)}
    rows = [row(i, galaxy_of[subject], f"v{i}", annotated(tree, chosen)) for i, (subject, chosen) in enumerate(crowd)]
    words = load_wording(place / "wording.toml")
    ledger = Ledger(place / "ledger", tree)
    ledger.merge(read_export(write(place / "export.csv", rows), words, Dropped()))
    votes, dropped = votes_of(place, reduce_crowd(place / "reductions.csv", tree, crowd, form))
    assert votes.equals(ledger.votes())
    assert votes["volunteers"].tolist() == [80, 80, 80]
    consensus = "a row of question_consensus_reducer, which does not count votes on questions"
    assert said_of(dropped) == ({consensus: ("entry", 24, "line 26")} if form == "batch" else {})


def test_a_reduction_is_read_as_it_was_written(tree, place):
    votes, dropped = votes_of(place, write_text(place / "flat.csv", FLAT))
    assert votes["id"].tolist() == ["587732578312454270"]
    counts = votes.iloc[0]
    assert counts[[f"smooth-or-featured_{name}" for name in ("smooth", "featured", "artifact")]].tolist() == [5, 18, 57]
    assert counts[["edge-on_yes", "edge-on_no"]].tolist() == [15, 3]
    assert counts[["bar_strong", "bar_weak", "bar_no"]].tolist() == [0, 0, 2]
    assert counts[["merging_yes", "merging_no", "volunteers"]].tolist() == [10, 0, 80]
    assert said_of(dropped) == {"no answer to T3, which was skipped": ("vote", 1, "subject 90000")}


def test_what_is_no_vote_is_counted_and_named_and_the_rest_is_kept(tree, place):
    start = "subject_id,workflow_id,task,reducer,data.smooth,data.featured,data.artifact+smooth,data.smoothish,data"
    rows = [
        "90000,77,T0,question_reducer,10.0,3,,,",
        "90002,77,T0,question_reducer,-4,2,,,",
        "90002,77,T9,question_reducer,7,,,,",
        "90002,78,T0,question_reducer,6,,,,",
        "90099,77,T0,question_reducer,5,,,,",
        "90003_1,77,T0,question_reducer,4,,,,",
        "90004,77,T0,question_reducer,many,2.5,3,2,",
        "90004,77,T1,question_reducer,,,,,{'yes': 1",
        '90004,77,T2,question_reducer,,,,,"[1, 2]"',
        "90005,77,T0,survey_reducer,8,,,,",
        "90005,77,T0,question_reducer,inf,nan,,,",
        "90005,77,T0",
    ]
    path = write_text(place / "reductions.csv", "\n".join([start, *rows]) + "\n")
    votes, dropped = votes_of(place, path)
    assert votes["id"].tolist() == ["587732578312454270", "587732578312454271"]
    assert votes["smooth-or-featured_smooth"].tolist() == [10, 0]
    assert votes["smooth-or-featured_featured"].tolist() == [3, 2]
    assert votes["volunteers"].tolist() == [13, 2]
    assert said_of(dropped) == {
        "task T9, which the wording does not name": ("vote", 7, "subject 90002"),
        "workflow 78, which the wording does not name": ("vote", 6, "subject 90002"),
        "a subject that is not in the subject export": ("vote", 5, "subject 90099"),
        "a workflow or a subject whose id is not a number": ("vote", 4, "subject 90003_1"),
        "several answers to T0": ("vote", 3, "subject 90004"),
        "'smoothish', which the wording of T0 does not name": ("vote", 2, "subject 90004"),
        "a count that is not a whole number from 0": ("entry", 4, "line 3"),
        "a data cell that does not hold answers with numbers": ("entry", 2, "line 9"),
        "a row of survey_reducer, which does not count votes on questions": ("entry", 1, "line 11"),
        "a row with more or fewer cells than the header": ("entry", 1, "line 13"),
    }


def test_totals_that_come_in_are_totals_that_count_and_totals_that_are_dropped(tree, place):
    rng = np.random.default_rng(5)
    names = ["smooth", "featured", "artifact", "yes", "no", "strong", "weak", "None", "else", "smooth+yes"]
    files, total = [], 0
    for number in range(3):
        rows = []
        for _ in range(300):
            counts = rng.integers(0, 20, len(names))
            subject, workflow, task = rng.integers(89999, 90008), rng.choice([77, 77, 78]), f"T{rng.integers(0, 5)}"
            total += int(counts.sum())
            data = {f"data.{name}": count for name, count in zip(names, counts, strict=True) if count}
            rows.append({"subject_id": subject, "workflow_id": workflow, "task": task, "reducer": "question_reducer"} | data)
        pd.DataFrame(rows).to_csv(place / f"{number}.csv", index=False)
        files.append(place / f"{number}.csv")
    votes, dropped = votes_of(place, *files)
    counted = int(votes[list(tree.columns)].to_numpy().sum())
    assert counted > 0
    assert counted + sum(dropped.votes.values()) == total
    assert not dropped.entries


def test_the_last_file_counts_where_a_subject_and_task_stands_again(tree, place):
    first = write_text(place / "first.csv", FLAT)
    newer = write_text(
        place / "newer.csv",
        "subject_id,workflow_id,task,reducer,data.smooth,data.featured\n90000,77,T0,question_reducer,31,17\n",
    )
    votes, dropped = votes_of(place, first, newer)
    assert votes["smooth-or-featured_smooth"].tolist() == [31]  # of 90000; 90001 stays as it was
    assert votes["smooth-or-featured_featured"].tolist() == [17 + 12]
    assert votes["edge-on_yes"].tolist() == [15]  # a task that the newer file lacks
    replaced = "totals of a subject and task that a later row replaces"
    assert said_of(dropped)[replaced] == ("vote", 29 + 5 + 6, "subject 90000")
    turned, dropped = votes_of(place, newer, first)
    assert said_of(dropped)[replaced] == ("vote", 31 + 17, "subject 90000")
    alone, _ = votes_of(place, first)
    assert turned.equals(alone)
    twice, _ = votes_of(place, first, first)
    assert twice.equals(alone)


def test_subjects_of_one_galaxy_add_up_and_a_subject_of_two_is_left_out(tree, place):
    text = "subject_id,workflow_id,task,reducer,data.smooth\n"
    text += "".join(f"{90000 + i},77,T0,question_reducer,{2**i}\n" for i in range(6))
    path = write_text(place / "reductions.csv", text)
    votes, _ = votes_of(place, path)
    assert votes["smooth-or-featured_smooth"].tolist() == [1 + 2, 4 + 8, 16 + 32]
    with (place / "subjects.csv").open("a", newline="") as stream:
        out = csv.writer(stream)
        out.writerow([90003, 5, 78, 1001, json.dumps({"#id": "another"}), "{}", 0, ""])
        out.writerow([90004, 5, 78, 1001, "{broken", "{}", 0, ""])
        out.writerow([90005, 5, 78, 1001, json.dumps({"name": "g"}), "{}", 0, ""])
        out.writerow(["x", 5, 78, 1001, "{}", "{}", 0, ""])
        out.writerow([90000, "cut short"])
    votes, dropped = votes_of(place, path)
    assert votes["smooth-or-featured_smooth"].tolist() == [1 + 2, 4]
    assert said_of(dropped) == {
        "a subject with two galaxies in the subject export": ("vote", 8, "subject 90003"),
        "a subject whose metadata is not JSON": ("vote", 16, "subject 90004"),
        "a subject whose metadata has no galaxy id": ("vote", 32, "subject 90005"),
        "a subject in the subject export whose id is not a number": ("entry", 1, "line 17"),
        "a row with more or fewer cells than the header in the subject export": ("entry", 1, "line 18"),
    }


def test_more_votes_than_people_who_reached_a_question_go_and_one_is_rounding(tree, place):
    text = "subject_id,workflow_id,task,reducer,data.smooth,data.featured,data.yes,data.no,data.weak\n"
    rows = [
        "90000,77,T0,question_reducer,10,5,,,",
        "90000,77,T1,question_reducer,,,4,3,",  # two more than five
        "90000,77,T2,question_reducer,,,,,2",  # and nobody is left who could have been asked
        "90002,77,T0,question_reducer,,5,,,",
        "90002,77,T1,question_reducer,,,4,2,",  # one more than five
    ]
    path = write_text(place / "reductions.csv", text + "\n".join(rows) + "\n")
    with pytest.warns(UserWarning, match="1 of 2 galaxies have up to one vote more .* taken for rounding and kept"):
        votes, dropped = votes_of(place, path)
    assert votes["volunteers"].tolist() == [15, 5]
    assert votes["edge-on_yes"].tolist() == [0, 4]
    assert votes["edge-on_no"].tolist() == [0, 2]
    assert votes["bar_weak"].tolist() == [0, 0]
    assert said_of(dropped) == {
        "more votes on edge-on than people who reached it": ("vote", 7, "galaxy 587732578312454270"),
        "more votes on bar than people who reached it": ("vote", 2, "galaxy 587732578312454270"),
    }
    votes.to_csv(place / "votes.csv", index=False)
    with pytest.warns(UserWarning, match="taken for rounding"):
        assert np.array_equal(read_catalogue(place / "votes.csv", tree=place / "tree.toml").votes, votes[list(tree.columns)])


def test_slugs_are_those_of_the_question_extractor():
    made = {  # by python-slugify 8, as panoptes-aggregation calls it
        "Smooth": "smooth",
        "Can't tell": "can-t-tell",
        "can\N{RIGHT SINGLE QUOTATION MARK}t tell": "cant-tell",
        "1,000 arms": "1000-arms",
        "**No** bulge": "no-bulge",
        "Ring (lens/arc)": "ring-lens-arc",
        "Rounded  bulge_here": "rounded-bulge-here",
        "Caf\N{LATIN SMALL LETTER E WITH ACUTE}": "cafe",
        "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve\N{EM DASH}dash": "naive-dash",
        "a&amp;b": "a-b",
        "1.5": "1-5",
    }
    assert {text: slug(text) for text in made} == made
    assert {text: slug(plain(text)) for text in made} == made  # the wording keeps plain words


def test_answers_that_one_slug_means_are_not_guessed_and_a_slug_is_a_wording_too(tree, place):
    (place / "wording.toml").write_text(
        wording("tree.toml", tree)
        .replace('["Strong", "Weak", "No"]', '["< 5", "> 5", ["No", "no-no-bar-https-example-org"]]')
        .replace('["Smooth", "Featured", "Artifact"]', '["Smooth", "Featured", "Star or artifact"]')
    )
    text = "subject_id,workflow_id,task,reducer,data.featured,data.no,data.5,data.no-no-bar-https-example-org"
    text += ",data.a-png-https-example-org-artifact-png-60x-star-or-artifact,data.b-https-example-org-b-png-or-artifact\n"
    text += (
        "90000,77,T0,question_reducer,9,,,,4,2\n90000,77,T1,question_reducer,,9,,,,\n90000,77,T2,question_reducer,,,3,6,,\n"
    )
    votes, dropped = votes_of(place, write_text(place / "reductions.csv", text))
    assert votes[["smooth-or-featured_artifact", "bar_no", "volunteers"]].to_numpy().tolist() == [[4, 6, 13]]
    assert said_of(dropped) == {
        "'5', which is the wording of two answers to T2": ("vote", 3, "subject 90000"),
        "'b-https-example-org-b-png-or-artifact', which the wording of T0 does not name": ("vote", 2, "subject 90000"),
    }
    words = load_wording(place / "wording.toml").workflows[77]
    assert Slugs(words).column("T0", "smooth") == 0


# Tables of counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".fits"])
def test_a_table_of_counts_is_read_by_the_names_of_its_columns(tree, draw_votes, tmp_path, ending):
    given = draw_votes(5)
    given[3] = 0
    table = pd.DataFrame(given[:, ::-1].astype(int), columns=tree.columns[::-1])
    table.insert(0, "iauname", [f"J{5 - number}" for number in range(5)])
    path = tmp_path / f"counts{ending}"
    if ending == ".fits":
        from astropy.table import Table

        Table.from_pandas(table).write(path)
    else:
        table.to_csv(path, index=False) if ending == ".csv" else table.to_parquet(path)
    assert kind_of(path) is Kind.TABLE
    votes, dropped = read_counts([path], tree, Dropped()), Dropped()
    assert votes["id"].tolist() == ["J1", "J3", "J4", "J5"]  # J2 has no votes
    assert np.array_equal(votes[list(tree.columns)], given[[4, 2, 1, 0]])
    assert votes["volunteers"].tolist() == [40] * 4
    assert not dropped.rows()


def test_the_last_table_counts_where_a_galaxy_stands_again_and_none_is_lost(tree, draw_votes, tmp_path):
    older, newer, dropped = draw_votes(4), draw_votes(3, volunteers=60, seed=1), Dropped()
    for name, counts, ids in (("older", older, "abcd"), ("newer", newer, "cde")):
        pd.DataFrame(counts, columns=tree.columns).assign(id=list(ids)).to_csv(tmp_path / f"{name}.csv", index=False)
    votes = read_counts([tmp_path / "older.csv", tmp_path / "newer.csv"], tree, dropped)
    assert votes["id"].tolist() == list("abcde")
    assert np.array_equal(votes[list(tree.columns)], np.vstack([older[:2], newer]))
    assert votes["volunteers"].tolist() == [40, 40, 60, 60, 60]
    reason = "totals of a galaxy that a later table replaces"
    assert said_of(dropped) == {reason: ("vote", older[2:].sum(), "galaxy c")}


def test_tables_that_hold_no_counts_are_refused(tree, draw_votes, tmp_path):
    frame = pd.DataFrame(draw_votes(3), columns=tree.columns).assign(id=list("abc"))
    frame.drop(columns="bar_weak").to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(CatalogueError, match="column 'bar_weak' is missing"):
        read_counts([tmp_path / "few.csv"], tree, Dropped())
    frame.loc[1, "bar_weak"] = -2
    frame.to_csv(tmp_path / "negative.csv", index=False)
    with pytest.raises(CatalogueError, match=r"row 2 \(id 'b'\), column 'bar_weak'.*not a number of votes"):
        read_counts([tmp_path / "negative.csv"], tree, Dropped())
    with pytest.raises(CatalogueError, match="holds cumulative, not counts; read such a table as a catalogue"):
        read_counts([tmp_path / "few.csv"], fraction_tree(), Dropped())


def fraction_tree():
    """A tree that comes along whose tables hold fractions."""
    from zooactive.tree import list_trees, load_tree

    return next(tree for tree in map(load_tree, list_trees()) if tree.votes == "cumulative")


# At the command line --------------------------------------------------------------------------------------------------


def typed(place: Path, *words: object, code: int = 0) -> Result:
    """Run `zooactive votes` in a folder."""
    with contextlib.chdir(place):
        result = CliRunner().invoke(app, ["votes", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


REDUCED = ("flat.csv", "--wording", "wording.toml", "--subjects", "subjects.csv")


def test_the_command_reads_reductions_and_the_same_command_gives_the_same_votes(tree, place):
    write_text(place / "flat.csv", FLAT)
    told = typed(place, *REDUCED, "--out", "votes.csv")
    assert "no answer to T3, which was skipped" in told.stdout
    assert "110 votes count" in told.stderr
    assert "1 galaxies with votes: votes.csv" in told.stderr
    how = json.loads((place / "votes.csv.how.json").read_text())
    assert set(how["inputs"]) == {"flat.csv", "wording.toml", "subjects.csv"}
    assert how["options"]["dropped"][0]["number"] == 1
    assert not (place / "classifications").exists()  # totals are not kept
    before = (place / "votes.csv").read_bytes()
    typed(place, *REDUCED, "--out", "votes.csv")
    assert (place / "votes.csv").read_bytes() == before
    assert pd.read_csv(place / "votes.csv", dtype=str)["volunteers"].tolist() == ["80"]


def test_the_command_reads_tables_of_counts_and_adds_them_to_a_catalogue(tree, draw_votes, place):
    given = draw_votes(3)
    counts = pd.DataFrame(given.astype(int), columns=tree.columns).assign(id=["a", "b", "c"])
    counts.to_parquet(place / "counts.parquet")
    counts.assign(mag_r=17.5).iloc[:2].to_csv(place / "survey.csv", index=False)
    words = ("counts.parquet", "--tree", "tree.toml", "--catalogue", "survey.csv", "--out", "grown.csv")
    for _ in range(2):
        told = typed(place, *words)
        assert "warning: 1 galaxies with votes are not in survey.csv" in told.stderr
        assert np.array_equal(read_catalogue(place / "grown.csv", tree=place / "tree.toml").votes, 2 * given[:2])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (REDUCED[:3], 1, "does not say what its subjects show; give --subjects"),
        (
            ("flat.csv", "--tree", "tree.toml"),
            1,
            "flat.csv is a reduction, which needs the workflow's wording of the tree; give --wording",
        ),
        (("flat.csv",), 2, "give --wording for exports and reductions, or --tree"),
        ((*REDUCED, "--tree", "tree.toml"), 2, "give --wording for exports and reductions, or --tree"),
        (("export.csv", *REDUCED), 1, "export.csv is a classification export and flat.csv is a reduction; both may count"),
        (("counts.csv", *REDUCED), 1, "counts.csv is a table of counts and flat.csv is a reduction; both may count"),
        (("export.csv", *REDUCED[1:]), 1, "leave out --subjects"),
        (("counts.csv", *REDUCED[1:3]), 1, "if it is a table of counts, give --tree instead of --wording"),
        (("subjects.csv", *REDUCED[1:]), 1, "subjects.csv is a subject export, which has no votes; give it as --subjects"),
        (("extracts.csv", *REDUCED[1:]), 1, "extracts.csv is an extraction of panoptes-aggregation"),
        ((*REDUCED[:4], "flat.csv"), 1, "flat.csv has no column metadata; give a subject export"),
        ((*REDUCED[:4], "nowhere.csv"), 1, "nowhere.csv cannot be read"),
        (("short.csv", *REDUCED[1:]), 1, "short.csv has no column workflow_id, reducer; give a reduction"),
    ],
)
def test_what_is_wrong_with_totals_is_one_sentence(tree, place, words, code, said):
    write_text(place / "flat.csv", FLAT)
    write_text(place / "extracts.csv", "classification_id,workflow_id,task,subject_id,extractor,data.yes\n")
    write_text(place / "short.csv", "subject_id,task,data.yes\n1,T0,2\n")
    write(place / "export.csv", [row(0, "g0", "a", annotated(tree, [0]))])
    pd.DataFrame({"id": ["a"]} | dict.fromkeys(tree.columns, 0)).to_csv(place / "counts.csv", index=False)
    result = typed(place, *words, code=code)
    assert said in result.stderr.replace("\n│ ", "").replace("│", "")
    assert "Traceback" not in result.output
    assert not (place / "votes.csv").exists()


@pytest.mark.parametrize("cell", ["{" + "'yes': 1, " * 20_000 + "}", "{'yes': " + "-" * 200_000 + "1}", "[" * 200_000])
def test_a_cell_that_takes_python_gigabytes_to_read_is_left_out(cell):
    with pytest.raises(ValueError, match="characters"):
        _nested(cell)
