"""Rounds that run by themselves with the Zooniverse: what is known, what is to be done next, and how it is done once."""
