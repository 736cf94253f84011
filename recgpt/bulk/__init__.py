"""Bulk work over fixed shards of rows: in one process or on Ray, resumable, the same bytes either way."""
