"""Fetch images of galaxies by their coordinates: services as data, their answers, and a courteous way to ask them."""
