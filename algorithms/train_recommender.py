"""Short training of a recommender, and its evaluation.

python -m algorithms.train_recommender --domain books --algo ppo --total-timesteps 1000 --offline-random-rater

Equals `recgpt gym train`, with a policy that reads the texts of items. The published command gives the network item
numbers as quantities, which are not copied.
"""

from recgpt.cli.gym.train import published_recommender
from recgpt.cli.module import run_command

COMMAND = published_recommender()

if __name__ == "__main__":
    run_command(COMMAND, "python -m algorithms.train_recommender", __doc__)
