"""Heads that turn features into concentrations, one kind of draws per file."""
