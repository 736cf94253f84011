"""domains of the gym."""
