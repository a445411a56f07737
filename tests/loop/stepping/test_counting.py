"""Clicks, votes and galaxies that are done, from the files of exports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from small_project import CEILING

from zooactive.acquisition import AllocationConfig, allocate
from zooactive.acquisition.pool import gather
from zooactive.foundation.errors import CatalogueError
from zooactive.labels.simulate.forms import HEADER
from zooactive.loop.stepping.counting import clicks_in, judge, newest_in, read_counted

BEGAN = datetime(2026, 2, 1, tzinfo=UTC)
ANSWER = '[{"task": "T0", "value": "Smooth"}]'
NESTED = '{"task": "C0", "value": [{"task": "T0", "value": "Featured"}, {"task": "T1", "value": "No"}]}'
THREE = f'[{NESTED}, {{"task": "T2", "value": 3}}]'


def export(path, rows):
    """Write (number, days since the beginning, annotations) as an export."""
    table = pd.DataFrame("", index=range(len(rows)), columns=list(HEADER))
    table["classification_id"] = [row[0] for row in rows]
    table["created_at"] = [f"{BEGAN + timedelta(days=row[1]):%Y-%m-%d %H:%M:%S} UTC" for row in rows]
    table["annotations"] = [row[2] for row in rows]
    table.to_csv(path, index=False)
    return path


def test_clicks_are_answers_since_the_beginning_each_classification_once(tmp_path):
    rows = [(1, -1, THREE), (2, 0, ANSWER), (2, 0, ANSWER), (3, 1, THREE), (4, 3, ANSWER), (5, 3.5, "{"), (6, 4, "[]")]
    clicks, pace = clicks_in(export(tmp_path / "e.csv", rows), BEGAN)
    assert clicks == 1 + 3 + 1 + 1 + 1, "what cannot be read, and a classification without an answer, took one click each"
    assert pace == (1 + 1 + 1) / 2, "those of the last two days, of which there are two"


def test_what_was_skipped_is_no_click(tmp_path):
    skipped = '[{"task": "T0", "value": "Smooth"}, {"task": "T1", "value": null}, {"task": "T2", "value": []}]'
    assert clicks_in(export(tmp_path / "e.csv", [(1, 0, skipped)]), BEGAN)[0] == 1


def test_the_pace_of_less_than_a_day_is_that_of_a_day(tmp_path):
    rows = [(number, number / 100, ANSWER) for number in range(50)]
    assert clicks_in(export(tmp_path / "e.csv", rows), BEGAN) == (50.0, 50.0)
    assert clicks_in(export(tmp_path / "e.csv", []), BEGAN) == (0.0, 0.0)


def test_the_last_classification_of_a_file_is_found_and_what_is_no_export_refused(tmp_path):
    assert newest_in(export(tmp_path / "e.csv", [(1, 2, ANSWER), (2, 1, ANSWER)])) == BEGAN + timedelta(days=2)
    assert newest_in(export(tmp_path / "e.csv", [])) is None
    (tmp_path / "xml").write_text("<Error/>\n")
    with pytest.raises(CatalogueError, match="no column classification_id"):
        newest_in(tmp_path / "xml")


def test_nothing_was_counted_before_the_first_time(tmp_path):
    assert read_counted(tmp_path / "counted.json").of == {}


@pytest.fixture
def told(begin, step, world):
    """A loop whose first round was begun, and votes of its galaxies."""
    assert not step().failed
    loop = begin().loop
    ids = loop.ask()["id"].tolist()
    rng = np.random.default_rng(0)
    votes = pd.DataFrame(0, index=range(len(ids)), columns=list(loop.tree.columns))
    for row in range(len(ids)):
        votes.iloc[row, :3] = rng.multinomial(row, [0.8, 0.0, 0.2])
    return loop, ids, votes.assign(id=ids, volunteers=range(len(ids)))


def test_a_galaxy_is_done_when_allocate_says_so_by_the_model_of_its_round(told):
    loop, ids, votes = told
    posterior = gather(loop.predictions(0), ids)
    received = dict(zip(ids, votes[list(loop.tree.columns)].to_numpy(float), strict=True))
    missing = allocate(posterior, 1e9, received=received, config=AllocationConfig(ceiling=CEILING, trees=8))["missing"]
    config = AllocationConfig(ceiling=CEILING, trees=8, done=float(missing.quantile(0.3)))
    done = judge(loop, 0, ids, votes, config, None)
    expected = allocate(posterior, 1e9, received=received, config=config)
    assert {name: tuple(why) for name, why in done.items()} == {
        row.id: (row.reason, row.why) for row in expected[expected["retire"]].itertuples()
    }
    assert {why.reason for why in done.values()} == {"consensus", "classification_count"}


def test_by_a_price_more_galaxies_are_done(told):
    loop, ids, votes = told
    config = AllocationConfig(ceiling=CEILING, trees=8)
    dear, free = (judge(loop, 0, ids, votes, config, price) for price in (1e6, 0.0))
    assert set(dear) == set(ids)
    assert set(free) < set(dear)


def test_where_no_model_knows_a_galaxy_the_number_of_people_says_it(told):
    loop, ids, votes = told
    done = judge(loop, 7, ids, votes, AllocationConfig(ceiling=CEILING), None)
    assert set(done) == {name for name, number in zip(ids, votes["volunteers"], strict=True) if number >= CEILING}
