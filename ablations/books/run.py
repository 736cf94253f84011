"""The five studies with books, by default with the settings of the environment.

python -m ablations.books.run --sampling --debug

Equals `recgpt gym ablate --domain books`, and writes reports/CONFIGURATION/ in the published form too.
"""

from recgpt.cli.gym.ablate import published_command
from recgpt.cli.module import run_command

COMMAND = published_command("books")

if __name__ == "__main__":
    run_command(COMMAND, "python -m ablations.books.run", __doc__)
