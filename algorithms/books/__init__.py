"""Training on books."""
