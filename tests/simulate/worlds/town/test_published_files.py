"""Files of the published system: what the readers find, what the writers give back, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recgpt.errors import DataError, RecGPTError
from recgpt.simulate.worlds.town.published.demo import compressed, expanded, read_demo, write_demo
from recgpt.simulate.worlds.town.published.history import parse_history, read_history
from recgpt.simulate.worlds.town.published.personas import Persona
from recgpt.simulate.worlds.town.published.simulation import (
    META,
    Meta,
    Shown,
    Simulation,
    read_simulation,
    write_simulation,
)

SAVED = "July1_the_ville_isabella_maria_klaus-step-3-2"
FOLDERS = (
    *("base_the_ville_isabella_maria_klaus", "base_the_ville_n25", SAVED),
    "July1_the_ville_isabella_maria_klaus-step-3-12-excerpt",
)
SCRATCH: dict[str, Any] = {
    **{"vision_r": 8, "att_bandwidth": 8, "retention": 8, "curr_time": None, "curr_tile": None, "age": 30},
    **{"innate": "kind", "learned": "a baker", "currently": "baking", "lifestyle": "sleeps at 10pm"},
    **{"living_area": "w:s:a", "daily_plan_req": "", "f_daily_schedule": [], "f_daily_schedule_hourly_org": []},
}
NODE: dict[str, Any] = {
    **{"node_count": 1, "type_count": 1, "type": "thought", "depth": 1, "created": "2023-02-13 00:00:10"},
    **{"expiration": None, "subject": "Ann Lee", "predicate": "is", "object": "glad", "description": "Ann is glad"},
    **{"embedding_key": "Ann is glad", "poignancy": 3, "keywords": ["glad"], "filling": ["node_7"]},
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((shared / "fixtures" / "smallville" / "golden.json").read_text())
    return content


@pytest.fixture(scope="module")
def smallville(shared: Path) -> Path:
    return shared / "data" / "simulate" / "smallville"


def test_the_shipped_simulations_hold_what_was_counted(golden: dict[str, Any], smallville: Path) -> None:
    for name, wanted in golden["imports"]["storage"].items():
        found = read_simulation(smallville / "storage" / name)
        meta = found.meta.to_json()
        assert {key: meta[key] for key in wanted["meta"]} == wanted["meta"], name
        assert list(found.meta.names) == wanted["persona_names"], name
        assert (len(found.environment), len(found.movement)) == (wanted["environment_files"], wanted["movement_files"])
        for persona, about in wanted["personas"].items():
            assert _counted(found.personas[persona]) == about, (name, persona)


def _counted(persona: Persona) -> dict[str, Any]:
    """What the golden values count of a persona."""
    scratch, nodes = persona.scratch, persona.nodes
    sectors = [arenas for world in persona.spatial.values() for arenas in world.values()]
    arenas = [objects for sector in sectors for objects in sector.values()]
    found: dict[str, Any] = {
        "tile": scratch["curr_tile"],
        **{key: scratch[key] for key in ("recency_decay", "importance_trigger_max", "importance_trigger_curr")},
        **{"sectors": len(sectors), "arenas": len(arenas), "objects": sum(map(len, arenas))},
        "schedule_blocks": len(scratch["f_daily_schedule"]),
        "schedule_minutes": sum(minutes for _, minutes in scratch["f_daily_schedule"]),
        "embeddings": None if persona.embeddings is None else len(persona.embeddings),
    }
    if not nodes:
        return found
    last = nodes[0].values
    return found | {
        "entries": {kind: n for kind in ("event", "thought", "chat") if (n := sum(x.kind == kind for x in nodes))},
        "deepest": max(node.values["depth"] for node in nodes),
        "poignancy_sum": sum(node.poignancy for node in nodes),
        "idle_events": sum(node.kind == "event" and "is idle" in node.description for node in nodes),
        "last_entry": {key: last[key] for key in ("type", "created", "subject", "predicate", "object", "poignancy")},
        "act_address": scratch["act_address"],
    }


def test_the_shipped_demo_shows_what_was_counted(golden: dict[str, Any], smallville: Path) -> None:
    wanted = golden["imports"]["compressed"]
    found = read_demo(smallville / "compressed_storage" / wanted["name"])
    changes = compressed(found.movement)
    assert len(found.movement) == wanted["steps"]
    assert sum(bool(step) for step in changes.values()) == wanted["steps_with_a_change"]
    assert sum(map(len, changes.values())) == wanted["changes"]
    for step, people in wanted["state_at_step"].items():
        for name, (tile, description, lines) in people.items():
            shown = found.movement[int(step)][name]
            assert (list(shown.tile), shown.description, len(shown.chat or ())) == (tile, description, lines), step


@pytest.mark.parametrize("name", FOLDERS)
def test_a_written_simulation_equals_the_read_one(smallville: Path, tmp_path: Path, name: str) -> None:
    folder = smallville / "storage" / name
    written = tmp_path / "copy"
    write_simulation(read_simulation(folder), written)
    assert _contents(written) == _contents(folder)


def test_a_written_demo_equals_the_read_one(golden: dict[str, Any], smallville: Path, tmp_path: Path) -> None:
    folder = smallville / "compressed_storage" / golden["imports"]["compressed"]["name"]
    write_demo(read_demo(folder), tmp_path / "copy")
    assert _contents(tmp_path / "copy") == _contents(folder)


def _contents(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}


def test_changes_of_steps_as_published(golden: dict[str, Any]) -> None:
    case = golden["compression"]
    names = tuple(case["meta"]["persona_names"])
    movement = expanded({str(step): shown for step, shown in enumerate(case["movement"])}, names, "the case")
    assert compressed(movement) == case["published_master_movement"]
    assert expanded(case["published_master_movement"], names, "the case") == movement


def test_histories_as_counted(golden: dict[str, Any], smallville: Path) -> None:
    for file, wanted in golden["history_csv"].items():
        if file == "constructed":
            assert parse_history(wanted["text"], "the case") == [tuple(entry) for entry in wanted["corrected"]]
            continue
        entries = read_history(smallville / "the_ville" / file, list(wanted["whispers"]))
        assert len(entries) == wanted["total_corrected"]
        for name, about in wanted["whispers"].items():
            own = [sentence for each, sentence in entries if each == name]
            last = about.get("corrected_last", about["published_last"])
            assert (len(own), own[0], own[-1]) == (about["corrected"], about["first"], last)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with 'nothing'"),
        ("Who,What\nAnn Lee,Hi\n", "write Name,Whisper"),
        ('Name,Whisper\nAnn Lee,"never closed\n', "is no CSV file"),
        ("Name,Whisper\nAnn Le,Hi\n", "did you mean Ann Lee?"),
    ],
)
def test_a_broken_history_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message.replace("?", r"\?")) as error:
        read_history(path, ["Ann Lee", "Bo Ray"])
    assert "\n" not in str(error.value)


def test_a_history_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"Name,Whisper\nAnn Lee,caf\xe9\n")
    with pytest.raises(DataError, match="no UTF-8"):
        read_history(tmp_path / "latin.csv", ["Ann Lee"])
    with pytest.raises(DataError, match="cannot be read"):
        read_history(tmp_path / "missing.csv", ["Ann Lee"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Simulation of one persona, two steps."""
    made = tmp_path / "made"
    memory = made / "personas" / "Ann Lee" / "bootstrap_memory"
    (memory / "associative_memory").mkdir(parents=True)
    meta = Meta("base", _day(), _day(), 10, "the_ville", ("Ann Lee",), 2).up_to(2).to_json()
    shown = Shown((3, 4), "😴", "sleeping @ w:s:a:bed", None).to_json()
    content: dict[str, Any] = {
        META: meta,
        **{f"environment/{step}.json": {"Ann Lee": {"maze": "the_ville", "x": 3, "y": 4}} for step in range(3)},
        **{f"movement/{step}.json": {"persona": {"Ann Lee": shown}, "meta": {}} for step in range(2)},
        "personas/Ann Lee/bootstrap_memory/scratch.json": {**SCRATCH, "name": "Ann Lee"},
        "personas/Ann Lee/bootstrap_memory/spatial_memory.json": {"w": {"s": {"a": ["bed"]}}},
        "personas/Ann Lee/bootstrap_memory/associative_memory/nodes.json": {"node_1": NODE},
        "personas/Ann Lee/bootstrap_memory/associative_memory/kw_strength.json": {},
    }
    for name, values in content.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(json.dumps(values))
    return made


