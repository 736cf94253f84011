"""Rules of perception, memory and reflection, against values of the published code: `../shared/fixtures/smallville`."""

import csv
import json
import math
from datetime import datetime

import numpy as np
import pytest

from recgpt.simulate.worlds.town.rules.nodes import (
    Node,
    depth_of,
    found,
    keyword_strength,
    last_chat,
    last_part,
    latest_triples,
    stored_text,
)
from recgpt.simulate.worlds.town.rules.perceiving import Sight, attended, learn, new_ones
from recgpt.simulate.worlds.town.rules.reflecting import counted_down, insights, is_due, statements, with_evidence
from recgpt.simulate.worlds.town.rules.scoring import (
    CODE,
    CODE_AS_PUBLISHED,
    CODE_BY_RANK,
    PAPER,
    candidates,
    retrieve,
    scaled,
    scores,
    touched,
)

TRIGGER = 150
RULES = {
    "published": CODE_AS_PUBLISHED,
    "corrected_paper": PAPER,
    "corrected_code": CODE_BY_RANK,
    "corrected_code_hours": CODE,
}


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/smallville/golden.json").read_text(encoding="utf-8"))


def today(clock):
    return datetime.fromisoformat(f"2023-02-13 {clock}")


@pytest.fixture(scope="module")
def nodes(golden):
    """Twelve entries of the fixture, oldest first."""
    return [
        Node(
            int(name.removeprefix("node_")),
            each["type"],
            each["embedding_key"],
            each["embedding_key"],
            tuple(each["spo"]),
            each["poignancy"],
            today(each["created"]),
            today(each["last_accessed"]),
        )
        for name, each in golden["retrieval"]["nodes"].items()
    ]


@pytest.fixture(scope="module")
def vectors(golden):
    return {each["embedding_key"]: np.array(each["vector"]) for each in golden["retrieval"]["nodes"].values()}


# --- retrieval ---


@pytest.mark.parametrize("variant", RULES)
def test_memories_are_retrieved_with_the_parts_and_scores_of_each_rule(golden, nodes, vectors, variant):
    expected = golden["retrieval"][variant]
    now, n = datetime.fromisoformat(golden["retrieval"]["now"]), golden["retrieval"]["n"]
    memory, rule = nodes, RULES[variant]
    assert list(rule.weights) == expected["weights_recency_relevance_importance"]
    for focal, of in expected["focal"].items():
        query_E = np.array(golden["retrieval"]["focal_vectors"][focal])
        by_name = {each.node.name: each for each in scores(memory, vectors, query_E, now, rule=rule)}
        assert set(by_name) == set(of["score"])
        for name, each in by_name.items():
            assert each.score == pytest.approx(of["score"][name], abs=1e-9)
            assert each.scaled == pytest.approx(of["scaled"][name], abs=1e-9)
            assert each.parts[0] == pytest.approx(of["recency"][name], abs=1e-9)
            if variant == "published":
                assert each.parts[1] == pytest.approx(of["relevance"][name], abs=1e-9)
                assert each.parts[2] == of["importance"][name]
        if variant == "published":
            assert list(by_name) == of["order_by_last_access"]
        chosen = retrieve(memory, vectors, query_E, now, n, rule=rule)
        assert [each.node.name for each in chosen] == of["result"]
        memory = touched(memory, chosen, now)
    if variant == "published":
        assert {node.name: f"{node.read:%H:%M}" for node in memory} == expected["last_accessed_after"]


def test_an_empty_memory_gives_nothing(golden):
    assert golden["retrieval"]["empty_memory"] == {"published": "ValueError", "corrected": []}
    assert retrieve([], {}, np.ones(4), today("12:00"), 4) == []


def test_values_are_scaled_as_published_and_equal_ones_to_the_middle_as_corrected(golden):
    for case in golden["scaling"]:
        assert scaled(case["in"], *case["to"], published=True) == pytest.approx(case["published"], abs=1e-9)
        assert scaled(case["in"], *case["to"]) == pytest.approx(case["corrected"] or case["published"], abs=1e-9)


def test_of_two_memories_alike_the_one_read_last_comes_first():
    older, newer = (
        Node(number, "event", "tea", "tea", ("Ana", "drink", "tea"), 3, today(clock), today(clock))
        for number, clock in ((1, "08:00"), (2, "11:00"))
    )
    vectors = {"tea": np.ones(4)}
    order = {
        name: [each.node.number for each in retrieve([older, newer], vectors, np.ones(4), today("12:00"), 2, rule=rule)]
        for name, rule in RULES.items()
    }
    assert order.pop("published") == [1, 2]  # recency counted from the wrong end
    assert set(map(tuple, order.values())) == {(2, 1)}


