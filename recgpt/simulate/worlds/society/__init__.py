"""RecAgent: a society of users who browse a recommender, talk to friends and post.

Wang et al., "User Behavior Simulation with Large Language Model-based Agents" (TOIS 43(2):55, 2025); the published
system is YuLan-Rec.

Shapes: A agents, R rows (agents of one decision), S slots of a page or feed, L lines of dialogues, M posts, N items,
E embedding width.
"""
