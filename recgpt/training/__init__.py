"""Training code of both models: checkpoints, training curves, learning-rate schedules, early stopping."""
