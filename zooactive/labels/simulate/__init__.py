"""A sky whose vote probabilities are known, and a crowd that votes on it: to check and to rehearse with."""

from __future__ import annotations

from zooactive.labels.simulate.crowd import Answers, Crowd
from zooactive.labels.simulate.export import write_export
from zooactive.labels.simulate.sky import Sky, simulate_sky, write_sky

__all__ = ["Answers", "Crowd", "Sky", "simulate_sky", "write_export", "write_sky"]
