"""`recgpt gym users`: generate a population with the published shares, to a CSV file with the published columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgpt.cli.gym.options import RULES, gym_options
from recgpt.cli.options import Overwrite, Seed
from recgpt.errors import ConfigError, DataError, LLMError
from recgpt.tables import decimal, print_tables
from recgpt.terminal import plain, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from recgpt.simulate.worlds.gym.config import GymSettings
    from recgpt.simulate.worlds.gym.people import Kind, Lists, Person
    from recgpt.simulate.worlds.gym.people_shares import Share

LISTS = ("hobbies.csv", "hobbies_children.csv", "jobs.csv")
_MINDS = ("scripted", "llm")


@gym_options(
    fixed={
        **{name: each.default for name, each in RULES.items() if name not in ("domain", "items")},
        "replayed": None,
    }
)
def users(
    settings: "GymSettings",
    kind: Annotated[
        str | None,
        typer.Option(help="user data set: detailed, basic, sampled_genres, sampled; by default the domain's"),
    ] = None,
    num: Annotated[int, typer.Option(min=1, max=1_000_000, help="number of people")] = 4,
    file_name: Annotated[str, typer.Option(help="name of the CSV file, without its ending")] = "users",
    directory: Annotated[
        Path, typer.Option("--dir", help="folder of the CSV file; it is made if it does not exist", file_okay=False)
    ] = Path(),
    split_without_film_interest: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="share of people without favourite titles; by default .5, of the kind detailed 1"
        ),
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(
            help="folder with the published hobbies.csv, hobbies_children.csv and jobs.csv; by default our own lists",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    preview: Annotated[int, typer.Option(min=0, help="number of people to print")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Generate users for environments: ages, jobs, hobbies, tastes and traits in the published shares.

    Writes NAME.csv with the published columns and NAME_levels.csv with the traits; the environments take the file as
    --users. Texts are made from templates (--mind scripted, the default) or by a language model (--mind llm).

    Example: recgpt gym users --domain movies --num 600 --seed 1 --file-name people --dir data/people

    Example: recgpt gym users --domain books --kind sampled --num 8 --preview 8

    Example: recgpt gym users --num 20 --llm-model gpt-4o-mini --max-usd 1
    """
    from recgpt.files import require_writable
    from recgpt.simulate.worlds.gym.domain import domain_of
    from recgpt.simulate.worlds.gym.people import draw_people, titles_by_tag
    from recgpt.simulate.worlds.gym.user_files import levels_path, write_users

    domain = domain_of(settings.domain)
    chosen = _kind(domain.kinds, kind or domain.default_users, settings.domain)
    path = _file(directory, file_name)
    if not overwrite and (found := next((each for each in (path, levels_path(path)) if each.exists()), None)):
        raise DataError(f"{found} exists already: choose another --file-name or overwrite it (--overwrite)")
    if settings.mind not in _MINDS:
        raise ConfigError(f"--mind {settings.mind}: people are described by one of {', '.join(_MINDS)}")
    if settings.mind == "llm":
        from recgpt.simulate.minds.checks import check_mind

        check_mind(settings)
    people = draw_people(
        num,
        chosen.tastes,
        seed=seed,
        lists=None if lists is None else _lists(lists),
        titles=titles_by_tag(domain.load_items(settings.items)),
        without_favourites=split_without_film_interest,
    )
    directory.mkdir(parents=True, exist_ok=True)
    require_writable(directory)
    failures = Counter[str]()
    cost: dict[str, Any] | None = None
    if settings.mind == "llm":
        people, failures, cost = _by_model(people, chosen, settings, seed, path)
    if people:
        write_users(people, chosen.tastes, path)
    _print(people, chosen, path, failures, cost, preview, as_json, drawn=settings.mind == "scripted")
    if failures and not people:
        raise typer.Exit(1)


def _kind(kinds: Mapping[str, "Kind"], name: str, domain: str) -> "Kind":
    if name not in kinds:
        known = f"choose among {', '.join(kinds)}" if kinds else "the domain generates none"
        raise ConfigError(f"--kind {name}: no such user data set of {domain}: {known}")
    return kinds[name]


