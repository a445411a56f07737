"""The Zooniverse's servers: each call that a round needs, with what may go wrong, and nothing that may harm a project."""
