"""The data sets behind the tables: list them, check a folder against their hashes, build those whose files are public.

    python scripts/test_sets.py list
    python scripts/test_sets.py check data/test
    python scripts/test_sets.py build movielens_small --out data/simulate/movielens_small
    python scripts/test_sets.py build yelp --from yelp_dataset --out data/test/yelp

`scripts/test_sets.json` is the manifest: source, commit, licence, counts and hashes of every set. No data are in the
repository. Hashes are taken of the content of a table, not of its file, so that neither the version of a Parquet writer
nor the order of its row groups matters.
"""

import hashlib
import json
import shutil
import tempfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.markup import escape

from recgpt.data.dataset import Dataset
from recgpt.data.process import keep_active, workspace, write_dataset
from recgpt.data.readers.lines import Schema, find, json_lines, literal_lines
from recgpt.data.readers.yelp import BUSINESS, REVIEW
from recgpt.errors import DataError
from recgpt.program import run

MANIFEST = Path(__file__).with_suffix(".json")
EXTERNAL_IDS = ("asin", "business_id")
"""Columns of `items.parquet` that hold the source's own item ids, where `item_id` is a number of ours."""

_PARTS = [f"\n{part}".replace("\n    ", "\n- ") for part in __doc__.split("\n\n")]
app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help=_PARTS[0], epilog=_PARTS[1]
)
console = Console(highlight=False, soft_wrap=True)


# --- the manifest ---


def read_manifest(path: Path = MANIFEST) -> dict[str, dict[str, Any]]:
    """Entries of the manifest by name."""
    sets: list[dict[str, Any]] = json.loads(path.read_text())["sets"]
    return {entry["name"]: entry for entry in sets}


def read_entry(name: str) -> dict[str, Any]:
    """Manifest entry of one data set.

    Raises
    ------
    DataError
        Unknown name; the message lists the names.
    """
    sets = read_manifest()
    if name not in sets:
        raise DataError(f"unknown data set {name!r}: one of {', '.join(sets)}")
    return sets[name]


# --- hashes of content ---


def table_sha256(table: pl.DataFrame) -> str:
    """Hex SHA-256 of a table's values, whatever the file it came from.

    Rows are sorted by `user_id` and `position`, or by `item_id`, where the table has those columns, and stay in their
    order otherwise. Columns are taken by name. Integers count as int64 and floats as float64, so that the width that a
    writer chose does not matter; lists count as JSON.
    """
    keys = next((k for k in (["user_id", "position"], ["item_id"]) if set(k) <= set(table.columns)), [])
    table = table.sort(keys, maintain_order=True) if keys else table
    digest = hashlib.sha256(str(len(table)).encode())
    for name in sorted(table.columns):
        column = table[name]
        digest.update(b"\0" + name.encode() + b"\0" + np.packbits(column.is_null().to_numpy()).tobytes())
        if isinstance(column.dtype, pl.List):
            column = pl.Series(
                [None if each is None else json.dumps(each) for each in column.to_list()], dtype=pl.String
            )
        if column.dtype == pl.String:
            texts = column.fill_null("")
            digest.update(texts.str.len_bytes().to_numpy().astype("<i8").tobytes())
            digest.update("".join(texts.to_list()).encode())
        elif column.dtype.is_float():
            digest.update(column.cast(pl.Float64).fill_null(0).to_numpy().astype("<f8").tobytes())
        else:
            digest.update(column.cast(pl.Int64).fill_null(0).to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Content hash of a Parquet table, hash of the bytes of any other file."""
    if path.suffix == ".parquet":
        return table_sha256(pl.read_parquet(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(folder: Path) -> str:
    """Hex SHA-256 over the relative paths and hashes of all files below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(folder).as_posix()} {file_sha256(path)}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sequences_sha256(interactions: pl.DataFrame, items: pl.DataFrame) -> str | None:
    """Hash of all users' sequences in the source's item ids: the same however users and items are numbered.

    None where the items carry no ids of the source.
    """
    named = _with_source_ids(interactions, items)
    if named is None:
        return None
    lines = named.sort("user_id", "position").group_by("user_id").agg(pl.col("source_id").str.join(" "))
    return hashlib.sha256("\n".join(sorted(lines["source_id"].to_list())).encode()).hexdigest()


