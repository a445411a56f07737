from __future__ import annotations

import json
import random
from pathlib import Path

import keras
import numpy as np
import pytest
import warm_interpreter

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, LinearHead, load_model, register_backbone
from zooactive.models.backbones import register as backbones
from zooactive.models.backbones.small_cnn import small_cnn
from zooactive.training.losses import DirichletMultinomialLoss


def numpy_of(tensor) -> np.ndarray:
    return np.asarray(tensor)


def pixels(number: int = 2, size: int = 24) -> np.ndarray:
    return np.random.default_rng(0).random((number, size, size, 3), dtype=np.float32)


@pytest.fixture
def model(tree) -> GalaxyModel:
    return GalaxyModel(tree, backbone="small_cnn", image_size=24, crop=0.8, dropout=0.3, concentrations="softplus", seed=3)


@pytest.fixture
def saved(model, tmp_path: Path) -> Path:
    model.save(tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def test_the_network_is_encoder_and_head(model):
    images = pixels()
    np.testing.assert_array_equal(numpy_of(model.network(images)), numpy_of(model.head(model.encoder(images))))


def test_a_loaded_model_is_the_saved_one(model, saved):
    back = load_model(saved)
    assert back.to_config() == model.to_config()
    assert back.preprocessing == Preprocessing(size=24, channels=3, crop=0.8)
    np.testing.assert_array_equal(numpy_of(back.network(pixels())), numpy_of(model.network(pixels())))


def test_a_model_loads_in_a_new_process_with_the_same_fingerprint(model, saved, tmp_path):
    code = f"from zooactive.models import load_model; print(load_model({str(saved)!r}).fingerprint())"
    done = warm_interpreter.run(code, folder=tmp_path)
    assert done.stdout.split() == [model.fingerprint()], done.stderr


def test_a_run_directory_stands_for_the_model_inside(model, saved):
    assert load_model(saved.parent).fingerprint() == model.fingerprint()


def test_the_saved_files_are_complete_and_nothing_else_is_left(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["encoder.npz", "head.npz", "model.json"]
    about = json.loads((saved / "model.json").read_text())
    assert about["columns"][0] == "smooth-or-featured_smooth"
    assert about["versions"]["keras"] == keras.__version__


def test_the_saved_head_draws_what_the_model_draws(model, saved):
    features = numpy_of(model.encoder(pixels()))
    drawn = LinearHead.load(saved / "head.npz").posterior_concentrations(features, draws=4, seed=1)
    np.testing.assert_array_equal(drawn, model.linear_head().posterior_concentrations(features, draws=4, seed=1))


def test_the_linear_head_does_not_change_when_training_goes_on(model):
    head = model.linear_head()
    before = head.kernel.copy()
    model.head.kernel.assign(model.head.kernel + 1)
    np.testing.assert_array_equal(head.kernel, before)


def test_the_seed_decides_the_first_weights(tree):
    prints = [GalaxyModel(tree, backbone="small_cnn", image_size=24, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (numpy_of(model.encoder(pixels())) for model in prints)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert prints[0].fingerprint() == prints[1].fingerprint() != prints[2].fingerprint()


def test_building_a_model_leaves_the_users_random_numbers_alone(tree):
    random.seed(9)
    np.random.seed(9)
    expected = random.random(), np.random.random()
    random.seed(9)
    np.random.seed(9)
    GalaxyModel(tree, backbone="small_cnn", image_size=24, seed=1)
    assert (random.random(), np.random.random()) == expected


def test_the_fingerprint_changes_with_a_weight_or_a_setting_and_not_with_freezing(model, tree):
    before = model.fingerprint()
    model.encoder.trainable = False
    assert model.fingerprint() == before
    model.head.bias.assign(model.head.bias + 1e-3)
    assert model.fingerprint() != before
    settings = {"backbone": "small_cnn", "image_size": 24, "crop": 0.8, "concentrations": "softplus", "seed": 3}
    assert GalaxyModel(tree, **settings, dropout=0.2).fingerprint() != before


def test_weights_of_an_equal_model_are_taken_over(model, saved):
    before = model.fingerprint()
    model.head.bias.assign(model.head.bias + 1)
    model.load_weights(saved)
    assert model.fingerprint() == before


def test_weights_of_a_model_with_other_settings_are_refused(saved, tree):
    other = GalaxyModel(tree, backbone="small_cnn", image_size=24, crop=0.8, dropout=0.1, concentrations="softplus", seed=3)
    with pytest.raises(ModelError, match="another dropout"):
        other.load_weights(saved)


def test_an_adapted_normalisation_survives_saving(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "_BUILDERS", dict(backbones._BUILDERS))

    def normalised(image_size: int, channels: int):
        inputs = keras.Input((image_size, image_size, channels))
        x = keras.layers.Normalization(name="sky")(inputs)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))

    register_backbone("normalised", normalised)
    model = GalaxyModel(tree, backbone="normalised", image_size=24)
    model.encoder.get_layer("sky").adapt(pixels(5))
    model.save(tmp_path)
    features = numpy_of(model.encoder(pixels()))
    assert abs(features).max() < 0.2
    np.testing.assert_array_equal(numpy_of(load_model(tmp_path).encoder(pixels())), features)


def test_a_few_steps_of_training_lower_the_loss(tree, draw_votes):
    model = GalaxyModel(tree, backbone="small_cnn", image_size=16, dropout=0.2)
    votes = draw_votes(8).astype(np.float32)
    model.network.compile(keras.optimizers.Adam(3e-3), loss=DirichletMultinomialLoss(tree), jit_compile=False)
    losses = model.network.fit(pixels(8, 16), votes, batch_size=8, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


# What must not go wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["model.json", "encoder.npz", "head.npz"])
def test_a_missing_file_is_named(saved, missing):
    (saved / missing).unlink()
    with pytest.raises(ModelError, match=missing.replace(".", r"\.")):
        load_model(saved)


@pytest.mark.parametrize("damaged", ["model.json", "encoder.npz", "head.npz"])
def test_a_truncated_file_is_named(saved, damaged):
    path = saved / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match=damaged.replace(".", r"\.")):
        load_model(saved)


def test_a_save_that_was_interrupted_over_an_older_one_is_not_taken_for_whole(model, saved, tmp_path):
    model.head.bias.assign(model.head.bias + 1)
    model.save(tmp_path / "newer")
    (tmp_path / "newer" / "head.npz").replace(saved / "head.npz")
    with pytest.raises(ModelError, match="a save was interrupted"):
        load_model(saved)


def test_a_folder_that_does_not_exist_or_holds_no_model_is_explained(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="give a saved model's folder"):
        load_model(tmp_path)


def test_another_version_of_the_format_is_refused(saved):
    about = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        load_model(saved)


def test_a_backbone_that_is_not_registered_any_more_is_named_with_the_mend(tree, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(backbones, "_BUILDERS", dict(backbones._BUILDERS))
        register_backbone("my_own", small_cnn)
        GalaxyModel(tree, backbone="my_own", image_size=24).save(tmp_path)
    with pytest.raises(ModelError, match=r"'my_own'.*register_backbone"):
        load_model(tmp_path)


def test_weights_that_do_not_fit_the_backbone_are_refused(tree, saved):
    about = json.loads((saved / "model.json").read_text())
    about["model"]["preprocessing"]["channels"] = 1
    (saved / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="does not fit the backbone 'small_cnn'"):
        load_model(saved)


def test_a_setting_of_another_program_is_refused(saved):
    about = json.loads((saved / "model.json").read_text())
    about["model"]["colour"] = "blue"
    (saved / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match=r"model\.json is damaged .*colour"):
        load_model(saved)


def test_preprocessing_and_an_image_size_together_are_refused(tree):
    with pytest.raises(ModelError, match="only one of them"):
        GalaxyModel(tree, backbone="small_cnn", image_size=64, preprocessing=Preprocessing(size=32))


def test_a_model_for_other_questions_has_the_same_encoder_and_a_head_of_its_own(model):
    other = model.with_tree("rings", concentrations="fraction")
    for mine, theirs in zip(other.encoder.get_weights(), model.encoder.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    assert (other.tree.name, other.head.concentrations) == ("rings", "fraction")
    assert other.preprocessing == model.preprocessing
    other.encoder.weights[0].assign(other.encoder.weights[0] + 1)
    assert not np.array_equal(other.encoder.get_weights()[0], model.encoder.get_weights()[0])


def test_a_head_for_votes_does_not_inherit_the_fractions_of_labels(tree):
    labels = GalaxyModel("rings", backbone="small_cnn", image_size=16, concentrations="fraction")
    assert labels.with_tree(tree).head.concentrations == "softplus"
    assert labels.with_tree("rings").head.concentrations == "fraction"
    assert labels.with_tree(tree, concentrations="sigmoid").head.concentrations == "sigmoid"
    assert labels.with_tree(tree).with_tree(tree).head.concentrations == "softplus"
