"""Weights published by others, and models published for others: files, architectures, the Hugging Face hub."""
