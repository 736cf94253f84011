"""EmoSim-RL: Gymnasium environments in which simulated people rate one recommended item a step.

    import gymnasium
    import recgpt.simulate.worlds.gym.registration      # registers the ids
    env = gymnasium.make("recgpt/EmoSimMovies-v0")
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

Corecco et al., "SUBER: An RL Environment with Simulated Human Behavior for Recommender Systems" (2024), and its fork
EmoSim-RL, which adds emotion to users' memories and departures.

Shapes: E environments (episodes that advance together), U users, N items, T interactions of an episode, M items that a
user remembers, k items retrieved from memory, H interactions in an observation, R rows of any kind.
"""
