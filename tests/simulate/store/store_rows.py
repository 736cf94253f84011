"""Rows, manifests and calls for the tests of the store."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import strategies as st

from recgpt.simulate.events import FREE_COLUMNS, SCHEMA, EventKind, EventKinds
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.store import Manifest

KINDS = EventKinds(
    *(EventKind(name, name, **dict.fromkeys(FREE_COLUMNS, "any")) for name in ("rated", "satisfied", "shown"))
)
int64 = st.integers(-(2**63), 2**63 - 1)
unicode_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def manifest(run: str = "demo", **fields: object) -> Manifest:
    about = {"world": "feed", "config": {"pages": 3}, "seed": 7, "made_with": {"recgpt": "0"}, "dataset": {"name": "d"}}
    return Manifest(
        **{**about, "run": run, "kinds": KINDS.to_dict(), "repeatable": "always: the agents are scripted", **fields}
    )


def step_rows(step: int, n_agents: int = 40) -> pl.DataFrame:
    rng = np.random.default_rng(step)
    agent = np.arange(n_agents)
    words = [None if a % 3 else f"page {step} was fine, said {a} – ünï" for a in agent]
    return KINDS.assemble(
        step,
        [
            KINDS.piece(
                "shown", agent.repeat(3), item=rng.integers(0, 99, 3 * n_agents), slot=np.tile(np.arange(3), n_agents)
            ),
            KINDS.piece("rated", agent, item=rng.integers(0, 99, n_agents), value=rng.normal(size=n_agents)),
            KINDS.piece("satisfied", agent, value=rng.integers(0, 2, n_agents), text=words),
        ],
        time=60 * step,
    )


def a_call(key: str = "k1", **fields: object) -> LLMCall:
    about = {"purpose": "decide", "model": "m", "request": '{"messages": []}', "reply": '{"ok": "ü"}', "failure": None}
    figures = {"tokens_in": 10, "tokens_out": 3, "cost_usd": 0.25, "seconds": 0.1, "attempts": 1, "server": "local"}
    return LLMCall(**{**about, **figures, "key": key, **fields})


@contextmanager
def raw(root: Path, run: str = "demo") -> Iterator[sqlite3.Connection]:
    """The file itself, as somebody else might change it."""
    connection = sqlite3.connect(root / run / "run.sqlite")
    with connection:
        yield connection
    connection.close()


@st.composite
def frames(draw: st.DrawFn, min_size: int = 0) -> pl.DataFrame:
    agents = sorted(draw(st.lists(st.integers(0, 2**62), min_size=min_size, max_size=30)))
    rows = [
        (
            1,
            draw(int64),
            agent,
            place - agents.index(agent),
            draw(st.sampled_from(sorted(KINDS))),
            *(draw(st.none() | int64) for _ in range(4)),
            draw(st.none() | st.floats()),
            draw(st.none() | unicode_text),
        )
        for place, agent in enumerate(agents)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def canonical(rows: pl.DataFrame) -> pl.DataFrame:
    value = [None if v is None or np.isnan(v) else 0.0 if v == 0 else v for v in rows["value"].to_list()]
    return rows.with_columns(pl.Series("value", value, dtype=pl.Float64))


def at(step: int, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(step=pl.lit(step, dtype=pl.Int64))
