"""Sets, questions and runs of the studies: protocols, determinism, resumption, reports."""

import csv
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgpt.errors import ConfigError, SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.studies import dump as dumps
from recgpt.simulate.worlds.gym.studies import human_form, report
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.inputs import StudyInputs, load_inputs
from recgpt.simulate.worlds.gym.studies.report import html, write_reports
from recgpt.simulate.worlds.gym.studies.running import run_studies, write_published_reports
from recgpt.simulate.worlds.gym.studies.sets import N_ITEMS, cover, study_folder, study_sets


@pytest.fixture(scope="module", params=["movies", "books"])
def full(request: pytest.FixtureRequest) -> StudyInputs:
    """Inputs of the full form of all studies, with the made-up catalogue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RECGPT_EMOSIM", raising=False)
        return load_inputs(StudyConfig(domain=request.param, study="all,human"))


def of(inputs: StudyInputs, study: str, part: str | None = None) -> pl.DataFrame:
    rows = inputs.table.filter(pl.col("study") == study)
    return rows if part is None else rows.filter(pl.col("part") == part)


# --- sets and protocols ---


def test_made_up_sets_have_the_published_sizes(full):
    sets, items = full.setting.sets, full.gym.items
    assert len(sets.groups) == 8
    for name, group in sets.groups.items():
        assert len(set(group.liked)) == len(set(group.others)) == N_ITEMS
        assert all(set(group.tags) & set(items.tags[row]) for row in group.liked), name
        assert not any(set(group.tags) & set(items.tags[row]) for row in group.others), name
    assert len(sets.subset) == 20 and set(sets.subset) <= set(sets.all_items)
    assert len(sets.series) == {"movies": 22, "books": 20}[full.gym.domain.name] or len(sets.series) >= 20
    again = study_sets(full.gym.domain, items)
    assert again == sets, "the sets depend on the catalogue alone"


def test_preference_protocol(full):
    for part, which in (("+", "liked"), ("-", "others")):
        rows = of(full, "preference", part)
        assert len(rows) == 8 * 4 * 20
        assert rows["known_items"].list.len().sum() == 0, "the memory is emptied before each item"
        assert rows["thread"].n_unique() == len(rows)
        for (group,), own in rows.group_by("group"):
            assert set(own["item"]) == set(getattr(full.setting.sets.groups[group], which))
            users = [full.gym.users.persona[user] for user in own["user"].unique()]
            assert users == ["lover"] * 4


@pytest.mark.parametrize("study", ["high", "low"])
def test_memory_of_the_high_and_low_studies_grows_within_a_persona(full, study):
    rows = of(full, study)
    n_items = len(full.setting.sets.all_items)
    assert len(rows) == 4 * n_items and rows["thread"].n_unique() == 4
    for _, own in rows.group_by("thread", maintain_order=True):
        assert own["item"].to_list() == list(full.setting.sets.all_items)
        assert own["place"].to_list() == list(range(1, n_items + 1))
        assert (own["step"].diff().drop_nulls() == 1).all(), "one answer a step"
    assert {full.gym.users.persona[user] for user in rows["user"].unique()} == {f"always_{study}"}


def test_collection_protocol(full):
    setting, scale = full.setting, full.gym.domain.scale
    positive, negative = of(full, "collection", "+"), of(full, "collection", "-")
    assert positive.select("user", "item", "known_items").equals(negative.select("user", "item", "known_items"))
    assert len(positive) == 100 * len(setting.sets.series)
    for parts in setting.sets.series:
        own = positive.filter(pl.col("item") == parts[-1])
        assert own["user"].n_unique() == 100 and own["user"].max() < setting.n_people
        for items, ratings in own.select("known_items", "known_ratings").head(5).iter_rows():
            assert len(items) == len(set(items)) == 2 * len(parts) - 1
            assert set(items) & set(parts) == set(parts[:-1])
            known = dict(zip(items, ratings, strict=True))
            assert all(known[part] == scale.highest for part in parts[:-1])
            averages = np.nan_to_num(full.gym.items.average_N, nan={10: 6.53, 5: 4.21}[scale.highest])
            assert all(np.isclose(known[item], averages[item]) for item in items if item not in parts)
    parts = setting.sets.series[0]
    memories = positive.filter(pl.col("item") == parts[-1])["known_items"].to_list()
    assert len({items.index(parts[0]) for items in memories}) > 1, "the memory is shuffled"
    assert all(set(ratings) & {scale.lowest} for ratings in negative["known_ratings"].head(20))


def test_distribution_protocol(full):
    rows, n_items = of(full, "distribution"), len(full.gym.items)
    assert rows.select("user", "item").is_unique().all()
    if full.gym.domain.name == "movies":
        assert rows.group_by("item").len()["len"].to_list() == [25] * n_items
    else:
        assert len(rows) == 2_000
    assert rows["user"].max() < full.setting.n_people, "personas have no part in it"


def test_human_study_has_ten_interactions(full):
    rows = of(full, "human")
    assert rows["part"].to_list() == ["preference"] * 4 + ["loved", "hated"] + ["free"] * 4
    assert rows["user"].to_list()[-4:] == [110, 419, 565, 77]
    assert all("years old" in about for about in rows["user_about"])


def test_another_seed_draws_other_questions_and_equal_seeds_the_same(full):
    names = ("collection", "distribution")
    one, same, other = (
        StudyInputs(full.gym, replace(full.setting, seed=seed, quick=True), names).table for seed in (42, 42, 7)
    )
    assert one.equals(same)
    for study in names:
        pairs = [table.filter(pl.col("study") == study).select("user", "item") for table in (one, other)]
        assert not pairs[0].equals(pairs[1])


def test_published_sets_and_personas(shared):
    folder = shared / "data/simulate/emosim"
    for domain, n_all, n_series in (("movies", 159, 22), ("books", 160, 20)):
        found = load_inputs(StudyConfig(domain=domain, items=str(folder), study="preference,high"))
        sets = found.setting.sets
        assert (len(sets.groups), len(sets.all_items), len(sets.series)) == (8, n_all, n_series)
        assert len(found.setting.personas) == 10
        names = {found.gym.users.names[user] for user in found.setting.personas["high", "all"]}
        assert names == {"William Anderson", "Sophia Evans", "Benjamin Murphy", "Ava Wilson"}
    assert cover([("a", "b"), ("a", "c"), ("d", "c"), ("d",)], {"b"}) == ("a", "d")


def test_a_folder_without_sets_is_refused(tmp_path):
    with pytest.raises(SimulationError, match=r"it has no film_genre_sets.json; leave --study-data out"):
        study_folder(str(tmp_path), None, domain_of("movies"))
    assert study_folder(None, str(tmp_path), domain_of("movies")) is None


# --- runs ---


def test_scripted_users_pass_the_persona_studies_by_construction(runs):
    with Run.open("books") as run:
        scores = run.metrics["studies"]
        assert run.finished and run.metrics["failed"] == 0
    assert [scores[name]["score"] for name in ("preference", "high", "low")] == [1.0, 1.0, 1.0]
    assert scores["collection"]["parts"]["+"]["share"] > 1 - scores["collection"]["parts"]["-"]["share"]
    assert runner.verify(Run.open("books")).n_metrics == 4


def test_a_killed_run_goes_on_by_the_same_call(runs, monkeypatch, tmp_path):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    config = StudyConfig(domain="movies", quick=True, study="high", perturbator="gaussian")
    with run_studies("whole", config) as run:
        wanted, n_steps = run.hash, run.n_steps
        run.fork("killed", 7).close()
    with run_studies("killed", config) as run:
        assert (run.hash, run.n_steps, run.finished) == (wanted, n_steps, True)
        rows = dumps.dump_of(run)
    with run_studies("killed", config) as again:
        assert again.hash == wanted, "a finished run is left as it is"
    with pytest.raises(StoreError, match=r"exists with other settings \(seed, quick\).*--overwrite"):
        run_studies("killed", config.changed(flags={"quick": False, "seed": 1}))
    moved = rows.filter(pl.col("rating") != pl.col("llm_rating"))
    assert 0 < len(moved) < len(rows), "noise moves some ratings"
    last = rows.filter(pl.col("place") == 20)
    assert (last["recalled_items"].list.len() == 3).all(), "last_3 recalls three of nineteen"
    before = rows.filter((pl.col("thread") == last["thread"][0]) & (pl.col("place") == 19))
    assert last["recalled_ratings"][0][0] == before["rating"][0], "the rating with its noise is remembered"


def test_dump_holds_everything_and_its_metadata(runs):
    frame, about = dumps.read(runs / "books" / dumps.FILE_NAME)
    with Run.open("books") as run:
        assert frame.equals(dumps.dump_of(run))
    assert dict(frame.schema) == dict(dumps.COLUMNS)
    assert about["configuration"] == "scripted-2Shot_system_our-none-decay_emotion_3"
    assert frame["configuration"].unique().to_list() == [about["configuration"]]
    assert about["config"]["seed"] == frame["seed"][0] == 42
    collection = frame.filter(pl.col("study") == "collection")
    assert (collection["recalled_items"].list.len() == 3).all()
    assert collection["recalled_names"].list.len().sum() == 3 * len(collection)


def test_reports_are_made_from_the_dump_alone(runs, tmp_path, monkeypatch):
    frame, about = dumps.read(runs / "books" / dumps.FILE_NAME)
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))  # no run is there
    page = html(frame, about)
    assert (runs / "books" / "report.html").read_text(encoding="utf-8") == page
    assert page.count("<svg ") == 5 and not re.findall(r"(?:src|href)=\"(?!#|human_form)", page)
    assert "Not finished" not in page


def test_a_report_says_that_a_run_is_not_finished(runs, monkeypatch):
    monkeypatch.setattr(report, "_plot", lambda *_: None)
    frame, about = dumps.read(runs / "books" / dumps.FILE_NAME)
    assert "Not finished: 100 of" in html(frame.head(100), about)


def test_hostile_texts_are_escaped_in_report_and_form(runs, monkeypatch):
    monkeypatch.setattr(report, "_plot", lambda *_: None)
    frame, about = dumps.read(runs / "books" / dumps.FILE_NAME)
    evil = "<script>alert(1)</script>"
    names = [pl.lit(evil).alias(name) for name in ("item_name", "user_name", "explanation", "user_about", "group")]
    hostile = frame.with_columns(*names)
    assert evil not in html(hostile, about)
    shown = human_form.interactions(hostile, about, domain_of("books"))
    assert evil not in human_form.form(shown, domain_of("books"))


def test_the_control_form_shows_random_ratings_without_reasons(runs):
    frame, about = dumps.read(runs / "books" / dumps.FILE_NAME)
    frame = frame.with_columns(pl.lit("because").alias("explanation"))
    plain = human_form.interactions(frame, about, domain_of("books"))
    control = human_form.interactions(
        frame, {**about, "config": {**about["config"], "random_rating": True}}, domain_of("books")
    )
    assert [each["shown_rating"] for each in plain] == [each["rating"] for each in plain]
    assert len(control) == 10 and all(each["reason"] == "" for each in control)
    assert [each["shown_rating"] for each in control] != [each["shown_rating"] for each in plain]
    assert "random" not in human_form.form(control, domain_of("books")).lower()


def test_published_form_of_the_reports(runs, tmp_path):
    with Run.open("films") as run:
        folder = write_published_reports(run, tmp_path)
    assert folder.name == "scripted-0Shot_cotlite_our-greedy-last_3-sampled_genres"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}{end}" for name in ("high", "low", "collection") for end in (".csv", "_rating_dump.csv")
    }
    rows = list(csv.DictReader((folder / "collection.csv").open(encoding="utf-8")))
    with Run.open("films") as run:
        parts = run.metrics["studies"]["collection"]["parts"]
    assert float(rows[-1]["(Positive)"]) == parts["+"]["share"]
    dump = pl.read_csv(folder / "high_rating_dump.csv")
    assert {"item", "user", "user_name", "item_name", "LLM_rating", "rating", "should_be"} <= set(dump.columns)


def test_labels_name_what_differs():
    config = StudyConfig(domain="movies", mind="llm", llm={"model": "org/deep:seek"}, users="basic", seed=3, debug=True)
    assert config.label == "org_deep_seek-0Shot_cotlite_our-none-last_3-basic_users-seed_3-DEBUG"
    assert StudyConfig(domain="movies", users="detailed").label == "scripted-0Shot_cotlite_our-none-last_3"


def test_unknown_studies_are_refused():
    with pytest.raises(ConfigError, match="no study 'mood': choose among preference"):
        StudyConfig.load(flags={"study": "high,mood"})


def test_failed_questions_are_in_dump_and_report(runs, monkeypatch, tmp_path):
    """The mind `replay` has ratings of two of the four personas: the others fail and remember nothing."""
    frame, _ = dumps.read(runs / "films" / dumps.FILE_NAME)
    high = frame.filter(pl.col("study") == "high")
    some = high.filter(pl.col("user").is_in(high["user"].unique(maintain_order=True).head(2).implode()))
    some.select("user", "item", rating="llm_rating").write_parquet(tmp_path / "some.parquet")
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    config = StudyConfig(
        domain="movies", quick=True, study="high", mind="replay", replayed=str(tmp_path / "some.parquet")
    )
    with run_studies("half", config) as run:
        page = write_reports(run).read_text(encoding="utf-8")
        rows, scores = dumps.dump_of(run), run.metrics
    assert scores["failed"] == 40 and scores["studies"]["high"]["score"] == 0.5
    failed = rows.filter(pl.col("failure").is_not_null())
    assert failed["rating"].null_count() == 40 and failed["recalled_items"].list.len().sum() == 0
    assert "40 without a rating" in page


def test_the_view_is_plain_json(runs):
    import json

    from recgpt.simulate.worlds.gym.studies.spec import WORLD

    with Run.open("films") as run:
        seen = WORLD.view(run, 3)
    assert json.loads(json.dumps(seen))["scores"]["n"] > 0


@pytest.mark.slow
def test_world_contract(runs):
    from recgpt.simulate.worlds.gym.studies.spec import WORLD
    from recgpt.testing import check_world

    check_world(WORLD, StudyConfig(domain="movies", quick=True, study="high"))
