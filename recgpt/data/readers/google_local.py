"""Google Local 2021 (Li et al. 2022; UCSD): reviews of one state as events, places as items.

recgpt data import google-local google_local --state Washington --out data/washington
"""

from pathlib import Path

import polars as pl

from recgpt.data.process import PUBLISHED_MIN_RECORDS, workspace, write_dataset
from recgpt.data.readers.lines import Schema, find, json_lines
from recgpt.data.times import read_times

REVIEW: Schema = {"user_id": pl.String, "gmap_id": pl.String, "time": pl.Int64, "rating": pl.Float32}
PLACE: Schema = {
    "gmap_id": pl.String,
    "name": pl.String,
    "address": pl.String,
    "description": pl.String,
    "category": pl.List(pl.String),
}


def read(
    source: Path, out: Path, *, state: str, min_records: int = PUBLISHED_MIN_RECORDS, overwrite: bool = False
) -> None:
    """Write a data set folder from `review-<state>.json` (or `review-<state>_10.json`) and `meta-<state>.json`.

    Both may be gzipped. The description is the place's own, then its address.
    """
    with workspace(out, overwrite=overwrite) as work:
        reviews = find(source, f"review-{state}.json", f"review-{state}_10.json")
        events = json_lines(reviews, REVIEW, work / "reviews.parquet")
        times = read_times(events, "time", reviews.name, "ms")
        places = json_lines(find(source, f"meta-{state}.json"), PLACE, work / "meta.parquet")
        write_dataset(
            out,
            work,
            interactions=times.in_order(events).select("user_id", "rating", "timestamp", "position", item_id="gmap_id"),
            items=places.select(
                item_id="gmap_id",
                title="name",
                categories=pl.col("category").list.join(", "),
                description=pl.concat_str("description", "address", separator=" ", ignore_nulls=True),
            ),
            source=f"Google Local 2021, {state}",
            min_records=min_records,
            keep_cold_items=False,
            about={"times": times.summary()},
        )
