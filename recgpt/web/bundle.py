"""A run as a static site that opens from a file, without a server: `recgpt runs bundle RUN --out DIR`.

    write_bundle(run, Path("site"), every=5)

    index.html  app.js  style.css  icon.svg      the page, all of its modules as one script
    data-run.js                                  constants, figures, agents, cards, log
    data-frames-N.js  data-steps-N.js            frames of all steps; panels and graphs of some
    town.css  data-town-N.js                     of a town: the map, movements, residents

The page reads `window.RECGPT_BUNDLE` in place of the server's answers. Secrets of the environment and the user's own
folders are taken out of all texts, other paths out of the settings.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from recgpt.errors import SimulationError
from recgpt.files import new_folder, write_text
from recgpt.progress import track
from recgpt.simulate.store import Run
from recgpt.simulate.watch import About, AgentCard, Found, Frame, Mark, Watch
from recgpt.simulate.watching import watch_of
from recgpt.web.bundle_town import TownContent, town_content
from recgpt.web.cleaning import cleaned_value, content_value
from recgpt.web.scripts import one_script

MOST_MOMENTS, MOST_GRAPHS, MOST_CARDS = 101, 11, 200
"""Steps with panels, steps with a graph, and agents with a card, at most; the last step is always among them."""
MOST_LINES = 20_000
"""Log lines at most, the latest."""
MOST_ACTIVITIES = 5_000_000
"""Agents times steps whose activity is kept; for longer runs in the latest steps."""
MOST_RESIDENTS, MOST_FACTS = 600, 49
"""Of a town: residents at all steps together, and steps with facts on their way, at most."""
_CHARS_A_FILE = 4_000_000
_HERE = Path(__file__).parent
_COPIED = ("style.css", "icon.svg")
_COPIED_FOR_TOWNS = ("town.css",)


@dataclass(frozen=True)
class Bundled:
    """Content of a bundle.

    Attributes
    ----------
    moments, graphs
        Steps with panels, and with a social graph.
    n_steps
        Last step.
    agents
        Agents with a card, as after the last step.
    n_agents
        Number of all agents.
    n_lines
        Number of log lines.
    first_activity
        First step with the activity of each agent.
    town
        Content of a town's map; None for other worlds.
    """

    moments: list[int]
    graphs: list[int]
    n_steps: int
    agents: list[int]
    n_agents: int
    n_lines: int
    first_activity: int
    town: TownContent | None = None

    def note(self, about: About) -> str:
        """Content in a sentence or two, for the page."""
        name, steps = about["step_name"], self.n_steps + 1  # with step 0, before the first
        parts = [
            f"figures of all {self.n_steps:,} {name}s",
            f"panels of {_some(self.moments, steps, name)}",
            *([f"social graphs of {_some(self.graphs, steps, name)}"] if about["has_graph"] else []),
            self._note_of_agents(about),
            f"the latest {self.n_lines:,} log lines",
        ]
        if self.first_activity:
            parts.append(f"what each of the {about['people']} did from {name} {self.first_activity:,} on")
        return f"A recorded run, without a server. It holds {', '.join(parts[:-1])} and {parts[-1]}."

    def _note_of_agents(self, about: About) -> str:
        some = _of(len(self.agents), self.n_agents, about["people"])
        name = about["step_name"]
        if self.town is None:
            return f"cards of {some} as after {name} {self.n_steps:,}"
        begin = f" from {name} {self.town.first_block:,} on" if self.town.first_block > 1 else ""
        return (
            f"the map with every movement{begin}, {some} as after"
            f" {_some(self.town.residents, self.n_steps + 1, name)}, and facts as after"
            f" {_some(self.town.facts, self.n_steps + 1, name)}"
        )


def write_bundle(run: Run, folder: Path, *, every: int | None = None, overwrite: bool = False) -> Bundled:
    """Write a run, finished or not, as a static site.

    Parameters
    ----------
    every
        Panels of every so many steps; by default so that there are at most `MOST_MOMENTS`.

    Raises
    ------
    SimulationError
        The run has no step yet.
    StorageError
        The folder holds files and `overwrite` is False.
    """
    if not run.n_steps:
        raise SimulationError(f"run {run.run_id} has no step yet: resume it first, recgpt runs resume {run.run_id}")
    with new_folder(folder, overwrite=overwrite, what="bundle", holds=_holds_bundle) as draft:
        content = _write(run, draft, every)
        written = {path.name for path in draft.iterdir()}
    for path in folder.glob("data-*.js"):  # of a longer run that was here before
        if path.name not in written:
            path.unlink()
    return content


def _holds_bundle(folder: Path) -> bool:
    return (folder / "index.html").is_file()


def _write(run: Run, folder: Path, every: int | None) -> Bundled:
    last, watch = run.n_steps, watch_of(run)
    frames = [watch.start()]
    for step in track(range(1, last + 1), f"reading run {run.run_id}", total=last):
        frames.append(watch.add(run.events(step)))
    about: About = {**watch.about(), "can": []}
    agents = _spread(about["n_agents"], MOST_CARDS)
    log = watch.log(last, limit=MOST_LINES)[::-1]
    first = max(0, len(frames) - MOST_ACTIVITIES // max(1, about["n_agents"]))
    n_moments = max(1, min(MOST_FACTS, MOST_RESIDENTS // max(1, len(agents))))
    town = town_content(watch, last, residents=chosen(last, n_moments), facts=chosen(last, MOST_FACTS))
    content = Bundled(
        moments=_moments(last, every),
        graphs=chosen(last, MOST_GRAPHS) if about["has_graph"] else [],
        n_steps=last,
        agents=agents,
        n_agents=about["n_agents"],
        n_lines=len(log),
        first_activity=first if any(frame["activity"] is not None for frame in frames) else 0,
        town=town,
    )
    cards = {} if town else _cards(watch, last, agents)  # a town's residents have their own parts
    known = {
        "run": _run(run, about),
        "series": _series(about, frames),
        "agents": watch.find("", about["n_agents"]) if town else [_found(card) for card in cards.values()],
        "cards": cards,
        "log": log,
    }
    names = ["data-run.js"]
    write_text(folder / names[0], f"window.RECGPT_BUNDLE = {_literal({**_EMPTY, **known})};\n")
    short = [_short(frame, place >= first) for place, frame in enumerate(frames)]
    for name, text in chain(
        _files("frames", short, _ADD_FRAMES),
        _files("steps", _steps(watch, content), _ADD_STEPS),
        _files("town", () if town is None else town.parts(watch, agents), _ADD_TOWN),
    ):
        write_text(folder / name, text)
        names.append(name)
    copied = _COPIED if town is None else _COPIED + _COPIED_FOR_TOWNS
    _write_page(folder, run.run_id, copied, [*names, "app.js"], content.note(about))
    return content


def _cards(watch: Watch, last: int, agents: list[int]) -> dict[str, AgentCard]:
    return {str(agent): watch.agent(last, agent) for agent in track(agents, "cards of agents", total=len(agents))}


def _found(card: AgentCard) -> Found:
    return {"id": card["id"], "name": card["name"]}


_ADD_FRAMES = "bundle.frames.push(...part);"
_ADD_STEPS = "for (const [name, step, value] of part) bundle[name][step] = value;"
_ADD_TOWN = "for (const [name, key, value] of part) (bundle.town[name] ??= {})[key] = value;"
_EMPTY: dict[str, Any] = {"frames": [], "moments": {}, "graphs": {}, "town": {}}


def _write_page(folder: Path, title: str, copied: Sequence[str], scripts: Sequence[str], note: str) -> None:
    for name in copied:
        shutil.copyfile(_HERE / "static" / name, folder / name)
    write_text(folder / "app.js", one_script(_HERE / "static", "main.js"))
    template = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True).get_template("bundle.html.j2")
    styles = [name for name in copied if name.endswith(".css")]
    write_text(folder / "index.html", template.render(title=title, styles=styles, scripts=scripts, note=note))


# --- content ---


def _moments(last: int, every: int | None) -> list[int]:
    if every is None:
        return chosen(last, MOST_MOMENTS)
    return sorted({*range(0, last + 1, every), last})


def chosen(last: int, most: int) -> list[int]:
    """Steps 0 to `last` at equal distances, `most` at most; the last one is among them."""
    distance = -(-last // max(1, most - 1)) or 1
    return sorted({*range(0, last + 1, distance), last})


def _spread(n: int, most: int) -> list[int]:
    """Numbers below `n` at equal distances, `most` at most."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist() if n else []


