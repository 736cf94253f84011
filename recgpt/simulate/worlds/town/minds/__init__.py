"""Minds of residents: scripted, language model, replay."""
