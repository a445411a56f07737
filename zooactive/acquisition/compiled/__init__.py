"""The inner loops of the scores, compiled by numba on first use."""
