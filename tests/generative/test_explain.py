"""An explanation says what the model does: equal to asking it again, one history item at a time."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from recgpt import RecGPT
from recgpt.errors import DataError
from recgpt.generative import explain as module
from recgpt.generative.catalogue import GenerativeCatalogue
from recgpt.generative.code_index import sums_of_rows
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.explain import explain
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig, start_from_principal_axes

N, WIDTH, MAX_ITEMS = 60, 16, 8
TWINS = (11, 3, 57)  # equal embeddings: equal codes and equal dense scores
TITLES = [f"film {row}" for row in range(N)]


def make_catalogue(levels=(5, 4, 3), n_codes=2, seed=0) -> GenerativeCatalogue:
    """Random weights, so large that histories matter; a tokenizer whose codes follow the embeddings."""
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((N, WIDTH)).astype(np.float32)
    embeddings[list(TWINS)] = embeddings[TWINS[0]]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = {"codebook_size": int(np.prod(levels)), "n_codes": n_codes, "embedding_dim": WIDTH}
        model = RecGPT(RecGPTConfig(**shape, max_items=MAX_ITEMS, d_model=16, n_layers=2, n_heads=2))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.3)
        tokenizer = FSQTokenizer(FSQTokenizerConfig(WIDTH, n_codes, list(levels), n_layers=1, n_heads=2)).eval()
    start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(embeddings)))
    return model.index(embeddings, tokenizer=tokenizer)


@pytest.fixture(scope="module")
def catalogue() -> GenerativeCatalogue:
    return make_catalogue()


@pytest.fixture(scope="module")
def collided() -> GenerativeCatalogue:
    """Nine codes a slot for 60 items: most items share all their codes with another."""
    return make_catalogue(levels=(3, 3), seed=1)


def asked_alone(catalogue, history, item, left_out) -> tuple[float, int]:
    """Score and rank of `item` by a full sorted ranking of its own; the items `left_out` are not ranked."""
    candidates = np.array([row for row in range(N) if row not in left_out or row == item])
    ranking = catalogue.recommend([history], N, exclude="nothing", candidates=candidates)
    place = ranking.ids[0].tolist().index(item)
    return float(ranking.scores[0, place]), place + 1


def shown(explanation, width=100) -> str:
    console = Console(width=width, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(explanation.render())
    return capture.get()


# --- score, rank, codes ---


@pytest.mark.parametrize("kind", ["catalogue", "collided"])
def test_score_and_rank_are_those_of_the_full_ranking(request, kind):
    catalogue, history = request.getfixturevalue(kind), [5, 9, 30]
    ranking = catalogue.recommend([history], N).ids[0]
    for item in [*TWINS, *range(0, N, 4)]:
        found = explain(catalogue, history, item, TITLES)
        score, rank = asked_alone(catalogue, history, item, history)
        assert found.rank == rank == ranking.tolist().index(item) + 1
        assert found.log_probability == pytest.approx(score, abs=1e-5)
        assert found.items_ranked == N - 3
        assert not found.in_history


def test_the_codes_log_probabilities_sum_to_the_score(catalogue):
    for item in (0, 11, 40):
        found = explain(catalogue, [1, 2, 3], item, TITLES)
        assert found.codes == tuple(catalogue.codes_NK[item].tolist())
        assert len(found.code_log_probabilities) == 2
        assert all(each < 0 for each in found.code_log_probabilities)
        assert sum(found.code_log_probabilities) == pytest.approx(found.log_probability, abs=1e-5)


def test_an_item_of_the_history_is_ranked_and_said_to_be_there(catalogue):
    found = explain(catalogue, [5, 9, 30], 9, TITLES)
    assert found.in_history
    assert found.items_ranked == N - 2
    assert (found.log_probability, found.rank) == pytest.approx(asked_alone(catalogue, [5, 9, 30], 9, [5, 30]))
    assert "in the history" in shown(found)


# --- contributions ---


@settings(max_examples=12, deadline=None)
@given(history=st.lists(st.integers(0, N - 1), min_size=2, max_size=MAX_ITEMS), item=st.integers(0, N - 1))
def test_contributions_equal_separate_calls(catalogue, collided, history, item):
    for each in (catalogue, collided):
        found = explain(each, history, item, TITLES)
        assert found.no_contribution is None
        assert [one.position for one in found.history] == list(range(len(history)))
        assert [one.row for one in found.history] == history
        for place, one in enumerate(found.history):
            score, rank = asked_alone(each, history[:place] + history[place + 1 :], item, history)
            assert one.log_probability_without == pytest.approx(score, abs=1e-5)
            assert one.rank_without == rank
            assert one.contribution == pytest.approx(found.log_probability - score, abs=2e-5)


def test_ties_that_come_and_go_with_the_history(catalogue, monkeypatch):
    def coarse(table_RB, rows_XK):
        return sums_of_rows(table_RB, rows_XK).div(2).round()

    monkeypatch.setattr("recgpt.generative.code_index.sums_of_rows", coarse)
    history = [1, 2, 3, 4, 5, 6]
    for item in (0, 11, 30, 44):
        found = explain(catalogue, history, item, TITLES)
        score, rank = asked_alone(catalogue, history, item, history)
        assert (found.log_probability, found.rank) == (pytest.approx(score, abs=1e-5), rank)
        for place, one in enumerate(found.history):
            score, rank = asked_alone(catalogue, history[:place] + history[place + 1 :], item, history)
            assert (one.log_probability_without, one.rank_without) == (pytest.approx(score, abs=1e-5), rank)


def test_a_model_that_reads_only_the_last_item_says_so():
    catalogue = make_catalogue(seed=3)
    with torch.no_grad():
        for block in catalogue.model.blocks:
            block.attention_out.weight.zero_()
        catalogue.model.position_embedding.weight.zero_()
    found = explain(catalogue, [4, 8, 15, 16], 23, TITLES)
    assert [each.contribution for each in found.history[:3]] == pytest.approx([0, 0, 0], abs=1e-5)
    before = asked_alone(catalogue, [15], 23, [])[0]
    assert found.history[3].contribution == pytest.approx(found.log_probability - before, abs=1e-5)
    assert abs(found.history[3].contribution) > 0.1


def test_each_place_of_a_repeated_item_counts_for_itself(catalogue):
    found = explain(catalogue, [7, 2, 7, 7], 20, TITLES)
    assert [each.row for each in found.history] == [7, 2, 7, 7]
    for place, left in enumerate([[2, 7, 7], [7, 7, 7], [7, 2, 7], [7, 2, 7]]):
        score, rank = asked_alone(catalogue, left, 20, [2, 7])
        assert found.history[place].log_probability_without == pytest.approx(score, abs=1e-5)
        assert found.history[place].rank_without == rank
    assert found.items_ranked == N - 2


def test_the_only_item_has_no_contribution_and_the_reason_is_given(catalogue):
    found = explain(catalogue, [7], 20, TITLES)
    (only,) = found.history
    assert only.contribution is only.log_probability_without is only.rank_without is None
    assert "the history is empty" in found.no_contribution
    assert (found.log_probability, found.rank) == pytest.approx(asked_alone(catalogue, [7], 20, [7]))
    assert "No contribution: without its only item" in " ".join(shown(found, 200).split())


def test_only_what_the_model_reads_is_explained(catalogue):
    long = [*range(20, 40), 50, 51]
    found = explain(catalogue, long, 5, TITLES)
    assert found.unread == len(long) - MAX_ITEMS
    assert [each.position for each in found.history] == list(range(len(long) - MAX_ITEMS, len(long)))
    read = long[-MAX_ITEMS:]
    assert [each.row for each in found.history] == read
    assert found.rank == catalogue.recommend([long], N).ids[0].tolist().index(5) + 1
    assert found.items_ranked == N - len(long), "what is not read is not ranked either"
    score, rank = asked_alone(catalogue, read[1:], 5, long)
    assert (found.history[0].log_probability_without, found.history[0].rank_without) == pytest.approx((score, rank))
    assert "oldest 14 of 22 items are not read" in shown(found)


def test_batches_do_not_change_an_explanation(catalogue, monkeypatch, capsys):
    history = list(range(MAX_ITEMS))
    at_once = explain(catalogue, history, TWINS[0], TITLES)
    monkeypatch.setattr(module, "BATCH", 3)
    in_three = explain(catalogue, history, TWINS[0], TITLES)
    assert "leave one out: 8/8" in capsys.readouterr().err
    for one, other in zip(at_once.history, in_three.history, strict=True):
        assert one.contribution == pytest.approx(other.contribution, abs=1e-5)
        assert one.rank_without == other.rank_without


def test_the_catalogue_is_left_as_it_was(catalogue):
    history = [3, 1]
    codes, state = catalogue.codes_NK.clone(), torch.random.get_rng_state()
    explain(catalogue, history, 5, TITLES)
    assert history == [3, 1]
    assert (catalogue.codes_NK == codes).all()
    assert (torch.random.get_rng_state() == state).all()
    assert explain(catalogue, np.array(history), 5, tuple(TITLES)) == explain(catalogue, history, 5, TITLES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_explains_the_same(catalogue):
    on_gpu = GenerativeCatalogue(
        make_catalogue().model.cuda(), catalogue.tokenizer, catalogue.codes_NK.numpy(), catalogue.embeddings_NE
    )
    ours, theirs = (explain(each, [1, 2, 3], TWINS[0], TITLES) for each in (on_gpu, catalogue))
    for one, other in zip(ours.history, theirs.history, strict=True):
        assert one.contribution == pytest.approx(other.contribution, abs=0.05)


# --- texts and codes ---


def test_cosines_and_nearest_by_hand(catalogue):
    unit = catalogue.embeddings_NE / np.linalg.norm(catalogue.embeddings_NE, axis=1, keepdims=True)
    found = explain(catalogue, [1, 2, 3], 11, TITLES)
    assert [each.cosine for each in found.history] == pytest.approx((unit[[1, 2, 3]] @ unit[11]).tolist(), abs=1e-5)
    order = [row for row in np.argsort(-(unit @ unit[11]), kind="stable").tolist() if row not in TWINS]
    assert {each.row for each in found.nearest[:2]} == {3, 57}
    assert [each.row for each in found.nearest[2:]] == order[:3]
    assert [each.title for each in found.nearest] == [TITLES[each.row] for each in found.nearest]
    assert found.nearest[0].cosine == pytest.approx(1)


def test_an_item_without_direction_is_refused(catalogue):
    embeddings = catalogue.embeddings_NE.copy()
    embeddings[4] = 0
    zeroed = GenerativeCatalogue(catalogue.model, catalogue.tokenizer, catalogue.codes_NK.numpy(), embeddings)
    with pytest.raises(DataError, match="the embedding of item 4 holds zeros only"):
        explain(zeroed, [4, 5], 6, TITLES)


def test_shared_slots_and_collisions(collided):
    codes_NK = collided.codes_NK.numpy()
    history = [0, 3, 11, 20]
    found = explain(collided, history, 57, TITLES)
    for each in found.history:
        assert each.shared_slots == tuple(slot for slot in range(2) if codes_NK[each.row, slot] == codes_NK[57, slot])
    assert found.history[1].shared_slots == found.history[2].shared_slots == (0, 1)
    same = [row for row in range(N) if row != 57 and (codes_NK[row] == codes_NK[57]).all()]
    assert [each.row for each in found.same_codes] == same
    assert {3, 11} <= set(same)
    scores = {explain(collided, history, row, TITLES).log_probability for row in same}
    assert scores == {found.log_probability}, "the model cannot tell them apart"


def test_a_catalogue_of_one_item(catalogue):
    alone = catalogue.model.index(catalogue.embeddings_NE[:1], tokenizer=catalogue.tokenizer)
    found = explain(alone, [0, 0], 0, ["film"])
    assert (found.rank, found.items_ranked, found.nearest, found.same_codes) == (1, 1, (), ())


# --- JSON and terminal ---


def test_json_is_valid_finite_and_complete(collided):
    for history in ([1], [1, 2, 57], list(range(20))):
        found = explain(collided, history, 11, TITLES)
        read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert read["title"] == "film 11"
        assert read["log_probability"] == found.log_probability
        assert [each["row"] for each in read["history"]] == history[-MAX_ITEMS:]
        assert [each["contribution"] for each in read["history"]] == [each.contribution for each in found.history]
        assert read["nearest"][0] == {"row": 3, "title": "film 3", "cosine": pytest.approx(1)}
        assert (read["no_contribution"] is None) == (len(history) > 1)


def test_titles_are_shown_as_they_are(collided):
    hostile = ["[red]x[/red]", "[/]", "back\\", ":heart: [link=a]b", "[bold"] * 12
    text = shown(explain(collided, [0, 1, 2, 3, 4], 57, hostile))
    for title in hostile[:5]:
        assert title in text


def test_a_title_cannot_steer_the_terminal(collided):
    steering = ["\x1b[2Jgone\nnew\tline\x07\u202e\x9b"] * N
    text = shown(explain(collided, [0, 1], 57, steering))
    assert not {"\x1b[2J", "\x07", "\t", "\u202e", "\x9b"} & {each for each in ("\x1b[2J", *text) if each in text}
    assert " [2Jgone new line" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("history", [[1], [1, 2, 57], list(range(20))])
def test_fits_the_terminal(collided, width, history):
    wide = ["A very long title, such as catalogues of books and of electronics have, goes on and on and on"] * N
    console = Console(width=width)
    with console.capture() as capture:
        console.print(explain(collided, history, 11, wide).render())
    table = [line for line in capture.get().splitlines() if "●" in line or "○" in line]
    assert len(table) == min(len(history), MAX_ITEMS) + 1  # and the legend
    assert all(len(line) <= width for line in capture.get().splitlines())
    assert all("…" in line for line in table[:-1])


def test_bars_point_where_the_contribution_does(catalogue):
    found = explain(catalogue, [1, 2, 3, 4, 5], 6, TITLES)
    longest = max(abs(each.contribution) for each in found.history)
    for each, line in zip(found.history, bars(found), strict=True):
        left, right = line.split("│")
        cells = 2 * (left.count("█") + right.count("█")) + left.count("▐") + right.count("▌")
        assert cells == pytest.approx(2 * module.BAR * abs(each.contribution) / longest, abs=0.51)
        assert not set("█▐▌") & set(right if each.contribution < 0 else left)
    assert len({each.contribution > 0 for each in found.history}) == 2, "both directions are looked at"


def bars(explanation) -> list[str]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(explanation.render())
    return [line for line in capture.get().splitlines() if "│" in line]


# --- what is refused ---


@pytest.mark.parametrize(
    ("history", "item", "titles", "message"),
    [
        ([], 5, TITLES, "the history is empty: the generative model scores an item after at least one other"),
        ([1, N], 5, TITLES, f"history 0 holds the item id {N}, but the catalogue has the ids 0 to {N - 1}"),
        ([-1], 5, TITLES, "history 0 holds the item id -1"),
        ([1], N, TITLES, f"the item id {N}, but the catalogue has the ids 0 to {N - 1}"),
        ([1], -1, TITLES, "the item id -1"),
        ([1], 5, TITLES[1:], f"{N - 1} titles for a catalogue of {N} items: pass one title a row"),
    ],
)
def test_what_cannot_be_explained(catalogue, history, item, titles, message):
    with pytest.raises(DataError, match=message):
        explain(catalogue, history, item, titles)


def test_nan_is_an_error_not_an_explanation(catalogue):
    broken = make_catalogue(seed=4)
    with torch.no_grad():
        broken.model.head.weight[0, 0] = torch.nan
    with pytest.raises(DataError, match="the score is NaN: check the model weights"):
        explain(broken, [1, 2], 5, TITLES)
    embeddings = catalogue.embeddings_NE.copy()
    embeddings[9, 3] = np.nan
    unread = GenerativeCatalogue(catalogue.model, catalogue.tokenizer, catalogue.codes_NK.numpy(), embeddings)
    with pytest.raises(DataError, match="the embedding of item 9 holds NaN"):
        explain(unread, [1, 2], 5, TITLES)
