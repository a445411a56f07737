"""Calls to the Zooniverse's servers: everything that a round needs, with its errors, and nothing that harms a project."""
