"""Synthetic galaxies whose vote probabilities are known, and a crowd that votes on them: to check and to rehearse with."""

from __future__ import annotations

from zooactive.simulate.crowd import Answers, Crowd
from zooactive.simulate.export import write_export
from zooactive.simulate.sky import Sky, simulate_sky, write_sky

__all__ = ["Answers", "Crowd", "Sky", "simulate_sky", "write_export", "write_sky"]
