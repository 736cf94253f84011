"""Encode, tokenize, pre-train, fine-tune and convert models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recgpt.cli.options import DatasetDir, ModelIfSaid, Overwrite, Workers
from recgpt.tables import print_tables


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
    from recgpt.data.dataset import Dataset
    from recgpt.data.fingerprint import write_json
    from recgpt.device import default_device
    from recgpt.errors import CheckpointError
    from recgpt.generative.tokenizer import FSQTokenizerConfig, train_tokenizer

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
    print_tables(report.table())


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
    from recgpt.generative.tokenizer import collision_rate

    tokens_NK = tokenize_dataset(Dataset.load(dataset), tokenizer, workers=workers)
    print(
        f"{dataset}/tokens.npy: {len(tokens_NK):,} items, {collision_rate(tokens_NK):.2%} share all codes with another"
    )


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
    config = PretrainConfig(out=out, encoder=encoder, network=network, steps=steps, cases=cases, lr=lr, seed=seed)
    print(f"{run(config, domains, valid, overwrite=overwrite)} is the model")


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
    from recgpt.errors import CheckpointError
    from recgpt.evaluate.lineup import embeddings_of
    from recgpt.foundation.finetune import finetune as run
    from recgpt.models import load_foundation_model

    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise CheckpointError(f"{out} is not empty: pass --overwrite, or choose another --out")
    loaded = load_foundation_model(model)
    data = Dataset.load(dataset, repeats="drop")
    embeddings_NE = embeddings_of(data, loaded)
    known = leave_one_out(data, past="train").known if past == "train" else data
    run(loaded, known, embeddings_NE, steps=steps, lr=lr, seed=seed).save_pretrained(out)
    print(f"{out}: fine-tuned on {len(known.interactions):,} interactions of {data.name}")


def convert(
    decoder: Annotated[Path, typer.Argument(help="published decoder: .pt, or its first part (*.pt.zip.partaa)")],
    tokenizer: Annotated[Path, typer.Argument(help="published tokenizer: .pt")],
    out: Annotated[Path, typer.Option(help="new folder")],
) -> None:
    """Turn the published weights into a folder that `GenerativeModel.from_pretrained` reads (safetensors).

    Example: recgpt convert ckpt/layer_3_epoch_0_model_06.pt.zip.partaa vae_ckpt/vae_len4.pt --out ckpt/recgpt
    """
    from recgpt.generative.published import convert as run

    model = run(decoder, tokenizer, out)
    print(f"{out}: {model.config.n_layers} layers x {model.config.d_model}, {model.num_parameters():,} parameters")
