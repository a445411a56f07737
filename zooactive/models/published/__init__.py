"""Weights that others published, and models that others can load: files, architectures, the Hugging Face hub."""
