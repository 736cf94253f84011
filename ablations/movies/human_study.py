"""The form of the human study with films: ten interactions for people to judge.

python -m ablations.movies.human_study --random-rating

Equals `recgpt gym ablate --domain movies --study human`; the form lies in the run's folder.
"""

from recgpt.cli.gym.ablate import published_command
from recgpt.cli.module import run_command

COMMAND = published_command("movies", only=("human",))

if __name__ == "__main__":
    run_command(COMMAND, "python -m ablations.movies.human_study", __doc__)