# --- entries ---


def test_descriptions_are_stored_as_published(golden):
    for each in golden["memory_entries"]["events"]:
        assert stored_text(each["in"], published=True) == each["stored"]


def test_descriptions_keep_whole_names_and_parts_as_corrected():
    assert stored_text("Maria Lopez is having lunch (eating (slowly))") == "Maria Lopez is eating (slowly)"
    assert stored_text("Ana de la Cruz is working (writing)") == "Ana de la Cruz is writing"
    assert stored_text("stove is idle") == "stove is idle"


def test_thoughts_lie_above_their_evidence(golden):
    depths = {each["node_id"]: each["depth"] for each in golden["memory_entries"]["events"]}
    for each in golden["memory_entries"]["thoughts"]:
        evidence = each["evidence"] or ()
        assert depth_of(evidence, depths, published=True) == each["depth"]
        depths[each["node_id"]] = each["depth"]
    assert depth_of(["node_9", "node_99"], depths, published=True) == 1
    assert depth_of(["node_9", "node_99"], depths) == 3


def test_keywords_find_as_published_and_names_too_as_corrected(golden, nodes):
    for case in golden["keyword_retrieval"]["cases"]:
        for variant in ("published", "corrected"):
            matching = found(nodes, tuple(case["spo"]), published=variant == "published")
            assert {kind: sorted(node.name for node in each) for kind, each in matching.items()} == case[variant]


def test_last_chat_and_strength_of_keywords_are_as_published(golden, nodes):
    for name, chat in golden["keyword_retrieval"]["last_chat"].items():
        last = last_chat(nodes, name)
        assert (last.name if last else False) == chat
    assert keyword_strength(nodes, "event") == golden["keyword_retrieval"]["kw_strength_event"]
    assert keyword_strength(nodes, "thought") == golden["keyword_retrieval"]["kw_strength_thought"]


def test_latest_triples_are_of_events_alone(nodes):
    assert latest_triples(nodes, 2) == {nodes[9].triple, nodes[11].triple}
    assert latest_triples(nodes, 0) == latest_triples([], 5) == set()


# --- perception ---


class Grids:
    """The published map, read plainly."""

    def __init__(self, folder):
        meta = json.loads((folder / "maze_meta_info.json").read_text(encoding="utf-8"))
        self.width = int(meta["maze_width"])
        self.world = (folder / "special_blocks/world_blocks.csv").read_text().split(",")[-1].strip()
        self.levels = []
        for level in ("sector", "arena", "game_object"):
            rows = csv.reader((folder / f"special_blocks/{level}_blocks.csv").read_text().splitlines())
            names = {row[0].strip(): row[-1].strip() for row in rows}
            grid = next(csv.reader([(folder / f"maze/{level}_maze.csv").read_text()]))
            self.levels.append([names.get(cell.strip(), "") for cell in grid])

    def address(self, x, y):
        return ":".join([self.world, *(level[y * self.width + x] for level in self.levels)])


@pytest.fixture(scope="module")
def grids(shared):
    return Grids(shared / "data/simulate/smallville/the_ville/matrix")


def sights_of(grids, scene):
    (x, y), r = scene["at"], scene["vision_r"]
    for column in range(x - r, x + r + 1):
        for row in range(y - r, y + r + 1):
            address = grids.address(column, row)
            arena = address.rpartition(":")[0]
            if not address.endswith(":"):
                yield Sight((address, None, None, None), (column, row), arena)
            for each in scene["added_events"]:
                if each["tile"] == [column, row]:
                    yield Sight(tuple(each["event"]), (column, row), arena)


@pytest.mark.parametrize("number", range(4))
def test_what_is_perceived_and_remembered_is_as_published(golden, grids, number):
    scene = golden["perceive"]["scenes"][number]
    left, count, recent = TRIGGER, 0, ()
    for look in ("first", "second", "third"):
        seen = attended(
            sights_of(grids, scene), tuple(scene["at"]), scene["arena"], scene["att_bandwidth"], published=True
        )
        new, recent = new_ones(seen, recent, scene["retention"], published=True)
        assert len(new) == len(scene[look])
        for each, entry in zip(new, scene[look], strict=True):
            count += 1
            importance = 1 if each.is_idle else 3
            left = counted_down(left, importance)
            assert each.triple == tuple(entry["spo"])
            assert (each.text, each.key) == (entry["description"], entry["embedding_key"])
            assert importance == entry["poignancy"]
            assert f"node_{count}" == entry["node_id"]
            words = {last_part(each.triple[0]), last_part(each.triple[2])}
            assert words == set(entry["keywords"])
    assert (left, count) == (scene["importance_left"], scene["since"])


