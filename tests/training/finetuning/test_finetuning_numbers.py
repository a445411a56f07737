"""Numbers as labels: how columns are read, what is learnt from embeddings and images, and all that follows by commands."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_network import tiny_model
from typer.testing import CliRunner

import zooactive as za
from zooactive.cli import app
from zooactive.evaluation.numbers import number_metrics
from zooactive.foundation.errors import CatalogueError, ModelError, PosteriorError, TrainingError
from zooactive.models import load_model
from zooactive.models.number_model import load_number_model
from zooactive.posterior.numbers import NumberPosterior
from zooactive.prediction import Embeddings, open_predictions
from zooactive.prediction.numbers import open_numbers, predict_numbers
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.tasks import NumberTask, Task, task_of_column

GALAXIES, WIDTH = 90, 5
IDS = np.array([f"g{i:03d}" for i in range(GALAXIES)], dtype=object)
FEATURES = np.random.default_rng(0).normal(size=(GALAXIES, WIDTH)).astype(np.float32)
MASSES = 10 + FEATURES[:, 0] + 0.2 * np.random.default_rng(1).normal(size=GALAXIES)
TASK = NumberTask("mass", "mass")


@pytest.fixture
def table(tmp_path):
    """Return a function (columns) -> path of a table with an id for each of the first galaxies."""

    def write(name="labels.csv", **columns):
        length = len(next(iter(columns.values())))
        pd.DataFrame({"id": IDS[:length]} | columns).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers") / "labels.csv"
    pd.DataFrame({"id": IDS, "mass": MASSES}).to_csv(path, index=False)
    embeddings = Embeddings(IDS, FEATURES, encoder="mine")
    return za.finetune(None, path, task=TASK, embeddings=embeddings, config=FinetuneConfig(folds=3), progress=None)


def test_a_number_of_embeddings_is_no_start_for_images(tuned, table):
    with pytest.raises(ModelError, match="takes embeddings"):
        za.finetune(tuned, table(mass=MASSES), task=TASK, progress=None)


# Columns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "values", "options", "number"),
    [
        ("mass", MASSES, {}, True),
        ("mass", np.arange(30), {}, True),
        ("stage", np.arange(30) % 20, {}, False),
        ("stage", np.arange(30) % 20, {"number": True}, True),
        ("share", np.linspace(0, 1, 30), {}, False),
        ("share", np.linspace(0, 1, 30), {"number": True}, True),
        ("share", np.linspace(0, 1, 30), {"missing": [-99]}, True),
        ("redshift", np.linspace(0, 1, 30), {}, True),
        ("redshift", np.linspace(0, 1, 30), {"number": False}, False),
    ],
)
def test_a_column_is_one_of_numbers_by_what_it_holds_or_where_somebody_says_so(table, column, values, options, number):
    task = task_of_column(table(**{column: values}), column, **options)
    assert isinstance(task, NumberTask if number else Task)
    if number:
        assert task.redshift == (column == "redshift")


def test_missing_values_are_left_out_and_counted(table):
    cells = ["1.5", "", "nan", "-999", "-99", "inf", "2e1", "None", "3"]
    errors = ["0.1", "", "", "1", "1", "1", "-1", "1", "0"]
    measured = replace(TASK, missing=(-99.0,), error_column="err").read(table(mass=cells, err=errors))
    assert measured.values.tolist() == [1.5, 3]
    assert measured.errors is not None
    assert measured.errors.tolist() == [0.1, 0]
    assert measured.left_out == {"without a value": 5, "not finite": 1, "without an error": 1}
    assert list(measured.catalogue.ids) == ["g000", "g008"]


def test_limits_are_read_from_cells_and_from_a_column_of_their_own(table):
    cells = ["1.5", "<2.5", "> 3", "4", "5", "", "6"]
    flags = ["", "<", "", "upper", "1", "<", 0]
    errors = ["0.1", "", "0.2", "nan", "0.3", "0.1", ""]
    task = replace(TASK, limit_column="flag", error_column="err")
    measured = task.read(table(mass=cells, flag=flags, err=errors))
    assert measured.values.tolist() == [1.5, 2.5, 3, 4, 5]
    assert measured.limits is not None
    assert measured.limits.tolist() == [0, -1, 1, -1, 1]
    assert measured.errors is not None
    assert measured.errors.tolist() == [0.1, 0, 0.2, 0, 0.3]  # a limit needs none
    assert measured.left_out == {"without a value": 1, "without an error": 1}
    assert measured.take(np.array([2, 0])).limits.tolist() == [1, 0]
    assert replace(TASK).read(table(mass=["1", "2"])).limits is None
    assert isinstance(task_of_column(table(mass=[*MASSES[:30], "<3"]), "mass"), NumberTask)
    with pytest.raises(CatalogueError, match=r"row 1: column 'mass' says .* column 'flag' says the other"):
        replace(TASK, limit_column="flag").read(table(mass=["<2"], flag=[">"]))
    with pytest.raises(CatalogueError, match=r"row 2: 'perhaps' .* write < or >"):
        replace(TASK, limit_column="flag").read(table(mass=[1, 2], flag=["", "perhaps"]))
    with pytest.raises(CatalogueError, match=r"row 1: the error .* is a limit"):
        replace(TASK, error_column="err").read(table(mass=[1], err=["<0.1"]))


def test_a_number_is_learnt_from_limits_too(table):
    """Half of the masses are hidden below a limit: taken for labels they would draw what is expected up to it."""
    below = 10.0
    hidden = np.less(MASSES, below)
    cells = [f"<{below}" if unknown else mass for mass, unknown in zip(MASSES, hidden, strict=True)]
    embeddings, config = Embeddings(IDS, FEATURES), FinetuneConfig(folds=3)
    tuned = za.finetune(None, table(mass=cells), task=TASK, embeddings=embeddings, config=config, progress=None)
    metrics, held_out = tuned.evaluate(), tuned.held_out.set_index("id").loc[IDS]
    assert metrics["galaxies"] == (~hidden).sum()
    assert metrics["limits"] == hidden.sum()
    assert metrics["limits_kept"] > 0.85
    assert np.sqrt(((held_out["mean"] - MASSES)[hidden] ** 2).mean()) < 0.45
    assert (held_out["limit"] == np.where(hidden, "<", "")).all()
    naive = za.finetune(
        None, table(mass=np.maximum(MASSES, below)), task=TASK, embeddings=embeddings, config=config, progress=None
    )
    assert np.sqrt(((naive.held_out.set_index("id").loc[IDS, "mean"] - MASSES)[hidden] ** 2).mean()) > 0.6


def test_a_text_among_numbers_is_named_with_its_row(table):
    with pytest.raises(CatalogueError, match=r"row 2: the label 'about 3' \(column 'mass'\) is not a number"):
        TASK.read(table(mass=["1.5", "about 3", "2"]))
    with pytest.raises(CatalogueError, match="Did you mean 'mass'"):
        replace(TASK, column="mas").read(table(mass=[1.0]))
    with pytest.raises(CatalogueError, match="are only for numbers"):
        task_of_column(table(mass=[1.0]), "mass", number=False, missing=[-99])


def test_a_value_far_from_all_others_is_asked_about(table):
    with pytest.warns(UserWarning, match="give --missing -99"):
        TASK.read(table(mass=[*MASSES[:20], -99, -99, -99]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replace(TASK, missing=(-99.0,)).read(table(mass=[*MASSES[:20], -99, -99, -99]))
        TASK.read(table(mass=MASSES))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(GALAXIES, 7.5), "all 90 labels are 7.5"),
        ([3.0], "1 galaxies have a number"),
        ([*MASSES[:5], np.inf, ""], "5 galaxies have a number for training .left out: 1 without a value, 1 not finite"),
    ],
)
def test_columns_that_teach_nothing_are_refused(table, values, said):
    with pytest.raises(TrainingError, match=said):
        za.finetune(None, table(mass=values), task=TASK, embeddings=Embeddings(IDS, FEATURES), progress=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"policy": "all"}, "use 'staged'"), ({"prevalence": 0.1}, "these are numbers")],
)
def test_settings_of_questions_are_refused(table, options, said):
    with pytest.raises(TrainingError, match=said):
        za.finetune(None, table(mass=MASSES), task=TASK, config=FinetuneConfig(**options), progress=None)


# What is learnt ------------------------------------------------------------------------------------------------------


def test_a_number_is_learnt_and_measured_by_folds(tuned):
    metrics = tuned.evaluate()
    assert metrics["galaxies"] == GALAXIES
    assert metrics["rmse"] == pytest.approx(0.2, abs=0.06)
    assert metrics["r2"] > 0.9 > 0.5 * metrics["coverage_95"] > 0.4
    assert set(tuned.held_out["id"]) == set(IDS)
    assert sorted(tuned.history["noise"]) == ["constant", "features"]
    assert tuned.history["kept"].sum() == 1
    assert "RMSE" in repr(tuned)
    assert "outliers" in tuned._repr_html_()


def test_what_is_saved_says_the_same_and_other_commands_refuse_it(tuned, tmp_path):
    tuned.save(tmp_path / "mass")
    again = za.load_numbers(tmp_path / "mass")
    assert again.evaluate() == tuned.evaluate()
    assert again.model.fingerprint() == tuned.model.fingerprint()
    with pytest.raises(ModelError, match="predicts numbers and answers no questions"):
        load_model(tmp_path / "mass")
    with pytest.raises(ModelError, match="a number, not a question"):
        za.load_finetuned(tmp_path / "mass")
    with pytest.raises(ModelError, match="holds no model fine-tuned to a number"):
        za.load_numbers(tmp_path)


def test_damaged_files_end_in_a_sentence(tuned, tmp_path):
    tuned.save(tmp_path)
    about = json.loads((tmp_path / "finetuned.json").read_text())
    for spoilt in (about | {"task": {"name": 3}}, about | {"task": None}, about | {"left_out": [1]}):
        (tmp_path / "finetuned.json").write_text(json.dumps(spoilt))
        with pytest.raises(ModelError, match="damaged"):
            za.load_numbers(tmp_path)
    (tmp_path / "finetuned.json").write_text(json.dumps(about | {"format": 9}))
    with pytest.raises(ModelError, match="install a newer zooactive"):
        za.load_numbers(tmp_path)
    (tmp_path / "model" / "number.npz").write_bytes(b"PK")
    with pytest.raises(ModelError, match="damaged"):
        load_number_model(tmp_path)


def test_predictions_are_those_of_the_head_and_go_on_where_they_stopped(tuned, tmp_path):
    embeddings = Embeddings(IDS, FEATURES, encoder="mine", table=pd.DataFrame({"mean": np.arange(GALAXIES)}))
    found = tuned.predict(embeddings, tmp_path / "p")
    table = found.table()
    expected = tuned.model.head.predict(tuned.model.network.of(FEATURES))
    np.testing.assert_allclose(table["mean"], expected.mean, rtol=1e-6)
    np.testing.assert_allclose(table[["low_80", "high_80"]], expected.interval(0.8), rtol=1e-6)
    assert table["original_mean"].tolist() == list(range(GALAXIES))
    part = tmp_path / "p" / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    (tmp_path / "p" / "numbers.parquet").unlink()
    with pytest.raises(PosteriorError, match="no predictions of a number"):
        open_numbers(tmp_path / "p")
    assert len(predict_numbers(tuned.model, embeddings, tmp_path / "p")) == GALAXIES
    assert part.stat().st_mtime_ns == before
    with pytest.raises(PosteriorError, match="predictions of a number"):
        open_predictions(tmp_path / "p")
    with pytest.raises(PosteriorError, match="of the encoder 'yours'"):
        predict_numbers(tuned.model, replace(embeddings, encoder="yours"), tmp_path / "q")


def test_a_number_is_learnt_from_images_and_predicted(galaxies, tree, tmp_path):
    seen = galaxies(24).without_votes()
    model = tiny_model(tree)
    tuned = za.finetune(model, seen, task=NumberTask("mag", "mag_r"), config=FinetuneConfig(copies=2), progress=None)
    found = predict_numbers(tuned.model, seen, tmp_path / "p")
    tuned.save(tmp_path / "task")
    model = load_number_model(tmp_path / "task")
    again = predict_numbers(model, seen, tmp_path / "p").table()
    assert found.table()["id"].tolist() == list(seen.ids)
    seen.images[3].write_bytes(b"no picture")
    broken = predict_numbers(model, seen, tmp_path / "broken")
    assert broken.failures()["id"].tolist() == [seen.ids[3]]
    assert broken.failed().number == 1
    assert len(broken) == 23
    rows = again.set_index("id").loc[tuned.held_out["id"]]
    np.testing.assert_allclose(rows["mean"], tuned.held_out["mean"], atol=0.02)


def test_the_encoder_learns_where_that_is_asked_for(galaxies, tree, tmp_path):
    """What is kept is what the validation galaxies prefer, and both are told."""
    seen, model = galaxies(60).without_votes(), tiny_model(tree)
    before = model.encoder_fingerprint()
    config = FinetuneConfig(policy="staged", unfreeze_epochs=3, copies=1, batch_size=8)
    tuned = za.finetune(model, seen, task=NumberTask("mag", "mag_r"), config=config, progress=None)
    assert model.encoder_fingerprint() == before
    history = tuned.history
    learnt = tuned.model.network.encoder_fingerprint() != before
    assert set(history["stage"]) == {"head", "encoder"} | ({"the head anew"} if learnt else set())
    assert history.loc[history["kept"], "stage"].tolist() == ["the head anew" if learnt else "head"]
    found = tuned.predict(seen, tmp_path / "p").table().set_index("id").loc[tuned.held_out["id"]]
    np.testing.assert_allclose(found["mean"], tuned.held_out["mean"], atol=0.02)
    tuned.save(tmp_path / "task")
    assert za.load_numbers(tmp_path / "task").model.fingerprint() == tuned.model.fingerprint()
    with pytest.raises(TrainingError, match="trains the encoder"):
        za.finetune(
            None,
            seen,
            task=NumberTask("mag", "mag_r"),
            embeddings=Embeddings(seen.ids, np.ones((60, 2))),
            config=config,
            progress=None,
        )


def test_the_encoder_begins_where_a_head_stands_that_has_not_learnt_from_its_judges(galaxies, tree, monkeypatch):
    """Begun from one that has, no epoch would lower the loss of the validation galaxies: the encoder would never learn."""
    began = []

    def evaluated(stage, trainer, train, validation, **options):
        trainer.compile(loss=stage.loss())
        began.append(float(trainer.evaluate(validation[0], validation[1], 64, 0)))
        return [{"stage": "encoder", "epoch": 1, "loss": 0.0, "val_loss": 0.0}]

    monkeypatch.setattr("zooactive.training.finetuning.numbers.Stage.fit", evaluated)
    config = FinetuneConfig(policy="staged", copies=1)
    seen, task = galaxies(60).without_votes(), NumberTask("mag", "mag_r")
    history = za.finetune(tiny_model(tree), seen, task=task, config=config, progress=None).history
    head, encoder = (history[history["stage"] == stage] for stage in ("head", "encoder"))
    unit = encoder["val_loss"].iloc[0]  # the logarithm of the labels' scale
    assert began[0] + unit == pytest.approx(head.loc[head["kept"], "val_loss"].iloc[0], abs=0.02)


def test_the_loss_of_numbers_is_the_density_of_the_head():
    from zooactive.training.losses import NumberLoss

    rng = np.random.default_rng(0)
    mean, label = rng.normal(size=50), 3 * rng.normal(size=50)
    usual, wide = rng.uniform(0.1, 0.5, 50), rng.uniform(5, 9, 50)
    posterior = NumberPosterior(mean, np.zeros(50), usual, 0.1, wide)
    expected = {
        0: posterior.log_density(label),
        1: posterior.log_beyond(label, np.ones(50)),
        -1: posterior.log_beyond(label, np.zeros(50)),
    }
    loss = NumberLoss(0.1, reduction="none")
    for side, log in expected.items():
        given = np.column_stack([label, usual, wide, np.full(50, side)]).astype(np.float32)
        np.testing.assert_allclose(-np.asarray(loss(given, mean[:, None].astype(np.float32))), log, rtol=5e-3, atol=1e-4)
    far = NumberLoss(0.1, reduction="none")(np.array([[40.0, 1.0, 9.0, 1.0]]), np.array([[0.0]], dtype=np.float32))
    posterior = NumberPosterior(np.zeros(1), np.zeros(1), np.ones(1), 0.1, 9.0)
    assert float(far[0]) == pytest.approx(-posterior.log_beyond([40], [True])[0], rel=0.01)


# Measures ------------------------------------------------------------------------------------------------------------


def test_measures_are_those_of_the_field():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 2, 400)
    told = truth + 0.05 * (1 + truth) * rng.normal(size=400) + 0.01
    told[:20] += 1.5
    posterior = NumberPosterior(told, np.zeros(400), np.full(400, 0.01), 0.05, 1.0)
    found = number_metrics(posterior, truth, redshift=True)
    dz = (told - truth) / (1 + truth)
    assert found["outlier_fraction"] == (np.abs(dz) > 0.15).mean()
    assert found["scatter"] == pytest.approx(1.4826 * np.median(np.abs(dz - np.median(dz))))
    assert found["bias"] == pytest.approx(dz.mean())
    plain = number_metrics(posterior, truth)
    off = told - truth
    scatter = 1.4826 * np.median(np.abs(off - np.median(off)))
    assert plain["outlier_fraction"] == (np.abs(off) > 3 * scatter).mean()
    assert plain["r2"] == pytest.approx(1 - (off**2).sum() / ((truth - truth.mean()) ** 2).sum())
    assert plain["rmse_low"] < plain["rmse"] < plain["rmse_high"]
    with_errors = number_metrics(posterior, truth, errors=np.full(400, 10.0))
    assert with_errors["coverage_50"] == 1
    with pytest.raises(PosteriorError, match="one label for each"):
        number_metrics(posterior, truth[:3])


# Commands ------------------------------------------------------------------------------------------------------------


def run(*words, code=0):
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def test_commands_go_from_labels_to_the_next_galaxies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("e.npy", FEATURES)
    pd.DataFrame({"id": IDS}).to_csv("e.csv", index=False)
    pd.DataFrame({"id": IDS, "z": MASSES, "err": 0.01}).head(60).to_csv("labels.csv", index=False)
    said = run("finetune", "labels.csv", "--column", "z", "--embeddings", "e.npy", "--error-column", "err", "--folds", 3)
    assert "|dz| / (1 + z) > 0.15" in said
    assert "coverage 95" in said
    assert "90 galaxies" in run("predict", "--model", "tasks/z", "--out", "predictions-z")
    assert "60 galaxies of" in run("evaluate", "--model", "tasks/z")
    held_out = json.loads((tmp_path / "tasks" / "z" / "evaluation.json").read_text())
    assert held_out == {"column": "z", **za.load_numbers("tasks/z").evaluate()}
    assert "z, a number" in (tmp_path / "tasks" / "z" / "evaluation.html").read_text()
    pd.DataFrame({"id": IDS, "z": MASSES, "err": 0.01}).to_csv("all.csv", index=False)
    said = run("evaluate", "--model", "tasks/z", "--catalogue", "all.csv", "--out", "e", "--json")
    others = json.loads(said[said.index("[") : said.rindex("]") + 1])
    assert others[0]["galaxies"] == 30
    assert others[0]["rmse"] == pytest.approx(0.2, abs=0.06)
    assert "was trained on all galaxies with a label" in run(
        "evaluate", "--model", "tasks/z", "--catalogue", "labels.csv", code=1
    )
    run("top", "--task", "z", "--n", 5, "--lowest")
    lowest = pd.read_csv("top-z.csv")
    told = open_numbers("predictions-z").table().sort_values("mean")
    assert lowest["id"].tolist() == told["id"].head(5).tolist()
    run("top", "--predictions", "predictions-z", "--n", 5, "--most", "informative")
    run("acquire", "--task", "z", "--n", 10)
    chosen = pd.read_csv("selection-z.csv")
    assert len(chosen) == 10
    assert set(chosen["id"]) <= set(IDS[60:])
    run("report", "--predictions", "predictions-z", "--selection", "selection-z.csv")
    assert "z, a number" in (tmp_path / "report.html").read_text()
    assert "a task of numbers has no votes" in run("acquire", "--task", "z", "--votes", 3, code=1)
    assert "predicts numbers" in run("allocate", "--task", "z", "--clicks", 10, code=1)
    assert "leave out the answer" in run("top", "ring_yes", "--task", "z", code=1)
