"""Pixels to features: one network a file, and the register."""
