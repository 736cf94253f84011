"""A2C of the collaborative-filtering policy on films.

python -m algorithms.movies.CF_train_A2C --total-timesteps 2000 --n-envs 8
python -m algorithms.movies.CF_train_A2C --llm-model deepseek-chat --llm-rater 0Shot_cotlite_our --items-retrieval
  decay_emotion_3

Equals `recgpt gym train --domain movies --algo a2c --policy cf --preset emosim`.
The users are scripted unless --llm-model names a language model. Stopped or killed, it goes on by the same command.
"""

from recgpt.cli.gym.train import published_training
from recgpt.cli.module import run_command

COMMAND = published_training("movies", "a2c", steps=1_800_000, n_steps=1000)

if __name__ == "__main__":
    run_command(COMMAND, "python -m algorithms.movies.CF_train_A2C", __doc__)
