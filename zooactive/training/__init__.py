"""Votes into weights; `calibrate/` sets what a model says right, `finetuning/` carries it to a new question."""
