"""Functions of the page's modules that need no browser: limits of settings, numbers, requests, axes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "recgpt" / "web" / "static"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def values_of(module: str, names: str, *expressions: str):
    script = f'import {{ {names} }} from "./{module}";\nconsole.log(JSON.stringify([{", ".join(expressions)}]));'
    command = [str(NODE), "--input-type=module", "--eval", script]
    found = subprocess.run(command, cwd=STATIC, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_values_outside_the_limits_of_a_setting_are_named():
    whole = "{type: 'integer', minimum: 1, maximum: 9}"
    share = "{type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1}"
    cases = {
        f"problemOf(0, {whole})": "At least 1 is needed.",
        f"problemOf(10, {whole})": "At most 9 is allowed.",
        f"problemOf(1.5, {whole})": "A whole number is needed.",
        f"problemOf(9, {whole})": "",
        f"problemOf(0, {share})": "More than 0 is needed.",
        f"problemOf(1, {share})": "Less than 1 is needed.",
        f"problemOf('x', {share})": "A number is needed.",
        f"problemOf(null, {share})": "A value is needed.",
        "problemOf(null, {type: 'number', optional: true})": "",
    }
    assert values_of("forms.js", "problemOf", *cases) == list(cases.values())


def test_texts_of_numbers_and_times():
    cases = {
        "numberText(null)": "–",
        "numberText(12345)": "12,345",
        "numberText(0.1234)": "0.123",
        "numberText(6.3333)": "6.33",
        "numberText(0.00001)": "1.0e-5",
        "numberText('1 > 0')": "1 > 0",
        "durationText(7200)": "2\u00a0h",
        "durationText(5400)": "90\u00a0min",
        "clockText('2024-01-02T04:00:00')": "2024-01-02 04:00",
        "clockText('day 3, 04:00')": "day 3, 04:00",
        "initialsOf('Ada de Lovelace')": "AL",
        "initialsOf('')": "?",
    }
    assert values_of("format.js", "numberText, durationText, clockText, initialsOf", *cases) == list(cases.values())


def test_settings_of_a_fork_are_read_by_line():
    text = json.dumps("active_prob: 0.5\nrecommender: item_knn\n\nadvert = true\nno setting")
    [settings] = values_of("transport.js", "settingsOf", f"settingsOf({text})")
    assert settings == {"active_prob": 0.5, "recommender": "item_knn", "advert": True}


def test_ticks_are_round_and_in_range():
    [shares, counts, same] = values_of(
        "charts.js", "niceTicks", "niceTicks(0, 1)", "niceTicks(3, 977)", "niceTicks(2, 2)"
    )
    assert shares == [0, 0.25, 0.5, 0.75, 1]
    assert counts == [250, 500, 750]
    assert len(same) <= 5


def test_a_newer_request_cancels_an_older_one():
    script = """await (async () => {
        const done = [], aborted = [];
        const load = (key, signal) => new Promise((resolve, reject) => {
            const timer = setTimeout(() => resolve(key * 10), 20);
            const stop = () => { clearTimeout(timer); aborted.push(key); reject(new Error("aborted")); };
            signal.addEventListener("abort", stop);
        });
        const request = new NewestRequest(load, (key, value) => done.push([key, value]));
        request.ask(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        request.ask(2);
        request.ask(3);
        await new Promise((resolve) => setTimeout(resolve, 60));
        request.ask(4);
        await new Promise((resolve) => setTimeout(resolve, 5));
        request.ask(5, true);
        request.ask(6, true);
        await new Promise((resolve) => setTimeout(resolve, 100));
        return [done, aborted];
    })()"""
    [[done, aborted]] = values_of("requests.js", "NewestRequest", script)
    assert done == [[3, 30], [4, 40], [6, 60]]
    assert aborted == [1]


def test_values_used_last_are_kept():
    script = "(() => { const kept = new RecentValues(2); kept.set(1, 1); kept.set(2, 2); kept.get(1); kept.set(3, 3);"
    script += " return [1, 2, 3].map((key) => kept.get(key) ?? null); })()"
    assert values_of("requests.js", "RecentValues", script) == [[1, None, 3]]


def test_of_many_streams_three_last_and_the_others_take_turns():
    script = """await (async () => {
        const queues = new Map();
        const next = (name) => queues.get(name)[0] && queues.get(name)[0]();
        const request = (name, { ifAvailable }, hold) => {
            const queue = queues.get(name) || queues.set(name, []).get(name);
            if (ifAvailable && queue.length) return hold(null);
            queue.push(async () => { await hold({}); queue.shift(); next(name); });
            if (queue.length === 1) next(name);
        };
        Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
        const places = [];
        for (let tab = 0; tab < 6; tab++) streamPlace().then((place) => places.push(place));
        const rest = () => new Promise((resolve) => setTimeout(resolve, 10));
        await rest();
        const before = places.map((place) => place.isTurn);
        places[3].release();
        await rest();
        const after = places.length;
        places[0].release();
        await rest();
        return [before, after, (await streamPlace()).isTurn];
    })()"""
    [[before, after, again]] = values_of("source.js", "streamPlace", script)
    assert before == [False, False, False, True]
    assert after == 5
    assert again is False
