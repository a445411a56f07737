"""Fine-tuning: a few hundred labels adapt a trained encoder to a new question."""
