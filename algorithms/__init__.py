"""Commands of EmoSim-RL's and SUBER's training under their published names; `recgpt gym train` is the same."""
