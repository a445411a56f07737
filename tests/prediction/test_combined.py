"""The catalogue of model and volunteers: its numbers by hand, its files read by others."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from astropy.io.votable import tree as votable_tree
from astropy.table import Table
from scipy import stats

import zooactive as za
from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

TREE = DecisionTree("t", [Question("shape", ["smooth", "disk", "star"]), Question("bar", ["yes", "no"], ["shape_disk"])])
VOTES = {"J1": np.array([6.0, 14, 0, 10, 4]), "J3": np.array([1.0, 0, 0, 0, 0])}


def model(galaxies: int = 5, draws: int = 3) -> Posterior:
    alpha = np.exp(np.random.default_rng(1).normal(1, 0.5, (draws, galaxies, 5)))
    return Posterior(alpha, [f"J{i}" for i in range(galaxies)], TREE)


def test_the_expected_fraction_is_alpha_and_votes_of_each_draw_weighed_by_how_probable_it_made_them() -> None:
    prior = model()
    table = za.combine(prior, VOTES).to_table()
    alpha, votes = prior.concentrations[:, 1].astype(float), VOTES["J1"]
    log_p = [
        sum(
            stats.dirichlet_multinomial(draw[where], int(votes[where].sum())).logpmf(votes[where].astype(int))
            for where in TREE.slices
        )
        for draw in alpha
    ]
    weights = np.exp(log_p) / np.exp(log_p).sum()
    after = alpha + votes
    expected = weights @ TREE.fractions(after)
    np.testing.assert_allclose(table.loc[1, list(TREE.columns)].astype(float), expected, atol=1e-6)
    shares = [weights @ (alpha[:, where].sum(1) / after[:, where].sum(1)) for where in TREE.slices]
    np.testing.assert_allclose(table.loc[1, ["model_shape", "model_bar"]].astype(float), shares, atol=1e-6)


def test_without_votes_the_model_alone_speaks() -> None:
    prior = model()
    table = za.combine(prior).to_table()
    np.testing.assert_allclose(table[list(TREE.columns)], prior.mean())
    np.testing.assert_allclose(table["shape_disk_above_50"], prior.probability_above(0.5)[:, 1])
    assert (table[["model_shape", "model_bar"]] == 1).all(axis=None)
    assert table.volunteers.tolist() == [0] * 5


def test_with_many_votes_it_hardly_counts() -> None:
    many = np.array([[3000, 7000, 0, 700, 6300]])
    table = za.combine(model(1), many).to_table()
    np.testing.assert_allclose(table.loc[0, list(TREE.columns)].astype(float), [0.3, 0.7, 0, 0.1, 0.9], atol=5e-3)
    assert table.model_shape[0] < 0.003


def test_votes_stand_beside_in_columns_of_their_own() -> None:
    table = za.combine(model(), VOTES, seen=["J3"], above=(0.5, 0.8), probability=0.8).to_table()
    assert table.volunteers.tolist() == [0, 20, 0, 1, 0]
    assert table.shape_disk_votes.tolist() == [0, 14, 0, 0, 0]
    assert table.bar_votes.tolist() == [0, 14, 0, 0, 0]
    assert table.prior_saw_votes.tolist() == [False, False, False, True, False]
    assert table.shape_disk_votes.dtype.kind == "i"
    posterior = za.combine(model(), VOTES).posterior
    np.testing.assert_allclose(table["bar_yes_above_80"], posterior.probability_above(0.8)[:, 3])
    np.testing.assert_allclose(table["bar_yes_low"], posterior.interval(0.8)[:, 3, 0])
    assert set(za.combine(model(), VOTES, above=(0.5, 0.8)).columns) == set(table.columns)


def test_chunks_tables_mappings_and_rows_give_the_same(tmp_path) -> None:
    prior = model()
    expected = za.combine(prior, VOTES).to_table()
    by_row = np.zeros((5, 5))
    by_row[1], by_row[3] = VOTES["J1"], VOTES["J3"]
    file = tmp_path / "votes.csv"
    pd.DataFrame(by_row, columns=list(TREE.columns)).astype(int).assign(id=list(prior.ids)).to_csv(file, index=False)
    for votes in (by_row, file, str(file), za.read_catalogue(file, tree=TREE)):
        pd.testing.assert_frame_equal(za.combine(prior, votes).to_table(), expected)
    chunks = [prior.take(slice(0, 2)), prior.take(slice(2, 5))]
    pd.testing.assert_frame_equal(za.combine(chunks, VOTES).to_table(), expected)


def test_factors_widen_the_model_before_the_votes_come() -> None:
    prior = model()
    wide = za.combine(prior, VOTES, factors={"shape": 0.1})
    table, plain = wide.to_table(), za.combine(prior, VOTES).to_table()
    assert table.model_shape[1] < 0.5 * plain.model_shape[1]
    assert abs(table.shape_disk[1] - 0.7) < abs(plain.shape_disk[1] - 0.7)
    np.testing.assert_allclose(table.shape_disk[0], plain.shape_disk[0], atol=1e-6)
    assert (table.shape_disk_high - table.shape_disk_low)[0] > (plain.shape_disk_high - plain.shape_disk_low)[0]


def test_stopping_when_enough_is_known_keeps_coverage_and_biases_raw_votes() -> None:
    """Truth is drawn from the model; volunteers come one by one, until the posterior is narrow or forty have come."""
    rng, galaxies = np.random.default_rng(4), 3000
    pair = DecisionTree("pair", [Question("smooth", ["yes", "no"])])
    alpha = np.exp(rng.normal(0.3, 0.7, (4, galaxies, 2)))
    prior = Posterior(alpha, [str(i) for i in range(galaxies)], pair)
    mine = prior.concentrations[rng.integers(0, 4, galaxies), np.arange(galaxies)].astype(float)
    truth = rng.beta(mine[:, 0], mine[:, 1])
    votes, open_ = np.zeros((galaxies, 2)), np.ones(galaxies, dtype=bool)
    for _ in range(40):
        yes = rng.random(galaxies) < truth
        votes[open_] += np.column_stack([yes, ~yes])[open_]
        open_ &= prior.given_votes(votes).probability_above(0.5)[:, 0] < 0.95  # only good news stops
    table = za.combine(prior, votes, probability=0.9).to_table()
    inside = ((table.smooth_yes_low <= truth) & (truth <= table.smooth_yes_high)).mean()
    assert abs(inside - 0.9) < 4 * np.sqrt(0.09 / galaxies)
    error = (table.smooth_yes - truth).std() / np.sqrt(galaxies)
    assert abs((table.smooth_yes - truth).mean()) < 4 * error
    raw = votes[:, 0] / votes.sum(1)
    stopped = ~open_
    assert (raw - truth)[stopped].mean() > 0.02  # those who stopped had luck
    off = (table.smooth_yes - truth)[stopped]
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))


def test_galaxies_above_a_fraction_are_counted_by_their_probabilities() -> None:
    rng, galaxies = np.random.default_rng(7), 4000
    pair = DecisionTree("pair", [Question("smooth", ["yes", "no"])])
    alpha = np.broadcast_to([[2.0, 6.0]], (1, galaxies, 2))
    prior = Posterior(alpha, [str(i) for i in range(galaxies)], pair)
    truth = rng.beta(2, 6, galaxies)
    yes = rng.binomial(3, truth)
    table = za.combine(prior, np.column_stack([yes, 3 - yes])).to_table()
    true = (truth > 0.5).sum()
    chance = table.smooth_yes_above_50
    assert abs(chance.sum() - true) < 4 * np.sqrt((chance * (1 - chance)).sum())
    assert (table.smooth_yes > 0.5).sum() < 0.7 * true  # shrunk means hide those in the tail


@pytest.mark.parametrize("ending", [".parquet", ".fits", ".xml"])
def test_files_are_read_by_others_with_the_same_numbers(tmp_path, ending) -> None:
    prior, path = model(), tmp_path / f"catalogue{ending}"
    combined = za.combine([prior.take(slice(0, 2)), prior.take(slice(2, 5))], VOTES, seen=["J1"])
    numbers = pd.array([1, None, 3, 4, 5], "Int64")
    passed = pd.DataFrame({"id": list(prior.ids), "ra": np.arange(5.0), "n": numbers, "name": [*"abcd", None]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert combined.write(path, passed=passed) == 5
        table = _read(path)
    expected = combined.to_table()
    assert [str(name) for name in table["id"]] == list(expected.id)
    for name in (*TREE.columns, "bar_yes_low", "model_bar", "shape_disk_above_50"):
        np.testing.assert_allclose(np.asarray(table[name], dtype=float), expected[name], atol=1e-6)
    assert list(np.asarray(table["shape_smooth_votes"])) == list(expected.shape_smooth_votes)
    assert [bool(saw) for saw in table["prior_saw_votes"]] == [False, True, False, False, False]
    np.testing.assert_array_equal(np.asarray(table["ra"], dtype=float), np.arange(5.0))


def _read(path):
    from astropy.table import Table

    if path.suffix == ".csv":
        return pd.read_csv(path, dtype={"id": str})
    return pd.read_parquet(path) if path.suffix == ".parquet" else Table.read(path)


def test_fits_and_votable_say_what_each_column_is(tmp_path) -> None:
    from astropy.io import fits, votable
    from astropy.io.votable.ucd import check_ucd

    combined = za.combine(model(), VOTES)
    about = combined.columns
    for column in about.values():
        assert check_ucd(column.ucd, check_controlled_vocabulary=True), column
    combined.write(tmp_path / "c.fits")
    combined.write(tmp_path / "c.xml")
    with fits.open(tmp_path / "c.fits") as hdus:
        header = hdus[1].header
        names = [header[f"TTYPE{i}"] for i in range(1, header["TFIELDS"] + 1)]
        assert names == list(about)
        assert [header[f"TUCD{i}"] for i in range(1, len(names) + 1)] == [column.ucd for column in about.values()]
        assert header["TCOMM2"] == about["shape_smooth"].description
    fields = votable.parse(tmp_path / "c.xml", verify="exception").get_first_table().fields
    said = {field.name: (" ".join(field.description.split()), field.ucd) for field in fields}
    assert said == {name: tuple(column) for name, column in about.items()}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: za.combine(model(), {"J1": [0.25, 0.75, 0, 0.5, 0.5]}).to_table(), "look like fractions"),
        (lambda: za.combine(model(), np.full((5, 5), 0.1)).to_table(), "look like fractions"),
        (lambda: za.combine(model(), {"J1": [-1, 0, 0, 0, 0]}).to_table(), "not negative"),
        (lambda: za.combine(model(), {"X": [1, 0, 0, 0, 0]}).to_table(), "none of the 1 galaxies with votes is predicted"),
        (lambda: za.combine([model()], np.zeros((5, 5))).to_table(), "votes of chunks by id"),
        (lambda: za.combine(iter([model()])), "read only once"),
        (lambda: za.combine(model(), above=(1.5,)), "above has the fraction 1.5"),
        (lambda: za.combine(model(), probability=90), "probability = 90"),
        (lambda: za.combine(model(), factors={"bar": -1}).to_table(), "do not match"),
        (lambda: za.combine(model()).write("catalogue.txt"), "ends in .csv, .parquet"),
        (lambda: za.combine(model()).write("c.csv", passed=pd.DataFrame({"id": ["J1"], "volunteers": [1]})), "'volunteers'"),
    ],
)
def test_what_is_impossible_is_refused(make, said, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PosteriorError, match=said):
        make()
    assert not list(tmp_path.iterdir())


def test_a_table_of_votes_that_cannot_be_read_is_an_error(tmp_path) -> None:
    with pytest.raises(CatalogueError, match="does not exist"):
        za.combine(model(), tmp_path / "never.csv").to_table()


def test_a_table_with_ids_is_votes_by_id_here_and_in_allocation() -> None:
    prior, names = model(), list(TREE.columns)
    table = pd.DataFrame([VOTES["J3"], VOTES["J1"]], columns=names).assign(id=["J3", "J1"])
    pd.testing.assert_frame_equal(za.combine(prior, table).to_table(), za.combine(prior, VOTES).to_table())
    by_table, by_mapping = (za.allocate(prior, clicks=20, received=votes) for votes in (table, VOTES))
    pd.testing.assert_frame_equal(by_table, by_mapping)
    with pytest.raises(PosteriorError, match="no column 'bar_no'"):
        za.combine(prior, table.drop(columns="bar_no")).to_table()


def test_votables_are_not_written_by_astropys_writer_in_c_which_damages_memory(tmp_path, monkeypatch):
    def write(*_: object) -> None:
        raise AssertionError("astropy's issue 20419")

    monkeypatch.setattr(votable_tree, "_has_c_tabledata_writer", True)
    monkeypatch.setattr(votable_tree.tablewriter, "write_tabledata", write)
    za.combine(model()).write(tmp_path / "catalogue.xml")
    assert b"<TD>J3</TD>" in (tmp_path / "catalogue.xml").read_bytes()


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".fits", ".xml"])
def test_columns_that_go_along_keep_every_digit(tmp_path, ending):
    path, ra = tmp_path / f"catalogue{ending}", [359.123456789, 1e300, 1.0, 2.0, 3.0]
    za.combine(model()).write(path, passed=pd.DataFrame({"id": [f"J{i}" for i in range(5)], "ra": ra}))
    read = {".parquet": pd.read_parquet, ".csv": pd.read_csv}.get(ending, Table.read)
    np.testing.assert_allclose(np.asarray(read(path)["ra"], dtype=float), ra, rtol=1e-15)
