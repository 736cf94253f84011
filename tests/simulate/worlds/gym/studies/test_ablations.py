"""Commands of the studies, `recgpt gym ablate|verify`, and the published modules over them."""

import importlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from recgpt.cli.app import app
from recgpt.cli.module import app_of
from recgpt.errors import RecGPTError

MODULES = [
    f"ablations.{domain}.{name}"
    for domain in ("movies", "books")
    for name in ("run_deepseek_experiment", "run", "human_study")
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("RECGPT_EMOSIM", raising=False)


def invoked(*words: str) -> Result:
    return CliRunner().invoke(app, ["gym", *words])


def module(name: str, *words: str) -> Result:
    found = importlib.import_module(name)
    return CliRunner().invoke(app_of(found.COMMAND, found.__doc__), list(words))


def test_ablate_runs_goes_on_and_is_verified(tmp_path):
    words = ["ablate", "--study", "high,low", "--quick", "--run", "mine", "--retrieval", "simple_3"]
    done = invoked(*words, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["studies"]["high"]["score"] == 1.0
    again = invoked(*words)
    assert again.exit_code == 0 and "scripted-0Shot_cotlite_our-none-simple_3" in again.output
    assert {"dump.parquet", "summary.csv", "report.html"} <= {path.name for path in (tmp_path / "runs/mine").iterdir()}
    assert invoked("verify", "mine").output.strip().endswith("verified")
    summary = tmp_path / "runs/mine/summary.csv"
    summary.write_text(summary.read_text(encoding="utf-8").replace("1.0", "0.9"), encoding="utf-8")
    refused = invoked("verify", "mine", "--json")
    assert refused.exit_code == 1
    assert "do not follow from the dump" in json.loads(refused.stdout)["refused"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "mood"], "no study 'mood': choose among preference, high"),
        (["--skip-sampling", "--sampling"], "exclude each other"),
        (["--retrieval", "best_3"], "no retrieval 'best_3': choose among none, last_K"),
        (["--perturbator", "loud"], "choose among none, gaussian, greedy"),
        (["--rater", "9Shot"], "no rater '9Shot'"),
        (["--study-data", "nowhere"], "holds no sets of movies"),
    ],
)
def test_wrong_values_are_refused_in_one_line(words, message):
    done = invoked("ablate", "--quick", *words)
    assert done.exit_code != 0
    assert isinstance(done.exception, RecGPTError) and message in str(done.exception)


@pytest.mark.parametrize("name", MODULES)
def test_published_modules_have_their_flags(name):
    done = module(name, "--help")
    assert done.exit_code == 0
    flags = ("--skip-sampling", "--sampling", "--debug", "--llm-rater", "--items-retrieval", "--user-dataset")
    for flag in (*flags, "--perturbator", "--random-rating", "--show-prompt"):
        assert flag in done.output, flag


@pytest.mark.parametrize("domain", ["movies", "books"])
def test_published_modules_write_their_reports(domain, tmp_path):
    done = module(f"ablations.{domain}.run_deepseek_experiment", "--quick", "--sampling", "--debug")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "reports/scripted-0Shot_cotlite_our-none-decay_emotion_3-DEBUG"
    assert {path.name for path in folder.iterdir()} == {
        "sampling_distribution.csv",
        "sampling_distribution_rating_dump.csv",
    }


def test_human_study_writes_a_form_and_its_control(tmp_path):
    for words in ([], ["--random-rating"]):
        assert module("ablations.movies.human_study", *words).exit_code == 0
    forms = list(tmp_path.glob("runs/*/human_form.html"))
    assert len(forms) == 2
    assert all(form.read_text(encoding="utf-8").count("<fieldset") == 10 for form in forms)


def test_the_prompt_is_shown_without_a_call(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    done = module("ablations.books.run_deepseek_experiment", "--show-prompt", "--llm-model", "any", "--sampling")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("[") and "from 1 to 5" in done.output.lower().replace("1 and 5", "1 to 5")
    refused = module("ablations.books.run_deepseek_experiment", "--show-prompt")
    assert "the mind scripted has no prompts" in str(refused.exception)


# --- with a language model ---


def test_a_language_models_answers_are_logged_resumed_and_verified(mind_stub, tmp_path):
    """Prompts have their hashes; no question is sent twice; a prompt that was changed is refused."""
    import polars as pl

    from recgpt.simulate.worlds.gym.studies import dump as dumps

    with mind_stub() as stub:
        words = ["ablate", "--study", "high", "--quick", "--run", "asked", "--llm-model", "stub"]
        words += ["--base-url", stub.base_url, "--key-env", "", "--set", "llm.concurrency=8"]
        capped = invoked(*words, "--max-calls", "30")
        assert "the cap of 30 calls" in str(capped.exception)
        done = invoked(*words, "--max-calls", "200")
        assert done.exit_code == 0, done.output
        assert len(stub.bodies) == len({json.dumps(body["messages"]) for body in stub.bodies})
    frame, about = dumps.read(tmp_path / "runs/asked/dump.parquet")
    assert len(frame) == 80 and frame["prompt_hash"].n_unique() == 80
    assert frame["tokens"].min() > 0 and frame["reply"].null_count() == 0
    assert invoked("verify", "asked").exit_code == 0
    changed = frame.with_columns(
        prompt_hash=pl.when(pl.col("question") == 5).then(pl.lit("f" * 64)).otherwise("prompt_hash")
    )
    dumps.write(changed, about, tmp_path / "changed.parquet")
    refused = invoked("verify", str(tmp_path / "changed.parquet"))
    assert (
        refused.exit_code == 1 and "question 5: the prompt hash is not that of the question's prompt" in refused.output
    )


def test_a_language_model_gives_reasons_for_the_human_study(mind_stub, tmp_path):
    with mind_stub() as stub:
        words = ["--llm-model", "stub", "--base-url", stub.base_url, "--key-env", ""]
        done = module("ablations.books.human_study", *words, "--llm-rater", "0Shot_cotlite_our")
    assert done.exit_code == 0, done.output
    form = next(tmp_path.glob("runs/*/human_form.html")).read_text(encoding="utf-8")
    assert form.count("It moved me") == 10
