"""A trained encoder carried to a new question by a few hundred labels."""
