"""What the tests of commands share: a workspace that was begun once, which they copy."""

from __future__ import annotations

import pytest
from small_survey import Begun, begun_workspace


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """A workspace with packed images and a network, which no test changes."""
    return begun_workspace(tmp_path_factory.getbasetemp())