def _day() -> Any:
    from datetime import datetime

    return datetime(2023, 2, 13)


def test_a_simulation_without_embeddings_is_read(folder: Path) -> None:
    found = read_simulation(folder)
    assert found.personas["Ann Lee"].embeddings is None
    assert found.personas["Ann Lee"].nodes[0].evidence == (7,)
    assert found.movement[1]["Ann Lee"].action == "sleeping"
    assert found.movement[1]["Ann Lee"].address == "w:s:a:bed"


BROKEN: list[tuple[str, dict[str, Any] | str, str]] = [
    (META, {"persona_names": ["../../etc"]}, "no name of a persona"),
    (META, {"persona_names": ["Ann:Lee"]}, "no name of a persona"),
    (META, {"persona_names": ["Ann Lee", "Ann Lee"]}, "different names"),
    (META, {"persona_names": ["Bo Ray"]}, "no folder of 'Bo Ray'|unknown persona 'Ann Lee'"),
    (META, {"step": 10**30}, "step=.*a whole number from 0 to"),
    (META, {"step": 9}, "each file up to 8.json"),
    (META, {"sec_per_step": 0}, "sec_per_step=0"),
    (META, {"start_date": "13 February"}, "a time such as 'February 13, 2023'"),
    (META, "[1, 2]", "an object is needed"),
    (META, "{", "not readable JSON"),
    ("movement/1.json", {"persona": {}}, "lacks 'Ann Lee'"),
    ("environment/2.json", {"Ann Lee": {"maze": "m", "x": 1e999, "y": 2}}, "x=inf is not valid"),
    ("environment/2.json", {"Eve": {"maze": "m", "x": 1, "y": 2}}, "unknown persona 'Eve'"),
]
SCRATCHES: list[tuple[dict[str, Any], str]] = [
    ({"name": "Bo Ray"}, "not that of its folder"),
    ({"age": "thirty"}, "age='thirty'"),
    ({"vision_r": float("nan")}, "NaN"),
    ({"f_daily_schedule": [["sleeping"]]}, "a list of pairs"),
    ({"innate": 5}, "innate=5"),
]
NODES: list[tuple[dict[str, Any], str]] = [
    ({"node_x": NODE}, "no id of a memory"),
    ({"node_1": {**NODE, "type": "dream"}}, "event or thought or chat"),
    ({"node_1": {**NODE, "poignancy": 99}}, "poignancy=99"),
    ({"node_1": {**NODE, "created": "yesterday"}}, "created='yesterday'"),
    ({"node_1": {**NODE, "type": "chat", "filling": [["Ann"]]}}, "lines such as"),
    ({"node_1": {"type": "event"}}, "has no 'filling'"),
]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        *BROKEN,
        *(("personas/Ann Lee/bootstrap_memory/scratch.json", *case) for case in SCRATCHES),
        *(("personas/Ann Lee/bootstrap_memory/associative_memory/nodes.json", *case) for case in NODES),
        ("personas/Ann Lee/bootstrap_memory/spatial_memory.json", {"w": {"s": {"a": "bed"}}}, "a list of texts"),
        ("personas/Ann Lee/bootstrap_memory/associative_memory/embeddings.json", {"a": [1, 2], "b": [1]}, "no vectors"),
    ],
)
def test_a_broken_simulation_is_refused_in_one_line(
    folder: Path, file: str, content: dict[str, Any] | str, message: str
) -> None:
    path = folder / file
    old = {} if "nodes" in file or not path.is_file() else json.loads(path.read_text())
    path.write_text(content if isinstance(content, str) else json.dumps({**old, **content}))
    with pytest.raises(RecGPTError, match=message) as error:
        read_simulation(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1500


def test_a_missing_file_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "personas")
    with pytest.raises(DataError, match="no folder of 'Ann Lee'"):
        read_simulation(folder)


def test_an_excerpt_is_no_demo(folder: Path, tmp_path: Path) -> None:
    found = read_simulation(folder)
    excerpt = Simulation(found.meta, found.personas, found.environment, {1: found.movement[1]})
    with pytest.raises(DataError, match="a demo needs each step from 0"):
        write_demo(excerpt, tmp_path / "demo")


def test_a_demo_with_a_gap_is_refused() -> None:
    shown = {"Ann Lee": Shown((1, 1), "", "x", None).to_json()}
    with pytest.raises(DataError, match="without a gap"):
        expanded({"0": shown, "2": {}}, ("Ann Lee",), "the file")
    with pytest.raises(DataError, match="lacks 'Ann Lee'"):
        expanded({"0": {}}, ("Ann Lee",), "the file")


def test_existing_output_stays(folder: Path) -> None:
    found = read_simulation(folder)
    with pytest.raises(RecGPTError, match="holds a simulation already"):
        write_simulation(found, folder)
