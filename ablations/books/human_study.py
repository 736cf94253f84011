"""The form of the human study with books: ten interactions for people to judge.

python -m ablations.books.human_study --random-rating

Equals `recgpt gym ablate --domain books --study human`; the form lies in the run's folder.
"""

from recgpt.cli.gym.ablate import published_command
from recgpt.cli.module import run_command

COMMAND = published_command("books", only=("human",))

if __name__ == "__main__":
    run_command(COMMAND, "python -m ablations.books.human_study", __doc__)
