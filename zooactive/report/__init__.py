"""What people look at: `plots/` on axes that the caller owns, and findings on one HTML page."""

from __future__ import annotations

from zooactive.report.findings import (
    acquired_gallery,
    failures_finding,
    fractions_finding,
    galaxy_finding,
    number_finding,
    questions_finding,
    task_finding,
    training_finding,
    tree_finding,
)
from zooactive.report.metrics import evaluation_findings
from zooactive.report.page import Finding, Gallery, Tile, write_report

__all__ = [
    "Finding",
    "Gallery",
    "Tile",
    "acquired_gallery",
    "evaluation_findings",
    "failures_finding",
    "fractions_finding",
    "galaxy_finding",
    "number_finding",
    "questions_finding",
    "task_finding",
    "training_finding",
    "tree_finding",
    "write_report",
]
