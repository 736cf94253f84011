"""A run as a static site: complete, without secrets and paths, harmless whatever its texts hold."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.errors import DataError, SimulationError, StorageError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watching import watch_of
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.town.watch import TownWatch
from recgpt.web import bundle as bundles
from recgpt.web.bundle import write_bundle
from recgpt.web.scripts import one_script
from tests.simulate.worlds.town.stored_town import stored_town

AGENTS, PAGES = 12, 4
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028 \u2029 <!-- ' \" \\ `${1}`"


@pytest.fixture
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def run(feed_folder: Path, own_runs: None) -> Run:
    model = str(feed_folder / "model")
    config = FeedConfig(dataset=str(feed_folder), model=model, recommender="popularity", agents=AGENTS, pages=PAGES)
    with runner.start("feed", "shown", config):
        pass
    return Run.open("shown")


def parts_of(folder: Path, kind: str) -> list[Any]:
    """Values in the data files of a kind, as a browser parses them."""
    texts = [path.read_text() for path in sorted(folder.glob(f"data-{kind}*.js"))]
    literals = [re.findall(r'JSON\.parse\(("(?:[^"\\]|\\.)*")\)', text)[0] for text in texts]
    return [json.loads(json.loads(literal)) for literal in literals]


def test_bundle_holds_what_the_watch_shows(run: Run, tmp_path: Path) -> None:
    made = write_bundle(run, tmp_path / "site", every=3)
    (known,), (frames,), (steps,) = (parts_of(tmp_path / "site", kind) for kind in ("run", "frames", "steps"))
    watch = watch_of(run)
    expected = [watch.start(), *(watch.add(rows) for rows in run.iter_steps())]
    assert [{**frame, "log": []} for frame in expected] == frames
    assert made.moments == [0, 3, 4] and made.graphs == []
    assert steps == [["moments", step, watch.moment(step)] for step in (0, 3, 4)]
    assert known["cards"] == {str(agent): watch.agent(PAGES, agent) for agent in range(AGENTS)}
    assert known["log"] == watch.log(PAGES, limit=9999)[::-1]
    assert known["run"]["status"] == "finished" and known["run"]["about"] == watch.about()
    assert known["series"]["steps"] == list(range(PAGES + 1)) and len(known["series"]["values"]["stars"]) == PAGES + 1
    scripts = re.findall(r'<script defer src="([\w.-]+)">', (tmp_path / "site" / "index.html").read_text())
    assert scripts == ["data-run.js", "data-frames-0.js", "data-steps-0.js", "app.js"]
    assert {path.name for path in (tmp_path / "site").iterdir()} == {*scripts, "index.html", "style.css", "icon.svg"}


def test_page_says_what_is_in_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_CARDS", 3)
    monkeypatch.setattr(bundles, "MOST_LINES", 20)
    monkeypatch.setattr(bundles, "MOST_ACTIVITIES", 2 * AGENTS)
    made = write_bundle(run, tmp_path / "site", every=2)
    assert made.agents == [0, 6, 11]
    text = (tmp_path / "site" / "index.html").read_text()
    assert (
        "figures of all 4 pages, panels of every 2nd page, cards of 3 of 12 agents as after page 4, the latest 20 log"
        " lines and what each of the agents did from page 3 on" in text
    )
    (frames,) = parts_of(tmp_path / "site", "frames")
    assert [frame["activity"] is None for frame in frames] == [True, True, True, False, False]


def test_no_secret_and_no_path_of_the_machine(
    feed_folder: Path, own_runs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home of ada"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    data = home / "films"
    data.symlink_to(feed_folder)
    config = FeedConfig(dataset=str(data), model=str(data / "model"), recommender="popularity", agents=4, pages=2)
    with runner.start("feed", "secret", config) as run:
        planted = "sk-planted-0123456789abcdef"
        monkeypatch.setenv("OPENAI_API_KEY", planted)
        monkeypatch.setattr(type(run), "newest_events", _with_text(run, f"{planted} in {home}/notes.txt"))
        write_bundle(run, tmp_path / "site")
    text = "".join(path.read_text() for path in (tmp_path / "site").iterdir())
    assert "notes.txt" in text
    for private in (planted, str(home), str(tmp_path), str(Path.home()), str(feed_folder)):
        assert private not in text


def _with_text(run: Run, text: str) -> Any:
    plain = type(run).newest_events

    def changed(self: Run, *arguments: Any, **options: Any) -> Any:
        import polars as pl

        return plain(self, *arguments, **options).with_columns(text=pl.lit(text))

    return changed


def test_hostile_texts_end_no_script(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(run), "newest_events", _with_text(run, HOSTILE))
    write_bundle(run, tmp_path / "site")
    data = (tmp_path / "site" / "data-run.js").read_text()
    assert "<" not in data and data.isascii()
    (known,) = parts_of(tmp_path / "site", "run")
    assert any(HOSTILE in line["text"] for line in known["log"])
    assert "Content-Security-Policy" in (tmp_path / "site" / "index.html").read_text()


def test_long_runs_are_cut_into_files(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_CHARS_A_FILE", 1000)
    write_bundle(run, tmp_path / "site")
    assert len(list((tmp_path / "site").glob("data-frames-*.js"))) > 1
    assert [frame["step"] for part in parts_of(tmp_path / "site", "frames") for frame in part] == list(range(PAGES + 1))
    monkeypatch.undo()


def test_a_bundle_is_replaced_only_when_asked(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_bundle(run, site)
    (site / "data-frames-7.js").write_text("of a longer run")
    (site / "mine.txt").write_text("kept")
    with pytest.raises(StorageError, match=r"site holds a bundle already: .*--overwrite"):
        write_bundle(run, site)
    write_bundle(run, site, overwrite=True)
    assert not (site / "data-frames-7.js").exists() and (site / "mine.txt").exists()


def test_unfinished_run_is_bundled_and_an_empty_one_refused(run: Run, tmp_path: Path) -> None:
    with run.fork("begun", 2) as begun:
        assert write_bundle(begun, tmp_path / "begun").n_steps == 2
    with run.fork("empty", 0) as empty, pytest.raises(SimulationError, match="run empty has no step yet: resume it"):
        write_bundle(empty, tmp_path / "empty")


def test_steps_with_panels_are_at_equal_distances() -> None:
    assert bundles.chosen(10, 6) == [0, 2, 4, 6, 8, 10]
    assert bundles.chosen(4, 101) == [0, 1, 2, 3, 4]
    assert bundles.chosen(7, 4) == [0, 3, 6, 7]
    assert all(len(bundles.chosen(last, 11)) <= 12 for last in range(1, 500))


def test_command_says_what_was_made(run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["runs", "bundle", "shown", "--out", str(tmp_path / "site"), "--every", "2"])
    assert result.exit_code == 0
    assert "index.html: 4 steps, 3 with panels, 12 cards" in " ".join(result.output.split())


def test_no_web_server_is_needed(run: Run, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = sys.modules['uvicorn'] = sys.modules['starlette'] = None\n"
        "from recgpt.cli.app import app\n"
        f"app(['runs', 'bundle', 'shown', '--out', {str(tmp_path / 'site')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- towns ---


def test_a_town_has_its_map_movements_and_residents(
    own_runs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "MOST_RESIDENTS", 12)
    with stored_town("small", 3, 6) as run:
        made = write_bundle(run, tmp_path / "site")
        watch = cast(TownWatch, watch_of(run))
        for rows in run.iter_steps():
            watch.add(rows)
        ((*parts,),) = parts_of(tmp_path / "site", "town")
        found: dict[str, dict[int, Any]] = {}
        for name, key, value in parts:
            found.setdefault(name, {})[key] = value
        assert made.town is not None and made.town.residents == [0, 3] and made.town.facts == [0, 1, 2, 3]
        assert found["map"] == {"all": json.loads(json.dumps(watch.town_map()))}
        assert found["blocks"] == {block: json.loads(gzip.decompress(watch.block(block))) for block in (1, 2, 3)}
        assert found["heat"][2] == watch.heat(2, 2)
        assert found["residents"][180]["4"] == json.loads(json.dumps(watch.person(180, 4)))
        assert list(found["facts"]) == [0, 60, 120, 180]
    (known,) = parts_of(tmp_path / "site", "run")
    assert known["cards"] == {} and len(known["agents"]) == 6
    assert (tmp_path / "site" / "town.css").is_file()


def test_a_long_town_keeps_its_latest_movements(
    own_runs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recgpt.web.bundle_town.MOST_BYTES", 1)
    with stored_town("small", 3, 6) as run:
        made = write_bundle(run, tmp_path / "site")
    assert made.town is not None and made.town.first_block == 3
    assert "the map with every movement from block 3 on" in (tmp_path / "site" / "index.html").read_text()


# --- modules as one script ---


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "base.js").write_text("// first\nexport const ONE = 1;\nfunction hidden() {}\n")
    (tmp_path / "middle.js").write_text(
        'import { ONE } from "./base.js";\nexport class Two { get() { return ONE; } }\n'
    )
    entry = 'import { ONE } from "./base.js";\nimport { Two } from "./middle.js";\nnew Two(ONE).get();\n'
    (tmp_path / "main.js").write_text(entry)
    (tmp_path / "other.js").write_text("export function unused() {}\n")
    return tmp_path


def test_modules_become_one_script_in_order(modules: Path) -> None:
    assert one_script(modules, "main.js") == (
        '"use strict";\n(() => {\n// base.js\n// first\nconst ONE = 1;\nfunction hidden() {}\n\n'
        "// middle.js\nclass Two { get() { return ONE; } }\n\n// main.js\nnew Two(ONE).get();\n})();\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import { main } from "./main.js";\n', r"circle: main\.js -> base\.js -> main\.js"),
        ('import { x } from "./absent.js";\n', r"has no module absent\.js, which base\.js needs"),
        ('import * as x from "./other.js";\n', "form that a single script cannot take"),
        ("export default 1;\n", "form that a single script cannot take"),
    ],
)
def test_other_modules_are_refused(modules: Path, text: str, message: str) -> None:
    (modules / "base.js").write_text(text)
    with pytest.raises(DataError, match=message):
        one_script(modules, "main.js")


def test_script_of_the_page_needs_no_module(repo: Path) -> None:
    text = one_script(repo / "recgpt" / "web" / "static", "main.js")
    assert not re.search(r"^(?:import|export)\b", text, re.MULTILINE)
    assert "class BundleSource" in text and "// login.js" not in text
