"""Minds: options, and what the language-model minds of all worlds share."""
