"""The head as a Keras layer: dropout on the features, one linear layer, and the concentrations of every answer."""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.forking import networks_compute
from zooactive.models.head.activation import FRACTION_FLOOR, SCALE, SOFTPLUS_FLOOR
from zooactive.models.head.dropout import check_settings
from zooactive.tree import DecisionTree

_FIRST_BIAS = {"sigmoid": -3.0, "softplus": 5.0, "fraction": 0.0}
# The bias at the start of training. With a bias of 0 the sigmoid's concentrations would all be 51, as if a hundred
# volunteers had already answered: an untrained network would be far too certain, and a first batch of one-sided votes would
# cost it hundreds of nats. Both values start alpha near 5 (sigmoid 5.7, softplus 5.0), where there is plenty of slope.


@keras.saving.register_keras_serializable(package="zooactive")
class ConcentrationHead(keras.layers.Layer):  # type: ignore[misc]
    """A layer that turns features into Dirichlet concentrations, in float32 under every dtype policy.

    Parameters
    ----------
    tree : DecisionTree
        The tree whose columns are the answers.
    dropout : float
        The share of the features left out, 0 <= dropout < 1.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`.
    seed : int
        The seed for the initial weights and for dropout in training.

    Raises
    ------
    ModelError
        If a setting is unknown or out of range.
    """

    def __init__(
        self,
        tree: DecisionTree,
        *,
        dropout: float = 0.2,
        concentrations: str = "softplus",
        seed: int = 0,
        name: str | None = "head",
        **kwargs: Any,
    ) -> None:
        check_settings(dropout, concentrations)
        networks_compute()
        super().__init__(name=name, **kwargs | {"dtype": "float32"})
        self.tree = tree
        self.dropout = float(dropout)
        self.concentrations = concentrations
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights: a Glorot-uniform kernel (feature, answer) and a bias (answer,)."""
        answers = len(self.tree.columns)
        self.kernel = self.add_weight(
            shape=(input_shape[-1], answers), initializer=keras.initializers.GlorotUniform(self.seed), name="kernel"
        )
        first = keras.initializers.Constant(_FIRST_BIAS[self.concentrations])
        self.bias = self.add_weight(shape=(answers,), initializer=first, name="bias")

    @property
    def fresh(self) -> bool:
        """Return whether the bias is still the initial one."""
        return bool(keras.ops.all(self.bias == _FIRST_BIAS[self.concentrations]))

    def call(self, features: Any, keep: Any = None, training: bool | None = None) -> Any:
        """Return concentrations.

        Parameters
        ----------
        features : tensor, shape (batch, feature)
        keep : tensor, optional
            Your own masks instead of dropout, of a shape that broadcasts against the features, with values 0 or
            1 / (1 - dropout). Masks (draw, 1, feature) give one draw each; `LinearHead.masks` makes them.
        training : bool, optional
            Without `keep`: whether features are left out at random, independently for each galaxy.

        Returns
        -------
        tensor of float32, shape (batch, answer), or (draw, batch, answer) with masks of three axes
        """
        if keep is not None:
            features = features * keras.ops.cast(keep, "float32")
        elif training and self.dropout > 0:
            features = keras.random.dropout(features, self.dropout, seed=self.seed_generator)
        return self._activate(keras.ops.matmul(features, self.kernel) + self.bias)

    def _activate(self, z: Any) -> Any:
        alpha = self._counted(z)
        if self.concentrations != "fraction" and self.tree.single_labels.any():
            return keras.ops.where(self.tree.single_labels, self._fractions(z), alpha)
        return alpha

    def _counted(self, z: Any) -> Any:
        if self.concentrations == "sigmoid":
            return 1 + SCALE * keras.ops.sigmoid(z)
        if self.concentrations == "softplus":
            return keras.ops.softplus(z) + SOFTPLUS_FLOOR
        return self._fractions(z)

    def _fractions(self, z: Any) -> Any:
        fractions = []
        for where in self.tree.slices:
            room = 1 - FRACTION_FLOOR * (where.stop - where.start)
            fractions.append(FRACTION_FLOOR + room * keras.ops.softmax(z[..., where]))
        return SCALE * keras.ops.concatenate(fractions, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return dict(
            super().get_config(),
            tree=self.tree.to_dict(),
            dropout=self.dropout,
            concentrations=self.concentrations,
            seed=self.seed,
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ConcentrationHead:
        """Make a head from `get_config`."""
        return cls(**config | {"tree": DecisionTree.from_dict(config["tree"])})
