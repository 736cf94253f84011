"""Work in shards that resumes: in one process or on Ray, the same bytes either way."""
