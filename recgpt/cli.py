"""`recgpt ...`: the command line, thin over the library. Heavy imports happen inside the command that needs them."""

import json
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recgpt.errors import RecGPTError
from recgpt.simulate.commands import agent4rec, agents_app, experiment, simulate_app
from recgpt.simulate.llm.commands import llm_app
from recgpt.simulate.runs import runs_app

if TYPE_CHECKING:
    import polars as pl

    from recgpt.foundation.model import FoundationCatalogue
    from recgpt.rank import Catalogue

app = typer.Typer(
    add_completion=False,
    help="A foundation model for sequential recommendation. Training: accelerate launch pre_train.py --help",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(help="Make data set folders from public sources, and look into them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
benchmark_app = typer.Typer(help="Measure many things in one run that resumes.", no_args_is_help=True)
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(simulate_app, name="simulate")
app.add_typer(agents_app, name="agents")
app.add_typer(runs_app, name="runs")
app.add_typer(llm_app, name="llm")
app.command("agent4rec")(agent4rec)
app.command("experiment")(experiment)

DatasetDir = Annotated[Path, typer.Argument(help="data set folder", exists=True, file_okay=False)]
Workers = Annotated[
    int, typer.Option(min=1, help="processes; more than one work on Ray (extra `ray`), RAY_ADDRESS naming a cluster")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
RepeatsIfSaid = Annotated[
    Literal["keep", "drop-consecutive", "drop"] | None,
    typer.Option(help="what becomes of items a user met before; by default as the protocol has it, mostly drop"),
]
ModelIfSaid = Annotated[
    str | None,
    typer.Option(help="model folder, hub repository, or published .pt; by default ours, ckpt/recgpt-minilm"),
]
ItemsFile = Annotated[Path, typer.Option(help="catalogue: .csv, .tsv, .jsonl or .parquet with a column `title`")]
InteractionsFile = Annotated[
    Path | None,
    typer.Option(help="what is known of the past: a file with user_id, item_id (the catalogue's) and maybe timestamp"),
]
History = Annotated[str, typer.Option(help="titles, oldest first, separated by `;`")]
PROTOCOL_NAMES = (
    "leave_one_out, global_time, zero_shot, cold_user, cold_item, held_out_users, windows or published_steam_style"
)


@data_app.command(
    "import", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def data_import(ctx: typer.Context) -> None:
    """Read a public source into a data set folder. `recgpt data import --help` lists the sources.

    Example: recgpt data import movielens ml-1m --out data/ml-1m
    """
    import inspect

    from recgpt.data.readers import READERS

    sources = typer.Typer(
        no_args_is_help=True, add_completion=False, help="Read a public source into a data set folder."
    )
    for name, reader in READERS.items():
        parameters = inspect.signature(reader.read, eval_str=True).parameters.values()

        def command(reader: Any = reader, **options: Any) -> None:
            reader.read(**options)

        command.__signature__ = inspect.Signature([_as_option(p) for p in parameters])  # type: ignore[attr-defined]
        sources.command(name, help=reader.description)(command)
    sources(args=ctx.args, prog_name="recgpt data import")


def _as_option(parameter: Any) -> Any:
    """A reader's parameter for the command line: `source` stays an argument, `out` and keywords become options."""
    import inspect

    optional = type(None) in typing.get_args(parameter.annotation)
    if parameter.name == "source":
        default = None if optional else parameter.default
        help_text = "where the source's files are" + (" (not needed, or fetched, without it)" if optional else "")
        declared = typer.Argument(help=help_text)
        return parameter.replace(annotation=Annotated[parameter.annotation, declared], default=default)
    declared = typer.Option(f"--{parameter.name.replace('_', '-')}")
    return parameter.replace(annotation=Annotated[parameter.annotation, declared], kind=inspect.Parameter.KEYWORD_ONLY)


@data_app.command("inspect")
def data_inspect(
    dataset: DatasetDir,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Counts, density, repeats, lengths, text coverage and ties in time of a data set folder."""
    from rich.console import Console

    from recgpt.data.dataset import Dataset
    from recgpt.data.inspect import inspect, render

    found = inspect(Dataset.load(dataset))
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        Console().print(render(found))


@data_app.command("split")
def data_split(
    dataset: DatasetDir,
    protocol: Annotated[str, typer.Argument(help=PROTOCOL_NAMES)],
    out: Annotated[Path, typer.Option(help="folder for the split")],
    repeats: RepeatsIfSaid = None,
    seed: int = 0,
) -> None:
    """Make a split and store it: histories, targets, and the past that recommenders may learn from.

    Example: recgpt data split data/demo cold_item --seed 1 --out data/demo/splits/cold_item_1
    """
    from recgpt.data.splits import load_for, make_split

    split = make_split(load_for(protocol, dataset, repeats=repeats), protocol, seed=seed)
    split.save(out)
    print(f"{out}: {len(split):,} cases, {len(split.past.values):,} interactions in the past")


@app.command()
def encode(
    dataset: DatasetDir,
    encoder: Annotated[str, typer.Option(help="sentence-transformers model, or a folder")] = "all-mpnet-base-v2",
    template: Annotated[str, typer.Option(help="how an item's fields become a text: fields or published")] = "fields",
    out: Annotated[Path | None, typer.Option(help="folder for embeddings.npy; by default the data set's")] = None,
    overwrite: Overwrite = False,
    workers: Workers = 1,
) -> None:
    """Embed the item texts into embeddings.npy; a killed run goes on where it stopped.

    Example: recgpt encode data/demo --encoder all-MiniLM-L6-v2
    """
    from recgpt.data.dataset import Dataset
    from recgpt.encode import TextEncoder, encode_dataset

    data, loaded = Dataset.load(dataset), TextEncoder.load(encoder)
    encoded = encode_dataset(data, loaded, out=out, template=template, overwrite=overwrite, workers=workers)
    print(f"{out or dataset}/embeddings.npy: {encoded.shape[0]:,} items x {encoded.shape[1]}")


@app.command("train-tokenizer")
def train_tokenizer_command(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for the tokenizer and its report")],
    epochs: Annotated[int, typer.Option(min=1)] = 100,
    batch_size: Annotated[int, typer.Option(min=1)] = 256,
    lr: float = 1e-4,
    codes: Annotated[int, typer.Option(min=1, help="codes an item")] = 4,
    levels: Annotated[str, typer.Option(help="FSQ levels; their product is the number of codes a slot")] = "8,8,8,6,5",
    seed: int = 0,
    overwrite: Overwrite = False,
) -> None:
    """Train an FSQ tokenizer on the embeddings of a data set folder.

    Example: recgpt train-tokenizer data/demo --out vae_ckpt/demo --epochs 20 --lr 0.001
    """
    from rich.console import Console

    from recgpt.data.dataset import Dataset
    from recgpt.data.fingerprint import write_json
    from recgpt.device import default_device
    from recgpt.errors import CheckpointError
    from recgpt.tokenizer import FSQTokenizerConfig, train_tokenizer

    try:
        fsq_levels = [int(level) for level in levels.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{levels!r}: numbers are needed, such as 8,8,8,6,5", param_hint="--levels") from error
    if (out / "config.json").exists() and not overwrite:
        raise CheckpointError(f"{out} holds a tokenizer already: pass --overwrite, or choose another --out")
    embeddings_NE = Dataset.load(dataset).embeddings()
    config = FSQTokenizerConfig(embedding_dim=embeddings_NE.shape[1], n_codes=codes, levels=fsq_levels)
    tokenizer, report = train_tokenizer(
        embeddings_NE, config, epochs=epochs, batch_size=batch_size, lr=lr, seed=seed, device=default_device()
    )
    tokenizer.save_pretrained(out)
    write_json(out / "report.json", report.to_dict())
    Console().print(report.table())


@app.command()
def tokenize(
    dataset: DatasetDir,
    tokenizer: Annotated[str, typer.Option(help="folder or hub name of a tokenizer")],
    workers: Workers = 1,
) -> None:
    """Turn embeddings.npy into tokens.npy, K codes an item; a killed run goes on where it stopped.

    Example: recgpt tokenize data/demo --tokenizer vae_ckpt/demo
    """
    from recgpt.bulk.tokenize import tokenize_dataset
    from recgpt.data.dataset import Dataset
    from recgpt.tokenizer import collision_rate

    tokens_NK = tokenize_dataset(Dataset.load(dataset), tokenizer, workers=workers)
    print(
        f"{dataset}/tokens.npy: {len(tokens_NK):,} items, {collision_rate(tokens_NK):.2%} share all codes with another"
    )


@app.command()
def pretrain(
    domains: Annotated[list[Path], typer.Argument(help="data set folders to learn from")],
    valid: Annotated[list[Path], typer.Option(help="folders to watch; repeat the flag")],
    out: Annotated[Path, typer.Option(help="folder of the run", file_okay=False)] = Path("runs/foundation"),
    encoder: Annotated[str, typer.Option(help="sentence-transformers model, or a folder")] = "all-mpnet-base-v2",
    steps: Annotated[int, typer.Option(min=1)] = 12_000,
    cases: Annotated[int, typer.Option(min=1, help="users asked in a domain's fullest episode")] = 6000,
    d_model: Annotated[int, typer.Option(min=1, help="width of the history's transformer")] = 32,
    hidden: Annotated[int, typer.Option(min=1, help="width of the candidates' network")] = 64,
    layers: Annotated[int, typer.Option(min=1)] = 1,
    lr: float = 2e-3,
    seed: int = 0,
    overwrite: Overwrite = False,
) -> None:
    """Pre-train the foundation model on many domains; a killed run goes on where it stopped.

    Example: recgpt pretrain data/pretrain/* --valid data/valid/mind_news --encoder all-MiniLM-L6-v2 --out runs/mine
    """
    from recgpt.foundation.network import NetworkConfig
    from recgpt.foundation.pretrain import PretrainConfig
    from recgpt.foundation.pretrain import pretrain as run

    network = NetworkConfig(d_model=d_model, hidden=hidden, n_layers=layers)
    config = PretrainConfig(out, encoder=encoder, network=network, steps=steps, cases=cases, lr=lr, seed=seed)
    print(f"{run(config, domains, valid, overwrite=overwrite)} is the model")


@app.command()
def finetune(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for the model", file_okay=False)],
    model: ModelIfSaid = None,
    past: Annotated[
        Literal["all", "train"],
        typer.Option(help="what is learned from: everything, or all but two items of a user, so as to be evaluated"),
    ] = "all",
    steps: Annotated[int, typer.Option(min=1)] = 800,
    lr: float = 5e-4,
    seed: int = 0,
    overwrite: Overwrite = False,
) -> None:
    """Train the foundation model on what is known of one catalogue: minutes on two cores.

    Example: recgpt finetune data/demo --out runs/demo-tuned --past train
    """
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import leave_one_out
    from recgpt.errors import CheckpointError, DataError
    from recgpt.evaluate.arena import embeddings_of
    from recgpt.foundation.finetune import finetune as run
    from recgpt.foundation.model import FoundationModel, shipped
    from recgpt.models import load_model

    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise CheckpointError(f"{out} is not empty: pass --overwrite, or choose another --out")
    loaded = shipped() if model is None else load_model(model)
    if not isinstance(loaded, FoundationModel):
        raise DataError(f"{model} is a generative model: fine-tune it with `pre_train.py --checkpoint {model}`")
    data = Dataset.load(dataset, repeats="drop")
    embeddings_NE = embeddings_of(data, loaded)
    known = leave_one_out(data, past="train").known if past == "train" else data
    run(loaded, known, embeddings_NE, steps=steps, lr=lr, seed=seed).save_pretrained(out)
    print(f"{out}: fine-tuned on {len(known.interactions):,} interactions of {data.name}")


@app.command()
def recommend(
    items: ItemsFile,
    history: History,
    model: ModelIfSaid = None,
    interactions: InteractionsFile = None,
    k: Annotated[int, typer.Option("-k", help="how many")] = 10,
    keep_history: Annotated[bool, typer.Option("--keep-history", help="Items of the history may come again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Recommend from a catalogue the model has never seen, by its texts and, where it is given, its past.

    Example: recgpt recommend --items items.csv --interactions past.csv --history "Toy Story (1995); Heat (1995)"

    Example: recgpt recommend --model runs/demo/model/best --items items.csv --history "Toy Story (1995); Heat (1995)"
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from recgpt.errors import DataError
    from recgpt.foundation.model import FoundationCatalogue
    from recgpt.titles import find_titles, printable

    catalogue_table = _read_catalogue(items)
    titles = catalogue_table["title"].to_list()
    rows = find_titles(titles, [title for title in history.split(";") if title.strip()])
    catalogue = _indexed(model, catalogue_table, interactions)
    score_name = "score" if isinstance(catalogue, FoundationCatalogue) else "log_probability"
    ranking = catalogue.recommend([rows], min(k, len(titles)), exclude="nothing" if keep_history else "history")
    best = [
        {"rank": place + 1, "row": int(item), "title": titles[item], score_name: float(score)}
        for place, (item, score) in enumerate(zip(ranking.ids[0], ranking.scores[0], strict=True))
        if item >= 0
    ]
    if not rows and not best:
        raise DataError("the history is empty, and no interactions are known: name a title, or pass --interactions")
    if as_json:
        print(json.dumps({"history": [titles[row] for row in rows], "recommendations": best}, ensure_ascii=False))
        return
    shown = Table("", "title", score_name.replace("_", "-"), box=None)
    for each in best:
        shown.add_row(str(each["rank"]), Text(printable(str(each["title"]))), f"{each[score_name]:.2f}")
    after = " -> ".join(printable(titles[row]) for row in rows) or "an empty history"
    Console().print(Text(f"After {after}:"), shown)


@app.command()
def rank(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for rankings.parquet", file_okay=False)],
    model: ModelIfSaid = None,
    k: Annotated[int, typer.Option("-k", help="how many for each user")] = 100,
    keep_history: Annotated[bool, typer.Option("--keep-history", help="Items of the history may come again.")] = False,
    repeats: Annotated[
        Literal["keep", "drop-consecutive", "drop"], typer.Option(help="what becomes of items a user met before")
    ] = "drop",
    batch_size: Annotated[int, typer.Option(min=1, help="users ranked at once")] = 64,
    workers: Workers = 1,
    overwrite: Overwrite = False,
) -> None:
    """Rank the catalogue for every user of a data set, after the whole history; a killed run goes on where it stopped.

    Example: recgpt rank data/demo --out runs/demo-ranked -k 20

    Example: recgpt rank data/demo --model runs/demo/model/best --out runs/demo-ranked -k 20 --workers 2
    """
    from recgpt.bulk.rank import rank_dataset
    from recgpt.data.dataset import Dataset
    from recgpt.foundation.model import SHIPPED

    data = Dataset.load(dataset, repeats=repeats)
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
    print(f"{path}: {data.n_users:,} users, the best {k} of {data.n_items:,} items each")


def _indexed(
    model: str | None, catalogue_table: "pl.DataFrame", interactions: Path | None
) -> "Catalogue | FoundationCatalogue":
    """The catalogue as the model reads it: the shipped one where none is named."""
    from recgpt.errors import DataError
    from recgpt.foundation.model import FoundationModel, shipped
    from recgpt.models import load_model

    loaded = shipped() if model is None else load_model(model)
    if isinstance(loaded, FoundationModel):
        if interactions is None:
            return loaded.index(catalogue_table)
        from recgpt.data.readers.tables import read_interactions

        known = read_interactions(interactions)
        if "item_id" not in catalogue_table.columns and not known["item_id"].dtype.is_integer():
            kind = known["item_id"].dtype
            raise DataError(f"{interactions}: 'item_id' is {kind}, but the catalogue has no such column: add it there")
        return loaded.index(catalogue_table, interactions=known)
    if interactions is not None:
        raise DataError(
            f"{model} is a generative model, which reads histories and texts but no past of the catalogue: "
            "leave out --interactions, or choose a foundation model"
        )
    return loaded.index(catalogue_table)


def _read_catalogue(path: Path) -> "pl.DataFrame":
    """A table of items, its texts as text: 1984 is a title, too."""
    import polars as pl

    from recgpt.data.readers.tables import read_items
    from recgpt.data.text import ALL_TEXT_COLUMNS

    table = read_items(path)
    texts = [column for column in ALL_TEXT_COLUMNS if column in table.columns]
    return table.with_columns(pl.col(texts).cast(pl.String).fill_null(""))


@app.command()
def explain(
    items: ItemsFile,
    history: History,
    item: Annotated[str, typer.Option(help="title of the item to explain")],
    model: ModelIfSaid = None,
    interactions: InteractionsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Why an item gets its score after a history: what each item of the history adds, and what speaks for the item.

    Example: recgpt explain --items items.csv --interactions past.csv --history "Heat (1995)" --item "Casino"

    Example: recgpt explain --model runs/demo/model/best --items items.csv --history "Heat (1995)" --item "Casino"
    """
    from rich.console import Console

    from recgpt.explain import explain as explain_codes
    from recgpt.foundation.explain import explain as explain_evidence
    from recgpt.foundation.model import FoundationCatalogue
    from recgpt.titles import find_titles

    catalogue_table = _read_catalogue(items)
    titles = catalogue_table["title"].to_list()
    rows = find_titles(titles, [title for title in history.split(";") if title.strip()])
    wanted = find_titles(titles, [item])[0]
    catalogue = _indexed(model, catalogue_table, interactions)
    found = (
        explain_evidence(catalogue, rows, wanted, titles)
        if isinstance(catalogue, FoundationCatalogue)
        else explain_codes(catalogue, rows, wanted, titles)
    )
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        Console().print(found.render())


@app.command()
def evaluate(
    dataset: DatasetDir,
    model: Annotated[str | None, typer.Option(help="model folder, hub repository, or published .pt")] = None,
    recommenders: Annotated[str, typer.Option(help="registered names, comma-separated; baselines always join")] = "",
    protocol: Annotated[str, typer.Option(help=PROTOCOL_NAMES)] = "leave_one_out",
    past: Annotated[
        Literal["train", "train+valid"] | None,
        typer.Option(help="what may be counted: all but two items of a user, or all but one (default)"),
    ] = None,
    repeats: RepeatsIfSaid = None,
    max_users: Annotated[int | None, typer.Option(help="ask only so many users, drawn with --seed")] = None,
    seed: int = 0,
    negatives: Annotated[int | None, typer.Option(help="refused: the full catalogue is always ranked")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="write the report here, and its cases beside")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the tables here")] = None,
) -> None:
    """Rank the full catalogue for every user, beside the baselines, with 95 % intervals. Figures of whole lists too.

    Example: recgpt evaluate data/demo --model runs/demo/model/best --json report.json

    Example: recgpt evaluate data/demo --protocol global_time --recommenders sasrec,mf --json report.json
    """
    from rich.console import Console

    from recgpt.data.splits import load_for, make_split
    from recgpt.evaluate import evaluate as run
    from recgpt.evaluate.arena import check_times, embeddings_of, names_for, recommenders_for, stand_in
    from recgpt.evaluate.protocols import refuse_negatives
    from recgpt.models import load_model

    refuse_negatives(negatives)
    data = load_for(protocol, dataset, repeats=repeats)
    split = make_split(data, protocol, past=past, max_users=max_users, seed=seed)
    asked = [name.strip() for name in recommenders.split(",") if name.strip()]
    loaded = load_model(model) if model is not None else stand_in(asked)
    names = names_for(split, asked, model=loaded)
    check_times(split, names)
    embeddings_NE = embeddings_of(data, loaded)
    chosen = recommenders_for(names, embeddings_NE=embeddings_NE, model=loaded, seed=seed)
    report = run(split, chosen, embeddings_NE=embeddings_NE, seed=seed)
    Console().print(report.table())
    if json_out is not None:
        report.save(json_out)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(report.markdown(), encoding="utf-8")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="report of `recgpt evaluate --json`")],
    b: Annotated[Path, typer.Argument(help="another on the same data, protocol and past; may be the same file")],
    recommenders: Annotated[
        str, typer.Option(help="pairs `of_a:of_b`, comma-separated; by default each that both have")
    ] = "",
    part: Annotated[str | None, typer.Option("--slice", help="cases that count; by default the headline's")] = None,
    metrics: Annotated[str, typer.Option(help="comma-separated")] = "hit@10,ndcg@10",
    seed: int = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Paired difference between recommenders on the same cases: interval, p-value, correction for many comparisons.

    Example: recgpt compare report.json report.json --recommenders recgpt:text_knn,recgpt:hybrid_knn
    """
    from rich.console import Console

    from recgpt.evaluate.compare import compare as run
    from recgpt.evaluate.compare import comparison_dict, comparison_table, parse_pairs
    from recgpt.evaluate.report import StoredReport

    first, second = StoredReport.load(a), StoredReport.load(b)
    wanted = [name.strip() for name in metrics.split(",") if name.strip()]
    compared = run(first, second, parse_pairs(recommenders), metrics=wanted, slice_name=part, seed=seed)
    if as_json:
        print(json.dumps(comparison_dict(compared, first, second), indent=2, ensure_ascii=False))
    else:
        Console().print(comparison_table(compared, f"{first.about['dataset']}: a is {a}, b is {b}"))


@benchmark_app.command("accuracy")
def benchmark_accuracy(
    suite: Annotated[str | None, typer.Option(help="accuracy (the default) or foundation")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML like recgpt/evaluate/accuracy.yaml, not a suite")] = None,
    only: Annotated[list[str] | None, typer.Option(help="title or number of a part; repeat the flag")] = None,
    seeds: Annotated[list[int] | None, typer.Option(help="instead of the suite's; repeat the flag")] = None,
    data: Annotated[Path, typer.Option(help="where the folders of the data sets are", file_okay=False)] = Path("data"),
    out: Annotated[Path, typer.Option(help="folder for cells and reports", file_okay=False)] = Path("runs/accuracy"),
) -> None:
    """Data sets x recommenders x seeds: JSON, Markdown and an HTML page with plots. A killed run goes on where it was.

    Example: recgpt benchmark accuracy --data data --out runs/accuracy

    Example: recgpt benchmark accuracy --suite foundation --only "Global time" --seeds 0 --data data

    Example: recgpt benchmark accuracy --config my.yaml --data data
    """
    from recgpt.evaluate.benchmark import DEFAULT_SUITE, Suite, run_suite
    from recgpt.evaluate.page import summarize, write_reports
    from recgpt.models import load_model

    if suite and config:
        raise typer.BadParameter("give --suite or --config, not both")
    whole = Suite.load(config) if config else Suite.named(suite or DEFAULT_SUITE)
    chosen = whole.restricted(only=only or (), seeds=seeds or ())
    found = run_suite(chosen, data=data, out=out, load_model=load_model)
    paths = write_reports(summarize(chosen, found), found, out=out)
    print(f"{paths[0]}, {paths[1].name} and {paths[2].name}")


@benchmark_app.command("speed")
def benchmark_speed(
    only: Annotated[list[str] | None, typer.Option(help="name of a part; repeat the flag")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Everything tiny, to see that it runs.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="data set folder with histories and texts; synthetic without it", file_okay=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="of torch; the default is one a core")] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="of each measurement, after one that is not kept")] = 3,
    seed: int = 0,
    out: Annotated[Path, typer.Option(help="folder for speed.json, .md and .png", file_okay=False)] = Path(
        "benchmarks/results"
    ),
    overwrite: Overwrite = False,
) -> None:
    """Ours beside the published scheme and the machine's limits. A killed run goes on where it was.

    Parts, with about how many minutes each takes on 2 cores: training 12, ranking 14, scoring 1, large 1, session 1,
    encoding 2, startup 1, growth 8. Run it alone on the machine.

    Example: recgpt benchmark speed --data data/steam --out runs/speed

    Example: recgpt benchmark speed --only scoring --only large --out runs/speed
    """
    from rich.console import Console

    from recgpt.errors import DataError
    from recgpt.speed.report import targets_table, write_reports
    from recgpt.speed.run import SpeedRun, failed_checks, run_parts

    found = run_parts(
        SpeedRun(
            data=data,
            out=out,
            only=only or (),
            quick=quick,
            threads=threads,
            repetitions=repetitions,
            seed=seed,
            overwrite=overwrite,
        )
    )
    paths = write_reports(found, out)
    Console().print(targets_table(found))
    print(", ".join(map(str, paths)))
    if failed := failed_checks(found):
        raise DataError(f"{out}/speed.json: the fast way does not give what the plain one gives: {'; '.join(failed)}")


@app.command()
def convert(
    decoder: Annotated[Path, typer.Argument(help="published decoder: .pt, or its first part (*.pt.zip.partaa)")],
    tokenizer: Annotated[Path, typer.Argument(help="published tokenizer: .pt")],
    out: Annotated[Path, typer.Option(help="new folder")],
) -> None:
    """Turn the published weights into a folder that `RecGPT.from_pretrained` reads (safetensors).

    Example: recgpt convert ckpt/layer_3_epoch_0_model_06.pt.zip.partaa vae_ckpt/vae_len4.pt --out ckpt/recgpt
    """
    from recgpt.upstream import convert as run

    model = run(decoder, tokenizer, out)
    print(f"{out}: {model.config.n_layers} layers x {model.config.d_model}, {model.num_parameters():,} parameters")


def main() -> None:
    """Entry point: errors a user can act on are printed without a traceback."""
    try:
        app()
    except RecGPTError as error:
        print(f"recgpt: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
