"""Minds of the gym: they rate items for users."""
