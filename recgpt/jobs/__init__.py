"""Resumable work in shards, in one process or on Ray, with the same output bytes."""
