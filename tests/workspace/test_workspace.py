from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from zooactive.foundation.errors import CatalogueError, WorkspaceError
from zooactive.training.config import TrainingConfig
from zooactive.workspace.file import find_settings, load_settings
from zooactive.workspace.settings import Settings
from zooactive.workspace.template import write_workspace


@pytest.fixture
def written(tmp_path):
    """Return a function that writes zooactive.toml and loads it."""

    def load(text: str) -> Settings:
        (tmp_path / "zooactive.toml").write_text(text)
        return load_settings(tmp_path / "zooactive.toml")

    return load


@pytest.fixture
def survey(tmp_path, tree, draw_votes, write_pictures) -> Path:
    """A folder with a workspace file, a tree of its own, a catalogue of 40 galaxies and their images."""
    votes = draw_votes(40).astype(int)
    rows = [",".join([f"g{i}", *map(str, row)]) for i, row in enumerate(votes)]
    (tmp_path / "survey.csv").write_text("\n".join([",".join(["id", *tree.columns]), *rows]))
    write_pictures([f"g{i}" for i in range(40)], tmp_path / "images")
    questions = "".join(
        f'[[question]]\nname = "{q.name}"\nanswers = {list(q.answers)}\nasked_after = {list(q.asked_after)}\n'
        for q in tree.questions
    )
    (tmp_path / "small.toml").write_text(f'name = "small"\n{questions}')
    write_workspace(tmp_path, tree="small.toml", catalogue="survey.csv", images="images", image_size=16)
    return tmp_path


def test_an_empty_file_means_the_defaults_with_paths_from_its_folder(written, tmp_path):
    place = written("")
    assert place.training == TrainingConfig()
    assert place.model.folder == tmp_path / "runs" / "first"
    assert place.acquire.out == tmp_path / "selection.csv"
    assert place.survey.catalogue is None


def test_a_folder_without_a_file_has_the_same_defaults(written, tmp_path):
    (tmp_path / "bare").mkdir()
    bare = find_settings(tmp_path / "bare")
    assert bare.model.folder == tmp_path / "bare" / "runs" / "first"
    assert bare.training == written("").training


