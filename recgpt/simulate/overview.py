"""Overview of a run for the terminal: state, agents, failures, cost, how to go on.

    with Run.open("demo") as run:
        for name, lines in overview(run).items():
            print(name, *lines)

All of it follows from the run's file. In every world an event of the kind `failed` marks an agent whose mind gave no
decision, its text begins with the kind of the failure, and an event `interviewed` without value a failed interview.
"""

import json
from collections import Counter
from typing import Any

from pydantic import BaseModel

from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import listed_price
from recgpt.simulate.llm.failures import described
from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, world_of

_INTERVIEW = "interview"
_SHOWN = 80  # characters of a changed setting


def overview(run: Run) -> dict[str, list[str]]:
    """Facts of a run by name, each in one or more lines; without what does not apply."""
    spec = _spec_of(run)
    step_name = spec.step_name if spec is not None else "step"
    config, calls = run.manifest.config, run.calls_summary()
    counts = run.counts_by_kind()
    facts = {
        "run": [run.run_id + (f", forked from {run.manifest.forked_from}" if run.manifest.forked_from else "")],
        "changed": [f"{name}: {_short(old)} -> {_short(new)}" for name, (old, new) in run.manifest.changed.items()],
        "world": [run.manifest.world + ("" if spec is not None else " (not in this version of recgpt)")],
        "state": [("finished" if run.finished else "not finished") + f": {_number(run.n_steps, step_name)} stored"],
        "agents": [_agents(run)] if n_agents(run) else [],
        "failed": failure_lines(run),
        "data set": [str(run.manifest.dataset.get("name", "unknown"))],
        "settings": _settings(spec, config),
        "language model": _language_model(run, calls),
        "events": [f"{run.n_rows:,}: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())] if counts else [],
        "hash": [run.hash or "none yet"],
        "made with": [", ".join(f"{name} {version}" for name, version in run.manifest.made_with.items())],
        "repeatable": [run.manifest.repeatable],
        "to go on": _to_go_on(run),
    }
    return {name: lines for name, lines in facts.items() if lines and lines != [""]}


def failures_by_reason(run: Run) -> Counter[str]:
    """Number of agents whose mind failed, and of failed interviews, by reason."""
    counts = Counter(text or "unknown" for text in run.events(kind="failed")["text"].to_list())
    if unanswered := run.events(kind="interviewed")["value"].null_count():
        counts[f"{_INTERVIEW}: the agent was asked how satisfied it is and gave no figure"] = unanswered
    return counts


def failure_lines(run: Run) -> list[str]:
    """Failures by reason with counts, most frequent first, and what a server said for example."""
    lines = []
    for reason, count in failures_by_reason(run).most_common():
        kind, _, meaning = reason.partition(": ")
        example = run.failed_call(kind)
        lines.append(f"{count:,} {reason}" if example is None else described(kind, count, example, meaning))
    return lines


def n_failed(run: Run) -> int:
    """Number of agents whose mind failed."""
    return run.events(kind="failed")["agent"].n_unique()


def n_agents(run: Run) -> int:
    """Number of agents: as the configuration says, else of those in the log; 0 before the first step."""
    return run.manifest.config.get("agents") or run.events()["agent"].n_unique()


def first_failed_step(run: Run) -> int | None:
    """The first step in which an agent's mind, or its interview, failed; None without one."""
    interviews = run.events(kind="interviewed")
    steps = [*run.events(kind="failed")["step"].to_list(), *interviews.filter(interviews["value"].is_null())["step"]]
    return min(steps, default=None)


def _spec_of(run: Run) -> WorldSpec | None:
    try:
        return world_of(run.manifest.world)
    except SimulationError:
        return None


def _agents(run: Run) -> str:
    failed = n_failed(run)
    return f"{n_agents(run):,}" + (f", {failed:,} failed" if failed else "")


def _settings(spec: WorldSpec | None, config: dict[str, Any]) -> list[str]:
    """Settings that differ from their defaults; all of a world that is not known."""
    if spec is None:
        return [f"{name}: {value}" for name, value in config.items()]
    return [f"{name}: {value}" for name, value in _changed(spec.config, config)]


def _changed(model: type[BaseModel], values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    changed: list[tuple[str, Any]] = []
    for name, value in values.items():
        field = model.model_fields.get(name)
        default = None if field is None else field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel) and isinstance(value, dict):
            changed += _changed(type(default), value, f"{prefix}{name}.")
        elif field is None or field.is_required() or value != _plain(default):
            changed.append((f"{prefix}{name}", value))
    return changed


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _language_model(run: Run, calls: dict[str, Any]) -> list[str]:
    if not calls["n"] and not calls["inherited"]:
        return []
    failed = ", ".join(f"{count:,} {kind}" for kind, count in calls["failures"].items())
    lines = [
        f"{_number(calls['n'], 'call')}, {calls['failed']:,} failed" + (f" ({failed})" if failed else ""),
        f"{calls['tokens_in']:,} tokens in, {calls['tokens_out']:,} out, {_cost(run, calls['cost_usd'])}",
    ]
    lines += [f"{calls['inherited']:,} more of the run it was forked from"] if calls["inherited"] else []
    return [*lines, *(f"{server}: {dialect}" for server, dialect in run.manifest.dialects.items())]


def _cost(run: Run, usd: float) -> str:
    options = run.manifest.config.get("llm", {})
    is_priced = usd or options.get("usd_per_million") or listed_price(str(options.get("model")))
    return f"${usd:,.4f}" if is_priced else "cost unknown (no listed price for the model)"


def _to_go_on(run: Run) -> list[str]:
    if run.format == 1:
        return ["runs of format 1 are read only"]
    if not run.finished:
        return [f"recgpt runs resume {run.run_id}"]
    retry = run.manifest.config.get("mind") == "llm" and first_failed_step(run) is not None
    lines = [f"recgpt runs resume {run.run_id} --retry-failed (asks again for the agents that failed)"] if retry else []
    return [*lines, f"recgpt runs report {run.run_id} (writes its page)"]


def _short(value: Any) -> str:
    """A setting as JSON; long ones, such as schedules, are cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
