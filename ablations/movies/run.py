"""The five studies with films, by default with the settings of the environment.

python -m ablations.movies.run --skip-sampling --debug

Equals `recgpt gym ablate --domain movies`, and writes reports/CONFIGURATION/ in the published form too.
"""

from recgpt.cli.gym.ablate import published_command
from recgpt.cli.module import run_command

COMMAND = published_command("movies")

if __name__ == "__main__":
    run_command(COMMAND, "python -m ablations.movies.run", __doc__)
