"""Simulated users of recommenders: agents, minds, worlds, and the log of every run."""
