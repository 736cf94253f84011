"""An explanation of evidence: complete, equal to what the model does, and true to the raw counts."""

import json
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.features.hybrid_score import FEATURES
from recgpt.foundation.catalogue_features import shortlist_candidates
from recgpt.foundation.explain import GROUPS, came_near, explain, integrated_slopes
from recgpt.foundation.model import FoundationCatalogue, FoundationConfig, FoundationModel
from recgpt.foundation.network import CANDIDATE_FEATURES, RELATIONS, CandidateFeature, NetworkConfig

N, WIDTH, USERS, LENGTH, POSITIONS = 60, 16, 80, 8, 6
TITLES = [f"film {row}" for row in range(N)]


def make_model(shortlist: int = 400, seed: int = 0) -> FoundationModel:
    """Random weights, large enough that every part of the network matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = NetworkConfig(history_items=POSITIONS, d_model=8, n_heads=2, hidden=8)
        model = FoundationModel(FoundationConfig(network=network, shortlist=shortlist))
        torch.nn.init.normal_(model.network.item_out.weight)
        torch.nn.init.normal_(model.network.modulation.weight, std=0.3)
    return model


def past(times: bool = True) -> Interactions:
    """Walks through neighbouring items, some of which are taken twice."""
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 4, (USERS, LENGTH))
    items = (rng.integers(0, N // 2, (USERS, 1)) + steps.cumsum(axis=1)) % (N - 5)
    when = 1_600_000_000 + rng.integers(0, 10**8, (USERS, LENGTH))
    users = np.repeat(np.arange(USERS), LENGTH)
    return Interactions(users, items.ravel(), np.sort(when, axis=1).ravel() if times else None)


def make_catalogue(shortlist: int = 400, interactions: Interactions | None = None) -> FoundationCatalogue:
    embeddings = np.random.default_rng(0).standard_normal((N, WIDTH))
    return make_model(shortlist).index(embeddings, interactions=interactions)


@pytest.fixture(scope="module")
def catalogue() -> FoundationCatalogue:
    return make_catalogue(interactions=past())


@pytest.fixture(scope="module")
def short() -> FoundationCatalogue:
    made = make_catalogue(shortlist=10, interactions=past())
    made.deeper = 10
    return made


@pytest.fixture(scope="module")
def texts() -> FoundationCatalogue:
    return make_catalogue()


def shown(explanation, width=100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(explanation.render())
    return capture.get()


def added(explanation) -> float:
    return sum(group.contribution for group in explanation.groups)


# --- score and rank ---


@pytest.mark.parametrize("kind", ["catalogue", "short", "texts"])
def test_score_and_rank_are_those_that_recommend_gives(request, kind):
    catalogue, history = request.getfixturevalue(kind), [5, 9, 30]
    ranking = catalogue.recommend([history], N)
    ids = ranking.ids[0].tolist()
    asked, features = Ragged.from_lists([history]), catalogue.features
    count_N, scores = features.past.count_N, features.hybrid_scores(asked)
    most = (catalogue.shortlist, catalogue.shortlist + catalogue.deeper)
    own = np.concatenate([shortlist_candidates(asked, scores, each, count_N)[0] for each in most])
    for item in range(0, N, 4):
        found = explain(catalogue, history, item, TITLES)
        assert found.rank == ids.index(item) + 1
        assert found.score == pytest.approx(float(ranking.scores[0, found.rank - 1]), abs=1e-4)
        assert found.items_ranked == N - 3
        assert not found.in_history
        assert found.scored_by == ("network" if item in own else "blend")


def test_an_item_of_the_history_is_ranked_by_the_network_and_said_to_be_there(short):
    ranking = short.recommend([[5, 9, 30]], N, exclude="nothing")
    found = explain(short, [5, 9, 30], 9, TITLES)
    assert found.in_history
    assert found.scored_by == "network"
    assert found.items_ranked == N - 2
    assert found.score == pytest.approx(float(ranking.scores[0, ranking.ids[0] == 9][0]), abs=1e-4)
    assert "in the history" in shown(found)


# --- contributions ---


@settings(max_examples=25, deadline=None)
@given(history=st.lists(st.integers(0, N - 1), min_size=1, max_size=10), item=st.integers(0, N - 1))
def test_contributions_add_up_to_the_score_less_the_baseline(catalogue, short, texts, history, item):
    for each in (catalogue, short, texts):
        found = explain(each, history, item, TITLES)
        assert added(found) == pytest.approx(found.score - found.baseline, abs=2e-3)
        for group in found.groups:
            assert group.contribution == pytest.approx(sum(group.figures.values()), abs=1e-9)
        assert sum(abs(group.share) for group in found.groups) == pytest.approx(1)


def test_network_that_repeats_the_hybrid_score_is_explained_by_it_alone(catalogue):
    """With a linear network the contributions are known: 1.5 x weight x (feature less its mean) / spread."""
    features = catalogue.features
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = FoundationModel(FoundationConfig(network=NetworkConfig(history_items=POSITIONS)))
    history, item = [5, 9, 30], 12
    found = explain(
        FoundationCatalogue(plain.network, features, shortlist=plain.config.shortlist), history, item, TITLES
    )
    hybrid, score_1N = features.hybrid_scores(Ragged.from_lists([history]))
    for name, weight, feature_1N in zip(FEATURES, features.weights_F, hybrid, strict=True):
        expected = 1.5 * weight * (feature_1N[0, item] - feature_1N[0].mean()) / score_1N.std()
        (figures,) = [group.figures for group in found.groups if name in group.figures]
        assert figures[name] == pytest.approx(expected, abs=1e-5)
    assert found.baseline == 0
    assert [each.contribution for each in found.history] == [0, 0, 0]


def test_slopes_agree_with_finite_differences_along_the_path(catalogue):
    history = Ragged.from_lists([[5, 9, 30]])
    features, network, steps, width = catalogue.features, catalogue.network, 100, 0.01
    evidence = features.evidence(history, np.array([[12]]), features.hybrid_scores(history), POSITIONS)
    slope_F = integrated_slopes(network, evidence, steps=steps)[2]

    def logit(scale: float, figure: int, more: float) -> float:
        items = evidence.items_BMF * scale
        items[0, 0, figure] += more
        with torch.no_grad():
            return float(network(evidence._replace(items_BMF=items, relations_BSMR=evidence.relations_BSMR * scale)))

    middles = (np.arange(steps) + 0.5) / steps
    for figure in (CandidateFeature.HYBRID_SCORE, CandidateFeature.TEXT):
        rises = [logit(middle, figure, width) - logit(middle, figure, -width) for middle in middles]
        assert slope_F[figure] == pytest.approx(np.mean(rises) / (2 * width), abs=2e-3)


def test_every_relation_and_figure_is_in_one_group():
    named = [name for names in GROUPS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) == {*RELATIONS, *CANDIDATE_FEATURES, *FEATURES, "repeat"} - {"hybrid_score"}


def test_positions_add_what_the_relations_of_the_groups_do(texts):
    """Where only texts are known, relations with the history are cosines of texts."""
    found = explain(texts, [1, 2, 3], 20, TITLES)
    assert {each.strongest for each in found.history} == {"text"}
    assert all(each.contribution != 0 for each in found.history)
    assert all(each.times_after == each.times_before == each.users_with_both == 0 for each in found.history)
    assert found.groups[1].contribution == pytest.approx(0, abs=1e-6)
    assert "text cosine" in shown(found)


def test_only_what_the_network_reads_is_explained(catalogue):
    history = list(range(10, 20))
    found = explain(catalogue, history, 5, TITLES)
    assert found.unread == len(history) - POSITIONS
    assert [each.row for each in found.history] == history[-POSITIONS:]
    assert [each.position for each in found.history] == list(range(4, 10))
    assert [each.title for each in found.history] == [TITLES[row] for row in history[-POSITIONS:]]
    assert "oldest 4 of 10 items are not read" in shown(found)


# --- raw numbers ---


@settings(max_examples=50, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=5),
    item=st.integers(0, 5),
)
def test_times_near_are_counted_by_hand(sequences, item):
    after_N, before_N = came_near(Ragged.from_lists(sequences), item, 6)
    for other in range(6):
        pairs = [
            (at < place)
            for sequence in sequences
            for place, one in enumerate(sequence)
            for at, two in enumerate(sequence)
            if one == item and two == other != item and 1 <= abs(at - place) <= 5
        ]
        assert (after_N[other], before_N[other]) == (sum(pairs), len(pairs) - sum(pairs))


def test_numbers_of_the_history_are_those_of_the_past_also_after_observing():
    catalogue = make_catalogue(interactions=past())
    catalogue.observe(Interactions(np.array([0, USERS]), np.array([7, 7])))
    catalogue.observe(Interactions(np.array([USERS, USERS]), np.array([8, 12])))
    sequences = [sequence.tolist() for sequence in catalogue.features.past.sequences]
    found = explain(catalogue, [7, 8, 40], 12, TITLES)
    for each in found.history:
        assert each.users_with_both == sum(each.row in sequence and 12 in sequence for sequence in sequences)
        assert (each.times_after > 0) <= (each.users_with_both > 0)
    assert found.history[0].times_after >= 1
    assert sum(sequence == [7, 8, 12] for sequence in sequences) == 1


def test_the_strongest_relation_is_said_with_its_number(catalogue):
    found = explain(catalogue, [10, 11], 12, TITLES)
    said = {
        "bought_after": "places after it",
        "bought_before": "places before it",
        "co_visited_after": "places from it",
        "co_visited_before": "places from it",
        "taken_by_the_same": "taken both",
        "text": "text cosine",
        "words": "common words",
        "neighbourhood": "taken with the same items",
    }
    assert set(said) == set(RELATIONS)
    for each in found.history:
        assert said[each.strongest] in each.in_words()
        assert each.in_words() in shown(found)


# --- where the network was not asked ---


def test_item_off_the_shortlist_is_explained_by_the_hybrid_score(short):
    history = [5, 9, 30]
    item = int(short.recommend([history], N).ids[0, 40])
    found = explain(short, history, item, TITLES)
    assert found.scored_by == "blend"
    hybrid, _ = short.features.hybrid_scores(Ragged.from_lists([history]))
    by_name = {name: value for group in found.groups for name, value in group.figures.items()}
    assert set(by_name) == set(FEATURES)
    for name, weight, feature_1N in zip(FEATURES, short.features.weights_F, hybrid, strict=True):
        expected = weight * (feature_1N[0, item] - feature_1N[0].mean())
        assert by_name[name] == pytest.approx(expected, abs=1e-5)
    assert all(each.contribution is None for each in found.history)
    assert "not on the shortlist" in shown(found)


def test_after_an_empty_history_popularity_is_the_reason(catalogue):
    found = explain(catalogue, [], 12, TITLES)
    assert found.scored_by == "popularity"
    assert found.score == catalogue.features.past.count_N[12] > 0
    assert found.rank == catalogue.recommend([[]], N).ids[0].tolist().index(12) + 1
    assert {group.name: group.share for group in found.groups if group.share} == {"popularity": 1}
    assert found.history == ()
    assert "ranked by popularity" in shown(found)
    assert all(group.share == 0 for group in explain(catalogue, [], N - 1, TITLES).groups), "nobody has taken it"


# --- JSON and terminal ---


@pytest.mark.parametrize("history", [[], [1], [1, 2, 57, 1], list(range(20))])
def test_json_is_valid_finite_and_complete(short, history):
    for item in (0, 1, 12, 40, N - 1):
        found = explain(short, history, item, TITLES)
        read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert set(read) == {field.name for field in fields(found)}
        assert [group["name"] for group in read["groups"]] == list(GROUPS)
        assert [each["row"] for each in read["history"]] == history[-POSITIONS:]


def test_without_times_and_with_one_item():
    untimed = make_catalogue(interactions=past(times=False))
    found = explain(untimed, [5, 9], 12, TITLES)
    assert added(found) == pytest.approx(found.score - found.baseline, abs=2e-3)
    alone = make_model().index(np.ones((1, WIDTH)))
    found = explain(alone, [0, 0], 0, ["film"])
    assert (found.rank, found.items_ranked, found.scored_by) == (1, 1, "network")
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_catalogue_is_left_as_it_was(catalogue):
    before = {name: value.clone() for name, value in catalogue.network.state_dict().items()}
    history, state = [3, 1], torch.random.get_rng_state()
    found = explain(catalogue, history, 5, TITLES)
    assert history == [3, 1]
    assert all(torch.equal(value, before[name]) for name, value in catalogue.network.state_dict().items())
    assert all(parameter.grad is None for parameter in catalogue.network.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert explain(catalogue, np.array(history), 5, tuple(TITLES)) == found


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("history", [[], [1], list(range(20))])
def test_fits_the_terminal_and_titles_are_shown_as_they_are(short, width, history):
    hostile = [
        "[red]x[/red] [/] \x1b[2J\n and a very long title, as catalogues of books have, goes on and on and on"
    ] * N
    text = shown(explain(short, history, 11, hostile), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


# --- what is refused ---


@pytest.mark.parametrize(
    ("history", "item", "titles", "message"),
    [
        ([1, N], 5, TITLES, f"history 0 holds the item id {N}, but the catalogue has the ids 0 to {N - 1}"),
        ([-1], 5, TITLES, "history 0 holds the item id -1"),
        ([1], N, TITLES, f"the item id {N}, but the catalogue has the ids 0 to {N - 1}"),
        ([1], 5, TITLES[1:], f"{N - 1} titles for a catalogue of {N} items: pass one title a row"),
        ([], 5, TITLES, "the history is empty and there are no interactions"),
    ],
)
def test_what_cannot_be_explained(texts, history, item, titles, message):
    with pytest.raises(DataError, match=message):
        explain(texts, history, item, titles)


def test_nan_is_an_error_not_an_explanation():
    broken = make_catalogue(interactions=past())
    with torch.no_grad():
        broken.network.item_out.bias.fill_(torch.nan)
    with pytest.raises(DataError, match="a score is NaN"):
        explain(broken, [1, 2], 5, TITLES)
