"""New votes: from volunteers on the Zooniverse, from tables of totals, and from a simulated crowd on a simulated sky."""

from __future__ import annotations

from zooactive.labels.classifications import Classification, Dropped, read_export
from zooactive.labels.count_tables import read_counts
from zooactive.labels.ledger import Ledger, Merged
from zooactive.labels.reductions import read_reductions
from zooactive.labels.sources import Kind, VoteSources, find_sources, kind_of
from zooactive.labels.subject_export import SubjectExport
from zooactive.labels.wording import Wording, WorkflowWording, load_wording

__all__ = [
    "Classification",
    "Dropped",
    "Kind",
    "Ledger",
    "Merged",
    "SubjectExport",
    "VoteSources",
    "Wording",
    "WorkflowWording",
    "find_sources",
    "kind_of",
    "load_wording",
    "read_counts",
    "read_export",
    "read_reductions",
]
