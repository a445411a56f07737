"""Rounds that run by themselves on the Zooniverse: gather the facts, decide the next change, and make it exactly once."""
