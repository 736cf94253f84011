"""A town of people with homes, work, plans, talks and memories, and a recommender among them (Generative Agents).

Park et al., "Generative Agents: Interactive Simulacra of Human Behavior" (UIST 2023).

Words: a *tick* is the shortest time, 10 simulated seconds unless configured; in a tick a resident moves at most one
tile (the published system calls it a step). A *block* is a step of the run's log: ten simulated minutes, decided as a
whole and stored in one transaction. A *place* is a sector (house, cafe), an arena (room) or an object (bed, stove) of
the map. A *fact* is a piece of news that passes in talks.

Shapes: A residents, P places, F facts, H height and W width of the map in tiles, T tiles of a path.
"""
