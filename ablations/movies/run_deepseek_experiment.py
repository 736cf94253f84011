"""The five studies with films, by default with the settings of EmoSim-RL.

python -m ablations.movies.run_deepseek_experiment --skip-sampling
python -m ablations.movies.run_deepseek_experiment --llm-model deepseek-chat --items-retrieval last_3

Equals `recgpt gym ablate --domain movies`, and writes reports/CONFIGURATION/ in the published form too. The users are
scripted unless --llm-model names a language model. Interrupted, it goes on by the same command.
"""

from recgpt.cli.gym.ablate import published_command
from recgpt.cli.module import run_command

COMMAND = published_command("movies", rater="0Shot_cotlite_our", retrieval="decay_emotion_3", users="detailed")

if __name__ == "__main__":
    run_command(COMMAND, "python -m ablations.movies.run_deepseek_experiment", __doc__)
