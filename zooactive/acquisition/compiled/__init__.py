"""Inner loops of the scores, compiled by numba when first used."""
