"""The Yelp open data set: reviews as events, businesses as items.

recgpt data import yelp yelp_dataset --out data/yelp
"""

from pathlib import Path

import polars as pl

from recgpt.data.process import PUBLISHED_MIN_RECORDS, workspace, write_dataset
from recgpt.data.readers.lines import Schema, find, json_lines
from recgpt.data.times import read_times

REVIEW: Schema = {"user_id": pl.String, "business_id": pl.String, "stars": pl.Float32, "date": pl.String}
BUSINESS: Schema = {
    "business_id": pl.String,
    "name": pl.String,
    "address": pl.String,
    "city": pl.String,
    "state": pl.String,
    "categories": pl.String,
}


def read(source: Path, out: Path, *, min_records: int = PUBLISHED_MIN_RECORDS, overwrite: bool = False) -> None:
    """Write a data set folder from `yelp_academic_dataset_review.json` and `..._business.json` in `source`.

    The address goes into the description; the times of reviews are taken as UTC.
    """
    with workspace(out, overwrite=overwrite) as work:
        reviews = json_lines(find(source, "yelp_academic_dataset_review.json"), REVIEW, work / "reviews.parquet")
        businesses = json_lines(find(source, "yelp_academic_dataset_business.json"), BUSINESS, work / "meta.parquet")
        times = read_times(reviews, "date", "yelp_academic_dataset_review.json", "%Y-%m-%d %H:%M:%S")
        write_dataset(
            out,
            work,
            interactions=times.in_order(reviews).select(
                "user_id", "timestamp", "position", item_id="business_id", rating="stars"
            ),
            items=businesses.select(
                "categories",
                item_id="business_id",
                title="name",
                description=pl.concat_str("address", "city", "state", separator=", ", ignore_nulls=True),
            ),
            source="Yelp open data set",
            min_records=min_records,
            keep_cold_items=False,
            about={"times": times.summary()},
        )
