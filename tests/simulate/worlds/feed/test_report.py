"""The page of a run and its table: whole, of one file, and safe whatever items and agents say."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError, StorageError
from recgpt.simulate import runner
from recgpt.simulate.agents.population import Population
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.store import Manifest, Run
from recgpt.simulate.worlds.feed import report
from recgpt.simulate.worlds.feed.artifacts import stored_facts
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.measures import MEASURES, Tally, measures
from recgpt.simulate.worlds.feed.report import html, summary_table
from recgpt.simulate.worlds.feed.view import published, story_agents, view

N_AGENTS, N_ITEMS, WIDTH = 8, 20, 4
PAGES, PAGE_SIZE = 3, 2
HOSTILE = "<script>alert('title')</script> & \"quoted\" \x1b[31m\u202e"
SECTIONS = ("measures", "classes", "pages", "ratings", "satisfaction", "exposure", "stories", "made")


piece = KINDS.piece


def assemble(step: int, pieces: list[pl.DataFrame]) -> pl.DataFrame:
    return KINDS.assemble(step, pieces, time=CLOCK.at(step))


def population() -> Population:
    rng = np.random.default_rng(1)
    level_A = (np.arange(N_AGENTS) % 3 + 1).astype(np.int8)
    unknown = np.full(N_AGENTS, np.nan, dtype=np.float32)
    return Population(
        user_A=np.arange(N_AGENTS),
        activity_A=level_A,
        diversity_A=level_A,
        conformity_A=level_A,
        n_ratings_A=unknown,
        n_genres_A=unknown,
        rating_deviation_A=unknown,
        mean_rating_A=np.where(np.arange(N_AGENTS) % 2, np.float32(3.5), unknown),
        histories=Ragged.from_lists([[agent % N_ITEMS] for agent in range(N_AGENTS)]),
        ratings=np.full(N_AGENTS, np.nan, dtype=np.float32),
        taste_AE=rng.standard_normal((N_AGENTS, WIDTH)).astype(np.float32),
        tastes=[("I like <img src=x onerror=alert(2)>.",)] * N_AGENTS,
        high_rating_tendency=[""] * N_AGENTS,
        low_rating_tendency=[""] * N_AGENTS,
        made_from="eight people made up",
    )


def page_of(step: int, agents: list[int], *, words: bool, adverts: bool, failing: list[int]) -> pl.DataFrame:
    """Agent 0 leaves at once, the others stay; each watches the first item of its page."""
    agent_A = np.array(agents)
    first_A, slot_A = (agent_A + 2 * step) % N_ITEMS, np.zeros(len(agents), dtype=np.int64)
    well_A = agent_A[~np.isin(agent_A, failing)]
    item_A = (well_A + 2 * step) % N_ITEMS
    n = len(well_A)
    said = ["<b onclick=alert(3)>moved</b>"] * n if words else None
    pieces = [
        piece("shown", agent_A, item=first_A, slot=slot_A, value=np.full(len(agents), 1.0 if adverts else np.nan)),
        piece("shown", agent_A, item=(first_A + 1) % N_ITEMS, slot=slot_A + 1),
        piece("aligned", well_A, item=item_A, slot=slot_A[:n]),
        piece("watched", well_A, item=item_A, slot=slot_A[:n]),
        piece("rated", well_A, item=item_A, slot=slot_A[:n], value=1.0 + (well_A + step) % 5),
        piece("felt", well_A, item=item_A, slot=slot_A[:n], value=np.full(n, -0.5), text=said),
        piece("failed", np.array(failing, dtype=np.int64), text=["timeout"] * len(failing)),
        piece("satisfied", well_A, value=np.ones(n), text=["It </script><script>pleased() me"] * n if words else None),
    ]
    if step > 1:
        pieces.append(piece("retrieved", well_A, text=[json.dumps({"ids": [0]})] * n))
    if words:
        pieces.append(piece("thought", well_A, text=["I notice <i>a lot</i>."] * n))
    leaving_A = well_A if step == PAGES else well_A[well_A == 0]
    ended = ["no pages are left" if step == PAGES else None] * len(leaving_A)
    pieces.append(piece("exited", leaving_A, value=np.full(len(leaving_A), step), text=ended))
    pieces.append(
        piece("interviewed", leaving_A, value=np.full(len(leaving_A), 7.0), text=said and said[:1] * len(leaving_A))
    )
    return assemble(step, pieces)


def make_run(
    steps: int = PAGES,
    *,
    words: bool = False,
    adverts: bool = False,
    failing: tuple[int, ...] = (),
    run_id: str = "demo",
    memory: str = "recgpt",
) -> Run:
    config = FeedConfig(
        dataset="data/demo",
        recommender="popularity",
        agents=N_AGENTS,
        pages=PAGES,
        page_size=PAGE_SIZE,
        memory=memory,
        mind="llm" if words else "scripted",
        advert="all" if adverts else "none",
        advert_text="<u>buy</u>" if adverts else None,
    )
    manifest = Manifest(
        run=run_id,
        world="feed",
        config=config.model_dump(mode="json"),
        seed=0,
        made_with={"recgpt": "0"},
        dataset={"name": "demo"},
        kinds=KINDS.to_dict(),
        repeatable="Seed and data set decide everything.",
    )
    run = Run.create(run_id, manifest)
    items = pl.DataFrame(
        {
            "item_id": range(N_ITEMS),
            "title": [HOSTILE] * N_ITEMS,
            "categories": ["<style>*{display:none}</style>"] * N_ITEMS,
        }
    )
    table, arrays = io.BytesIO(), io.BytesIO()
    items.write_parquet(table)
    np.savez(
        arrays,
        count_N=np.arange(N_ITEMS, dtype=np.float32),
        mean_rating_N=np.full(N_ITEMS, np.nan, dtype=np.float32),
        unit_NE=np.random.default_rng(0).standard_normal((N_ITEMS, WIDTH)).astype(np.float16),
        n_users=30,
    )
    run.put_artifact("population.parquet", population().to_parquet())
    run.put_artifact("items.parquet", table.getvalue())
    run.put_artifact("facts.npz", arrays.getvalue())
    run.put_artifact("real_stars.json", b"[1, 2, 3, 4, 5]")
    for step in range(1, steps + 1):
        gone = {0, *failing} if step > 2 else {0} if step > 1 else set()
        there = [agent for agent in range(N_AGENTS) if agent not in gone]
        run.append(page_of(step, there, words=words, adverts=adverts, failing=list(failing) if step == 2 else []))
    if steps == PAGES:
        run.set_metrics(measures(run))
        run.finish()
    return run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    return tmp_path


VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page and refuses what is not nested; keeps tags, attributes, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.text += data


def check_whole(page: Page) -> None:
    """Nothing runs, nothing is fetched, nothing was left out by the template."""
    assert not page.tags & {"script", "img", "iframe", "link", "object"}
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href"):
            assert value is not None and value.startswith("#")
    assert not re.search(r"\b(nan|None|inf)\b", page.text)


@pytest.mark.parametrize("words", [False, True])
def test_the_page_holds_every_section(words: bool, runs: Path) -> None:
    with make_run(words=words, adverts=True, failing=(4,)) as run:
        path = runner.report(run)
        page = Page(path.read_text(encoding="utf-8"))
        assert path == runs / "demo" / "report.html"
        assert f"{run.hash}" in page.text
    check_whole(page)
    assert set(page.ids) == {*SECTIONS, "adverts", "failures"}
    for expected in ("popularity", "eight people made up", "LightGCN", "MovieLens-1M", "Retrieved memories", "7 of 10"):
        assert expected in page.text
    assert "no reply in time" in page.text  # what the kind of failure means
    assert ("I notice <i>a lot</i>." in page.text) == words


def test_what_items_and_agents_say_is_text() -> None:
    with make_run(words=True, adverts=True) as run:
        text = html(run)
    page = Page(text)
    check_whole(page)
    assert "<script" not in text.lower()
    assert "\x1b" not in text and "\u202e" not in text
    assert "&lt;script&gt;alert(" in text
    for said in (
        "<script>alert('title')</script>",
        "<img src=x onerror=alert(2)>",
        "<b onclick=alert(3)>",
        "<u>buy</u>",
    ):
        assert said in page.text


def test_long_words_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "HOSTILE", "x" * 100_000)
    with make_run() as run:
        assert "x" * 500 not in html(run)


def test_sections_of_what_did_not_happen_are_absent() -> None:
    with make_run() as run:
        assert set(Page(html(run)).ids) == set(SECTIONS)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_run_that_is_not_finished_says_so(steps: int) -> None:
    with make_run(steps) as run:
        page = Page(html(run))
        check_whole(page)
        assert "Not finished" in page.text and f"{steps} of at most {PAGES} pages" in page.text
        table = as_text(run)
    assert f"not finished: {steps} of {PAGES} pages" in table


def test_the_page_is_the_same_each_time() -> None:
    with make_run(words=True) as run:
        assert html(run) == html(run)


def test_calls_and_their_failures_are_told() -> None:
    run = make_run(2, words=True)
    fields: dict[str, Any] = {
        "key": "k",
        "purpose": "page",
        "model": "m",
        "request": "{}",
        "server": "s",
        "attempts": 1,
    }
    run.record_call(
        LLMCall(**fields, reply=None, failure="rate_limited", tokens_in=1200, tokens_out=34, cost_usd=0.25, seconds=1)
    )
    with run:
        text = Page(html(run)).text
    assert "1,200 tokens in, 34 out; $0.2500" in text
    assert "the server is asked too often" in text


def test_figures_of_the_page_are_the_metrics_of_the_run() -> None:
    with make_run() as run:
        page, table = Page(html(run)), as_text(run)
        for name in MEASURES:
            of = run.metrics["corrected"][name]
            assert report._measure(of["mean"], name) in page.text
            assert report._measure(of["mean"], name) + " " + report._interval(of, name) in table
            assert report._measure(run.metrics["published"][name]["mean"], name) in table


def test_the_table_holds_the_published_figures() -> None:
    with make_run() as run:
        table = as_text(run)
    for model, of_model in published()["recommenders"].items():
        assert model in table
        assert set(of_model) == set(MEASURES)
        for name, value in of_model.items():
            assert report._measure(value, name) in table
    assert "~6.00" in table  # known only about


def test_stories_are_of_agents_that_differ() -> None:
    tally = Tally(N_AGENTS, N_ITEMS)
    with make_run(failing=(4,)) as run:
        for rows in run.iter_steps():
            tally.add(rows, stored_facts(run))
    chosen = story_agents(tally, population(), n_steps=PAGES)
    levels = [int(population().activity_A[agent]) for agent in chosen]
    assert levels[:3] == [1, 2, 3]
    assert list(chosen)[3:] == [0, 4]
    assert "first page" in chosen[0] and "failed" in chosen[4]
    # After one page those who left cannot be told from those who go on.
    assert "left after the first page" not in story_agents(tally, population(), n_steps=1).values()


def test_recalled_memories_are_told_by_their_numbers_unless_entries_merge() -> None:
    """The first memory of each agent is the first film that it rated."""
    with make_run(words=True) as run:
        stories = view(run, PAGES)["stories"]
    with make_run(words=True, run_id="staged", memory="recagent") as run:
        merging = view(run, PAGES)["stories"]
    for story in stories:
        for page in story["pages"][1:]:
            first = story["pages"][0]["items"][0]
            assert page["recalled"] == [f"{first['title']}, {first['stars']:g} ★: “{first['words']}”"]
    for story in merging:
        assert all(page["recalled"] == [] for page in story["pages"])
        assert [page["n_recalled"] for page in story["pages"][1:]] == [1] * (len(story["pages"]) - 1)


def test_view_is_plain_json_of_the_steps_so_far() -> None:
    with make_run(words=True, adverts=True, failing=(4,)) as run:
        views = [view(run, step) for step in range(PAGES + 1)]
        for seen in views:
            assert json.loads(json.dumps(seen, allow_nan=False)) == seen
        assert views[PAGES]["metrics"] == run.metrics
        assert [seen["finished"] for seen in views] == [False, False, False, True]
        assert [sum(seen["agents"]["active"]) for seen in views] == [8, 7, 6, 0]
        assert [seen["metrics"]["items"]["exposures"] for seen in views] == [0, 16, 30, 42]
        assert all(len(seen["metrics"]["by_page"]) == step for step, seen in enumerate(views))
        assert all(len(story["memories"]) == 3 for story in views[1]["stories"]), "two films and a thought"
        with pytest.raises(SimulationError, match="has no step 4: choose one from 0 to 3"):
            view(run, 4)


def test_a_run_of_another_world_has_no_such_report() -> None:
    manifest = Manifest(
        run="town", world="town", config={}, seed=0, made_with={}, dataset={"name": "none"}, repeatable="Yes."
    )
    with Run.create("town", manifest) as run:
        for of_run in (html, summary_table):
            with pytest.raises(SimulationError, match="town"):
                of_run(run)


def test_a_page_that_cannot_be_written_is_a_clear_error(runs: Path) -> None:
    with make_run() as run:
        (runs / "demo" / "report.html").mkdir()
        with pytest.raises(StorageError, match=r"report\.html: this is a folder"):
            runner.report(run)


def as_text(run: Run) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary_table(run))
    return console.export_text()
