"""Training turns votes into weights; `calibrate/` corrects the uncertainty, `finetuning/` adapts to a new question."""
