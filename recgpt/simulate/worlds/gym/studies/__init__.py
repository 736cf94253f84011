"""studies of the gym."""