def _steps(watch: Watch, content: Bundled) -> Iterator[list[Any]]:
    for step in content.moments:
        yield ["moments", step, watch.moment(step)]
    for step in content.graphs:
        yield ["graphs", step, watch.graph(step)]


def _run(run: Run, about: About) -> dict[str, Any]:
    """The run as the server answers `GET /api/runs/{id}`."""
    return {
        "run": run.run_id,
        "about": about,
        "n_steps": run.n_steps,
        "status": "finished" if run.finished else "stopped",
        "speed": None,
        "controllable": False,
        "error": None,
        "prompt": None,
        "forked_from": run.manifest.forked_from,
        "manifest": cleaned_value(run.manifest.model_dump(mode="json", exclude={"kinds", "dialects"})),
    }


def _series(about: About, frames: Sequence[Frame]) -> dict[str, Any]:
    names = [figure["name"] for figure in about["figures"]]
    marks: list[Mark] = [mark for frame in frames for mark in frame["marks"]]
    values = {name: [frame["values"].get(name) for frame in frames] for name in names}
    return {"steps": list(range(len(frames))), "values": values, "marks": marks}


def _short(frame: Frame, with_activity: bool) -> Frame:
    """A frame without log lines, which are in the log, and maybe without activities."""
    return {**frame, "log": [], "activity": frame["activity"] if with_activity else None}


# --- files ---


def _files(kind: str, values: Iterable[Any], action: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the scripts that add values to the bundle, some megabytes each."""
    part: list[Any] = []
    n_chars = n_files = 0
    for value in values:
        part.append(value)
        n_chars += len(json.dumps(value))
        if n_chars > _CHARS_A_FILE:
            yield f"data-{kind}-{n_files}.js", _adding(part, action)
            part, n_chars, n_files = [], 0, n_files + 1
    if part:
        yield f"data-{kind}-{n_files}.js", _adding(part, action)


def _adding(part: list[Any], action: str) -> str:
    return f"{{\n  const bundle = window.RECGPT_BUNDLE;\n  const part = {_literal(part)};\n  {action}\n}}\n"


def _literal(value: Any) -> str:
    """Expression of a script for a JSON value, in ASCII: no text in it can end the script or a line of it."""
    text = json.dumps(json.dumps(content_value(value), allow_nan=False)).replace("<", "\\u003c")
    return f"JSON.parse({text})"


def _some(steps: Sequence[int], n: int, name: str) -> str:
    if len(steps) == n:
        return f"all {name}s"
    distance = steps[1] - steps[0] if len(steps) > 1 else 0
    ending = {1: "st", 2: "nd", 3: "rd"}.get(distance % 10, "th") if distance % 100 not in (11, 12, 13) else "th"
    return f"every {distance:,}{ending} {name}" if distance else f"{name} {steps[0]:,}"


def _of(some: int, n: int, people: str) -> str:
    return f"all {n:,} {people}" if some == n else f"{some:,} of {n:,} {people}"
