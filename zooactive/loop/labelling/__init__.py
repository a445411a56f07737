"""Labelling oneself: what was answered, what is learnt from it, and which galaxy comes next. Nothing here is a server."""
