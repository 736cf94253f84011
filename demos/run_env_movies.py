"""Episodes with films at the terminal, with the defaults of the published demo.

python -m demos.run_env_movies --num-users 2 --max-steps 10 --output-csv steps.csv

Equals `recgpt gym play --domain movies` with emotional memory and users who leave.
"""

from recgpt.cli.gym.play import published_demo
from recgpt.cli.module import run_command

COMMAND = published_demo("movies")

if __name__ == "__main__":
    run_command(COMMAND, "python -m demos.run_env_movies", __doc__)
