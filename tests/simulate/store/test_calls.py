"""Calls to language models, artifacts and metrics of a run."""

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_rows import a_call, manifest, step_rows, unicode_text

from recgpt.errors import StoreError
from recgpt.simulate.store import Run, list_runs

properties = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_calls_are_kept_all_and_found_by_key(run: Run) -> None:
    failed, answered = a_call(reply=None, failure="timeout", tokens_out=0, cost_usd=0), a_call(attempts=2)
    other = a_call("k2", reply=None, failure="refused", attempts=3)
    assert run.call("k1") is None
    for call in (failed, other, answered, other):
        run.record_call(call)
    assert run.call("k1") == answered
    assert run.call("k2") == other
    found = run.calls_summary()
    assert found.pop("cost_usd") == pytest.approx(0.75)
    assert found == {
        "n": 4,
        "failed": 3,
        "failures": {"refused": 2, "timeout": 1},
        "tokens_in": 40,
        "tokens_out": 9,
        "inherited": 0,
    }


def test_a_call_survives_a_step_that_fails_and_is_no_part_of_the_hash(run: Run) -> None:
    run.record_call(a_call())
    with pytest.raises(StoreError):
        run.append(step_rows(5))
    assert run.call("k1") == a_call()
    assert run.hash == ""


def test_no_secret_is_ever_stored(root: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-fake-0123456789abcdef"  # noqa: S105
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    run.record_call(a_call(reply=f"wrong key: {secret}!", server=secret, request=f'{{"authorization": "{secret}"}}'))
    kept = run.call("k1")
    assert kept is not None
    assert (kept.reply, kept.server) == ("wrong key: [OPENAI_API_KEY]!", "[OPENAI_API_KEY]")
    with pytest.raises(StoreError, match="the value of OPENAI_API_KEY"):
        Run.create("leak", manifest("leak", config={"key": secret}))
    assert "leak" not in {each.run for each in list_runs()}
    run.record_call(a_call(request='{"key_env": "OPENAI_API_KEY"}'))
    run.append(step_rows(1))
    files = [path for path in root.rglob("*") if path.is_file()]
    assert root / "demo" / "run.sqlite-wal" in files
    assert all(secret.encode() not in path.read_bytes() for path in files)


def test_half_a_character_is_refused(run: Run) -> None:
    with pytest.raises(StoreError, match="lone surrogates"):
        run.record_call(a_call(reply="\ud83d"))
    run.record_call(a_call())


def test_artifacts(run: Run) -> None:
    content = io.BytesIO()
    pl.DataFrame({"user": [1, 2]}).write_parquet(content)
    run.put_artifact("population.parquet", b"old")
    run.put_artifact("population.parquet", content.getvalue())
    assert run.artifact("population.parquet") == content.getvalue()
    with pytest.raises(StoreError, match=r"no artifact items.parquet: it has population.parquet"):
        run.artifact("items.parquet")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | unicode_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
)


@properties
@given(st.dictionaries(unicode_text, json_values, max_size=5))
def test_metrics_come_back_exactly_and_in_order(run: Run, metrics: dict[str, object]) -> None:
    run.set_metrics({"old": 1})
    run.set_metrics(metrics)
    assert repr(run.metrics) == repr(metrics)


def test_metrics_that_are_not_json_leave_the_old_ones(run: Run) -> None:
    run.set_metrics({"share": 0.5})
    with pytest.raises(StoreError, match="the metric bad is not JSON"):
        run.set_metrics({"share": 0.6, "bad": float("nan")})
    assert run.metrics == {"share": 0.5}
