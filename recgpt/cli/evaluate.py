"""Evaluate, compare and benchmark recommenders."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recgpt.cli.options import (
    PROTOCOL_NAMES,
    AllowTrained,
    ConfigFile,
    DatasetDir,
    OptionalRepeats,
    Overrides,
    Overwrite,
    Plugins,
    Seed,
    allow_plugins,
    typed,
)
from recgpt.files import write_text
from recgpt.tables import Wide, print_tables
from recgpt.terminal import print_json, say

benchmark_app = typer.Typer(
    help="Run a whole benchmark, of accuracy or of speed; a killed run resumes.", no_args_is_help=True
)


def evaluate(
    ctx: typer.Context,
    dataset: DatasetDir,
    model: Annotated[
        str | None,
        typer.Option(
            help="model folder, hub repository, or published .pt; by default the shipped foundation model,"
            " ckpt/recgpt-minilm"
        ),
    ] = None,
    recommenders: Annotated[
        str,
        typer.Option(
            help="further recommenders, comma-separated: names, or classes as module:Class; the model, copy_last,"
            " popularity, text_knn, item_knn and hybrid_knn always take part"
        ),
    ] = "",
    protocol: Annotated[str, typer.Option(help=PROTOCOL_NAMES)] = "leave_one_out",
    past: Annotated[
        Literal["train", "train+valid"] | None,
        typer.Option(
            help="past interactions: train, without each user's last two interactions, or train+valid, without the last"
            " one (default)"
        ),
    ] = None,
    repeats: OptionalRepeats = None,
    ks: Annotated[
        str | None,
        typer.Option(
            help="cut-offs of the lists, comma-separated, by default 1,3,5,10; one beyond the catalogue's size uses all"
            " of it"
        ),
    ] = None,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            help="recommendation lists of another tool, to evaluate beside the recommenders: .csv, .tsv, .jsonl or"
            " .parquet with user_id, item_id and rank or score; repeat the flag for several",
            metavar="NAME=FILE",
        ),
    ] = None,
    max_users: Annotated[int | None, typer.Option(help="evaluate a random sample of so many users")] = None,
    allow_trained_on_targets: AllowTrained = False,
    seed: Seed = 0,
    negatives: Annotated[int | None, typer.Option(hidden=True)] = None,  # only for the error that explains why not
    json_out: Annotated[
        Path | None,
        typer.Option("--json", help="write the report to this file, and per-user results in a file next to it"),
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the tables to this file")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    wide: Wide = False,
) -> None:
    """Rank the full catalogue for every user: accuracy of a model and the baselines, with 95 % intervals.

    Also diversity, novelty and coverage of the lists.

    Example: recgpt evaluate data/demo --model runs/demo/model/best --json report.json

    Example: recgpt evaluate data/demo --protocol global_time --recommenders sasrec,mf --json report.json

    Example: recgpt evaluate data/demo --ks 5,10,20,50

    Example: recgpt evaluate data/demo --lists theirs=lists.csv
    """
    allow_plugins(recommenders, overrides=overrides or ())
    from recgpt.cli.checks import check_dataset, check_model, check_output, check_recommenders
    from recgpt.data.splits import check_options, load_for, make_split
    from recgpt.evaluate.config import EvaluationConfig
    from recgpt.evaluate.protocols import refuse_negatives

    refuse_negatives(negatives)
    names = tuple(EvaluationConfig.model_fields)
    chosen = EvaluationConfig.load(config, overrides or (), typed(ctx, dict(zip(names, names, strict=True))))
    options = {"past": chosen.past, "max_users": chosen.max_users, "seed": chosen.seed}
    check_options(chosen.protocol, **options)
    check_recommenders(chosen.recommenders, model=chosen.model)
    check_dataset(dataset)
    check_output(json_out)
    check_output(markdown)
    check_model(chosen.model)
    data = load_for(chosen.protocol, dataset, repeats=chosen.repeats)
    split = make_split(data, chosen.protocol, **options)

    from recgpt.evaluate import evaluate as run
    from recgpt.evaluate.lineup import check_times, default_model, model_embeddings, names_for, recommenders_for
    from recgpt.evaluate.lists import read_lists
    from recgpt.evaluate.training_past import check_targets_unseen
    from recgpt.models import load_model

    theirs = read_lists(chosen.lists, data)
    allowed = chosen.allow_trained_on_targets
    if chosen.model is None:
        loaded = default_model(split, chosen.recommenders, allow_trained_on_targets=allowed)
    else:
        loaded = load_model(chosen.model)
    check_targets_unseen(split, loaded, allow=allowed)
    lineup = names_for(split, chosen.recommenders, model=loaded)
    check_times(split, lineup)
    embeddings_NE = model_embeddings(data, loaded)
    compared = recommenders_for(lineup, embeddings_NE=embeddings_NE, model=loaded, seed=chosen.seed)
    report = run(
        split,
        compared,
        ks=chosen.ks,
        embeddings_NE=embeddings_NE,
        seed=chosen.seed,
        allow_trained_on_targets=chosen.allow_trained_on_targets,
        lists=theirs,
    )
    print_tables(report.table(), wide=wide)
    if json_out is not None:
        report.save(json_out)
    if markdown is not None:
        write_text(markdown, report.markdown())


def compare(
    a: Annotated[Path, typer.Argument(help="report of `recgpt evaluate --json`")],
    b: Annotated[Path, typer.Argument(help="another report on the same data, protocol and past; may be the same file")],
    recommenders: Annotated[
        str,
        typer.Option(
            help="pairs NAME_IN_A:NAME_IN_B, comma-separated; by default every recommender that both reports have"
        ),
    ] = "",
    part: Annotated[
        str | None,
        typer.Option(
            "--slice",
            help="slice of the queries: explore, repeat, all, head, tail, ...; by default that of the headline figures",
        ),
    ] = None,
    metrics: Annotated[str, typer.Option(help="metrics to compare, comma-separated")] = "hit@10,ndcg@10",
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    wide: Wide = False,
) -> None:
    """Paired difference between recommenders on the same queries: interval, p-value, correction for many comparisons.

    Example: recgpt compare report.json report.json --recommenders recgpt:text_knn,recgpt:hybrid_knn
    """
    from recgpt.evaluate.compare import compare as run
    from recgpt.evaluate.compare import comparison_dict, comparison_table, parse_pairs
    from recgpt.evaluate.report import StoredReport

    first, second = StoredReport.load(a), StoredReport.load(b)
    wanted = [name.strip() for name in metrics.split(",") if name.strip()]
    compared = run(first, second, parse_pairs(recommenders), metrics=wanted, slice_name=part, seed=seed)
    if as_json:
        print_json(comparison_dict(compared, first, second))
    else:
        print_tables(comparison_table(compared, f"{first.about['dataset']}: a is {a}, b is {b}"), wide=wide)


@benchmark_app.command("accuracy")
def benchmark_accuracy(
    suite: Annotated[str | None, typer.Option(help="built-in suite: accuracy (default) or foundation")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML like recgpt/benchmark/accuracy/accuracy.yaml, instead of --suite")
    ] = None,
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None, typer.Option(help="run only this part, by title or number; repeat the flag")
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="seeds, instead of those of the suite; repeat the flag")
    ] = None,
    without: Annotated[str, typer.Option(help="recommenders of the suite to leave out, comma-separated")] = "",
    earlier: Annotated[
        Path | None,
        typer.Option(
            help="JSON that an earlier run of the suite wrote: its rows stand in for recommenders left out, where data"
            " and queries are the same; rows of a model are never taken",
            dir_okay=False,
        ),
    ] = None,
    plugin: Plugins = None,
    allow_trained_on_targets: AllowTrained = False,
    data: Annotated[Path, typer.Option(help="folder with the data set folders", file_okay=False)] = Path("data"),
    out: Annotated[Path, typer.Option(help="folder for stored results and reports", file_okay=False)] = Path(
        "runs/accuracy"
    ),
) -> None:
    """Evaluate data sets x recommenders x seeds: JSON, Markdown and an HTML page with plots. A killed run resumes.

    Example: recgpt benchmark accuracy --data data --out runs/accuracy

    Example: recgpt benchmark accuracy --suite foundation --only "Global time" --seeds 0 --data data

    Example: recgpt benchmark accuracy --config my.yaml --set max_users=500 --data data

    Example: recgpt benchmark accuracy --suite foundation --without sasrec --earlier runs/before/foundation.json
    """
    if suite and config:
        raise typer.BadParameter("--suite and --config exclude each other: pass one of them")
    allow_plugins(*(plugin or ()), overrides=overrides or ())
    from recgpt.benchmark.accuracy.settings import DEFAULT_SUITE, Suite
    from recgpt.files import require_writable

    allowed = {"allow_trained_on_targets": True} if allow_trained_on_targets else {}
    whole = Suite.load(config or Suite.packaged_file(suite or DEFAULT_SUITE), overrides or (), allowed)
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    chosen = whole.restricted(only=only or (), seeds=seeds or (), without=left_out)
    chosen.require_datasets(data)
    require_writable(out)

    from recgpt.benchmark.accuracy.earlier import read_summary, with_earlier
    from recgpt.benchmark.accuracy.page import summarize, write_reports
    from recgpt.benchmark.accuracy.suite import run_suite
    from recgpt.models import load_model

    before = None if earlier is None else read_summary(earlier)

    found = run_suite(chosen, data=data, out=out, load_model=load_model)
    summary = summarize(chosen, found)
    if before is not None:
        summary = with_earlier(summary, before)
    paths = write_reports(summary, found, out=out)
    say(f"{paths[0]}, {paths[1].name} and {paths[2].name}")


@benchmark_app.command("tables")
def benchmark_tables(
    summary: Annotated[Path, typer.Argument(help="JSON that `recgpt benchmark accuracy` wrote", dir_okay=False)],
    page: Annotated[
        Path,
        typer.Argument(help="Markdown page with the two comment lines between which the tables go", dir_okay=False),
    ],
) -> None:
    """Write the main tables of a stored benchmark into a Markdown page.

    They replace what stands between the lines "<!-- tables of NAME: begin -->" and "<!-- tables of NAME: end -->".

    Example: recgpt benchmark tables benchmarks/results/foundation.json docs/results.md
    """
    from recgpt.benchmark.accuracy.digest import write_tables
    from recgpt.benchmark.accuracy.earlier import read_summary

    write_tables(read_summary(summary), page)
    say(str(page))


@benchmark_app.command("speed")
def benchmark_speed(
    only: Annotated[list[str] | None, typer.Option(help="run only this part, by name; repeat the flag")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes, as a smoke test.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="data set folder; by default synthetic data", file_okay=False),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=4096, help="threads of torch; by default one per core")
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="repetitions of each measurement, after one warm-up")] = 3,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="folder for speed.json, .md and .png", file_okay=False)] = Path(
        "benchmarks/results"
    ),
    overwrite: Overwrite = False,
    wide: Wide = False,
) -> None:
    """Measure training, ranking and encoding against the published code and the machine's limits. A killed run resumes.

    Parts, with approximate minutes on 2 cores: training 12, ranking 14, scoring 1, large 1, session 1,
    encoding 2, startup 1, growth 8. Run nothing else on the machine meanwhile.

    Example: recgpt benchmark speed --data data/steam --out runs/speed

    Example: recgpt benchmark speed --only scoring --only large --out runs/speed
    """
    from recgpt.benchmark.speed.report import targets_table, write_reports
    from recgpt.benchmark.speed.run import SpeedRun, failed_checks, run_parts
    from recgpt.errors import DataError

    found = run_parts(
        SpeedRun(
            data=data,
            out=out,
            only=tuple(only or ()),
            quick=quick,
            threads=threads,
            repetitions=repetitions,
            seed=seed,
            overwrite=overwrite,
        )
    )
    paths = write_reports(found, out)
    print_tables(targets_table(found), wide=wide)
    say(", ".join(map(str, paths)))
    if failed := failed_checks(found):
        raise DataError(
            f"{out}/speed.json: the optimised code gives other results than the plain code: {'; '.join(failed)}"
        )