def degrees_sha256(interactions: pl.DataFrame) -> str:
    """Hash of the sorted numbers of interactions of users and of items; weaker than `sequences_sha256`, without ids."""
    counts = [sorted(interactions.group_by(key).len()["len"].to_list()) for key in ("user_id", "item_id")]
    return hashlib.sha256(json.dumps(counts).encode()).hexdigest()


def _with_source_ids(interactions: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame | None:
    column = next((name for name in EXTERNAL_IDS if name in items.columns), None)
    if column is None and items["item_id"].dtype != pl.String:
        return None
    ids = items.select("item_id", source_id=pl.col(column or "item_id"))
    return interactions.join(ids, on="item_id", how="left", maintain_order="left")


def folder_hashes(folder: Path) -> dict[str, str]:
    """Hashes of a folder for the manifest: one a file, or one of the whole tree if it has subfolders."""
    if any(path.is_dir() for path in folder.iterdir()):
        return {".": tree_sha256(folder)}
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}


# --- checking ---


def check_files(entry: dict[str, Any], folder: Path) -> list[str]:
    """Differences between a folder and its manifest entry, one line each; empty if there are none."""
    wrong = []
    for name, sha256 in entry["files"].items():
        path = folder if name == "." else folder / name
        if not path.exists():
            wrong.append(f"{name} is missing")
        elif (tree_sha256(path) if name == "." else file_sha256(path)) != sha256:
            wrong.append(f"{name} has another content than the manifest says")
    return wrong


def compare(entry: dict[str, Any], folder: Path) -> dict[str, bool | None]:
    """Equality of a built folder with its manifest entry, by aspect; None where it is undecidable.

    `counts`, `degrees` and `sequences` do not depend on how users and items are numbered; `files` does.
    """
    interactions = pl.read_parquet(folder / "interactions.parquet", glob=False)
    items = pl.read_parquet(folder / "items.parquet", glob=False)
    counts = {
        "users": interactions["user_id"].n_unique(),
        "items": items["item_id"].n_unique(),
        "interactions": len(interactions),
    }
    sequences = sequences_sha256(interactions, items)
    known = entry.get("sequences_sha256")
    return {
        "counts": all(entry[name] == count for name, count in counts.items()),
        "degrees": entry["degrees_sha256"] == degrees_sha256(interactions),
        "sequences": None if known is None or sequences is None else known == sequences,
        "files": not check_files(entry, folder),
    }


# --- building ---


REVIEW_2014: Schema = {"reviewerID": pl.String, "asin": pl.String, "unixReviewTime": pl.Int64, "overall": pl.Float32}
PRODUCT_2014: Schema = {"item_id": pl.String, "title": pl.String, "categories": pl.String}


def build_amazon_2014(entry: dict[str, Any], source: Path, out: Path, *, overwrite: bool) -> None:
    """The 5-core reviews of one category, each user's in the order of their times, ties as in the file."""
    reviews_file, products_file = (source["file"].removesuffix(".gz") for source in entry["sources"])
    with workspace(out, overwrite=overwrite) as work:
        reviews = json_lines(find(source, reviews_file), REVIEW_2014, work / "reviews.parquet")
        products = literal_lines(find(source, products_file), _product, PRODUCT_2014, work / "products.parquet")
        write_dataset(
            out,
            work,
            interactions=reviews.select(
                user_id="reviewerID", item_id="asin", timestamp="unixReviewTime", rating="overall"
            ),
            items=products,
            source=f"Amazon reviews 2014, {reviews_file}",
            keep_cold_items=False,
        )


