"""Networks that several test modules look at: built once in a process, and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from networks import plain_weights, reduced_networks

from zooactive.models import build_encoder


@pytest.fixture
def reduced() -> Iterator[None]:
    """Let a test build small networks, of weights that do not matter, under the names of large ones."""
    with reduced_networks(), plain_weights():
        yield


@pytest.fixture(scope="session")
def efficientnet_b0() -> Any:
    """The whole of EfficientNet-B0, for images of 32 pixels; tests leave it as it is."""
    with plain_weights():
        return build_encoder("efficientnet_b0", 32)
