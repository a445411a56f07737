"""The network for training: from turned and shifted pixels to concentrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zooactive.foundation.forking import networks_compute
from zooactive.training.augmentation import Augmentation

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel


def training_network(
    model: GalaxyModel,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    encoder_training: bool | None = None,
    head: Any = None,
) -> Any:
    """Return a Keras model from uint8 pixels to concentrations that shares the weights of `model`.

    A layer given as `head` replaces the model's own head. With an augmentation the images have the size of its
    `Augmentation.canvas`; for listed bands neither saturation nor hue is changed. If `encoder_training` is False, the
    encoder's batch norm and dropout stay in inference mode while its weights may learn.
    """
    import keras

    from zooactive.training.augment_layers import augment

    networks_compute()
    preprocessing = model.preprocessing
    canvas = preprocessing if augmentation is None else augmentation.canvas(preprocessing)
    inputs = keras.Input((canvas.size, canvas.size, canvas.channels), dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255, dtype="float32")(inputs)
    if augmentation is not None:
        pixels = augment(pixels, augmentation.of(preprocessing), preprocessing.size, seed=seed)
    features = model.encoder(pixels) if encoder_training is None else model.encoder(pixels, training=encoder_training)
    return keras.Model(inputs, (head or model.head)(features))
