"""Episodes on the terminal and in CSV files, for `recgpt gym play`."""

import csv
import io
from pathlib import Path
from typing import Literal

from rich.text import Text

from recgpt.files import write_text
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.steps import Steps
from recgpt.simulate.worlds.gym.telling import CSV_COLUMNS, Teller
from recgpt.tables import decimal, table_console
from recgpt.terminal import say

STYLES = {"user": "bold", "item": "cyan", "left": "yellow", "": ""}


class Printer:
    """Prints episodes step by step, and keeps a row for each step.

    Parameters
    ----------
    inputs
        Of the engine.
    render
        human: with colours on a terminal; ansi: plain lines; csv: rows of `CSV_COLUMNS`; none: the summary alone.
    """

    def __init__(self, inputs: Inputs, render: Literal["human", "ansi", "csv", "none"]) -> None:
        self._render = render
        self._teller = Teller(inputs.domain, inputs.items, inputs.users)
        self._words = inputs.domain.item_words
        self._console = table_console()
        self._rows: list[dict[str, str]] = []
        self._sessions: dict[int, int] = {}
        self._rewards: list[float] = []
        self._ratings: dict[int, float] = {}
        self._user = -1

    def begin(self, user: int) -> None:
        """Begin an episode of a user."""
        self._user, self._ratings = user, {}
        self._sessions[user] = self._sessions.get(user, -1) + 1
        if self._render == "csv" and not self._rows:
            say(",".join(CSV_COLUMNS))
        if self._render in ("human", "ansi"):
            if self._rows:
                self._line("")
            name, *others = self._teller.user(user)
            self._line(name, "user")
            for line in others:
                self._line(line)

    def step(self, steps: Steps) -> None:
        """Print a step and keep its row."""
        row = self._teller.csv_row(steps, 0, self._sessions[self._user])
        self._rows.append(row)
        self._rewards.append(float(steps.reward_E[0]))
        if self._render == "csv":
            say(_lines([row], header=False).rstrip("\n"))
        if self._render in ("human", "ansi"):
            item, *others = self._teller.step(steps, rating_of=self._ratings)
            self._line(item, "item")
            for line in others:
                self._line(line, "left" if line.startswith(("   leaves:", "   the episode ends:")) else "")
        if not steps.failed_E[0]:
            self._ratings[int(steps.item_E[0])] = float(steps.rating_E[0])

    def end(self) -> None:
        """Print the averages over all steps."""
        if self._render == "csv":
            return
        ratings = [float(row["rating"]) for row in self._rows if row["rating"]]
        mean = f"average rating {decimal(sum(ratings) / len(ratings), 2)}" if ratings else "no rating"
        failed = len(self._rows) - len(ratings)
        n_episodes = sum(1 + n for n in self._sessions.values())
        facts = [
            f"{n_episodes} episode{'' if n_episodes == 1 else 's'}, {len(self._rows)} {self._words}: {mean}",
            f"return {decimal(sum(self._rewards), 1)}",
            f"{sum(row['terminated'] == '1' for row in self._rows)} left",
            *([f"{failed} without a rating"] if failed else []),
        ]
        say(", ".join(facts))

    def write(self, path: Path) -> None:
        """Write the rows to a CSV file."""
        write_text(path, _lines(self._rows, header=True))

    def _line(self, line: str, kind: str = "") -> None:
        if self._render == "ansi":
            say(line)
        else:
            self._console.print(Text(line, STYLES[kind]))


def _lines(rows: list[dict[str, str]], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
