"""What a user can get wrong: each ends with exit code 1 and one or two lines that name the thing and the mend.

``pytest -s`` prints every message.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from small_survey import change, write_survey, zooactive
from tiny_network import tiny_model

SURVEY = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images")
MODEL = ("--model", "run")
PREPARE = ("prepare", *SURVEY, "--image-size", 32)
TRAIN = ("train", *SURVEY, "--backbone", "small_cnn", "--image-size", 32, "--epochs", 1, "--run-dir", "new-run")
PREDICT = ("predict", "--catalogue", "survey.csv", "--images", "images", *MODEL, "--draws", 4, "--out", "predictions")
ACQUIRE = ("acquire", "--predictions", "predictions", "--n", 4, "--exclude", "labelled.csv")
RINGS = ("finetune", "rings.csv", "--task", "rings", "--images", "images", *MODEL, "--policy", "head")


@dataclass(frozen=True)
class Mistake:
    """What is spoilt, the command that meets it, and what its message must name."""

    name: str
    words: tuple[object, ...]
    named: tuple[str, ...]
    spoil: Callable[[Path], object] = field(default=lambda folder: None)


def cell(row: int, column: str, value: str, table: str = "survey.csv") -> Callable[[Path], object]:
    """Return what writes a value into a cell (rows count from 1)."""
    return lambda folder: change(
        folder / table, lambda frame: frame.__setitem__(column, frame[column].mask(frame.index == row - 1, value))
    )


def columns(rename: dict[str, str], table: str = "survey.csv") -> Callable[[Path], object]:
    return lambda folder: change(folder / table, lambda frame: frame.rename(columns=rename))


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def truncate_every_image(folder: Path) -> None:
    for image in (folder / "images").iterdir():
        image.write_bytes(image.read_bytes()[:700])


def keep_summaries(folder: Path) -> None:
    zooactive(*PREDICT[:-1], "summed", "--keep", "summaries", folder=folder)


def truncate_one_image(folder: Path) -> None:
    image = folder / "images" / "g004.jpg"
    image.write_bytes(image.read_bytes()[:700])


def pack_at_another_size(folder: Path) -> None:
    zooactive("prepare", *SURVEY, "--image-size", 48, "--out", "packed48", folder=folder)


def save_another_model(folder: Path) -> None:
    tiny_model(folder / "tree.toml", image_size=32, seed=7).save(folder / "other" / "model")


CYCLE = """\
name = "knot"
[[question]]
name = "a"
answers = ["x", "y"]
asked_after = ["b_u"]
[[question]]
name = "b"
answers = ["u", "v"]
asked_after = ["a_x"]
"""

MISTAKES = (
    # The catalogue
    Mistake("an id twice", PREPARE, ("survey.csv", "'g001'", "rows 2 and 3", "keep one"), cell(3, "id", "g001")),
    Mistake("a blank id", PREPARE, ("survey.csv", "row 3", "column 'id'", "blank"), cell(3, "id", "")),
    Mistake("negative votes", PREPARE, ("survey.csv", "row 5", "g004", "edge-on_yes", "-3", "0 or more"),
            cell(5, "edge-on_yes", "-3")),
    Mistake("text in a vote column", PREPARE, ("survey.csv", "row 5", "g004", "bar_weak", "'many'", "leave the cell blank"),
            cell(5, "bar_weak", "many")),
    Mistake("a child with more votes than its parents", PREPARE,
            ("survey.csv", "row 2", "g001", "edge-on_...", "correct the counts"), cell(2, "edge-on_yes", "400")),
    Mistake("a misspelt vote column", PREPARE, ("'bar_strong'", "survey.csv", "Did you mean 'bar_stong'?"),
            columns({"bar_strong": "bar_stong"})),
    Mistake("no id column", PREPARE, ("survey.csv", "id columns", "rename one to id"), columns({"id": "galaxy"})),
    Mistake("a missing catalogue", ("prepare", "--tree", "tree.toml", "--catalogue", "nowhere.csv"),
            ("nowhere.csv", "does not exist", "give a table")),
    Mistake("an unknown suffix", ("prepare", "--tree", "tree.toml", "--catalogue", "survey.txt"),
            ("survey.txt", "'.txt'", ".csv"), lambda folder: (folder / "survey.csv").rename(folder / "survey.txt")),
    Mistake("a CSV called FITS", ("prepare", "--tree", "tree.toml", "--catalogue", "survey.fits"),
            ("survey.fits", "not a FITS file"), lambda folder: (folder / "survey.csv").rename(folder / "survey.fits")),
    Mistake("an empty CSV", PREPARE, ("survey.csv", "is empty", "give a table"), text("survey.csv", "")),
    Mistake("a CSV with a header alone", PREPARE, ("survey.csv", "no rows", "at least one galaxy"),
            text("survey.csv", "id,bar_strong\n")),
    Mistake("a where that holds nowhere", ("train", "-w", "."), ("where", "mag_r", "widen it"),
            text("zooactive.toml", '[survey]\ntree = "tree.toml"\ncatalogue = "survey.csv"\nwhere = "mag_r < 1"\n')),
    # Images
    Mistake("a missing image folder", ("prepare", *SURVEY[:4], "--images", "pictures"),
            ("pictures", "does not exist", "give the folder")),
    Mistake("no images at all", ("train", *SURVEY[:4], *TRAIN[7:]),
            ("'g000' has no image", "give an image column", "16 more")),
    Mistake("a truncated image in training", TRAIN,
            ("g004.jpg", "galaxy 'g004'", "truncated", "`zooactive prepare`"), truncate_one_image),
    Mistake("every image truncated", PREPARE, ("none of the 24 images", "truncated"), truncate_every_image),
    Mistake("more broken images than allowed", (*PREPARE, "--max-failures", 0), ("g004.jpg", "0 allowed"),
            truncate_one_image),
    Mistake("a truncated image shown", ("show", "images/g004.jpg", *MODEL), ("g004.jpg", "truncated"),
            truncate_one_image),
    Mistake("an image file that is not there", ("show", "images/g999.jpg", *MODEL), ("g999.jpg", "check its path")),
    Mistake("an id that is not there", ("show", "g0004", "--catalogue", "survey.csv", "--images", "images", *MODEL),
            ("survey.csv", "'g0004'", "Did you mean")),
    # Trees
    Mistake("an unknown tree", ("prepare", "--tree", "gz3", "--catalogue", "survey.csv"),
            ("'gz3'", "Did you mean 'gz2'?", "zooactive trees")),
    Mistake("an unknown tree drawn", ("trees", "decal_dr5"), ("'decal_dr5'", "Did you mean 'decals_dr5'?")),
    Mistake("a tree's file that is missing", ("trees", "mine.toml"), ("mine.toml", "cannot be read")),
    Mistake("a cyclic tree", ("trees", "knot.toml"), ("knot.toml", "'knot'", "a, b depend on each other", "correct"),
            text("knot.toml", CYCLE)),
    # zooactive.toml
    Mistake("an unknown entry", ("train",), ("zooactive.toml", "[model]", "'backbon'", "Did you mean 'backbone'?"),
            text("zooactive.toml", '[model]\nbackbon = "resnet26"\n')),
    Mistake("an unknown table", ("train",), ("zooactive.toml", "[modle]", "Did you mean 'model'?"),
            text("zooactive.toml", "[modle]\n")),
    Mistake("invalid TOML", ("train",), ("zooactive.toml", "not valid TOML", "line 2"),
            text("zooactive.toml", "[model]\nbackbone = resnet26\n")),
    Mistake("a wrong type", ("train",), ("zooactive.toml", "[training]", "epochs = 'ten'", "give a whole number"),
            text("zooactive.toml", '[training]\nepochs = "ten"\n')),
    Mistake("a list in place of a number", ("train",), ("zooactive.toml", "epochs = [1]", "give a whole number"),
            text("zooactive.toml", "[training]\nepochs = [1]\n")),
    Mistake("a split of two", ("train",), ("zooactive.toml", "split", "give a list of 3 numbers"),
            text("zooactive.toml", "[survey]\nsplit = [0.8, 0.2]\n")),
    Mistake("zero epochs", ("train",), ("zooactive.toml", "[training]", "epochs = 0", "above 0"),
            text("zooactive.toml", "[training]\nepochs = 0\n")),
    Mistake("an unknown backbone in the file", ("train", *SURVEY),
            ("'resnet62'", "Did you mean 'resnet26'?"), text("zooactive.toml", '[model]\nbackbone = "resnet62"\n')),
    Mistake("no workspace and no options", ("train",), ("no catalogue is named", "--catalogue", "zooactive init")),
    Mistake("a workspace folder that is not there", ("train", "-w", "nowhere"), ("nowhere", "zooactive init")),
    # Models and predictions
    Mistake("a model folder that is missing", ("predict", "--catalogue", "survey.csv", "--images", "images"),
            ("runs/first", "no complete model", "train")),
    Mistake("an incomplete model", PREDICT, ("encoder.npz", "missing", "save it again"), without("run/model/encoder.npz")),
    Mistake("a damaged model", PREDICT, ("head.npz", "damaged"), text("run/model/head.npz", "PK?")),
    Mistake("a model at another size than the shards", ("predict", "--catalogue", "packed48", *MODEL, "--out", "new"),
            ("packed48", "'size': 48", "'size': 32", "pack them again"), pack_at_another_size),
    Mistake("more unreadable images than allowed", (*PREDICT[:-1], "new", "--max-failures", 0),
            ("1 of the first", "more than the 0 allowed", "g004", "truncated"), truncate_one_image),
    Mistake("no readable image at all", (*PREDICT[:-1], "new"), ("none of the", "failures.parquet"), truncate_every_image),
    Mistake("a comparison of an unknown column", (*PREDICT[:-1], "new", "--where", "mag_x < 3"), ("mag_x", "survey.csv")),
    Mistake("an engine without its words", (*PREDICT[:-1], "new", "--workers", 2), ("workers", "--engine ray")),
    Mistake("an unknown engine in the file", (*PREDICT[:-1], "new"), ("'rya'", "Did you mean 'ray'?"),
            text("zooactive.toml", '[pool]\nengine = "rya"\n')),
    Mistake("a choice from summaries alone", ("acquire", "--predictions", "summed", "--n", 4),
            ("summed", "no embeddings", "--keep embeddings"), keep_summaries),
    Mistake("predictions that are missing", ("acquire", "--predictions", "nothing"),
            ("nothing", "no predictions", "zooactive predict")),
    Mistake("a folder with another model's predictions", (*PREDICT[:5], "--model", "other", *PREDICT[7:]),
            ("predictions", "another model", "choose another folder or delete"), save_another_model),
    Mistake("more galaxies than the pool holds", ("acquire", "--predictions", "predictions", "--n", 100, *ACQUIRE[5:]),
            ("100", "20 are eligible", "ask for fewer")),
    Mistake("a selection written over what it is made from", (*ACQUIRE, "--out", "labelled.csv"),
            ("labelled.csv", "that it is made from", "another --out")),
    Mistake("a target that is no answer", (*ACQUIRE, "--target", "bar_strnog"),
            ("bar_strnog", "Did you mean 'bar_strong'?")),
    Mistake("a selection that is no CSV", (*ACQUIRE, "--out", "selection.txt"), ("selection.txt", ".csv")),
    Mistake("a catalogue of another tree", ("evaluate", "--tree", "gz2", "--catalogue", "survey.csv", *MODEL),
            ("smooth-or-featured-gz2_featured-or-disk", "survey.csv", "30 vote columns")),
    Mistake("nothing to report", ("report",), ("holds nothing to report", "zooactive train"),
            lambda folder: shutil.rmtree(folder / "predictions")),
    # Fine-tuning
    Mistake("labels of one class", RINGS, ("rings.csv", "'ring_no'", "give labels of both kinds"),
            lambda folder: change(folder / "rings.csv", lambda table: table.assign(ring="yes"))),
    Mistake("an unknown task", ("finetune", "rings.csv", "--task", "ring", *MODEL),
            ("'ring'", "Did you mean 'rings'?")),
    Mistake("no label column", RINGS, ("'ring'", "rings.csv", "has_ring"), columns({"ring": "has_ring"}, "rings.csv")),
    Mistake("a label that is no answer", RINGS, ("rings.csv", "row 4", "'perhaps'", "yes, no"),
            cell(4, "ring", "perhaps", "rings.csv")),
    Mistake("too few labels", RINGS, ("rings.csv", "give more labels"),
            lambda folder: change(folder / "rings.csv", lambda table: table.head(2))),
    Mistake("five labels and more folds than them", (*RINGS, "--folds", 6),
            ("rings.csv", "5 labelled galaxies", "too few"),
            lambda folder: change(folder / "rings.csv", lambda table: table.head(5))),
    Mistake("an unknown column of labels", ("finetune", "rings.csv", "--column", "rnig", "--images", "images", *MODEL),
            ("'rnig'", "rings.csv", "Did you mean 'ring'?")),
    Mistake("a column that is no label", ("finetune", "rings.csv", "--column", "name", "--images", "images", *MODEL),
            ("'name'", "24 different values", "up to 20 classes"),
            lambda folder: change(folder / "rings.csv", lambda table: table.assign(name="galaxy " + table["id"]))),
    Mistake("a labelled galaxy twice", RINGS, ("rings.csv", "'g000' is in rows 1 and 25", "keep one"),
            lambda folder: change(folder / "rings.csv", lambda table: table.iloc[[*range(len(table)), 0]])),
    Mistake("no image of any labelled galaxy", (*RINGS[:5], "run", *RINGS[6:]), ("rings.csv", "has no image of any galaxy")),
    Mistake("a prevalence of three classes", ("finetune", "rings.csv", "--column", "ring", "--images", "images", *MODEL,
            "--prevalence", "0.1"), ("prevalence", "first of two labels"), cell(4, "ring", "perhaps", "rings.csv")),
    Mistake("no labels named", ("finetune", "--task", "rings", *MODEL), ("'rings'", "finetune labels.csv", "[tasks.rings]")),
    # No votes
    Mistake("no labelled galaxy", ("train", *SURVEY), ("survey.csv", "0 of 24", "30 votes", "min_votes"),
            lambda folder: change(folder / "survey.csv", lambda table: table.assign(
                **{name: "1" if name == "smooth-or-featured_smooth" else "0" for name in table.columns if "_" in name
                   and name != "mag_r"}))),
    # Places that cannot be written
    *(
        Mistake(f"{words[0]} into a file", words, ("a-file", "cannot be written", "choose another place"),
                text("a-file", ""))
        for words in (
            (*PREPARE, "--out", "a-file/shards"),
            (*TRAIN[:-1], "a-file/run"),
            (*PREDICT[:-1], "a-file/predictions"),
            (*ACQUIRE, "--out", "a-file/selection.csv"),
            (*RINGS, "--out", "a-file/rings"),
            ("report", "--out", "a-file/report.html"),
            ("init", "a-file/home", *SURVEY),
            ("demo", "a-file/home"),
        )
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A folder in which nothing is wrong: a survey, labels, a model and its predictions."""
    folder = write_survey(tmp_path_factory.mktemp("sound"), 24)
    change(folder / "survey.csv", lambda table: table.head(4).to_csv(folder / "labelled.csv", index=False))
    tiny_model(folder / "tree.toml", image_size=32).save(folder / "run" / "model")
    zooactive(*PREDICT, folder=folder)
    return folder


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_explained_in_a_line_or_two(mistake, sound, tmp_path):
    folder = shutil.copytree(sound, tmp_path / "spoilt")
    mistake.spoil(folder)
    result = zooactive(*mistake.words, folder=folder, code=1)
    start = result.stderr.index("zooactive: ")
    told = result.stderr[start:].strip()
    print(f"\n{mistake.name}\n    $ zooactive {' '.join(map(str, mistake.words))}\n    {told}")
    assert result.stdout == ""
    assert len(told.splitlines()) == 1
    assert len(told) < 500
    missing = [part for part in mistake.named if part not in told]
    assert not missing, f"{missing} not in: {told}"