def test_the_nearest_file_above_is_found(written, tmp_path):
    written('[survey]\ntree = "gz2"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_settings(tmp_path / "a" / "b").survey.tree == "gz2"


def test_paths_start_from_the_file_and_absolute_ones_stay(written, tmp_path):
    place = written('[survey]\ncatalogue = "tables/a.csv"\nimages = "/data/images"\n[tasks.rings]\nlabels = "r.csv"\n')
    assert place.survey.catalogue == tmp_path / "tables" / "a.csv"
    assert place.survey.images == Path("/data/images")
    assert place.tasks["rings"].labels == tmp_path / "r.csv"


def test_labels_alone_lie_in_a_folder_of_a_plain_name_or_in_that_of_an_earlier_version(written, tmp_path):
    text = '[tasks."Is Ring?"]\nlabels = "r.csv"\ncolumn = "Is Ring?"\n'
    place = written(text)
    assert place.model.folder == tmp_path / "tasks" / "is-ring"
    assert place.pool.predictions == tmp_path / "predictions-is-ring"
    assert place.acquire.out == tmp_path / "selection-is-ring.csv"
    earlier = tmp_path / "tasks" / "Is Ring?"
    earlier.mkdir(parents=True)
    (earlier / "finetuned.json").write_text("{}")
    assert written(text).model.folder == earlier


def test_a_tree_or_task_of_ones_own_is_found_from_anywhere(written, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    place = written('[survey]\ntree = "mine.toml"\n[tasks.odd]\ntask = "odd.toml"\n[tasks.rings]\n')
    assert place.survey.tree == str(tmp_path / "mine.toml")
    assert place.tasks["odd"].task == str(tmp_path / "odd.toml")
    assert place.tasks["rings"].task is None


def test_a_rule_of_ones_own_is_found_from_anywhere(written, tmp_path):
    assert written('[survey]\nrule = "mine.toml"\n').survey.rule == str(tmp_path / "mine.toml")
    assert written('[survey]\nrule = "zhu2019"\n').survey.rule == "zhu2019"
    assert written('[survey]\nrule = "zhu2019"\n').survey_tree().name == "zhu5"
    assert written('[survey]\ntree = "gz2"\n').survey_tree().name == "gz2"
    with pytest.raises(WorkspaceError, match="--tree"):
        written("").survey_tree()


def test_a_whole_number_will_do_for_a_float_and_volunteers_may_be_a_column(written):
    place = written('[survey]\nvolunteers = "total"\nmin_votes = 20\nsplit = [1, 0, 0]\n')
    assert place.survey.volunteers == "total"
    assert place.survey.min_votes == 20.0
    assert place.survey.split == (1.0, 0.0, 0.0)
    assert written("[survey]\nvolunteers = 40\n").survey.volunteers == 40.0


def test_options_that_are_given_take_the_place_of_the_file(written):
    place = written('[model]\nbackbone = "resnet26"\nimage_size = 96\n')
    changed = place.with_options(model={"backbone": None, "image_size": 64})
    assert (changed.model.backbone, changed.model.image_size) == ("resnet26", 64)
    assert place.model.image_size == 96


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[survei]\ntree = "gz2"', r"the table \[survei\] is unknown\. Did you mean 'survey'\?"),
        ('survey = "gz2"', r"survey must be a table; write \[survey\]"),
        ('[survey]\ncatalog = "a.csv"', r"\[survey\]: the entry 'catalog' is unknown\. Did you mean 'catalogue'\?"),
        ("[model]\nzzz = 1", r"the entry 'zzz' is unknown\. Known are backbone, image_size"),
        ("[tasks.rings]\nlabel = 'a.csv'", r"\[tasks\.rings\]: the entry 'label' is unknown\. Did you mean 'labels'\?"),
        ("[tasks]\nrings = 'a.csv'", r"\[tasks\.rings\] must be a table"),
        ("[model]\nimage_size = 96.5", r"image_size = 96\.5; give a whole number"),
        ("[model]\nimage_size = true", r"image_size = True; give a whole number"),
        ("[model]\ncrop = 'half'", r"crop = 'half'; give a number"),
        ("[model]\nbackbone = 26", r"backbone = 26; give a text"),
        ("[survey]\ncatalogue = 3", r"catalogue = 3; give a path in quotes"),
        ("[survey]\nvolunteers = true", r"volunteers = True; give a number or a text"),
        ("[training.augmentation]\nflips = 1", r"\[training\.augmentation\]: flips = 1; give true or false"),
        ("[training]\nlearning_rate = nan", r"learning_rate = nan; give a finite number"),
        ("[training]\nepochs = 0", r"\[training\]: epochs = 0; give a number above 0"),
        ("[survey]\nsplit = 0.7", r"split = 0\.7; give a list of 3 numbers"),
        ("[survey]\nsplit = [0.7, 0.3]", r"give a list of 3 numbers"),
        ("[survey]\nsplit = [0.7, '0.2', 0.1]", r"give a list of 3 numbers"),
        ("[survey", r"is not valid TOML"),
    ],
)
def test_what_is_unknown_or_of_a_wrong_type_is_refused_with_the_mend(written, tmp_path, text, told):
    with pytest.raises(WorkspaceError, match=told) as raised:
        written(text)
    assert str(tmp_path / "zooactive.toml") in str(raised.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "zooactive.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        find_settings(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="there is no folder"):
        find_settings(tmp_path / "nowhere")


@pytest.mark.parametrize(("entry", "told"), [("", "--catalogue"), ('catalogue = "a.csv"', "--tree")])
def test_a_survey_that_is_not_named_says_which_option_names_it(written, entry, told):
    with pytest.raises(WorkspaceError, match=told):
        written(f"[survey]\n{entry}\n").read_survey()


# The file that init writes --------------------------------------------------------------------------------------------


def test_the_written_file_loads_and_says_the_defaults(tmp_path):
    path = write_workspace(tmp_path, tree="gz2", catalogue="a.csv")
    place, bare = load_settings(path), Settings(tmp_path)
    assert place.training == bare.training
    assert dataclasses.replace(place.model, folder=bare.model.folder) == bare.model
    assert (place.acquire.n, place.acquire.votes, place.pool.draws) == (500, 40, 64)
    assert place.survey.split == bare.survey.split


def test_every_commented_entry_is_known_when_its_mark_is_taken_away(tmp_path):
    text = write_workspace(tmp_path, tree="gz2", catalogue="a.csv").read_text()
    lines = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()]
    (tmp_path / "zooactive.toml").write_text("\n".join(lines))
    place = load_settings(tmp_path / "zooactive.toml")
    assert place.survey.id_column == "objid"
    assert place.survey.rehearsal == 2000
    assert place.pool.catalogue == tmp_path / "pool.csv"


