"""Paired comparison of recommenders between two stored reports on the same queries.

compared = compare(StoredReport.load("a.json"), StoredReport.load("b.json"))
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from recgpt.errors import DataError
from recgpt.evaluate.protocols import headline
from recgpt.evaluate.report import LOOK, StoredReport
from recgpt.evaluate.significance import PairedDifference, holm, paired_bootstrap
from recgpt.tables import decimal, signed


@dataclass(frozen=True)
class Comparison:
    """Difference in one metric: recommender a of the first report minus recommender b of the second.

    Attributes
    ----------
    mean_a, mean_b
        Mean over the queries of `slice`.
    paired
        The difference with its 95 % interval and p-value.
    p_holm
        p-value corrected for the number of comparisons (Holm 1979).
    """

    metric: str
    slice: str
    a: str
    b: str
    mean_a: float
    mean_b: float
    paired: PairedDifference
    p_holm: float


def compare(
    first: StoredReport,
    second: StoredReport,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    metrics: Sequence[str] = ("hit@10", "ndcg@10"),
    slice_name: str | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Compare recommenders of two reports query by query.

    Parameters
    ----------
    pairs
        Names (recommender of the first, recommender of the second); by default each name that both reports have.
    metrics
        Names such as `ndcg@10`.
    slice_name
        Slice of queries; by default the headline slice of the protocol.
    seed
        Seed of the bootstrap.

    Raises
    ------
    DataError
        The reports differ in their queries or their past, or a recommender is missing.
    """
    check_same_cases(first, second)
    slice_name = slice_name or headline(first.about["protocol"])
    if pairs is None:
        pairs = [(name, name) for name in first.about["supervision"] if name in second.about["supervision"]]
    if not pairs:
        raise DataError(
            f"{first.path} ({', '.join(first.about['supervision'])}) and {second.path} "
            f"({', '.join(second.about['supervision'])}) have no recommender in common: name pairs of them"
            " (--recommenders A:B)"
        )
    users = first.in_slice(slice_name)["user"].rank("dense").to_numpy() - 1
    if not len(users):
        raise DataError(f"{first.path}: there is no case in the slice {slice_name}: choose another slice")
    found = []
    for a, b in pairs:
        for metric in metrics:
            values_a, values_b = first.values(a, slice_name, metric), second.values(b, slice_name, metric)
            paired = paired_bootstrap(values_a, values_b, users.astype(int), seed=seed)
            found.append((metric, slice_name, a, b, float(values_a.mean()), float(values_b.mean()), paired))
    adjusted = holm([each[-1].p_value for each in found])
    return [Comparison(*each, p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def parse_pairs(text: str) -> list[tuple[str, str]] | None:
    """`"recgpt:text_knn, sasrec"` -> `[("recgpt", "text_knn"), ("sasrec", "sasrec")]`; None for an empty text."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [(a, b or a) for a, _, b in (part.partition(":") for part in parts)] or None


def check_same_cases(first: StoredReport, second: StoredReport) -> None:
    """Raise DataError unless both reports have the same data set, past and queries."""
    for key in ("data_fingerprint", "protocol", "split", "repeats"):
        if first.about[key] != second.about[key]:
            raise DataError(
                f"{first.path} and {second.path} cannot be paired: {key} is {first.about[key]} in the one and "
                f"{second.about[key]} in the other. Evaluate both on the same data set and protocol"
            )
    same = ["user", "target", "history_items"]
    if not first.cases.select(same).equals(second.cases.select(same)):
        raise DataError(f"{first.path} and {second.path} are not on the same cases: evaluate both again")


def comparison_table(compared: Sequence[Comparison], title: str) -> Table:
    """Rich table with one row a comparison."""
    n = len(compared)
    caption = (
        f"Difference of means with its 95 % interval; p from a paired bootstrap over {compared[0].paired.n_users:,} "
        f"users, corrected for {n} comparison{'s' if n > 1 else ''} (Holm). {compared[0].slice} cases."
    )
    table = Table(title=title, caption=caption, **LOOK)
    for index, column in enumerate(["metric", "recommenders", "a", "b", "a - b", "95 % interval", "p"]):
        table.add_column(column, justify="right" if index > 1 else "left", no_wrap=column != "recommenders")
    for each in compared:
        paired = each.paired
        table.add_row(
            *(each.metric, f"{each.a} - {each.b}", decimal(each.mean_a), decimal(each.mean_b)),
            *(signed(paired.difference), f"{signed(paired.low)} to {signed(paired.high)}", decimal(each.p_holm)),
        )
    return table


def comparison_dict(compared: Sequence[Comparison], first: StoredReport, second: StoredReport) -> dict[str, Any]:
    """The comparisons as JSON values."""
    return {
        "a": str(first.path),
        "b": str(second.path),
        "dataset": first.about["dataset"],
        "protocol": first.about["protocol"],
        "split": first.about["split"],
        "correction": "holm",
        "comparisons": [asdict(each) for each in compared],
    }
