"""policies of the gym."""
