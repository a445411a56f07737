"""A model that predicts a number for each galaxy: features of a frozen encoder or from a file, and a head for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.html import html_pairs
from zooactive.foundation.parsing import read_object
from zooactive.foundation.writing import output_explained, write_json
from zooactive.models.head.number_head import NumberHead
from zooactive.models.loading import AnyModel, load_model
from zooactive.models.saved_form import ABOUT, NUMBERS_ENCODER, NUMBERS_FORMAT, fingerprint_of, read_about, tells_numbers

_HEAD = "number.npz"


@dataclass(frozen=True, eq=False, repr=False)
class NumberModel:
    """A model that predicts a number for each galaxy, with its uncertainty, from an image or an embedding.

    Parameters
    ----------
    column : str
        The name of the number, as in the table of labels.
    head : NumberHead
    network : GalaxyModel or EmbeddingModel
        The source of the features: its encoder, or its scaling of embeddings. Its own questions are not used.
    """

    column: str
    head: NumberHead
    network: AnyModel

    def __repr__(self) -> str:
        return f"NumberModel('{self.column}', {self.network.backbone}, {self.head.features} features)"

    def _repr_html_(self) -> str:
        noise = "the same of all galaxies" if self.head.constant else "depends on the features"
        pairs = {
            "features": f"{self.head.features} of {self.network.backbone}",
            "noise": noise,
            "outliers": f"{self.head.share:.3f} of the labels",
        }
        return html_pairs(f"NumberModel of '{self.column}'", pairs.items())

    def to_config(self) -> dict[str, Any]:
        """Return all settings of the model as plain values, without its numbers."""
        return {"column": self.column, "encoder": self.network.encoder_fingerprint()}

    def fingerprint(self) -> str:
        """Return a hash (BLAKE2b) of the column, the encoder's fingerprint and the head, 32 hexadecimal digits."""
        return fingerprint_of(self.to_config(), list(self.head.arrays().values()))

    def save(self, folder: str | Path) -> None:
        """Write the model for the features into ``encoder/``, the head as ``number.npz``, and ``model.json`` last.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disk is full.
        """
        folder = Path(folder)
        with output_explained(folder):
            (folder / ABOUT).unlink(missing_ok=True)
        self.network.save(folder / NUMBERS_ENCODER)
        self.head.save(folder / _HEAD)
        about = {
            "format": NUMBERS_FORMAT,
            "model": self.to_config(),
            "fingerprint": self.fingerprint(),
            "versions": {"zooactive": metadata.version("zooactive")},
        }
        write_json(folder / ABOUT, about)


def load_number_model(folder: str | Path) -> NumberModel:
    """Load a model that `NumberModel.save` wrote, from this folder or from ``model/`` in it.

    Raises
    ------
    ModelError
        If there is no such model, or it is incomplete or damaged.
    """
    folder = Path(folder)
    if not tells_numbers(folder):
        for place in (folder, folder / "model"):
            if (place / ABOUT).is_file():
                read_about(place)  # refuses a damaged file, and one of a newer version
        raise ModelError(f"{folder} holds no complete model for numbers; make one with `zooactive finetune --column`")
    folder = folder if (folder / ABOUT).is_file() else folder / "model"
    with explained(ModelError, f"{folder / ABOUT} is damaged ({{reason}}); fit the model again"):
        about = read_object(folder / ABOUT)
        column, said = about["model"]["column"], about["fingerprint"]
        if not isinstance(column, str):
            raise ValueError("the column is not a text")
    model = NumberModel(column, NumberHead.load(folder / _HEAD), load_model(folder / NUMBERS_ENCODER))
    if model.fingerprint() != said:
        raise ModelError(f"the numbers in {folder} do not match its {ABOUT}: a save was interrupted; fit it again")
    return model