@pytest.mark.parametrize("number", range(4))
def test_rooms_and_objects_in_the_square_are_learned(golden, grids, number):
    scene = golden["perceive"]["scenes"][number]
    tree = {}
    (x, y), r = scene["at"], scene["vision_r"]
    for column in range(x - r, x + r + 1):
        for row in range(y - r, y + r + 1):
            learn(tree, grids.address(column, row))
    assert tree == scene["spatial_memory"]


def test_things_in_sight_are_new_once_even_where_retention_is_short():
    sights = [Sight((f"person {number}", "be", "here", "here"), (number, 0), "a") for number in range(5)]
    sights.append(Sight(("w:s:a:stove", None, None, None), (0, 0), "a"))
    seen = attended(sights, (0, 0), "a", 8)
    assert [each.text for each in seen][:2] == ["person 0 is here", "stove is idle"]
    new, recent = new_ones(seen, (), retention=2)
    assert [each.text for each in new] == [f"person {number} is here" for number in range(5)]
    assert new_ones(seen, recent, retention=2) == ([], recent)
    published = new_ones(seen, (), retention=2, published=True)
    assert len(new_ones(seen, published[1], retention=2, published=True)[0]) == len(published[0]) == 6


def test_one_gone_for_longer_than_retention_is_new_again():
    one, other = ([Sight((name, "be", "here", "here"), (0, 0), "a")] for name in ("Ana", "Bob"))
    recent = ()
    for sights, expected in ((one, 1), (other, 1), (one, 0)):
        new, recent = new_ones(attended(sights, (0, 0), "a", 8), recent, retention=2)
        assert len(new) == expected
    assert len(new_ones(attended(other, (0, 0), "a", 8), recent, retention=1)[0]) == 0
    assert new_ones(attended(one, (0, 0), "a", 8), (("Ana", "be", "here"),), retention=1)[0] == []


def test_the_nearest_events_of_the_own_room_are_attended():
    sights = [Sight((f"p{x}", "be", "here", "here"), (x, 3), "a" if x % 2 else "b") for x in range(8)]
    assert [each.triple[0] for each in attended(sights, (6, 3), "a", 3)] == ["p5", "p7", "p3"]
    assert math.dist((5, 3), (6, 3)) == math.dist((7, 3), (6, 3))


# --- reflection ---


def test_a_reflection_is_due_as_published(golden):
    for case in golden["reflection"]["trigger"]:
        assert is_due(case["left"], has_entries=case["has_entries"]) == case["published"]
    left, countdown = TRIGGER, golden["reflection"]["countdown"]
    lefts = []
    for importance in countdown["poignancies"]:
        lefts.append(left := counted_down(left, importance))
    assert lefts == countdown["left"]
    assert sum(not is_due(left, has_entries=True) for left in lefts) == countdown["fires_after"]


def test_questions_are_made_from_the_entries_read_last(golden, nodes):
    for case in golden["reflection"]["statements_for_questions"]["cases"]:
        since = case["events_since_last"]
        assert statements(nodes, since, published=True) == case["statements"]
    assert statements(nodes, 0) == []
    assert statements(nodes, 2) == ["Maria is studying", "Maria is ordering lunch"]


def test_insights_are_read_as_published_and_no_failure_becomes_one_as_corrected(golden, nodes):
    names = [node.name for node in reversed(candidates(nodes)) if node.kind == "event"]
    names = sorted(names, key=lambda name: -int(name.removeprefix("node_")))
    for case in golden["reflection"]["insights"]:
        read = insights(case["reply"], published=True)
        expected = case["parsed"]
        assert read == (None if isinstance(expected, list) else {text: tuple(of) for text, of in expected.items()})
        stored = with_evidence(read, names, published=True)
        as_list = {text: list(of) if isinstance(case["stored"][text], list) else of[0] for text, of in stored.items()}
        assert as_list == case["stored"]
        assert "this is blank" not in with_evidence(insights(case["reply"]), names)
    assert insights("1. Dr. Lopez is kind (because of 1)") == {"Dr. Lopez is kind": (1,)}
    assert insights("1. One (because of 0)\n\n2. Two (because of 1)") == {"One": (0,), "Two": (1,)}
    assert with_evidence({"Out of range": (99,)}, names) == {}