def _product(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    paths = record.get("categories") or [[]]
    yield record["asin"], record.get("title") or "", " > ".join(paths[0])


def build_yelp(entry: dict[str, Any], source: Path, out: Path, *, overwrite: bool) -> None:
    """Reviews from 2019-01-01 to 2019-12-31 00:00:00, reduced to the 5-core of users and items.

    The rule of S3-Rec (Zhou et al. 2020), whose sequences the published tables use; repeats are kept.
    """
    first, last = entry["dates"]
    with workspace(out, overwrite=overwrite) as work:
        reviews = json_lines(find(source, "yelp_academic_dataset_review.json"), REVIEW, work / "reviews.parquet")
        businesses = json_lines(find(source, "yelp_academic_dataset_business.json"), BUSINESS, work / "meta.parquet")
        time = pl.col("date").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s")
        whole = work / "all"
        (whole / "raw").mkdir(parents=True)
        write_dataset(
            out,
            whole / "raw",
            interactions=reviews.filter(pl.col("date").is_between(pl.lit(first), pl.lit(last))).select(
                "user_id", item_id="business_id", timestamp=time
            ),
            items=businesses.select("categories", item_id="business_id", title="name"),
            source="Yelp open data set, reviews of 2019",
            keep_cold_items=False,
        )
        active = keep_active(Dataset.load(whole), user_records=5, item_records=5, keep_cold_items=False)
        active.write_files(work.parent)


def build_movielens_small(entry: dict[str, Any], source: Path, out: Path, *, overwrite: bool) -> None:
    """`ratings.csv` and `movies.csv` of ml-latest-small, under the ids of GroupLens."""
    folder = source / "ml-latest-small" if (source / "ml-latest-small").is_dir() else source
    for name in ("ratings.csv", "movies.csv"):
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no {name}: unpack ml-latest-small.zip there")
    ratings = pl.read_csv(folder / "ratings.csv", glob=False, schema_overrides={"rating": pl.Float32})
    films = pl.read_csv(folder / "movies.csv", glob=False)
    with workspace(out, overwrite=overwrite) as work:
        made = work / "made"
        made.mkdir()
        ratings.sort("userId", "timestamp", maintain_order=True).select(
            user_id="userId",
            item_id="movieId",
            timestamp="timestamp",
            position=pl.int_range(pl.len()).over("userId"),
            rating="rating",
        ).write_parquet(made / "interactions.parquet")
        films.filter(pl.col("movieId").is_in(ratings["movieId"].unique().implode())).sort("movieId").select(
            item_id="movieId",
            title="title",
            categories=pl.col("genres").str.replace_all("|", ", ", literal=True),
            brand=pl.lit(""),
            description=pl.lit(""),
        ).write_parquet(made / "items.parquet")
        out.mkdir(parents=True, exist_ok=True)
        for path in made.iterdir():
            shutil.move(path, out / path.name)


BUILDERS: dict[str, Callable[..., None]] = {
    "amazon_2014": build_amazon_2014,
    "yelp": build_yelp,
    "movielens_small": build_movielens_small,
}


# --- fetching ---


def fetch(url: str, path: Path, sha256: str | None) -> None:
    """Download one file over https and check its hash.

    Raises
    ------
    DataError
        The address is not https, cannot be reached, or the file has another hash.
    """
    if urllib.parse.urlsplit(url).scheme != "https":
        raise DataError(f"{url}: only https addresses are fetched")
    console.print(f"fetch {url}")
    partial = path.with_name(f"{path.name}.part")
    try:
        with urllib.request.urlopen(url, timeout=60) as reply, partial.open("wb") as file:  # noqa: S310  (https)
            if urllib.parse.urlsplit(reply.url).scheme != "https":
                raise DataError(f"{url} leads to {reply.url}, which is not https")
            shutil.copyfileobj(reply, file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{url} cannot be fetched ({error}): download it yourself and pass --from FOLDER") from error
    found = file_sha256(partial)
    if sha256 is not None and found != sha256:
        partial.unlink()
        raise DataError(f"{url} has sha256 {found}, expected {sha256}: the published file has changed")
    if sha256 is None:
        console.print(f"  sha256 {found} (no hash was known beforehand; the content is checked after building)")
    partial.rename(path)


@contextmanager
def source_folder(entry: dict[str, Any], given: Path | None) -> Iterator[Path]:
    """Folder with the source files: the given one (or an unpacked zip archive), else a folder of downloads."""
    if given is not None and given.is_dir():
        yield given
        return
    if given is not None and not given.is_file():
        raise DataError(f"{given} does not exist")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given is not None:
            shutil.copy(given, folder / given.name)
        else:
            for source in entry["sources"]:
                if source.get("url") is None:
                    raise DataError(f"{entry['name']}: {source['terms']}; then pass --from FOLDER")
                fetch(source["url"], folder / source["file"], source.get("sha256"))
        for archive in folder.glob("*.zip"):
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)  # zipfile keeps names inside the folder
        yield folder


# --- commands ---


@app.command("list", epilog="**Example:** `python scripts/test_sets.py list`")
def list_sets() -> None:
    """Show every set: its counts, source, licence, and whether it can be built."""
    for entry in read_manifest().values():
        counts = [f"{entry[part]:,} {part}" for part in ("users", "items", "interactions") if part in entry]
        console.print(f"[bold]{entry['name']}[/] ({', '.join([entry['role'], *counts])})")
        for part in ("source", "licence", "rebuild"):
            console.print(f"  {part}: {escape(entry[part])}")


@app.command(epilog="**Example:** `python scripts/test_sets.py check data/test`")
def check(
    folder: Annotated[Path, typer.Argument(help="a folder of data sets, or one data set folder")],
) -> None:
    """Compare a folder with the hashes of the manifest; exit with 1 if a set differs or none is there."""
    sets = read_manifest()
    folders = [folder] if folder.name in sets else sorted(path for path in folder.glob("*") if path.name in sets)
    if not folders or not folder.is_dir():
        raise DataError(f"{folder} holds none of {', '.join(sets)}")
    failed = False
    for each in folders:
        wrong = check_files(sets[each.name], each)
        console.print(f"{each.name}: " + ("; ".join(wrong) if wrong else "as in the manifest"))
        failed |= bool(wrong)
    raise typer.Exit(int(failed))


@app.command(
    epilog="**Examples:** `python scripts/test_sets.py build amazon_sports --out data/test/amazon_sports`, "
    "`python scripts/test_sets.py build yelp --from yelp_dataset --out data/test/yelp`"
)
def build(
    name: Annotated[str, typer.Argument(help="as `list` shows it")],
    out: Annotated[Path, typer.Option(help="data set folder to write")],
    source: Annotated[
        Path | None, typer.Option("--from", help="folder or zip with the source files; else they are fetched")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="replace a data set in --out")] = False,
) -> None:
    """Make a set from its public files and compare it with the manifest; exit with 1 if it holds other data."""
    entry = read_entry(name)
    if "builder" not in entry:
        raise DataError(f"{name}: {entry['rebuild']}")
    with source_folder(entry, source) as folder:
        BUILDERS[entry["builder"]](entry, folder, out, overwrite=overwrite)
    compared = compare(entry, out)
    words = {True: "equal", False: "different", None: "cannot be compared: no source ids in the manifest's set"}
    for part, same in compared.items():
        console.print(f"{part}: {words[same]}")
    if compared["files"]:
        return
    if note := entry.get("rebuild_note"):
        console.print(note)
    if not compared["counts"] or not compared["degrees"] or compared["sequences"] is False:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; errors of the data are one line."""
    try:
        app()
    except DataError as error:
        console.print(f"[red]error:[/] {escape(str(error))}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    run(main, "test_sets.py")
