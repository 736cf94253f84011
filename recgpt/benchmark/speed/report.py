"""Reports of a speed run: Markdown tables, plots, and the table of targets on the terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from recgpt.benchmark.speed.plots import gains_plot, growth_plot
from recgpt.benchmark.speed.run import PARTS
from recgpt.files import write_text

MISSING = "–"


def write_reports(found: dict[str, Any], out: Path) -> list[Path]:
    """Write `speed.md` and, if the run has curves or gains, `speed_growth.png` and `speed_gains.png`."""
    written = [out / "speed.md"]
    curves = [curve for part in _parts(found).values() for curve in part["curves"]]
    gains = [gain for part in _parts(found).values() for gain in part["gains"]]
    if curves:
        written.append(growth_plot(curves, out / "speed_growth.png"))
    if gains:
        written.append(gains_plot(gains, out / "speed_gains.png"))
    write_text(written[0], markdown(found, [path.name for path in written[1:]]))
    return written


def _parts(found: dict[str, Any]) -> dict[str, Any]:
    """Measured parts, in the order of `PARTS`."""
    return {name: found["parts"][name] for name in PARTS if name in found["parts"]}


def targets_table(found: dict[str, Any]) -> Table:
    """Table of targets and measured values."""
    table = Table("target", "wanted", "measured", "", title="Speed")
    for target in _targets(found):
        table.add_row(target["what"], _wanted(target), _number(target["value"], target["unit"]), _met(target))
    return table


def markdown(found: dict[str, Any], plots: Sequence[str]) -> str:
    """The whole report in Markdown."""
    hardware, versions, data = found["hardware"], found["versions"], found["data"]
    parts = _parts(found)
    dates = sorted({part["date"] for part in parts.values()})
    limits = found["limits"]
    bfloat16 = "none" if limits["bfloat16"] is None else f"{limits['bfloat16'] / 1e9:,.0f} GFLOP/s"
    lines = [
        "# Speed",
        "",
        f"`recgpt benchmark speed`, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}: {hardware['cpu']}, "
        f"{hardware['cores']} cores, {hardware['threads']} threads, Python {versions['python']}, "
        f"torch {versions['torch']}, NumPy {versions['numpy']}, recgpt {versions['recgpt']}. "
        f"Histories: {data['name']}, {data['sequences']:,} sequences, sha256 `{data['sha256'][:16]}`. "
        f"Decoder: {found['sizes']['n_layers']} layers x {found['sizes']['d_model']}, untrained; "
        f"seed {found['seed']}. Medians of {found['repetitions']}, lowest and "
        "highest in brackets; ways that are compared took turns in one run.",
        "",
        "## Targets",
        "",
        *_table(
            ("", "wanted", "measured", ""),
            [(t["what"], _wanted(t), _number(t["value"], t["unit"]), _met(t)) for t in _targets(found)],
        ),
        "",
        "## What the machine can do",
        "",
        *_table(
            ("products in float32", "in bfloat16", "memory, read", "memory, copied", "logits of a batch, read"),
            [
                (
                    f"{limits['float32'] / 1e9:,.0f} GFLOP/s",
                    bfloat16,
                    f"{limits['read'] / 1e9:,.1f} GB/s",
                    f"{limits['copy'] / 1e9:,.1f} GB/s",
                    f"{limits['table'] / 1e9:,.1f} GB/s",
                )
            ],
        ),
    ]
    gains = [gain for part in parts.values() for gain in part["gains"]]
    if gains:
        lines += ["", "## Before and after", ""]
        lines += _table(
            ("what", "why", "before", "after", "ratio"),
            [
                (
                    g["what"],
                    g["why"],
                    _number(g["before"], g["unit"]),
                    _number(g["after"], g["unit"]),
                    f"{g['ratio']:,.2f} x",
                )
                for g in gains
            ],
        )
    for name, part in parts.items():
        lines += ["", f"## {name.capitalize()}", "", f"{PARTS[name].about[0].upper()}{PARTS[name].about[1:]}.", ""]
        lines += _part(part)
    lines += [line for plot in plots for line in ("", f"![{Path(plot).stem}]({plot})")]
    return "\n".join(lines) + "\n"


def _part(part: dict[str, Any]) -> list[str]:
    blocks: list[list[str]] = []
    if part["figures"]:
        rows: list[tuple[str, ...]] = []
        for figure in part["figures"]:
            limit = MISSING if figure["limit"] is None else _number(figure["limit"], figure["unit"])
            share = MISSING if figure["of_limit"] is None else f"{figure['of_limit']:.0%}"
            rows.append((figure["name"], _spread(figure), limit, share, figure["because"]))
        blocks.append(_table(("", "measured", "limit", "of it", "what limits"), rows))
    for curve in part["curves"]:
        points = zip(curve["x"], curve["y"], curve["gigabytes"], strict=True)
        rows = [(f"{x:,.0f}", _number(y, curve["unit"]), _number(gb, "GB")) for x, y, gb in points]
        blocks.append(_table((curve["x_name"], curve["name"], "peak private memory"), rows))
    if part["checks"]:
        blocks.append(
            [
                f"- {'Same result' if check['passed'] else '**Not the same**'}: {check['what']} ({check['detail']})."
                for check in part["checks"]
            ]
        )
    if part["facts"]:
        blocks.append([", ".join(f"{_words(key)} {_number(value)}" for key, value in part["facts"].items()) + "."])
    return [line for place, block in enumerate(blocks) for line in ([""] if place else []) + block]


def _targets(found: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return [target for part in _parts(found).values() for target in part["targets"]]


def _wanted(target: dict[str, Any]) -> str:
    return f"{'≥' if target['at_least'] else '≤'} {_number(target['bound'], target['unit'])}"


def _met(target: dict[str, Any]) -> str:
    return "met" if target["met"] else "**missed**"


def _spread(figure: dict[str, Any]) -> str:
    if figure["lowest"] == figure["highest"]:
        return _number(figure["median"], figure["unit"])
    span = f"{_number(figure['lowest'])}–{_number(figure['highest'])}"
    return f"{_number(figure['median'], figure['unit'])} ({span})"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _number(value: Any, unit: str = "") -> str:
    """Three significant digits, thousands separated, with its unit."""
    if value is None:
        return MISSING
    if not isinstance(value, float):
        shown = f"{value:,}" if isinstance(value, int) else str(value)
    elif abs(value) >= 100 or value == 0:
        shown = f"{value:,.0f}"
    else:
        shown = f"{value:.3g}"
    return f"{shown} {unit}".rstrip()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{'-|' * len(header)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
