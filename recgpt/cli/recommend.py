"""Recommend from a catalogue, rank whole data sets, explain a score."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recgpt.cli.options import (
    BrandColumn,
    CategoriesColumn,
    DatasetDir,
    DescriptionColumn,
    History,
    HistoryIds,
    HistoryUser,
    InteractionsFile,
    ItemColumn,
    ItemsFile,
    OptionalModel,
    Overwrite,
    TimeColumn,
    TimeFormat,
    TitleColumn,
    UserColumn,
    Workers,
    typed,
)
from recgpt.tables import print_tables
from recgpt.terminal import plain, print_json, say

COLUMNS = {
    "item_column": "item_id",
    "title_column": "title",
    "categories_column": "categories",
    "brand_column": "brand",
    "description_column": "description",
    "user_column": "user_id",
    "time_column": "timestamp",
}
"""Parameter of `recommend` and `explain` -> the column that it names otherwise."""


def recommend(
    ctx: typer.Context,
    items: ItemsFile,
    history: History = None,
    history_ids: HistoryIds = None,
    user: HistoryUser = None,
    model: OptionalModel = None,
    interactions: InteractionsFile = None,
    time_format: TimeFormat = None,
    k: Annotated[int, typer.Option("-k", min=1, help="number of recommendations, at most all items")] = 10,
    keep_history: Annotated[
        bool, typer.Option("--keep-history", help="Allow items of the history to be recommended.")
    ] = False,
    item_column: ItemColumn = None,
    title_column: TitleColumn = None,
    categories_column: CategoriesColumn = None,
    brand_column: BrandColumn = None,
    description_column: DescriptionColumn = None,
    user_column: UserColumn = None,
    time_column: TimeColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with the items' ids, instead of a table.")] = False,
) -> None:
    """Recommend items of a new catalogue from their texts and, with --interactions, from past interactions.

    Example: recgpt recommend --items items.csv --history "Toy Story (1995); Heat (1995)"

    Example: recgpt recommend --items items.csv --interactions past.csv --history "Toy Story (1995); Heat (1995)"

    Example: recgpt recommend --items items.csv --interactions past.csv --user 27

    Example: recgpt recommend --items shop.csv --item-column sku --title-column name --history-ids 0439023483,b7

    Example: recgpt recommend --model runs/demo/model/best --items items.csv --history "Toy Story (1995); Heat (1995)"
    """
    from rich.table import Table
    from rich.text import Text

    from recgpt.cli.sources import Source
    from recgpt.errors import DataError

    source = Source(items, interactions, typed(ctx, COLUMNS), time_format)
    rows = source.history(history, history_ids, user)
    catalogue = source.indexed(model)
    names, score_name = source.names, catalogue.score_name
    ranking = catalogue.recommend([rows], k, exclude="nothing" if keep_history else "history", ids="rows")
    found = zip(ranking.item_ids[0], ranking.ids[0].tolist(), ranking.scores[0].tolist(), strict=False)
    best = [
        {"rank": place, "row": row, "item_id": item_id, "title": names[row], score_name: score}
        for place, (item_id, row, score) in enumerate(found, start=1)
    ]
    if not rows and not best:
        raise DataError(
            "the history is empty and there are no interactions: name a title in --history, or pass --interactions"
        )
    if as_json:
        ids = catalogue.item_ids.tolist()
        about = {"history": [names[row] for row in rows], "history_ids": [ids[row] for row in rows]}
        print_json({**about, "recommendations": best, "model": source.model}, indent=None)
        return
    shown = Table("", "title", score_name.replace("_", "-"), box=None)
    for each in best:
        shown.add_row(str(each["rank"]), Text(plain(str(each["title"]))), f"{each[score_name]:.2f}")
    after = " -> ".join(plain(names[row]) for row in rows) or "an empty history"
    print_tables(Text(f"After {after}:"), shown)


def rank(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for rankings.parquet", file_okay=False)],
    model: OptionalModel = None,
    k: Annotated[int, typer.Option("-k", min=1, help="number of recommendations per user, at most all items")] = 100,
    keep_history: Annotated[
        bool, typer.Option("--keep-history", help="Allow items of the history to be recommended.")
    ] = False,
    repeats: Annotated[
        Literal["keep", "drop-consecutive", "drop"],
        typer.Option(help="repeated items in a user's sequence: keep, drop consecutive ones, or drop all"),
    ] = "drop",
    batch_size: Annotated[int, typer.Option(min=1, help="users ranked per batch")] = 64,
    workers: Workers = 1,
    overwrite: Overwrite = False,
) -> None:
    """Rank the catalogue for every user of a data set, after the whole history; a killed run resumes.

    Example: recgpt rank data/demo --out runs/demo-ranked -k 20

    Example: recgpt rank data/demo --model runs/demo/model/best --out runs/demo-ranked -k 20 --workers 2
    """
    from recgpt.cli.checks import check_dataset, check_model, check_workers
    from recgpt.data.dataset import Dataset
    from recgpt.files import require_writable

    check_dataset(dataset)
    check_workers(workers)
    require_writable(out)
    check_model(model)
    data = Dataset.load(dataset, repeats=repeats)

    from recgpt.bulk.rank import rank_dataset
    from recgpt.foundation.model import SHIPPED

    path = rank_dataset(
        data,
        model or SHIPPED,
        out,
        k=k,
        exclude="nothing" if keep_history else "history",
        batch_size=batch_size,
        overwrite=overwrite,
        workers=workers,
    )
    say(f"{path}: {data.n_users:,} users, the top {min(k, data.n_items)} of {data.n_items:,} items for each")


def explain(
    ctx: typer.Context,
    items: ItemsFile,
    history: History = None,
    history_ids: HistoryIds = None,
    user: HistoryUser = None,
    item: Annotated[
        str | None, typer.Option(help="title of the item to explain, or a part that only one title contains")
    ] = None,
    item_id: Annotated[str | None, typer.Option(help="instead of --item: id of the item to explain")] = None,
    model: OptionalModel = None,
    interactions: InteractionsFile = None,
    time_format: TimeFormat = None,
    item_column: ItemColumn = None,
    title_column: TitleColumn = None,
    categories_column: CategoriesColumn = None,
    brand_column: BrandColumn = None,
    description_column: DescriptionColumn = None,
    user_column: UserColumn = None,
    time_column: TimeColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with the items' ids, instead of tables.")] = False,
) -> None:
    """Explain an item's score after a history: the contribution of each kind of evidence and of each history item.

    Example: recgpt explain --items items.csv --history "Heat (1995)" --item "Casino"

    Example: recgpt explain --items items.csv --interactions past.csv --history "Heat (1995)" --item "Casino"

    Example: recgpt explain --items items.csv --interactions past.csv --user 27 --item-id 31

    Example: recgpt explain --model runs/demo/model/best --items items.csv --history "Heat (1995)" --item "Casino"
    """
    from recgpt.cli.sources import Source
    from recgpt.errors import DataError
    from recgpt.titles import find_titles

    if (item is None) == (item_id is None):
        raise DataError("name the item to explain by either --item or --item-id")
    source = Source(items, interactions, typed(ctx, COLUMNS), time_format)
    rows = source.history(history, history_ids, user)
    wanted = find_titles(source.names, [item])[0] if item is not None else source.rows([str(item_id)], "--item-id")[0]
    catalogue = source.indexed(model)
    found = catalogue.explain(rows, wanted, source.names, ids="rows")
    if as_json:
        from recgpt.catalogue import with_item_ids

        print_json(with_item_ids(found.to_dict(), catalogue.item_ids.tolist()), indent=None)
    else:
        print_tables(found.render())
