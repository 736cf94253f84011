"""Files of the published system: folders of simulations, compressed demos, histories; read and written.

simulation = read_simulation(Path("storage/base_the_ville_n25"))
write_simulation(simulation, Path("copy"))

The formats are those of joonspk-research/generative_agents (Apache-2.0). A step of these files is a tick of a town.
"""
