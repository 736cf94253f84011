"""Features of candidate items from texts and interaction counts, computed without gradient steps."""
