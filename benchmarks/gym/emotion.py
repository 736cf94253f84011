"""Whether emotional retrieval makes simulated users more faithful: collection study, total variation, agreement.

    python benchmarks/gym/emotion.py --data ../shared/data/simulate/emosim

Decided beforehand, for each comparison of `decay_emotion_3` with `last_3`, `most_similar_3` and `simple_3`:

- primary: score of the collection study, mean of both parts, paired by user and series, 95 % interval over series;
- secondary: the high study (memory grows), total variation of the distribution study, and agreement by item: share of
  the questions in which both parts of a user and series pass;
- it helps where the interval of the primary difference lies above 0 for all three, with Holm's correction.

Stored dumps (books, DeepSeek, rater cotlite; every configuration drew its own users, so that pairs are series) and the
scripted mind (books and films, all retrievals with the same questions, one seed) are analysed apart. The stored
distribution dumps are made up, and none is used. In the distribution study the memory is emptied, so that retrieval
plays no part: its total variation is equal by construction for the scripted mind, and is reported as a check.
"""

import argparse
import itertools
import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.evaluate.significance import holm, paired_bootstrap
from recgpt.files import write_text
from recgpt.program import run as run_program
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.dump import dump_of
from recgpt.simulate.worlds.gym.studies.protocol import pass_rules
from recgpt.simulate.worlds.gym.studies.running import run_studies
from recgpt.simulate.worlds.gym.studies.scoring import ratings_of, score

RETRIEVALS = ("last_3", "most_similar_3", "simple_3")
EMOTIONAL = "decay_emotion_3"
OUT = Path(__file__).parents[1] / "results" / "gym" / "emotion.json"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, help="folder with study_dumps.parquet; without it only the scripted mind")
parser.add_argument("--seeds", type=int, nargs="+", default=[42])
parser.add_argument("--out", type=Path, default=OUT)


def pair_passes(rows: pl.DataFrame, domain: Domain) -> pl.DataFrame:
    """Series (`item`), user, and whether the positive and the negative question pass."""
    rules = pass_rules(domain)
    parts = []
    for part, name in (("+", "positive"), ("-", "negative")):
        own = rows.filter(pl.col("part") == part)
        passes = pl.Series(name, rules[f"collection{part}"].passes(ratings_of(own)).astype(float))
        parts.append(own.select("item", "user").with_columns(passes))
    return parts[0].join(parts[1], on=["item", "user"], how="inner", maintain_order="left")


def figures(pairs: pl.DataFrame) -> dict[str, float]:
    """Shares of the two parts, their mean, and the share of users and series in which both pass."""
    positive, negative = pairs["positive"].to_numpy(), pairs["negative"].to_numpy()
    return {
        "positive": round(float(positive.mean()), 4),
        "negative": round(float(negative.mean()), 4),
        "score": round(float((positive.mean() + negative.mean()) / 2), 4),
        "both": round(float((positive * negative).mean()), 4),
        "n": len(pairs),
    }


def difference(pairs: dict[str, pl.DataFrame], other: str, *, by_user: bool) -> dict[str, float]:
    """Score with emotional retrieval less that with another one, paired; interval over series."""
    keys = ["item", "user"] if by_user else ["item"]
    values = [
        each.group_by(keys, maintain_order=True).agg(score=(pl.col("positive") + pl.col("negative")).mean() / 2)
        for each in (pairs[EMOTIONAL], pairs[other])
    ]
    joined = values[0].join(values[1], on=keys, suffix="_other")
    _, series = np.unique(joined["item"].to_numpy(), return_inverse=True)
    found = paired_bootstrap(joined["score"].to_numpy(), joined["score_other"].to_numpy(), series)
    return {
        "difference": round(found.difference, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "p_value": round(found.p_value, 5),
    }


def compared(pairs: dict[str, pl.DataFrame], *, by_user: bool) -> dict[str, Any]:
    """Figures of each retrieval, and the three comparisons with Holm's correction."""
    found = {other: difference(pairs, other, by_user=by_user) for other in RETRIEVALS}
    adjusted = holm([each["p_value"] for each in found.values()])
    for each, p_value in zip(found.values(), adjusted.tolist(), strict=True):
        each["p_holm"] = round(p_value, 5)
    helps = all(each["low"] > 0 and each["p_holm"] < 0.05 for each in found.values())
    return {
        "retrievals": {name: figures(rows) for name, rows in pairs.items()},
        "emotional less": found,
        "helps": helps,
    }


def of_stored_dumps(data: Path) -> dict[str, Any]:
    """Books, DeepSeek with the rater cotlite, as published."""
    domain = domain_of("books")
    stored = pl.read_parquet(data / "study_dumps.parquet").filter(pl.col("domain") == "books")
    stored = stored.rename({"item_index": "item", "user_index": "user"})
    pairs, high = {}, {}
    for name in (EMOTIONAL, *RETRIEVALS):
        own = stored.filter(pl.col("configuration") == f"deepseek-chat-0Shot_cotlite_our-none-{name}")
        rows = own.filter(pl.col("study").str.starts_with("collection"))
        pairs[name] = pair_passes(rows.with_columns(part=pl.col("study").str.slice(-1)), domain)
        ratings = own.filter(pl.col("study") == "high")["rating"].to_numpy()
        high[name] = round(float(pass_rules(domain)["high"].passes(ratings).mean()), 4)
    return {**compared(pairs, by_user=False), "high": high}


def of_scripted(domain_name: str, seed: int, items: str | None) -> dict[str, Any]:
    """Full collection and high studies, and quick distribution, of the scripted mind with each retrieval."""
    domain, pairs, others = domain_of(domain_name), {}, {}
    for name in (EMOTIONAL, *RETRIEVALS):
        config = StudyConfig(domain=domain_name, items=items, seed=seed, retrieval=name, study=("high", "collection"))
        sampled = config.changed(flags={"study": "distribution", "quick": True})
        with run_studies(f"{domain_name}-{seed}-{name}", config) as run:
            frame = dump_of(run)
        with run_studies(f"{domain_name}-{seed}-{name}-sampled", sampled) as run:
            studies = score(pl.concat([frame, dump_of(run)]), domain)["studies"]
        pairs[name] = pair_passes(frame.filter(pl.col("study") == "collection"), domain)
        others[name] = {study: studies[study]["score"] for study in ("high", "distribution")}
    found = compared(pairs, by_user=True)
    for name, each in others.items():
        found["retrievals"][name] |= {"high": each["high"], "total_variation": each["distribution"]}
    return found


def main() -> None:
    """Analyse, and write the figures."""
    args = parser.parse_args()
    found: dict[str, Any] = {"date": date.today().isoformat(), "protocol": " ".join(str(__doc__).split())}
    if args.data is not None:
        found["stored dumps, books, deepseek-chat, 0Shot_cotlite_our"] = of_stored_dumps(args.data)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        for domain, seed in itertools.product(("movies", "books"), args.seeds):
            items = None if args.data is None else str(args.data)
            found[f"scripted, {domain}, seed {seed}"] = of_scripted(domain, seed, items)
    write_text(args.out, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    run_program(main, "emotion.py")
