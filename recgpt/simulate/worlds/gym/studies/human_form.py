"""Form of the human study: people judge ten interactions, and save their answers as a file.

write(dump, about, folder)     # human_form.html and human.csv

The control (`--random-rating`) shows random ratings of the scale in the place of the users', and no reasons, which
would give them away. Its readers must not know which form they have; neither page shows it.
"""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from recgpt.files import write_text
from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.terminal import neutral_value

FORM, KEY = "human_form.html", "human.csv"
_PACKAGE = "recgpt.simulate.worlds.gym.studies"


def write(dump: pl.DataFrame, about: dict[str, Any], folder: Path) -> list[Path]:
    """Write the form, and a table of its contents with the users' own ratings; returns the paths."""
    domain = domain_of(about["domain"])
    shown = interactions(dump, about, domain)
    write_text(folder / FORM, form(shown, domain))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(shown[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**row, "recalled": "; ".join(f"{name} {rating:g}" for name, rating in row["recalled"])} for row in shown
    )
    write_text(folder / KEY, text.getvalue())
    return [folder / FORM, folder / KEY]


def interactions(dump: pl.DataFrame, about: dict[str, Any], domain: Domain) -> list[dict[str, Any]]:
    """Contents of the form for each interaction, and the user's own rating."""
    rows = dump.filter(pl.col("study") == "human")
    is_control = bool(about["config"]["random_rating"])
    values = domain.scale.values
    drawn = rng.uniform(about["config"]["seed"], np.arange(len(rows)), step=0, purpose="random rating")[:, 0]
    return [
        {
            "number": number + 1,
            "kind": row["part"],
            "user": row["user_name"],
            "about": row["user_about"],
            "group": row["group"],
            "item": row["item_name"],
            "recalled": list(zip(row["recalled_names"], row["recalled_ratings"], strict=True)),
            "shown_rating": float(values[int(drawn[number] * len(values))]) if is_control else row["rating"],
            "reason": "" if is_control else row["explanation"] or "",
            "rating": row["rating"],
        }
        for number, row in enumerate(rows.iter_rows(named=True))
    ]


def form(shown: list[dict[str, Any]], domain: Domain) -> str:
    """The page that people fill in."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "."), autoescape=True, finalize=neutral_value, undefined=StrictUndefined
    )
    template = environment.get_template("human_form.html.j2")
    return template.render(interactions=shown, scale=domain.scale, item_word=domain.item_word)
