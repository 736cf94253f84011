"""Comparison of policies: a stored run for each policy and seed, then a table, figures and a plot over all of them.

    compared = evaluate("demo", ["random", "popularity", "linucb"], GymConfig(n_users=100), n_seeds=5)
    compared.figures()["policies"]["linucb"]["reward"]["mean"]

Every user is shown the same number of items by each policy, with each seed. A finished run of the same settings is used
again, an unfinished one is continued.

Shapes: S seeds.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgpt.data.identity import different
from recgpt.errors import SimulationError, StoreError
from recgpt.files import new_file
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.store.manifest import versions
from recgpt.simulate.worlds.gym.artifacts import Facts, stored_facts
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.gym.evaluation import Episodes, compare, summary
from recgpt.simulate.worlds.gym.measures import episodes_of, n_items
from recgpt.simulate.worlds.gym.policies import check_policy, is_folder
from recgpt.simulate.worlds.gym.report import figure_text, interval_text
from recgpt.simulate.worlds.gym.spec import kept_inputs, load_run_inputs
from recgpt.simulate.worlds.gym.view import HEADINGS
from recgpt.tables import decimal
from recgpt.terminal import plain

if TYPE_CHECKING:
    from rich.table import Table

COMPARED = ("reward", "return", "length", "map@10", "mrr@10")
"""Metrics with paired differences from the baseline."""
_SHOWN = ("return", "length", "left", "map@10", "mrr@10", "personalised", "distinct", "gini", "failed")


@dataclass(frozen=True)
class Compared:
    """Episodes of several policies.

    Attributes
    ----------
    episodes
        For each policy one entry a seed.
    runs
        Ids of the runs of each policy.
    baseline
        Policy from which the others differ.
    facts
        Of the domain.
    n_items
        Size of the catalogue.
    """

    episodes: dict[str, list[Episodes]]
    runs: dict[str, list[str]]
    baseline: str
    facts: Facts
    n_items: int

    def figures(self) -> dict[str, Any]:
        """JSON values.

        Returns
        -------
        dict
            `policies` : `evaluation.summary` by policy, with the ids of its `runs`. `paired` : for each of `COMPARED`
            the differences from the `baseline` by policy, see `evaluation.compare`. `users`, `seeds`, `domain`.
        """
        liked_from = self.facts.liked_from
        figures = {
            name: {"runs": self.runs[name], **summary(runs, liked_from=liked_from, n_items=self.n_items)}
            for name, runs in self.episodes.items()
        }
        first = next(iter(self.episodes.values()))
        return {
            "domain": self.facts.domain,
            "users": len(first[0]),
            "seeds": len(first),
            "baseline": self.baseline,
            "policies": figures,
            "paired": {
                metric: compare(self.episodes, self.baseline, metric, liked_from=liked_from) for metric in COMPARED
            },
        }


def evaluate(
    prefix: str,
    policies: Sequence[str],
    config: GymConfig,
    *,
    n_seeds: int = 5,
    baseline: str | None = None,
    overwrite: bool = False,
) -> Compared:
    """Play one run for each policy and seed, or read the stored ones.

    Parameters
    ----------
    prefix
        Beginning of the runs' ids, which are `prefix-policy-seed`.
    config
        Environment, number of users and items; its seed is the first one.
    baseline
        Policy from which the others differ; by default popularity where it is among them, else the first.
    overwrite
        Replace stored runs.

    Raises
    ------
    SimulationError
        A policy is unknown or named twice, or the baseline is not among them.
    StoreError
        A stored run has other settings.
    """
    _check(policies, baseline)
    baseline = baseline or ("popularity" if "popularity" in policies else policies[0])
    episodes: dict[str, list[Episodes]] = {name: [] for name in policies}
    runs: dict[str, list[str]] = {name: [] for name in policies}
    with kept_inputs():
        for name in policies:
            for seed in range(config.seed, config.seed + n_seeds):
                of_seed = config.model_copy(update={"policy": name, "seed": seed})
                run_id = f"{prefix}-{slug(name)}-{seed}"
                with finished_run(run_id, of_seed, overwrite=overwrite) as run:
                    episodes[name].append(episodes_of(run).episodes)
                    facts, size = stored_facts(run), n_items(run)
                runs[name].append(run_id)
    return Compared(episodes, runs, baseline, facts, size)


def _check(policies: Sequence[str], baseline: str | None) -> None:
    if not policies:
        raise SimulationError("no policy: name some with --policies, such as random,popularity")
    twice = sorted({name for name in policies if policies.count(name) > 1})
    if twice:
        raise SimulationError(f"policies: {', '.join(twice)} is named twice: name each once")
    if baseline is not None and baseline not in policies:
        raise SimulationError(f"baseline {baseline!r} is not evaluated: choose among {', '.join(policies)}")
    for name in policies:
        check_policy(name)


def slug(policy: str) -> str:
    """A policy's name as a part of a run's id: of a folder its last part and a hash of its path."""
    if not is_folder(policy):
        return re.sub(r"[^A-Za-z0-9._-]", "_", policy)
    path = Path(policy).resolve()
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', path.name)[:24]}-{digest}"


def finished_run(run_id: str, config: GymConfig, *, overwrite: bool = False) -> Run:
    """A finished run of these settings: the stored one, continued if necessary, or a new one.

    Raises
    ------
    StoreError
        The stored run has other settings, other data, or was made with other versions.
    """
    if overwrite or not run_path(run_id).is_file():
        return runner.start("gym", run_id, config, overwrite=overwrite)
    with Run.open(run_id) as stored:
        is_empty, finished = stored.is_empty, stored.finished
        if not is_empty:
            _check_same(stored, config)
    if is_empty:
        return runner.start("gym", run_id, config)
    if finished:
        return Run.open(run_id)
    run = Run.open(run_id, write=True)
    try:
        runner.resume(run)
    except BaseException:
        run.close()
        raise
    return run


def _check_same(run: Run, config: GymConfig) -> None:
    changed = [
        *different(run.manifest.config, config.model_dump(mode="json")),
        *different(run.manifest.dataset, load_run_inputs(config).fingerprint),
        *different(run.manifest.made_with, versions()),
    ]
    if run.manifest.world != "gym" or changed:
        what = ", ".join(changed) or "world"
        raise StoreError(
            f"run {run.run_id} is there already, of other settings ({what}): choose another --run, or replace it with"
            " --overwrite"
        )


def tables(figures: dict[str, Any]) -> "list[Table]":
    """The policies, best average rating first, with their paired differences from the baseline, for the terminal."""
    from rich.table import Table

    baseline = figures["baseline"]
    order = sorted(figures["policies"], key=lambda name: -(figures["policies"][name]["reward"]["mean"] or 0))
    table = Table(
        title=f"{figures['domain']}: {figures['users']:,} users, {_seeds(figures['seeds'])}",
        caption="mean over users (95 % interval over users); difference: paired, p adjusted by Holm's method",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy")
    table.add_column("average rating", justify="right")
    table.add_column(f"less {plain(baseline, 24)}", justify="right")
    for name in _SHOWN:
        table.add_column(HEADINGS[name], justify="right")
    for name in order:
        of = figures["policies"][name]
        rating = f"{figure_text(of['reward']['mean'], 'reward')} {interval_text(of['reward'], 'reward')}"
        others = (figure_text(of[metric]["mean"], metric) for metric in _SHOWN)
        table.add_row(plain(name, 40), rating, _difference(figures["paired"]["reward"].get(name)), *others)
    return [table]


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _difference(of: dict[str, float] | None) -> str:
    if of is None:
        return ""
    p = of["adjusted"]
    sign = "+" if of["difference"] >= 0 else ""
    interval = f"({decimal(of['low'], 2)}, {decimal(of['high'], 2)})"
    return f"{sign}{decimal(of['difference'], 2)} {interval} {'p < .001' if p < 0.001 else f'p {decimal(p, 3)}'}"


def plot(figures: dict[str, Any], path: Path) -> None:
    """Write a PNG of the policies with their intervals.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    from recgpt.plotting import plain_axes

    policies = figures["policies"]
    order = sorted(policies, key=lambda name: policies[name]["reward"]["mean"] or 0)
    shown = ("reward", "map@10", "personalised")
    drawn = Figure(figsize=(11, 1.2 + 0.34 * len(order)), layout="constrained")
    for axes, metric in zip(drawn.subplots(1, len(shown), sharey=True), shown, strict=True):
        for place, name in enumerate(order):
            of = policies[name][metric]
            color = "#9aa5b5" if name == figures["baseline"] else "#1f5fa8"
            if of["mean"] is None:
                continue
            if of["low"] is not None:
                axes.plot([of["low"], of["high"]], [place, place], color=color, lw=3, alpha=0.5, solid_capstyle="round")
            axes.plot(of["seeds"], [place] * len(of["seeds"]), "|", color=color, ms=6, alpha=0.6)
            axes.plot(of["mean"], place, "o", color=color, ms=6)
        axes.set_title(HEADINGS[metric], fontsize=10)
        axes.set_yticks(range(len(order)), [plain(name, 30) for name in order])
        axes.margins(x=0.08)
        plain_axes(axes)
    drawn.supxlabel(
        f"{figures['domain']}, {figures['users']:,} users, {_seeds(figures['seeds'])}; bar: 95 % interval over users,"
        " ticks: seeds",
        fontsize=8.5,
    )
    with new_file(path) as draft:
        drawn.savefig(draft, format="png", dpi=160)
