"""Reinforcement learning of policies in the gym, on Stable-Baselines3; the extra `rl` is needed.

Shapes: E environments, B observations, N items, H interactions of an observation, T transitions.
"""
