"""The `recgpt` command with all its topics; heavy imports happen inside the command that needs them."""

import typer

from recgpt.cli.data import data_app
from recgpt.cli.encoders import encoders_app
from recgpt.cli.evaluate import benchmark_app, compare, evaluate
from recgpt.cli.gym.app import gym_app
from recgpt.cli.llm import llm_app
from recgpt.cli.models import convert, encode, finetune, loss, pretrain_app, tokenize, train_tokenizer_command
from recgpt.cli.recommend import explain, rank, recommend
from recgpt.cli.runs import runs_app
from recgpt.cli.serve import serve
from recgpt.cli.simulate import agent4rec, agents_app, experiment, simulate_app
from recgpt.cli.society.interview import interview
from recgpt.cli.society.recagent import recagent
from recgpt.cli.society.simulate import society
from recgpt.cli.society.variance import variance
from recgpt.cli.town.app import town_app
from recgpt.cli.town.play import town
from recgpt.cli.web import web
from recgpt.terminal import say
from recgpt.version import __version__

app = typer.Typer(
    add_completion=False,
    help="A foundation model for sequential recommendation, and simulated users to test recommenders with.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"recgpt {__version__}")
        raise typer.Exit


@app.callback()
def recgpt(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """A foundation model for sequential recommendation, and simulated users to test recommenders with."""


DATA, MODELS, RECOMMEND = "Data", "Models", "Recommend"
EVALUATE, SIMULATE, SERVE = "Evaluate", "Simulate", "Serve"
app.add_typer(data_app, name="data", rich_help_panel=DATA)
app.command(rich_help_panel=DATA)(encode)
app.add_typer(encoders_app, name="encoders", rich_help_panel=DATA)
app.command(rich_help_panel=DATA)(tokenize)
app.command("train-tokenizer", rich_help_panel=MODELS)(train_tokenizer_command)
app.add_typer(pretrain_app, name="pretrain", rich_help_panel=MODELS)
app.command(rich_help_panel=MODELS)(finetune)
app.command(rich_help_panel=MODELS)(loss)
app.command(rich_help_panel=MODELS)(convert)
app.command(rich_help_panel=RECOMMEND)(recommend)
app.command(rich_help_panel=RECOMMEND)(rank)
app.command(rich_help_panel=RECOMMEND)(explain)
app.command(rich_help_panel=EVALUATE)(evaluate)
app.command(rich_help_panel=EVALUATE)(compare)
app.add_typer(benchmark_app, name="benchmark", rich_help_panel=EVALUATE)
simulate_app.command()(society)
simulate_app.command()(town)
runs_app.command()(interview)
runs_app.command()(variance)
app.add_typer(simulate_app, name="simulate", rich_help_panel=SIMULATE)
app.add_typer(agents_app, name="agents", rich_help_panel=SIMULATE)
app.command("agent4rec", rich_help_panel=SIMULATE)(agent4rec)
app.command("recagent", rich_help_panel=SIMULATE)(recagent)
app.command("experiment", rich_help_panel=SIMULATE)(experiment)
app.add_typer(gym_app, name="gym", rich_help_panel=SIMULATE)
app.add_typer(town_app, name="town", rich_help_panel=SIMULATE)
app.add_typer(runs_app, name="runs", rich_help_panel=SIMULATE)
app.command(rich_help_panel=SERVE)(serve)
app.add_typer(llm_app, name="llm", rich_help_panel=SERVE)
app.command(rich_help_panel=SERVE)(web)
