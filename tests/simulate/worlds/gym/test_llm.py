"""The mind that rates by a language model, behind a stub server: one call a step, faults, caps, and no call twice."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recgpt.errors import LLMError, SimulationError
from recgpt.simulate.llm.budget import BudgetExceeded, Caps
from recgpt.simulate.llm.calls import CallsInMemory
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.failures import Outage
from recgpt.simulate.llm.requests import Question, Sampling
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.store.manifest import Manifest
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Questions
from recgpt.simulate.worlds.gym.minds.llm import LLMMind

WORLD: dict[str, Any] = {}


def world_of(name: str) -> tuple[Any, Any, Any]:
    """Domain, made-up items and users."""
    if name not in WORLD:
        domain = domain_of(name)
        items = domain.load_items(None)
        WORLD[name] = (domain, items, domain.load_users(domain.default_users, items))
    return WORLD[name]  # type: ignore[no-any-return]


@pytest.fixture
def stub(mind_stub: type) -> Iterator[Any]:
    with mind_stub() as serving:
        yield serving


@pytest.fixture
def mind_of(stub: Any) -> Callable[..., LLMMind]:
    """Makes a mind of a client that rests for milliseconds only."""

    def make(rater: str | None = None, *, domain: str = "movies", **options: Any) -> LLMMind:
        of_mind = {name: options.pop(name) for name in ("explains", "max_failed") if name in options}
        of_mind = {"max_failed": 0.05, **of_mind}
        given = {"caps": Caps(), "backoff_s": 0.002, "timeout_s": 5.0, "tries": 3, **options}
        server = Server(given.pop("base_url", stub.base_url), given.pop("key_env", None))
        client = LLMClient([server], "stub", max_failed=of_mind["max_failed"], **given)
        return LLMMind(client, *world_of(domain), GymRules(domain=domain, rater=rater), **of_mind)

    return make


def questions(n: int, *, first_user: int = 0) -> Questions:
    """`n` users, an item each, with two items recalled from the second on."""
    row = np.arange(n)
    recalled = np.stack([np.full(n, 300), np.full(n, 301), np.full(n, -1)], axis=1)
    recalled[0] = -1
    return Questions(
        user_E=row + first_user,
        item_E=row * 3,
        step_E=np.ones(n, dtype=np.int64),
        times_met_E=np.ones(n, dtype=np.int64),
        key_E=row.astype(np.uint64),
        recalled_items_Ek=recalled,
        recalled_ratings_Ek=np.where(recalled >= 0, 5.0, np.nan),
    )


def only(user: int, fault: Any) -> Callable[[str, int], Any]:
    """The fault for the questions on the item of one row."""
    title = json.dumps(world_of("movies")[1].titles[user * 3])
    return lambda message, seen: fault if f"The film to rate: {title}" in message else None


# --- replies ---


@pytest.mark.parametrize(
    ("domain", "rater", "said", "rating", "why"),
    [
        ("movies", "0Shot_cotlite_our", {"rating": 0}, 1, None),
        ("movies", "2Shot_system_our", {"rating": 9}, 10, None),
        ("movies", "1Shot_invert_system_default", {"rating": 4}, 5, None),
        ("movies", "0Shot_system_our_1_10", {"reason": "For\nhim.", "rating": 10}, 10, "For him."),
        ("movies", "2Shot_system_our_one_ten", {"rating": "seven"}, 7, None),
        ("movies", "1Shot_cot_enhanced", {"reason": "", "rating": 1}, 1, None),
        ("books", "2Shot_system_our", {"rating": 3}, 3, None),
        ("books", "0Shot_cot_enhanced", {"reason": "x", "rating": 5}, 5, "x"),
    ],
)
def test_ratings_are_on_the_scale_of_the_domain(
    mind_of: Any, stub: Any, stub_module: Any, domain: str, rater: str, said: Any, rating: float, why: str | None
) -> None:
    stub.fault = lambda user, seen: stub_module.Fault(text=json.dumps(said))
    rated = mind_of(rater, domain=domain).rate(questions(3))
    assert rated.rating_E.tolist() == [rating] * 3
    assert rated.explanations == [why] * 3 and rated.failures == [None] * 3
    assert rated.replies == [json.dumps(said)] * 3
    assert len(set(rated.prompt_hashes)) == 3 and all(len(each) == 64 for each in rated.prompt_hashes)
    assert (rated.tokens_E > 0).all() and (rated.usd_E == 0).all()


def test_all_questions_of_a_step_are_one_batch_with_a_strict_schema(
    mind_of: Any, stub: Any, stub_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    complete = LLMClient.complete
    monkeypatch.setattr(LLMClient, "complete", lambda *given, **more: calls.append(1) or complete(*given, **more))
    stub.fault = lambda user, seen: stub_module.Fault(delay_s=0.02)
    mind_of().rate(questions(64))
    assert len(calls) == 1 and len(stub.bodies) == 64
    assert stub.most_in_flight > 8, "calls were under way together"
    for body in stub.bodies:
        asked = body["response_format"]["json_schema"]
        assert asked["strict"] is True and asked["schema"]["properties"]["rating"]["enum"] == list(range(10))
        assert body["seed"] == 0


def test_a_rating_does_not_depend_on_the_others_of_a_call(mind_of: Any) -> None:
    together = mind_of().rate(questions(8))
    alone = mind_of()
    one_by_one = [alone.rate(questions(8).rows(slice(row, row + 1))) for row in range(8)]
    assert together.rating_E.tolist() == [each.rating_E[0] for each in one_by_one]
    assert together.prompt_hashes == [each.prompt_hashes[0] for each in one_by_one]


def test_the_reason_comes_before_the_rating_in_the_schema_that_is_sent(mind_of: Any, stub: Any) -> None:
    mind_of("0Shot_system_our_1_10").rate(questions(1))
    schema = stub.bodies[0]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == ["reason", "rating"]


# --- faults ---


@pytest.mark.parametrize(
    ("kind", "fault", "sent"),
    [
        ("rate_limited", {"status": 429}, 3),
        ("server_error", {"status": 503}, 3),
        ("timeout", {"delay_s": 0.4}, 3),
        ("not_json", {"text": "I liked it a lot"}, 2),
        ("schema_violation", {"text": '{"rating": 10}'}, 2),
        ("schema_violation", {"text": '{"rating": "9"}'}, 2),
        ("truncated", {"finish": "length"}, 2),
        ("refused", {"text": "", "refusal": "I cannot"}, 2),
    ],
)
def test_a_fault_is_a_counted_failure_and_never_a_rating(
    mind_of: Any, stub: Any, stub_module: Any, kind: str, fault: dict[str, Any], sent: int
) -> None:
    stub.fault = only(5, stub_module.Fault(**fault))
    mind = mind_of(timeout_s=0.2 if kind == "timeout" else 5.0)
    rated = mind.rate(questions(20))
    assert np.flatnonzero(np.isnan(rated.rating_E)).tolist() == [5]
    assert rated.failures[5].startswith(f"{kind}: ") and set(rated.failures) == {None, rated.failures[5]}
    assert rated.explanations == [None] * 20
    assert len(stub.bodies) == 19 + sent
    assert mind.client.stats.failed == {kind: 1}


def test_a_server_that_recovers_costs_nothing(mind_of: Any, stub: Any, stub_module: Any) -> None:
    stub.fault = lambda user, seen: stub_module.Fault(status=429) if seen == 1 else None
    rated = mind_of().rate(questions(4))
    assert not np.isnan(rated.rating_E).any() and len(stub.bodies) == 8


@pytest.mark.parametrize(("text", "rating"), [(" 7.", 8.0), ("7/9", np.nan), ("10", np.nan), ("I give it 7", np.nan)])
def test_without_json_only_a_bare_number_is_a_rating(
    mind_of: Any, stub: Any, stub_module: Any, text: str, rating: float
) -> None:
    stub.fault = lambda user, seen: stub_module.Fault(text=text)
    rated = mind_of().rate(questions(1))
    np.testing.assert_array_equal(rated.rating_E, [rating])
    assert (rated.failures[0] is None) == (not np.isnan(rating)) and rated.replies == [text]


def test_a_wrong_key_stops_at_once(mind_stub: type, mind_of: Any, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYM_KEY", "wrong-key-of-a-test")
    stub.key = "right-key-of-a-test"
    with pytest.raises(LLMError, match="refuses the key in the environment variable GYM_KEY"):
        mind_of(key_env="GYM_KEY", concurrency=1).rate(questions(20))
    assert len(stub.bodies) == 1


def test_a_missing_key_and_an_unknown_rater_are_refused_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GYM_KEY", raising=False)
    domain, items, users = world_of("movies")
    inputs = SimpleNamespace(domain=domain, items=items, users=users, rules=GymRules())
    options = MindOptions(mind="llm", llm={"key_env": "GYM_KEY", "model": "stub"})
    with pytest.raises(LLMError, match="GYM_KEY"):
        make_mind(options, inputs)
    inputs.rules = GymRules(rater="3Shot")
    with pytest.raises(SimulationError, match="no rater '3Shot' for movies: choose among 0Shot_system_our"):
        make_mind(options, inputs)


def test_an_outage_stops_large_and_small_calls(mind_of: Any, stub: Any, stub_module: Any) -> None:
    stub.fault = lambda user, seen: stub_module.Fault(status=503)
    with pytest.raises(Outage, match="of 40 questions"):
        mind_of().rate(questions(40))
    mind = mind_of(tries=1)
    for _ in range(3):
        assert np.isnan(mind.rate(questions(1)).rating_E).all()
    with pytest.raises(Outage):
        mind.rate(questions(1))
    with pytest.raises(Outage):
        mind_of(tries=1, max_failed=0.0).rate(questions(1))


# --- caps, log, cost ---


@pytest.mark.parametrize("caps", [{"calls": 10}, {"tokens": 20_000}, {"usd": 0.004}])
def test_caps_hold(mind_of: Any, stub: Any, caps: dict[str, Any]) -> None:
    from recgpt.simulate.llm.budget import Price

    mind = mind_of(caps=Caps(**caps), price=Price(input=0.2, output=0.2), max_tokens=50)
    with pytest.raises(BudgetExceeded, match="the cap of"):
        for first in range(0, 200, 20):
            mind.rate(questions(20, first_user=first))
    spent = mind.client.spent
    assert spent.calls <= caps.get("calls", np.inf) and spent.tokens <= caps.get("tokens", np.inf)
    assert spent.usd <= caps.get("usd", np.inf) and len(stub.bodies) == spent.calls > 2


def test_answers_in_the_log_are_repeated_without_calls_and_at_the_same_cost(mind_of: Any, stub: Any) -> None:
    log = CallsInMemory()
    first = mind_of(log=log).rate(questions(12))
    sent = len(stub.bodies)
    again = mind_of(log=log)
    np.testing.assert_array_equal(again.rate(questions(12)).rating_E, first.rating_E)
    np.testing.assert_array_equal(again.rate(questions(12)).tokens_E, first.tokens_E)
    assert len(stub.bodies) == sent == 12 and again.client.spent.calls == 0


def test_retries_do_not_change_the_cost_of_an_answer(mind_of: Any, stub: Any, stub_module: Any) -> None:
    smooth = mind_of().rate(questions(4))
    stub.seen.clear()
    stub.fault = lambda user, seen: stub_module.Fault(status=503) if seen == 1 else None
    np.testing.assert_array_equal(mind_of().rate(questions(4)).tokens_E, smooth.tokens_E)


def test_a_stored_run_keeps_the_calls_and_counts_them_against_its_caps(
    stub: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    domain, items, users = world_of("movies")
    inputs = SimpleNamespace(domain=domain, items=items, users=users, rules=GymRules())
    llm = {"base_urls": [stub.base_url], "key_env": None, "model": "stub"}
    manifest = Manifest(run="r", world="gym", config={}, seed=0, made_with={}, dataset={}, repeatable="x")
    with Run.create("r", manifest) as run:
        first = make_mind(MindOptions(mind="llm", llm=llm), inputs, seed=3, run=run).rate(questions(5))
        assert run.calls_summary()["n"] == 5
    with Run.open("r", write=True) as run:
        mind = make_mind(MindOptions(mind="llm", llm={**llm, "max_calls": 6}), inputs, seed=3, run=run)
        np.testing.assert_array_equal(mind.rate(questions(5)).rating_E, first.rating_E)
        assert len(stub.bodies) == 5, "no call twice"
        with pytest.raises(BudgetExceeded):
            mind.rate(questions(2, first_user=50))
    assert len(stub.bodies) == 6
    assert {body["seed"] for body in stub.bodies} == {3}


def test_without_a_run_equal_questions_are_sent_once_as_long_as_the_mind_lives(stub: Any) -> None:
    domain, items, users = world_of("movies")
    inputs = SimpleNamespace(domain=domain, items=items, users=users, rules=GymRules())
    options = MindOptions(mind="llm", llm={"base_urls": [stub.base_url], "key_env": None, "model": "stub"})
    mind = make_mind(options, inputs)
    for _ in range(3):
        mind.rate(questions(4))
    assert len(stub.bodies) == 4


def test_the_estimate_is_close_to_the_requests(mind_of: Any, stub: Any) -> None:
    mind = mind_of("2Shot_system_our")
    expected = mind.estimate(100)
    assert expected.calls == 100 and expected.usd is None and not stub.bodies
    rows = [(row, row, [(row + step, row % 9 + 1.0) for step in (1, 2, 3)]) for row in range(60)]
    sent = [Question.from_request(mind.conversation(*row), "stub", Sampling(0.2, 512, 0), 1) for row in rows]
    tokens = np.mean([each.expected_tokens_in for each in sent])
    assert expected.tokens_in / 100 == pytest.approx(tokens, rel=0.1)
    assert mind_of("2Shot_system_our", explains=True).estimate(100).calls == 200


def test_a_second_question_gets_the_reason_where_wanted(mind_of: Any, stub: Any, stub_module: Any) -> None:
    def fault(user: str, seen: int) -> Any:
        return stub_module.Fault(text='{"reason": " Too\\nslow. "}' if "Why" in user else '{"rating": 3}')

    stub.fault = fault
    rated = mind_of("0Shot_cotlite_our", explains=True).rate(questions(3))
    assert rated.rating_E.tolist() == [4, 4, 4] and rated.explanations == ["Too slow."] * 3
    last = stub.bodies[-1]["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert last[2]["content"] == '{"rating": 3}' and last[3]["content"].startswith("You gave 3 of 9. Why")
    assert "The film to rate" in last[1]["content"], "the item is in it, unlike in the published cotlite"
    n_before = len(stub.bodies)
    mind_of("0Shot_cot_enhanced", explains=True)
    assert len(stub.bodies) == n_before
    stub.fault = lambda user, seen: stub_module.Fault(text="{}" if "Why" in user else '{"rating": 3}')
    rated = mind_of(explains=True).rate(questions(1, first_user=30))
    assert rated.rating_E.tolist() == [4] and rated.explanations == [None], "a failed reason costs no rating"


def test_a_file_of_calls_makes_a_training_resumable_within_its_caps(stub: Any, tmp_path: Any) -> None:
    domain, items, users = world_of("movies")
    inputs = SimpleNamespace(domain=domain, items=items, users=users, rules=GymRules())
    llm = {"base_urls": [stub.base_url], "key_env": None, "model": "stub", "max_calls": 6}
    for _ in range(2):
        with CallFile(tmp_path / "calls.sqlite") as calls:
            mind = make_mind(MindOptions(mind="llm", llm=llm), inputs, run=calls)
            assert not np.isnan(mind.rate(questions(5)).rating_E).any()
    assert len(stub.bodies) == 5
    with CallFile(tmp_path / "calls.sqlite") as calls, pytest.raises(BudgetExceeded):
        make_mind(MindOptions(mind="llm", llm=llm), inputs, run=calls).rate(questions(9, first_user=9))
    assert len(stub.bodies) == 6


def test_a_training_sends_no_question_twice_after_a_kill(
    stub: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3")
    from recgpt.simulate.worlds.gym.training.settings import TrainSettings
    from recgpt.simulate.worlds.gym.training.worlds import make_world

    llm = {"base_urls": [stub.base_url], "key_env": None, "model": "stub"}
    settings = TrainSettings(mind="llm", llm=llm, total_timesteps=8)
    for _ in range(2):
        env = make_world(settings, calls=tmp_path / "calls.sqlite").make_env(4)
        env.seed(0)
        env.reset()
        for item in (3, 4):
            env.step(np.full(4, item))
    assert len(stub.bodies) == 8
    assert "estimated language-model use of the training steps" in capsys.readouterr().err
