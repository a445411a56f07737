"""How large the project on the stand-in is."""

from __future__ import annotations

ROUND, CEILING, GALAXIES = 12, 8, 110
"""Galaxies a round, volunteers a galaxy at most, galaxies in all."""
