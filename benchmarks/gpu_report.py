"""Reports of `benchmarks/gpu.py`: tables on a terminal and a Markdown page."""

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Column, Table

TARGET_MFU = 0.40
TARGET_TOKENS = 1.5e6
ESCAPED = str.maketrans({"|": "\\|", "\n": " "})

Rows = list[tuple[str, ...]]


def tables(report: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    """Title, header and rows of every table."""
    parts: dict[str, dict[str, Any]] = report["parts"]
    peak = parts.get("peak", {})
    row = (peak.get("status", ""), "", "")
    if "matrix_flops" in peak:
        sheet = f"{peak['data_sheet_flops'] / 1e12:,.0f}" if peak["data_sheet_flops"] else "unknown"
        row = (f"{peak['matrix_flops'] / 1e12:,.1f} {peak['dtype']}", sheet, f"{peak['copy_bytes'] / 1e12:,.2f}")
    yield "Device", ("TFLOP/s, measured", "data sheet, bfloat16", "TB/s of a copy"), [row]

    header: tuple[str, ...] = (
        "training",
        "rows",
        "useful tokens/s",
        "ms/step",
        "MFU (measured peak)",
        "MFU (data sheet)",
        "HFU",
    )
    header += ("padding", "peak GB", "loss off", "gradient off", "of attention")
    trained = {name.removeprefix("train: "): part for name, part in parts.items() if name.startswith("train: ")}
    yield "Training", header, [training_row(name, part) for name, part in trained.items()]

    rows = []
    for name, part in parts.items():
        if name.startswith("loader"):
            cells = [part["status"]]
            if "waiting" in part:
                cells = [f"{part['workers']}", f"{part['tokens_per_s']:,.0f}", f"{part['of_staged']:.1%}"]
                cells += [f"{part['waiting']:.1%}", f"{part['megabytes_per_step']:.1f}"]
            rows.append((name, *cells, *[""] * (5 - len(cells))))
    yield "Data loader", ("", "workers", "useful tokens/s", "of staged", "step waits", "MB a step"), rows

    rows = []
    for name, part in parts.items():
        if name.startswith("ranking"):
            rows += ranking_rows(name, part)
    header = ("", "batch", "recommend p50 ms", "p99 ms", "brute force p50 ms", "p99 ms", "codes GB", "peak GB")
    yield "Ranking, from histories of 20 items to ten ids", header, rows


def training_row(name: str, part: dict[str, Any]) -> tuple[str, ...]:
    """Cells of one variant, or the reason why it was not measured."""
    if "tokens_per_s" not in part:
        return (name, part["status"], *[""] * 10)
    shares = (part["mfu"]["measured"], part["mfu"]["data_sheet"], part["hfu"]["measured"])
    return (
        name,
        f"{part['rows_per_step']}",
        f"{part['tokens_per_s']:,.0f}",
        f"{part['ms_per_step']:,.2f}",
        *("–" if share is None else f"{share:.1%}" for share in shares),
        f"{part['padding']:.2%}",
        "–" if part["peak_gb"] is None else f"{part['peak_gb']:.2f}",
        f"{part['loss_off']:.1e}",
        f"{part['gradient_off']:.1e}",
        f"{part['attention_gradient_off']:.1e}{'' if part['agrees'] else ' DISAGREES'}",
    )


def ranking_rows(name: str, part: dict[str, Any]) -> Rows:
    """Rows of one catalogue, one a batch size, or the reason why it was not measured."""
    if "batches" not in part:
        return [(name, part["status"], *[""] * 6)]
    memory = f"{part['peak_gb']:.2f}" if "peak_gb" in part else "–"
    rows = []
    for batch_size, found in part["batches"].items():
        ways = [found[way][key] for way in ("recommend", "brute_force") for key in ("p50_ms", "p99_ms")]
        rows.append((name, batch_size, *(f"{ms:,.3f}" for ms in ways), f"{part['codes_gb']:.3f}", memory))
    return rows


def verdict(report: dict[str, Any]) -> str:
    """Whether the targets are met by the fastest training part."""
    found = [part for part in report["parts"].values() if "rows_per_step" in part and part["agrees"]]
    targets = f"Targets on one H100 or H200: {TARGET_MFU:.0%} MFU, {TARGET_TOKENS / 1e6:.1f} M useful tokens/s"
    if report["size"] != "full" or not found:
        return f"{targets}: not measured."
    best = max(found, key=lambda part: part["tokens_per_s"])
    mfu = best["mfu"]["data_sheet"] or best["mfu"]["measured"]
    met = "met" if mfu >= TARGET_MFU and best["tokens_per_s"] >= TARGET_TOKENS else "missed"
    return f"{targets}: {met}, with {mfu:.1%} and {best['tokens_per_s'] / 1e6:.2f} M."


def markdown(report: dict[str, Any]) -> str:
    """The tables as a page."""
    lines = [f"# One GPU\n\n{report['date']}, {report['hardware']}, torch {report['torch']}, `{report['command']}`.\n"]
    for title, header, rows in tables(report):
        if rows:
            lines += [f"\n## {title}\n", "| " + " | ".join(header) + " |", "|-" * len(header) + "|"]
            lines += [
                "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
            ]
    return "\n".join([*lines, f"\n{verdict(report)}\n"])


def show(report: dict[str, Any]) -> None:
    """The tables on a terminal."""
    out = Console(width=None if sys.stdout.isatty() else 180)
    for title, header, rows in tables(report):
        if rows:
            table = Table(Column(header[0], no_wrap=True), *header[1:], title=title)
            for row in rows:
                table.add_row(*row)
            out.print(table)
    out.print(verdict(report))
