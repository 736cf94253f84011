"""`recgpt gym list`: names that the options of the gym take, with a line each."""

from typing import TYPE_CHECKING, Annotated

import typer

from recgpt.tables import print_tables
from recgpt.terminal import print_json

if TYPE_CHECKING:
    from recgpt.simulate.worlds.gym.domain import Domain, Rater

ENVIRONMENTS = {
    "recgpt/EmoSimMovies-v0": "films, one a step, rated from 1 to 10",
    "recgpt/EmoSimBooks-v0": "books, one a step, rated from 1 to 5",
    "recgpt/EmoSimSlate-v0": "several items a step, of which the user takes one or none",
}
MINDS = {
    "scripted": "a fitted model of ratings, without a network; the default",
    "llm": "a language model with the prompt of --llm-rater: --llm-model NAME",
    "replay": "stored ratings: --replayed RUN or FILE",
    "person": "you, at the terminal",
}
POLICIES = {
    "random": "any new item",
    "popularity": "the new item with the most ratings",
    "average": "the new item with the best average rating",
    "oracle": "the item that the user's mind rates best, noise aside: an upper bound",
    "linucb": "linear bandit with an upper confidence bound",
    "thompson": "linear bandit with Thompson sampling",
}


def list_names(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """List environments, domains, retrievals, perturbators, shapings, raters, minds and policies.

    Example: recgpt gym list

    Example: recgpt gym list --json
    """
    found = _names()
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    for title, names in found.items():
        table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, about in names.items():
            table.add_row(name, about)
        print_tables(table)


def _names() -> dict[str, dict[str, str]]:
    """Names and descriptions by section."""
    from recgpt.recommenders import REGISTRY
    from recgpt.simulate.worlds.gym.domain import DOMAINS, domain_of
    from recgpt.simulate.worlds.gym.registry import PERTURBATORS, RETRIEVALS, SHAPINGS

    domains = {name: domain_of(name) for name in DOMAINS}
    recommenders = {name: "recommender, see docs/recommenders" for name in REGISTRY if name not in POLICIES}
    return {
        "environments": ENVIRONMENTS,
        "domains (--domain)": {name: _domain(domain) for name, domain in domains.items()},
        "retrievals (--items-retrieval)": dict(RETRIEVALS),
        "perturbators (--perturbator)": {name: each.about for name, each in PERTURBATORS.items()},
        "shapings (--reward-shaping)": {name: each.about for name, each in SHAPINGS.items()},
        **{
            f"raters of {domain.item_words} (--llm-rater)": {name: _rater(each) for name, each in domain.raters.items()}
            for domain in domains.values()
        },
        "minds (--mind)": MINDS,
        "policies (--policy)": {**POLICIES, **recommenders, "FOLDER": "a policy trained by `recgpt gym train`"},
    }


def _domain(domain: "Domain") -> str:
    return (
        f"{domain.item_words}, rated {domain.scale.lowest:g} to {domain.scale.highest:g}; users (--user-dataset)"
        f" {', '.join(domain.user_datasets)}, dataset; by default {domain.default_users}, {domain.default_retrieval},"
        f" {domain.default_rater}"
    )


def _rater(rater: "Rater") -> str:
    examples = {0: "no example", 1: "one example"}.get(rater.shots, f"{rater.shots} examples")
    return (
        f"{examples}, from {rater.lowest} to {rater.highest}{', a reason before the rating' if rater.reasons else ''}"
    )
