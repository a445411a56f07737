"""Where new votes come from: classifications of volunteers, as the Zooniverse exports them."""

from __future__ import annotations

from zooactive.labels.classifications import Classification, Dropped, read_export
from zooactive.labels.ledger import Ledger, Merged
from zooactive.labels.wording import Wording, WorkflowWording, load_wording

__all__ = [
    "Classification",
    "Dropped",
    "Ledger",
    "Merged",
    "Wording",
    "WorkflowWording",
    "load_wording",
    "read_export",
]
