"""Amazon Reviews 2023 (Hou et al. 2024): one category, from local files or the Hugging Face hub.

recgpt data import amazon-2023 --category Magazine_Subscriptions --out data/pre_train/magazine
"""

from pathlib import Path

import polars as pl
from huggingface_hub import hf_hub_download

from recgpt.data.process import PUBLISHED_MIN_RECORDS, workspace, write_dataset
from recgpt.data.readers.lines import Schema, find, json_lines
from recgpt.data.times import read_times

REPOSITORY = "McAuley-Lab/Amazon-Reviews-2023"
REVIEW: Schema = {"user_id": pl.String, "parent_asin": pl.String, "timestamp": pl.Int64, "rating": pl.Float32}
META: Schema = {
    "parent_asin": pl.String,
    "main_category": pl.String,
    "title": pl.String,
    "store": pl.String,
    "categories": pl.List(pl.String),
    "description": pl.List(pl.String),
    "details": pl.String,
}


def read(
    source: Path | None,
    out: Path,
    *,
    category: str,
    min_records: int = PUBLISHED_MIN_RECORDS,
    overwrite: bool = False,
) -> None:
    """Write a data set folder from the reviews of one category: users with `min_records` reviews, ordered by time.

    Products that differ in colour or size are one item (`parent_asin`), as in the published system.

    Parameters
    ----------
    source
        Folder with `<category>.jsonl` and `meta_<category>.jsonl` (or `.jsonl.gz`); None fetches them from the hub.
    category
        Name of the category, for example `Video_Games`.
    """
    if source is None:
        reviews, meta = (
            Path(hf_hub_download(REPOSITORY, f"raw/{path}.jsonl", repo_type="dataset"))
            for path in (f"review_categories/{category}", f"meta_categories/meta_{category}")
        )
    else:
        reviews, meta = find(source, f"{category}.jsonl"), find(source, f"meta_{category}.jsonl")
    with workspace(out, overwrite=overwrite) as work:
        events = json_lines(reviews, REVIEW, work / "reviews.parquet")
        times = read_times(events, "timestamp", reviews.name, "ms")
        items = json_lines(meta, META, work / "meta.parquet")
        write_dataset(
            out,
            work,
            interactions=times.in_order(events).select(
                "user_id", "rating", "timestamp", "position", item_id="parent_asin"
            ),
            items=items.select(
                "main_category",
                "title",
                "details",
                item_id="parent_asin",
                categories=pl.col("categories").list.join(", "),
                brand="store",
                description=pl.col("description").list.join(" "),
            ),
            source=f"Amazon Reviews 2023, {category}",
            min_records=min_records,
            keep_cold_items=False,
            about={"times": times.summary()},
        )
