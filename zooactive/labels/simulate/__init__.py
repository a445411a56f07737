"""A simulated sky with known vote probabilities, and a simulated crowd that votes on it, for checks and rehearsals."""

from __future__ import annotations

from zooactive.labels.simulate.crowd import Answers, Crowd
from zooactive.labels.simulate.export import write_export
from zooactive.labels.simulate.sky import Sky, simulate_sky, write_sky

__all__ = ["Answers", "Crowd", "Sky", "simulate_sky", "write_export", "write_sky"]
