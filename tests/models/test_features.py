"""A batch is computed to its end before Ctrl-C stops the work, whichever function computes it."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from zooactive.models.features import computation, forward

PIXELS = np.zeros((2, 4, 4, 3), dtype=np.uint8)


class Network:
    """A network that Ctrl-C breaks into in its first batch, as TensorFlow traces it."""

    def __init__(self) -> None:
        self.done = 0

    def predict_on_batch(self, pixels: np.ndarray) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGINT)
        self.done += len(pixels)
        return pixels


@pytest.mark.usefixtures("pythons_own_answer")
@pytest.mark.parametrize(
    "compute", [lambda network: computation(network)(PIXELS), lambda network: forward(network, PIXELS, 2)]
)
def test_ctrl_c_waits_for_the_end_of_a_batch(compute):
    network = Network()
    with pytest.raises(KeyboardInterrupt):
        compute(network)
    assert network.done == 2
