"""Encoding, tokenizing and ranking of whole data sets: resumable, in one process or on Ray."""
