"""Worlds, one folder each, all alike; `recgpt.simulate.world.WORLDS` names them."""
