"""One score a file, each a function of a posterior alone."""