def test_what_is_given_is_written(tmp_path):
    given = {"backbone": "resnet26", "image_size": 96, "epochs": 3, "batch_size": 8, "learning_rate": 0.01, "patience": 2}
    write_workspace(tmp_path, tree="gz2", catalogue="a.csv", images="cutouts", pool="p.csv", n=7, rehearsal=50,
                    split=(0.5, 0.25, 0.25), tasks={"rings": ("r.csv", "ring-images")}, **given)  # fmt: skip
    place = load_settings(tmp_path / "zooactive.toml")
    assert (place.model.backbone, place.model.image_size) == ("resnet26", 96)
    assert (place.training.epochs, place.training.batch_size) == (3, 8)
    assert (place.training.learning_rate, place.training.patience) == (0.01, 2)
    assert (place.acquire.n, place.survey.rehearsal, place.survey.split) == (7, 50, (0.5, 0.25, 0.25))
    assert place.survey.images == tmp_path / "cutouts"
    assert place.pool.catalogue == tmp_path / "p.csv"
    assert place.tasks["rings"].labels == tmp_path / "r.csv"
    assert place.tasks["rings"].images == tmp_path / "ring-images"


@pytest.mark.parametrize("name", ['quo"te.csv', "back\\slash.csv", "Käse 星.csv", "tab\t.csv"])
def test_any_file_name_survives_the_file(tmp_path, name):
    path = write_workspace(tmp_path, tree="gz2", catalogue=name)
    assert load_settings(path).survey.catalogue == tmp_path / name
    assert tomllib.loads(path.read_text(encoding="utf-8"))["survey"]["catalogue"] == name


def test_a_workspace_is_not_written_over_another(tmp_path):
    write_workspace(tmp_path, tree="gz2", catalogue="a.csv")
    with pytest.raises(WorkspaceError, match="exists already"):
        write_workspace(tmp_path, tree="gz2", catalogue="b.csv")
    assert load_settings(tmp_path / "zooactive.toml").survey.catalogue == tmp_path / "a.csv"


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(WorkspaceError, match="patience"):
        write_workspace(tmp_path, tree="gz2", catalogue="a.csv", patience=-1)
    assert not list(tmp_path.iterdir())


# The galaxies ---------------------------------------------------------------------------------------------------------


def test_the_survey_and_the_pool_are_read_as_the_file_says(survey):
    place = load_settings(survey / "zooactive.toml")
    assert len(place.read_survey()) == 40
    assert place.read_survey().labelled.all()
    (survey / "pool.csv").write_text("id\ng3\ng5\n")
    pool = place.with_options(pool={"catalogue": survey / "pool.csv", "images": survey / "images"}).read_pool()
    assert list(pool.ids) == ["g3", "g5"]
    assert pool.votes is None
    assert list(place.read_pool().ids) == list(place.read_survey().ids)


def test_a_rehearsal_hides_votes_of_training_and_validation_and_never_of_the_test_part(survey):
    place = load_settings(survey / "zooactive.toml").with_options(survey={"rehearsal": 5, "split": (0.4, 0.2, 0.4)})
    learning, validation, test = place.split_survey()
    assert place.read_survey().labelled.sum() == 5
    assert learning.labelled.sum() + validation.labelled.sum() <= 5
    assert len(test) > 0
    assert test.labelled.all()
    ids = [galaxy_id for part in (learning, validation, test) for galaxy_id in part.ids]
    assert sorted(ids) == sorted(f"g{i}" for i in range(40))


def test_a_rehearsal_with_more_galaxies_than_there_are_is_refused(survey):
    with pytest.raises(CatalogueError, match="there are 40"):
        load_settings(survey / "zooactive.toml").with_options(survey={"rehearsal": 41}).read_survey()


