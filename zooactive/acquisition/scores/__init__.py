"""The scores, one per file, each a function of a posterior alone."""
