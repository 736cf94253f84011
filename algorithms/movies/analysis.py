"""Analysis of a policy trained on films: every user is shown ten items, greedily and none twice.

python -m algorithms.movies.analysis --path tmp/movies/CF_A2C --logs-path tmp/render/render.csv

`recgpt gym evaluate --domain movies --policies random,popularity,tmp/movies/CF_A2C` compares it with others.
"""

from recgpt.cli.gym.train import published_analysis
from recgpt.cli.module import run_command

COMMAND = published_analysis("movies")

if __name__ == "__main__":
    run_command(COMMAND, "python -m algorithms.movies.analysis", __doc__)
