"""What people look at: `plots/` on axes that the caller owns, and findings on one HTML page."""

from __future__ import annotations

from zooactive.report.embedding_map import map_finding, project
from zooactive.report.expected import Expectation, expectations
from zooactive.report.findings import (
    failures_finding,
    fractions_finding,
    number_finding,
    questions_finding,
    task_finding,
    training_finding,
)
from zooactive.report.galaxies import acquired_gallery, galaxy_finding, tree_finding
from zooactive.report.metrics import evaluation_findings
from zooactive.report.page import Finding, Gallery, ScaleBar, Tile, write_report

__all__ = [
    "Expectation",
    "Finding",
    "Gallery",
    "ScaleBar",
    "Tile",
    "acquired_gallery",
    "evaluation_findings",
    "expectations",
    "failures_finding",
    "fractions_finding",
    "galaxy_finding",
    "map_finding",
    "number_finding",
    "project",
    "questions_finding",
    "task_finding",
    "training_finding",
    "tree_finding",
    "write_report",
]
