"""A2C of the collaborative-filtering policy on books.

python -m algorithms.books.CF_train_A2C --total-timesteps 2000 --n-envs 8

Equals `recgpt gym train --domain books --algo a2c --policy cf --preset emosim`.
The users are scripted unless --llm-model names a language model. Stopped or killed, it goes on by the same command.
"""

from recgpt.cli.gym.train import published_training
from recgpt.cli.module import run_command

COMMAND = published_training("books", "a2c", steps=2_000_000)

if __name__ == "__main__":
    run_command(COMMAND, "python -m algorithms.books.CF_train_A2C", __doc__)
