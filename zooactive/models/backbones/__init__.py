"""Backbones that turn pixels into features, one network per file, and their register."""
