"""`recgpt encode`, `tokenize`, `train-tokenizer`, `pretrain`, `finetune`, `loss`, `convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recgpt.cli.options import ConfigFile, DatasetDir, OptionalModel, Overrides, Overwrite, Seed, Workers, typed
from recgpt.tables import print_tables
from recgpt.terminal import say

if TYPE_CHECKING:
    import numpy as np

    from recgpt.data.dataset import Dataset


def encode(
    dataset: DatasetDir,
    encoder: Annotated[
        str, typer.Option(help="sentence-transformers model name or folder; all-MiniLM-L6-v2 for the shipped model")
    ] = "all-mpnet-base-v2",
    template: Annotated[
        str, typer.Option(help="how the fields of an item are joined into one text: fields or published")
    ] = "fields",
    out: Annotated[Path | None, typer.Option(help="folder for embeddings.npy; by default the data set folder")] = None,
    overwrite: Overwrite = False,
    workers: Workers = 1,
) -> None:
    """Encode item texts into embeddings.npy with a text encoder; a killed run resumes.

    Example: recgpt encode data/demo --encoder all-MiniLM-L6-v2
    """
    from recgpt.data.dataset import Dataset
    from recgpt.encode import TextEncoder, encode_dataset
    from recgpt.files import require_writable

    require_writable(out or dataset)
    data, loaded = Dataset.load(dataset), TextEncoder.load(encoder)
    encoded = encode_dataset(data, loaded, out=out, template=template, overwrite=overwrite, workers=workers)
    say(f"{out or dataset}/embeddings.npy: {encoded.shape[0]:,} items x {encoded.shape[1]}")


def train_tokenizer_command(
    datasets: Annotated[list[Path], typer.Argument(help="data set folders")],
    out: Annotated[Path, typer.Option(help="folder for the tokenizer and its report")],
    epochs: Annotated[int, typer.Option(min=1, help="passes over the items")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="items per step")] = 256,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 1e-4,
    codes: Annotated[int, typer.Option(min=1, help="codes per item")] = 4,
    levels: Annotated[str, typer.Option(help="FSQ levels; their product is the size of each codebook")] = "8,8,8,6,5",
    whitened: Annotated[
        bool, typer.Option("--whitened", help="whiten each catalogue before its items are quantised")
    ] = False,
    encoder: Annotated[
        str | None, typer.Option(help="encoder of embeddings in the cache; by default each folder's embeddings.npy")
    ] = None,
    most_items: Annotated[int | None, typer.Option(min=1, help="items of a data set, drawn at random; all")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Train an FSQ tokenizer on the embeddings of one data set folder, or of several.

    Example: recgpt train-tokenizer data/demo --out vae_ckpt/demo --epochs 20 --lr 0.001

    Example: recgpt train-tokenizer data/pretrain/* --encoder all-MiniLM-L6-v2 --whitened --out vae_ckpt/pool
    """
    from recgpt.cli.checks import check_dataset
    from recgpt.data.dataset import Dataset
    from recgpt.data.fingerprint import write_json
    from recgpt.device import default_device
    from recgpt.files import new_folder
    from recgpt.generative.tokenizer import FSQTokenizerConfig, rows_of_catalogues, train_tokenizer
    from recgpt.program import resumable

    try:
        fsq_levels = [int(level) for level in levels.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{levels!r} is no list of whole numbers, such as 8,8,8,6,5", param_hint="--levels"
        ) from error
    for path in datasets:
        check_dataset(path)
    stops = resumable("the same command starts over")
    with stops, new_folder(out, overwrite=overwrite, what="tokenizer", holds=_holds_tokenizer) as draft:
        catalogues = [_embeddings(Dataset.load(path), encoder) for path in datasets]
        config = FSQTokenizerConfig(
            embedding_dim=catalogues[0].shape[1], n_codes=codes, levels=fsq_levels, whitened=whitened
        )
        rows_NE = rows_of_catalogues(catalogues, config, most_items=most_items, seed=seed)
        tokenizer, report = train_tokenizer(
            rows_NE, config, epochs=epochs, batch_size=batch_size, lr=lr, seed=seed, device=default_device()
        )
        tokenizer.save_pretrained(draft)
        write_json(draft / "report.json", report.to_dict())
    print_tables(report.table())


