"""Cascades: figures of trees against brute force; trees from a small log."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_society import setting

from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.measures import Tally, society_measures
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.provenance import Provenance
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.ties import Ties

# 0 watches item 3 and tells 1; 1 watches it and posts; its friends 2 and 3 hear of it; 2 watches it


def steps():
    first = [
        KINDS.piece("entered", np.array([0])),
        KINDS.piece("shown", np.array([0, 0]), item=[3, 4], place=[0, 0], slot=[0, 1], value=[1.0, 1.0]),
        KINDS.piece("watched", np.array([0]), item=[3], place=[0], slot=[0]),
        KINDS.piece("rated", np.array([0]), item=[3], value=[5.0]),
    ]
    second = [
        KINDS.piece("chatted", np.array([0]), other=[1], value=[1.0]),
        KINDS.piece("said", np.array([0]), other=[1], item=[3], slot=[0], value=[0.9]),
        KINDS.piece("said", np.array([1]), other=[0], slot=[1]),
    ]
    third = [
        KINDS.piece("watched", np.array([1]), item=[3], place=[int(Source.SEARCH)], slot=[0]),
        KINDS.piece("posted", np.array([1]), item=[3], value=[0.5]),
    ]
    fourth = [
        KINDS.piece("watched", np.array([2, 5]), item=[3, 3], place=[0, 0], slot=[0, 0]),
        KINDS.piece("failed", np.array([4]), text=["odd: no number"]),
    ]
    played = enumerate((first, second, third, fourth), start=1)
    return [KINDS.assemble(step=step, time=step * 3600, pieces=pieces) for step, pieces in played]


def made():
    edges = np.array([[0, 1], [1, 0], [1, 2], [2, 1], [1, 3], [3, 1]])
    return setting(6, 8, friends=Ties.from_edges(6, *edges.T))


@given(st.lists(st.integers(-1, 40), min_size=1, max_size=40))
def test_figures_of_trees_equal_brute_force(draws):
    parent = np.array([-1 if draw < 0 or not node else draw % node for node, draw in enumerate(draws)])
    n = len(parent)
    forest = Forest(parent, np.zeros(n, int), np.arange(n), np.arange(n), np.ones(n, bool))
    distance = np.full((n, n), np.inf)
    np.fill_diagonal(distance, 0)
    for node in np.flatnonzero(parent >= 0):
        distance[node, parent[node]] = distance[parent[node], node] = 1
    for via in range(n):
        distance = np.minimum(distance, distance[:, via, None] + distance[None, via])
    trees = forest.table()
    assert trees["scale"].sum() == n
    for row in trees.to_dicts():
        nodes = np.flatnonzero(np.isfinite(distance[row["root"]]))
        depths = distance[row["root"], nodes].astype(int)
        assert (row["scale"], row["depth"]) == (len(nodes), depths.max())
        assert row["breadth"] == np.bincount(depths).max()
        pairs = distance[np.ix_(nodes, nodes)]
        expected = pairs.sum() / (len(nodes) * (len(nodes) - 1)) if len(nodes) > 1 else 0
        assert row["virality"] == pytest.approx(expected)
        assert row["steps_to_half"] == nodes[(len(nodes) - 1) // 2] - nodes[0]


def test_tree_of_a_small_log():
    provenance = Provenance(made(), SocietyRules())
    for rows in steps():
        provenance.add(rows)
    trees = Forest.of(provenance).table().to_dicts()
    assert Forest.of(provenance).table(2).to_dicts() == trees[:2]
    assert [(tree["root"], tree["scale"], tree["depth"]) for tree in trees] == [(0, 3, 2), (5, 1, 0)]
    assert trees[0] | {"virality": 0} == {
        "item": 3, "root": 0, "step": 1, "scale": 3, "watched": 3, "depth": 2, "breadth": 1, "virality": 0,
        "steps_to_half": 2,
    }  # fmt: skip
    adopted = provenance.adoptions().select("agent", "first_source", "first_from", "first_step").rows()
    assert adopted == [
        (0, None, None, None),
        (1, int(Source.FRIEND), 0, 2),
        (2, int(Source.POST), 1, 3),
        (5, None, None, None),
    ]


def test_measures_of_a_small_log():
    found = society_measures(steps(), made(), SocietyRules())
    assert found["adoptions"]["friend"]["mean"] == found["adoptions"]["post"]["mean"] == 0.25
    assert found["adoptions"]["none"]["mean"] == 0.5
    assert found["failures"] == {"odd": 1}
    assert found["totals"]["chats"] == found["totals"]["posts"] == 1
    assert found["rounds"][0]["links"] == 3
    assert found["rounds"][0]["density"] == 0.2
    assert found["rounds"][2]["by_source"] == {"search": 1}
    assert found["top_watched"] == [{"item": 3, "n": 4}]
    assert found["cascades"]["trees"] == 1


def test_a_run_without_events_has_no_figures():
    found = Tally(made(), SocietyRules()).measures()
    assert found["adoptions"]["n"] == 0
    assert found["adoptions"]["friend"]["mean"] is None
    assert found["variance"]["stars"]["persona"] is None


def test_a_broadcast_counts_in_its_own_round():
    rows = KINDS.assemble(
        step=1,
        time=0,
        pieces=[
            KINDS.piece("broadcast", np.array([-1]), item=[2], slot=[0], value=[1.0], text=["see it"]),
            KINDS.piece("watched", np.array([3]), item=[2], place=[0], slot=[0]),
        ],
    )
    found = society_measures([rows], made(), SocietyRules())
    assert found["adoptions"]["intervention"]["mean"] == 1


def test_messages_have_published_actions_and_words_of_their_own():
    found = [message for rows in steps() for message in messages(rows, made())]
    actions = [message["action"] for message in found]
    assert {"RECOMMENDER", "CHAT", "POST", "NO_ACTION"} == set(actions)
    assert any(message["content"] == "Name 0 says: I loved “Film 3”. You should see it." for message in found)
    assert found[1]["content"] == "Name 0 is shown Film 3; Film 4"


def test_no_mutual_parents():
    edges = [("said", 0, 1, 0), ("said", 1, 0, 1)]
    pieces = [
        KINDS.piece(kind, np.array([agent]), other=[other], item=[3], slot=[slot]) for kind, agent, other, slot in edges
    ]
    provenance = Provenance(made(), SocietyRules())
    provenance.add(KINDS.assemble(step=1, time=0, pieces=pieces))
    assert Forest.of(provenance).table().select("root", "scale").rows() == [(0, 2)]
    assert isinstance(provenance.last_hearings(), pl.DataFrame)
