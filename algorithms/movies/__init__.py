"""Training on films."""