def _embeddings(dataset: "Dataset", encoder: str | None) -> "np.ndarray":
    from recgpt.encode import embeddings_for

    return dataset.embeddings() if encoder is None else embeddings_for(dataset, encoder)


def _holds_tokenizer(folder: Path) -> bool:
    return (folder / "config.json").exists()


def tokenize(
    dataset: DatasetDir,
    tokenizer: Annotated[str, typer.Option(help="tokenizer folder or hub repository")],
    workers: Workers = 1,
) -> None:
    """Quantise embeddings.npy into tokens.npy, K codes per item; a killed run resumes.

    Example: recgpt tokenize data/demo --tokenizer vae_ckpt/demo
    """
    from recgpt.bulk.tokenize import tokenize_dataset
    from recgpt.data.dataset import Dataset
    from recgpt.generative.tokenizer import collision_rate

    tokens_NK = tokenize_dataset(Dataset.load(dataset), tokenizer, workers=workers)
    say(
        f"{dataset}/tokens.npy: {len(tokens_NK):,} items,"
        f" {collision_rate(tokens_NK):.2%} have the same codes as another item"
    )


pretrain_app = typer.Typer(help="Pre-train a foundation or a generative model.", no_args_is_help=True)


@pretrain_app.command("foundation")
def pretrain_foundation(
    ctx: typer.Context,
    datasets: Annotated[list[Path], typer.Argument(help="data set folders to train on")],
    valid: Annotated[list[Path], typer.Option(help="validation data set folder; repeat the flag for several")],
    out: Annotated[Path, typer.Option(help="run folder", file_okay=False)] = Path("runs/foundation"),
    encoder: Annotated[
        str,
        typer.Option(
            help="sentence-transformers model name or folder; the shipped model was pre-trained with all-MiniLM-L6-v2"
        ),
    ] = "all-mpnet-base-v2",
    steps: Annotated[int, typer.Option(min=1, help="optimizer steps")] = 12_000,
    cases: Annotated[int, typer.Option(min=1, help="maximum queries per episode")] = 6000,
    d_model: Annotated[int, typer.Option(min=1, help="width of the transformer over the history")] = 32,
    hidden: Annotated[int, typer.Option(min=1, help="hidden width of the network over candidates")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="transformer layers")] = 1,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 2e-3,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Pre-train the foundation model on many data sets; a killed run resumes.

    Example: recgpt pretrain foundation data/pretrain/* --valid data/valid/mind_news --encoder all-MiniLM-L6-v2

    Example: recgpt pretrain foundation data/pretrain/* --valid data/valid/mind_news --set network.n_heads=8
    """
    from recgpt.cli.checks import check_dataset
    from recgpt.files import require_writable

    for folder in (*datasets, *valid):
        check_dataset(folder)
    if typed(ctx, {"out": "out"}):  # otherwise the settings may name another folder
        require_writable(out)

    from recgpt.foundation.pretrain import PretrainConfig, pretrain

    shape = {"d_model": "network.d_model", "hidden": "network.hidden", "layers": "network.n_layers"}
    names = {name: name for name in ("out", "encoder", "steps", "cases", "lr", "seed")}
    settings = PretrainConfig.load(config, overrides or (), typed(ctx, names | shape))
    say(f"model: {pretrain(settings, datasets, valid, overwrite=overwrite)}")


@pretrain_app.command("generative")
def pretrain_generative(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="data set folder with embeddings.npy and tokens.npy")],
    out: Annotated[Path, typer.Option(help="run folder", file_okay=False)] = Path("runs/pre_train"),
    tokenizer: Annotated[Path | None, typer.Option(help="folder of the tokenizer that made tokens.npy")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="model to fine-tune, with its own sizes and tokenizer")] = None,
    valid: Annotated[
        list[Path] | None, typer.Option(help="validation data set folder; repeat the flag; by default held-out users")
    ] = None,
    holdout: Annotated[
        Literal["users", "last"],
        typer.Option(help="held out for validation: a tenth of the users, or the last two items of every user"),
    ] = "users",
    repeats: Annotated[
        Literal["keep", "drop-consecutive", "drop"],
        typer.Option(help="repeated items in a user's sequence: keep, drop consecutive ones, or drop all"),
    ] = "drop",
    epochs: Annotated[int, typer.Option(min=1, help="passes over the data")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="sequences per process and step")] = 40,
    layers: Annotated[int, typer.Option(min=1, help="transformer layers")] = 3,
    d_model: Annotated[int, typer.Option(min=1, help="width of the transformer")] = 768,
    heads: Annotated[int, typer.Option(min=1, help="attention heads")] = 12,
    max_items: Annotated[int, typer.Option(min=2, help="maximum number of history items the model reads")] = 256,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 1e-4,
    select_by: Annotated[
        str, typer.Option(help="validation figure that selects OUT/best: loss, ndcg@10 or hit@10")
    ] = "loss",
    patience: Annotated[
        int, typer.Option(min=0, help="early stopping after so many evaluations without improvement; 0: never")
    ] = 0,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Pre-train the generative model, or fine-tune it (--checkpoint), on one or more processes; a killed run resumes.

    Example: recgpt pretrain generative data/demo --tokenizer vae_ckpt/demo --out runs/demo --holdout last

    Example: accelerate launch -m recgpt.cli.main pretrain generative data/demo --tokenizer vae_ckpt/demo
    """
    from recgpt.cli.checks import check_dataset, check_model
    from recgpt.errors import CheckpointError
    from recgpt.files import require_writable

    for folder in (dataset, *(valid or ())):
        check_dataset(folder)
    if tokenizer is not None and not tokenizer.is_dir():
        raise CheckpointError(f"--tokenizer {tokenizer}: there is no such folder; make one with recgpt train-tokenizer")
    if checkpoint is not None:
        check_model(checkpoint)
    if typed(ctx, {"out": "out"}):
        require_writable(out)

    from recgpt.evaluate.lineup import ranking_validation
    from recgpt.generative.pretrain import PretrainConfig, pretrain

    same = ("out", "tokenizer", "checkpoint", "valid", "holdout", "repeats", "epochs", "batch_size", "d_model")
    names = {name: name for name in (*same, "max_items", "lr", "select_by", "patience", "seed")}
    flags = typed(ctx, names | {"layers": "n_layers", "heads": "n_heads"})
    pretrain(
        PretrainConfig.load(config, overrides or (), {"data": dataset, **flags}),
        ranking_validation,
        overwrite=overwrite,
    )


@pretrain_app.command("pool")
def pretrain_pool(
    ctx: typer.Context,
    datasets: Annotated[list[Path], typer.Argument(help="data set folders to train on")],
    valid: Annotated[list[Path], typer.Option(help="validation data set folder; repeat the flag for several")],
    tokenizer: Annotated[Path, typer.Option(help="folder of a tokenizer made with train-tokenizer --whitened")],
    out: Annotated[Path, typer.Option(help="run folder", file_okay=False)] = Path("runs/pool"),
    encoder: Annotated[str, typer.Option(help="sentence-transformers model name or folder")] = "all-mpnet-base-v2",
    epochs: Annotated[float, typer.Option(help="passes over at most max_sequences sequences of each data set")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="sequences per process and step, of one data set")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="transformer layers")] = 3,
    d_model: Annotated[int, typer.Option(min=1, help="width of the transformer")] = 192,
    heads: Annotated[int, typer.Option(min=1, help="attention heads")] = 6,
    max_items: Annotated[int, typer.Option(min=2, help="maximum number of history items the model reads")] = 32,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 3e-4,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Pre-train the generative model on many data sets, for catalogues it has not seen; a killed run resumes.

    Example: recgpt pretrain pool data/pretrain/* --valid data/valid/mind_news --tokenizer vae_ckpt/pool
    """
    from recgpt.cli.checks import check_dataset
    from recgpt.errors import CheckpointError
    from recgpt.files import require_writable

    for folder in (*datasets, *valid):
        check_dataset(folder)
    if not tokenizer.is_dir():
        raise CheckpointError(f"--tokenizer {tokenizer}: there is no such folder; make one with recgpt train-tokenizer")
    if typed(ctx, {"out": "out"}):
        require_writable(out)

    from recgpt.evaluate.lineup import ranking_validation
    from recgpt.generative.pool import PoolConfig
    from recgpt.generative.pool import pretrain_pool as run

    same = ("out", "encoder", "epochs", "batch_size", "d_model", "max_items", "lr", "seed")
    names = {name: name for name in same} | {"layers": "n_layers", "heads": "n_heads"}
    settings = PoolConfig.load(config, overrides or (), {"tokenizer": tokenizer, **typed(ctx, names)})
    say(f"model: {run(settings, datasets, valid, ranking_validation, overwrite=overwrite)}")


def loss(
    models: Annotated[list[str], typer.Argument(help="model folders or published .pt files")],
    data: Annotated[
        list[Path] | None, typer.Option(help="data set folder; repeat the flag; by default data/eval/*")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="tokenizer for published .pt files; by default the published one")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="sequences per batch; the losses do not depend on it")] = 96,
    repeats: Annotated[
        Literal["keep", "drop-consecutive", "drop"],
        typer.Option(help="repeated items in a user's sequence: keep, drop consecutive ones, or drop all"),
    ] = "drop",
    out: Annotated[Path | None, typer.Option(help="JSON file of the losses", dir_okay=False)] = None,
) -> None:
    """Mean loss of generative models on held-out data sets, to select a checkpoint.

    Example: recgpt loss runs/demo/model/best --data data/demo
    """
    from recgpt.evaluate.losses import model_losses
    from recgpt.hub import PUBLISHED_TOKENIZER

    losses = model_losses(
        models, data or (), tokenizer=tokenizer or PUBLISHED_TOKENIZER, batch_size=batch_size, repeats=repeats
    )
    say(*losses.lines())
    if out is not None:
        losses.save(out)


def finetune(
    ctx: typer.Context,
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for the model", file_okay=False)],
    model: OptionalModel = None,
    past: Annotated[
        Literal["train", "train+valid", "all"],
        typer.Option(
            help="training interactions: train: without each user's last two; train+valid: without the last one, so"
            " that it can be evaluated on; all: for use, not for evaluation"
        ),
    ] = "train+valid",
    steps: Annotated[int, typer.Option(min=1, help="optimizer steps")] = 800,
    lr: Annotated[float, typer.Option(help="initial learning rate, decayed to 0")] = 5e-4,
    seed: Seed = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Fine-tune the foundation model on one data set: minutes on two cores.

    Example: recgpt finetune data/demo --out runs/demo-tuned

    Example: recgpt finetune data/demo --out runs/demo-tuned --past all
    """
    from recgpt.cli.checks import check_dataset, check_model
    from recgpt.errors import CheckpointError
    from recgpt.files import require_writable

    check_dataset(dataset)
    held = out.is_dir() and any(entry.name[0] != "." and entry.name != "checkpoints" for entry in out.iterdir())
    if held and not overwrite:
        raise CheckpointError(f"{out} is not empty: pass --overwrite, or choose another --out")
    require_writable(out)
    check_model(model)

    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import leave_one_out
    from recgpt.evaluate.lineup import model_embeddings
    from recgpt.foundation.finetune import FinetuneConfig, drop_checkpoints, finetuned_folder
    from recgpt.foundation.finetune import finetune as run
    from recgpt.models import load_foundation_model

    names = tuple(FinetuneConfig.model_fields)
    settings = FinetuneConfig.load(config, overrides or (), typed(ctx, dict(zip(names, names, strict=True))))
    loaded = load_foundation_model(model)
    data = Dataset.load(dataset, repeats="drop")
    embeddings_NE = model_embeddings(data, loaded)
    known = data if settings.past == "all" else leave_one_out(data, past=settings.past).known
    options = settings.model_dump(exclude={"past"})
    with finetuned_folder(out, overwrite=overwrite) as checkpoints:
        tuned = run(loaded, known, embeddings_NE, **options, checkpoints=checkpoints, discard=overwrite)
        drop_checkpoints(checkpoints)
        tuned.save_pretrained(out)
    say(f"{out}: fine-tuned on {len(known.interactions):,} interactions of {data.name}")


def convert(
    decoder: Annotated[Path, typer.Argument(help="published decoder: .pt, or its first part (*.pt.zip.partaa)")],
    tokenizer: Annotated[Path, typer.Argument(help="published tokenizer: .pt")],
    out: Annotated[Path, typer.Option(help="new folder")],
) -> None:
    """Convert the published weights into a folder for `GenerativeModel.from_pretrained` (safetensors).

    Example: recgpt convert ckpt/layer_3_epoch_0_model_06.pt.zip.partaa vae_ckpt/vae_len4.pt --out ckpt/recgpt
    """
    from recgpt.generative.published import convert as run

    model = run(decoder, tokenizer, out)
    say(f"{out}: {model.config.n_layers} layers x {model.config.d_model}, {model.num_parameters():,} parameters")
