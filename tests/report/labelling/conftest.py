"""What the tests of the page share: its servers leave the collector of the tests' own process alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from zooactive.report.labelling_page import server


@pytest.fixture(autouse=True)
def _uncollected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server look through all that the tests before have made, which takes most of a second each time."""
    untouched = {name: lambda: None for name in ("collect", "freeze", "unfreeze")}
    monkeypatch.setattr(server, "gc", SimpleNamespace(**untouched))