def test_shards_as_a_catalogue_bring_their_tree(survey, tmp_path):
    from zooactive.catalogue.shards import write_shards

    place = load_settings(survey / "zooactive.toml")
    originals = place.read_originals()
    write_shards(originals, tmp_path / "packed")
    write_shards(originals.without_votes(), tmp_path / "pool")
    elsewhere = Settings(tmp_path)
    packed = elsewhere.with_options(survey={"catalogue": tmp_path / "packed"})
    assert packed.has_tree
    assert packed.survey_tree().questions == place.survey_tree().questions
    assert np.array_equal(packed.read_survey().votes, originals.votes)
    assert packed.shards_record()["tree"] == originals.tree.to_dict()
    for catalogue in ("pool", "nowhere"):
        without = elsewhere.with_options(survey={"catalogue": tmp_path / catalogue})
        assert not without.has_tree
        with pytest.raises(WorkspaceError, match="no decision tree is named"):
            without.read_survey()


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ("model", {"image_size": 32}),
        ("model", {"crop": 0.5}),
        ("survey", {"min_votes": 20.0}),
        ("survey", {"where": "id > ''"}),
    ],
)
def test_shards_stand_for_the_survey_only_while_nothing_has_changed(survey, section, options):
    from zooactive.catalogue import Preprocessing
    from zooactive.catalogue.shards import write_shards

    place = load_settings(survey / "zooactive.toml")
    write_shards(place.read_originals(), place.survey.shards, Preprocessing(size=16))
    assert place.read_survey().prepared is None  # no record of how they were made: an interrupted run
    (place.survey.shards / "how.json").write_text(json.dumps({"options": place.shards_record()}))
    assert place.read_survey().prepared == Preprocessing(size=16)
    with pytest.warns(UserWarning, match="run `zooactive prepare` again"):
        assert place.with_options(**{section: options}).read_survey().prepared is None
    (survey / "survey.csv").write_text("\n".join((survey / "survey.csv").read_text().splitlines()[:-1]))
    with pytest.warns(UserWarning, match="packed from another catalogue"):
        assert len(place.read_survey()) == 39


# Clean classes --------------------------------------------------------------------------------------------------------

RULE = """\
name = "kinds"
trees = ["small.toml"]
result = "kinds-tree.toml"
fractions = "question"
[classes.smooth]
smooth-or-featured_smooth = 0.5
[classes.featured]
smooth-or-featured_featured = 0.5
"""
KINDS = 'name = "kinds"\nvotes = "class"\nmin_votes = 1\n[[question]]\nname = "kind"\nanswers = ["smooth", "featured"]\n'


@pytest.fixture
def classed(survey) -> Settings:
    """The survey with a rule of its own that turns its votes into two classes."""
    (survey / "kinds.toml").write_text(RULE)
    (survey / "kinds-tree.toml").write_text(KINDS)
    text = (survey / "zooactive.toml").read_text().replace("[survey]\n", '[survey]\nrule = "kinds.toml"\n', 1)
    (survey / "zooactive.toml").write_text(text)
    return load_settings(survey / "zooactive.toml")


def test_a_rule_turns_the_survey_into_classes_before_anything_else(classed):
    by_votes = dataclasses.replace(classed, survey=dataclasses.replace(classed.survey, rule=None)).read_survey()
    clear = {
        str(galaxy): int(row[:2].argmax())
        for galaxy, row in zip(by_votes.ids, by_votes.votes, strict=True)
        if row[:2].max() >= 0.5 * row[:3].sum() and row[0] != row[1]
    }
    made = classed.read_survey()
    assert 0 < len(made) < len(by_votes)
    assert dict(zip(made.ids, made.votes.argmax(axis=1).tolist(), strict=True)) == clear
    assert made.tree == classed.survey_tree()
    assert sum(len(part) for part in classed.split_survey()) == len(made)
    assert classed.with_options(survey={"rehearsal": 3}).read_survey().labelled.sum() == 3


def test_shards_of_classes_stand_for_the_survey_only_under_the_same_rule(classed):
    from zooactive.catalogue.shards import write_shards

    record = classed.shards_record()
    write_shards(classed.read_originals(), classed.survey.shards, classed.packed_pixels())
    (classed.survey.shards / "how.json").write_text(json.dumps({"options": record}))
    packed = classed.read_survey()
    assert packed.prepared is not None
    np.testing.assert_array_equal(packed.votes, classed.read_originals().votes)
    assert (packed.tree, packed.min_votes) == (classed.survey_tree(), 1)
    without = dataclasses.replace(classed, survey=dataclasses.replace(classed.survey, rule=None))
    assert "rule" not in without.shards_record()  # shards that were packed before there were rules are still good
    with pytest.warns(UserWarning, match="run `zooactive prepare` again"):
        assert without.read_survey().tree.name == "small"
    (classed.folder / "kinds.toml").write_text(RULE.replace("0.5", "0.6"))  # edited, under the same name
    with pytest.warns(UserWarning, match="run `zooactive prepare` again"):
        assert classed.read_survey().prepared is None


def test_packed_classes_at_a_place_of_their_own_are_read_as_they_are(classed, tmp_path):
    from zooactive.catalogue.shards import write_shards

    write_shards(classed.read_originals(), tmp_path / "elsewhere", classed.packed_pixels())
    place = {"catalogue": tmp_path / "elsewhere", "images": None, "tree": str(classed.folder / "kinds-tree.toml")}
    moved = dataclasses.replace(classed, survey=dataclasses.replace(classed.survey, **place))
    assert list(moved.read_survey().ids) == list(classed.read_survey().ids)
