"""Commands of EmoSim-RL's ablation studies under their published names; `recgpt gym ablate` is the same."""
