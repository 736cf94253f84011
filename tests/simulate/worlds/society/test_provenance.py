"""First and last hearings, and mutual ties, against the plain way to find them."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from small_society import frame, setting

from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.provenance import Provenance
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.ties import Ties, distinct

N_AGENTS, N_ITEMS = 6, 4
_lines = st.tuples(st.integers(0, N_AGENTS - 1), st.integers(0, N_AGENTS - 1), st.integers(0, N_ITEMS - 1))
_watched = st.tuples(st.integers(0, N_AGENTS - 1), st.integers(0, N_ITEMS - 1))
_told = st.integers(0, N_ITEMS - 1)
_rounds = st.lists(
    st.tuples(st.lists(_lines, max_size=6), st.lists(_watched, max_size=6), st.lists(_told, max_size=1)), max_size=5
)


def rows_of(step, lines, watched, told):
    pieces = [KINDS.piece("broadcast", np.array([-1]), item=[item], slot=[0], text=["see it"]) for item in told]
    for agent, item in watched:
        pieces.append(KINDS.piece("watched", np.array([agent]), item=[item], place=[0], slot=[0]))
    for number, (agent, other, item) in enumerate(lines):
        pieces.append(KINDS.piece("said", np.array([agent]), other=[other], item=[item], slot=[number]))
    return frame(step, *pieces)


@settings(max_examples=30)
@given(_rounds)
def test_adoptions_have_the_first_and_the_last_hearing_before(rounds):
    provenance = Provenance(setting(N_AGENTS, N_ITEMS, mean_friends=0), SocietyRules())
    heard, expected = {}, []
    for step, (lines, watched, told) in enumerate(rounds, start=1):
        provenance.add(rows_of(step, lines, watched, told))
        for item in told:
            for agent in range(N_AGENTS):
                heard.setdefault((agent, item), []).append((int(Source.INTERVENTION), -1, step))
        for agent, item in sorted(watched, key=lambda each: each[0]):
            before = heard.get((agent, item), [(None, None, None)])
            expected.append((agent, item, *before[0], *before[-1]))
        for agent, other, item in lines:
            heard.setdefault((other, item), []).append((int(Source.FRIEND), agent, step))
    found = provenance.adoptions().select("agent", "item", pl.col("^(first|last)_.*$")).rows()
    assert found == expected
    agents, items = np.divmod(np.arange(N_AGENTS * N_ITEMS), N_ITEMS)
    others, orders = provenance.first_heard(agents, items)
    first = [heard.get((agent, item), [(0, -1, 0)])[0] for agent, item in zip(agents, items, strict=True)]
    assert others.tolist() == [other for _, other, _ in first]
    assert (orders >= 0).tolist() == [step > 0 for _, _, step in first]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_mutual_ties_are_counted_in_pairs(edges):
    source, target = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    tied = {edge for edge in edges if edge[0] != edge[1]}
    assert Ties.from_edges(6, source, target).n_mutual == sum((b, a) in tied for a, b in tied) // 2


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_distinct_values_are_those_of_numpy(values):
    assert distinct(np.array(values, dtype=np.int64)).tolist() == sorted(set(values))
