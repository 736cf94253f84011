"""Minds of a society."""