def test_an_image_that_is_met_in_the_midst_of_a_large_training_is_explained_too(sound, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "zooactive.training.batches._IN_MEMORY", 0
    )  # as if the pixels were too many to be decoded beforehand
    folder = shutil.copytree(sound, tmp_path / "large")
    truncate_one_image(folder)
    told = zooactive(*TRAIN, "--batch-size", 4, folder=folder, code=1).stderr.splitlines()[-1]
    assert "zooactive: the image images/g004.jpg of galaxy 'g004' is truncated" in told
    assert "`zooactive prepare`" in told


def test_the_sound_folder_has_none_of_these_mistakes(sound, tmp_path):
    folder = shutil.copytree(sound, tmp_path / "sound")
    prepared, chosen = zooactive(*PREPARE, folder=folder), zooactive(*ACQUIRE, folder=folder)
    assert (prepared.exit_code, chosen.exit_code) == (0, 0)
    assert (folder / "shards" / "how.json").is_file()
    assert (folder / "selection.csv").is_file()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("init",), "--tree"),
        ((*ACQUIRE[:3], "--n", 0), "--n"),
        ((*ACQUIRE, "--votes", 0), "--votes"),
        ((*ACQUIRE, "--random-share", 1.5), "--random-share"),
        ((*ACQUIRE, "--beta", -1), "--beta"),
        ((*ACQUIRE, "--score", "entrop"), "Did you mean 'entropy'?"),
        ((*TRAIN, "--backbone", "resnet2"), "Did you mean 'resnet26'?"),
        ((*TRAIN, "--image-size", 4), "--image-size"),
        (("predict", "--draws", 0), "--draws"),
        (("predict", "--batch-size", 0), "--batch-size"),
        ((*RINGS, "--unfreeze-epochs", -1), "--unfreeze-epochs"),
        (("aquire",), "acquire"),
    ],
    ids=lambda value: " ".join(map(str, value[-2:])) if isinstance(value, tuple) else "",
)
def test_wrong_usage_ends_with_two_and_names_the_option(words, named, sound, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = zooactive(*words, folder=sound, code=2).stderr
    print(told)
    assert named in told


def test_no_workspace_is_left_behind_when_its_tables_cannot_be_read(sound, tmp_path):
    for words in (
        ("--tree", sound / "tree.toml", "--catalogue", "nowhere.csv"),
        ("--tree", sound / "tree.toml", "--catalogue", sound / "survey.csv", "--pool", "nowhere.csv"),
        ("--tree", sound / "tree.toml", "--catalogue", sound / "survey.csv", "--rings", "nowhere.csv"),
        ("--tree", sound / "tree.toml", "--catalogue", sound / "survey.csv", "--rehearsal", 1000),
    ):
        zooactive("init", "home", *words, folder=tmp_path, code=1)
        assert not (tmp_path / "home").exists()
