"""Analysis of a policy trained on books: every user is shown ten items, greedily and none twice.

python -m algorithms.books.analysis --path tmp/books/CF_A2C --logs-path tmp/render/render.csv

`recgpt gym evaluate --domain books --policies random,popularity,tmp/books/CF_A2C` compares it with others.
"""

from recgpt.cli.gym.train import published_analysis
from recgpt.cli.module import run_command

COMMAND = published_analysis("books")

if __name__ == "__main__":
    run_command(COMMAND, "python -m algorithms.books.analysis", __doc__)
