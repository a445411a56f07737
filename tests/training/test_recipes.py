from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_network import tiny_network

from zooactive.foundation.errors import ModelError, TrainingError, WorkspaceError
from zooactive.models.config import Network
from zooactive.training.recipes import list_recipes, load_recipe
from zooactive.tree import load_tree
from zooactive.workspace.file import load_settings
from zooactive.workspace.told import plan_of

GZ2_SIDE = 424


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_says_whence_it_comes_and_can_show_its_views(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.citation
    canvas = recipe.training.augmentation.canvas(recipe.network.preprocessing())
    assert canvas.crop <= 1


def test_zhu_2019_shows_what_the_paper_shows():
    recipe = load_recipe("zhu2019")
    network, how = recipe.network, recipe.training.augmentation
    # A centre crop of 170 to 240 pixels, resized to 80, of which 64 are shown.
    widths = [network.crop * GZ2_SIDE * scale for scale in how.scale]
    np.testing.assert_allclose(widths, [0.8 * 170, 0.8 * 240], rtol=5e-3)
    np.testing.assert_allclose(
        [network.crop * GZ2_SIDE * scale for scale in network.scales], [0.8 * q for q in (180, 200, 220, 240)], rtol=5e-3
    )
    assert how.shift * 64 == (80 - 64) / 2
    # 72,000 steps of nine tenths of 28,790 galaxies; the rate falls after 30,000 and 60,000.
    steps = int(0.9 * 28790) // recipe.training.batch_size
    assert recipe.training.epochs * steps == pytest.approx(72_000, rel=0.01)
    np.testing.assert_allclose(np.array(recipe.training.drops) * 72_000, [30_000, 60_000], rtol=2e-3)


def test_walmsley_2021_shows_224_of_300_pixels():
    recipe = load_recipe("walmsley2021")
    assert recipe.network.crop == pytest.approx(224 / 300, abs=1e-3)
    assert recipe.training.augmentation.shift * 224 == pytest.approx((300 - 224) / 2, rel=0.01)
    assert recipe.network.concentrations == "sigmoid"


def test_a_network_builds_the_model_of_the_questions_it_names(tmp_path):
    network = Network(backbone="small_cnn", image_size=32, questions=("smooth-or-featured", "bar"), dropout=0.5)
    model = network.build(load_tree("gz2"), seed=3)
    assert [question.name for question in model.tree.questions] == ["smooth-or-featured-gz2", "bar-gz2"]
    assert (model.preprocessing.size, model.head.dropout, model.seed) == (32, 0.5, 3)


def test_a_network_can_start_from_another_models_weights_at_another_size(tmp_path):
    first = Network(backbone=tiny_network(), image_size=32).build(load_tree("rings"), seed=1)
    first.head.bias.assign([0.5, 1.5])
    first.save(tmp_path)
    second = Network(backbone=tiny_network(), image_size=48, start=str(tmp_path)).build(load_tree("rings"), seed=2)
    for mine, theirs in zip(second.network.get_weights(), first.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other = Network(backbone=tiny_network(), image_size=32, start=str(tmp_path)).build(load_tree("gz2"), seed=2)
    np.testing.assert_array_equal(other.encoder.get_weights()[0], first.encoder.get_weights()[0])
    with pytest.raises(ModelError, match="cannot start from tiny1"):
        Network(backbone="small_cnn", image_size=32, start=str(tmp_path)).build(load_tree("rings"))


def test_a_recipe_of_ones_own_is_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[model]\nimage_size = 48\n[training.augmentation]\nrotation = "any"\n')
    recipe = load_recipe(path)
    assert (recipe.network.image_size, recipe.training.augmentation.rotation) == (48, "any")


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("[model]\n", TrainingError, "a recipe needs a name"),
        ('name = "x"\n[modle]\n', TrainingError, "the entry 'modle' is unknown. Did you mean 'model'"),
        ('name = "x"\n[training]\nepoch = 3\n', WorkspaceError, "Did you mean 'epochs'"),
        ('name = "x"\n[training]\ndrops = 0.5\n', WorkspaceError, "drops = 0.5; give a list of numbers"),
        ('name = "x"\n[model]\nquestions = [1]\n', WorkspaceError, "give a list of texts"),
        ('name = "x"\n[training.augmentation]\nscale = [1]\n', WorkspaceError, "give a list of 2 numbers"),
        ('name = "x"\n[training]\nloss = "binomal"\n', WorkspaceError, "Did you mean 'binomial'"),
        ("name = ", TrainingError, "is not readable TOML"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(tmp_path, text, error, told):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(error, match=told):
        load_recipe(tmp_path / "bad.toml")


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(TrainingError, match="Did you mean 'zhu2019'"):
        load_recipe("zhu2018")


def test_a_workspace_lays_its_own_entries_over_its_recipes(tmp_path):
    path = tmp_path / "zooactive.toml"
    path.write_text('recipe = "zhu2019"\n[model]\nbackbone = "small_cnn"\n[training.augmentation]\nhue = 0.5\n')
    place = load_settings(path)
    assert (place.model.backbone, place.model.image_size) == ("small_cnn", 64)
    assert (place.training.augmentation.hue, place.training.augmentation.shift) == (0.5, 0.125)
    assert place.training.optimizer == "sgd"


def test_a_recipe_named_on_the_command_line_takes_the_place_of_what_the_file_says(tmp_path):
    (tmp_path / "zooactive.toml").write_text('[model]\nimage_size = 96\nfolder = "here"\n')
    place = load_settings(tmp_path / "zooactive.toml").with_recipe("zhu2019")
    assert (place.model.image_size, place.model.folder) == (64, tmp_path / "here")


def test_where_to_start_from_is_a_path_from_the_workspace(tmp_path):
    (tmp_path / "zooactive.toml").write_text('[model]\nstart = "runs/old"\n')
    assert load_settings(tmp_path / "zooactive.toml").model.start == str(tmp_path / "runs" / "old")
    (tmp_path / "zooactive.toml").write_text('[model]\nstart = "bundled"\n')
    assert load_settings(tmp_path / "zooactive.toml").model.start == "bundled"


def test_what_a_training_will_do_is_told_in_steps_and_the_galaxies_of_each():
    recipe = load_recipe("zhu2019")
    told = plan_of(recipe.network, replace(recipe.training, batch_size=32, accumulate=2), galaxies=1000)
    assert f"up to {recipe.training.epochs} epochs of 15 steps of 64 galaxies (2 batches of 32)" in told[2]
    told = plan_of(recipe.network, replace(recipe.training, batch_size=128, accumulate=1), galaxies=20)
    assert "epochs of 1 steps of 20 galaxies, " in told[2]


def test_what_a_training_will_do_is_told_whole():
    told = {}
    for name in ("zhu2019", "zhu5", "walmsley2020"):
        recipe = load_recipe(name)
        told[name] = "\n".join(plan_of(recipe.network, recipe.training, galaxies=1000, recipe=recipe))
    for words in (
        "recipe zhu2019: ResNet-26",
        "predictions of views 0.857, 0.952, 1.048, 1.143 times as wide, each standardised, dropout 0.2",
        "brightness 0.1, contrast 0.2, saturation 0.2, hue 0.02",
        "sgd, learning rate 0.1 (divided by 10 after 42%, 83%), weight decay 0.001",
        "stops after the last epoch, seed 0",
    ):
        assert words in told["zhu2019"]
    for words in (
        "starting from bundled",
        "weighted by its label's frequency to the power of -0.5",
        "then the head is refitted for up to 20 epochs",
    ):
        assert words in told["zhu5"]
    assert "trained only on smooth-or-featured" in told["walmsley2020"]
    assert "binomial loss" in told["walmsley2020"]
    assert "stops after 10 epochs without a better validation loss" in told["walmsley2020"]
