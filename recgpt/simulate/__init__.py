"""Simulated people, and what recommenders do to them: agents, minds, worlds, and the log of every run."""