def _file(directory: Path, name: str) -> Path:
    from recgpt.files import file_name

    stem = name.removesuffix(".csv")
    if file_name(stem) != stem:
        raise ConfigError(f"--file-name {name!r}: letters, digits and _ . @ + - are allowed, such as people_1")
    return directory / f"{stem}.csv"


def _lists(folder: Path) -> "Lists":
    """The published lists of hobbies and jobs."""
    from recgpt.simulate.worlds.gym.people import Lists
    from recgpt.simulate.worlds.gym.user_files import first_column

    hobbies, children, jobs = (first_column(folder / name) for name in LISTS)
    return Lists(hobbies, children, jobs)


def _by_model(
    people: list["Person"], kind: "Kind", settings: "GymSettings", seed: int, path: Path
) -> tuple[list["Person"], Counter[str], dict[str, Any]]:
    """People with texts by the language model, failures by kind, and the cost; an error keeps the blocks before it."""
    from recgpt.progress import note
    from recgpt.simulate.minds.ask import Asker, client_from_options
    from recgpt.simulate.worlds.gym.people_texts import PACKAGE, requests_for, write_people
    from recgpt.simulate.worlds.gym.user_files import write_users

    asker = Asker(client_from_options(settings.llm, seed=seed, run=None), PACKAGE)
    estimate = asker.client.estimate(requests_for(people[:10], kind.tastes, asker), n_calls=len(people))
    note(f"estimated language-model use: {estimate}")
    described: list[Person] = []
    failures = Counter[str]()
    try:
        for written in write_people(people, kind.tastes, asker):
            described += written.people
            failures.update(written.failures)
    except LLMError:
        if described:
            write_users(described, kind.tastes, path)
            note(f"{path} has the {len(described):,} people described before this error")
        raise
    spent = asker.client.spent
    return described, failures, {"calls": spent.calls, "tokens": spent.tokens, "usd": spent.usd}


def _print(
    people: Sequence["Person"],
    kind: "Kind",
    path: Path,
    failures: Mapping[str, int],
    cost: dict[str, Any] | None,
    preview: int,
    as_json: bool,
    *,
    drawn: bool,
) -> None:
    from recgpt.simulate.llm.calls import FAILURES
    from recgpt.simulate.worlds.gym.people_shares import shares_of
    from recgpt.simulate.worlds.gym.user_files import levels_path

    shares = shares_of(people, kind.tastes, drawn_tags=drawn or not kind.tastes.chosen_by_model)
    if as_json:
        print_json(
            {
                "file": str(path) if people else None,
                "levels": str(levels_path(path)) if people else None,
                "people": len(people),
                "failures": dict(failures),
                "cost": cost,
                "shares": [vars(share) for share in shares],
            }
        )
        return
    for person in people[:preview]:
        verb = "she is" if person.gender == "F" else "he is"
        say(plain(f"{person.name} is {person.age} years old, {verb} {person.description}", 1000), "")
    if people:
        print_tables(_table(shares, len(people)))
        say(f"{len(people):,} people: {plain(path)}, and their traits: {plain(levels_path(path).name)}")
    if failures:
        n_failed = sum(failures.values())
        say(f"failed: {n_failed:,} of {n_failed + len(people):,} people, who are left out")
        for name, number in failures.items():
            say(f"  {number:,}: {FAILURES.get(name, name)}")
    if cost is not None:
        say(f"{cost['calls']:,} calls, {cost['tokens']:,} tokens, ${cost['usd']:.4f}")


def _table(shares: Sequence["Share"], n: int) -> "Table":
    """Shares beside their targets; the error is one standard error of a population of this size."""
    from rich.table import Table

    table = Table(title="Population")
    for column in ("", "value", "share", "target", "error"):
        table.add_column(column, justify="left" if column in ("", "value") else "right")
    before = ""
    for share in shares:
        known = share.target == share.target  # not NaN
        error = (share.target * (1 - share.target) / n) ** 0.5
        table.add_row(
            share.fact if share.fact != before else "",
            share.value,
            decimal(share.share, 3),
            decimal(share.target, 3) if known else "–",
            decimal(error, 3) if known else "–",
        )
        before = share.fact
    return table
