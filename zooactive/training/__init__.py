"""Votes into weights: train a network, fit its draws and its factors; `finetuning/` carries it to a new question."""
