"""What both models share when they train: checkpoints, curves, schedules, epochs with early stopping."""
