"""Pre-train RecGPT, or fine-tune it (`--checkpoint`), on a data set folder with embeddings.npy and tokens.npy.

    accelerate launch pre_train.py --batch_size 40 --epoch 5 --tf_layer 3
    accelerate launch pre_train.py --data data/demo --holdout last --out runs/demo --tokenizer vae_ckpt/demo
    accelerate launch pre_train.py --data data/games --checkpoint ckpt/recgpt --out runs/games
    accelerate launch --config_file configs/accelerate/fsdp.yaml --num_processes 2 pre_train.py ...

Started again, it goes on from its last checkpoint. `OUT/best` is the model to use, `OUT/curve.png` how it learned.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import recgpt  # noqa: F401  before torch: it chooses how threads wait

# isort: split
import torch

from recgpt.data.dataset import REPEATS, Dataset
from recgpt.data.fingerprint import read_fingerprint
from recgpt.data.splits import held_out_users, leave_one_out, second_last
from recgpt.errors import CheckpointError, DataError, RecGPTError
from recgpt.evaluate.lineup import ranking_validation
from recgpt.generative.decoder import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.generative.trainer import TrainConfig, TrainData, Trainer, Validate
from recgpt.progress import console

RANKED_USERS = 2_000  # held-out users that every evaluation ranks


def parse() -> argparse.Namespace:
    """The published flags first; then ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=40, help="sequences a process and step")
    parser.add_argument("--epoch", type=int, default=5)
    parser.add_argument("--tf_layer", type=int, default=3, help="transformer layers")
    parser.add_argument("--lr", type=float, default=1e-4, help="peak learning rate")
    parser.add_argument("--data", type=Path, default=Path("data/pre_train"), help="data set folder")
    parser.add_argument("--valid", type=Path, nargs="*", default=[], help="data set folders to validate on instead")
    parser.add_argument("--out", type=Path, default=Path("runs/pre_train"))
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer that made tokens.npy")
    parser.add_argument("--checkpoint", help="fine-tune this model; its shape and tokenizer win over the flags")
    parser.add_argument(
        "--holdout",
        choices=("users", "last"),
        default="users",
        help="users: a tenth of the users, as published; last: the last two items of every user",
    )
    parser.add_argument("--repeats", choices=REPEATS, default="drop")
    parser.add_argument("--d_model", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--max_items", type=int, default=256, help="items of a history that are read")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--gradient_accumulation", type=int, default=1)
    parser.add_argument("--mixed_precision", choices=("auto", "bf16", "no"), default="auto")
    parser.add_argument("--select_by", choices=("loss", "ndcg@10", "hit@10"), default="loss")
    parser.add_argument("--patience", type=int, default=0, help="stop after so many evaluations without a better one")
    parser.add_argument("--evaluations_per_epoch", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    parser.add_argument("--tracker", help="an Accelerate tracker, such as tensorboard")
    parser.add_argument("--overwrite", action="store_true", help="discard the run that OUT holds")
    return parser.parse_args()


def main() -> None:
    """Load, build, train."""
    args = parse()
    dataset = Dataset.load(args.data, repeats=args.repeats)
    model, tokenizer = load_model(args, dataset)
    data, valid, ranked = held_out(args, dataset, tokenizer)
    config = TrainConfig(
        out=args.out,
        epochs=args.epoch,
        batch_size=args.batch_size,
        gradient_accumulation=args.gradient_accumulation,
        lr=args.lr,
        mixed_precision=args.mixed_precision,
        evaluations_per_epoch=args.evaluations_per_epoch,
        patience=args.patience,
        select_by=args.select_by,
        seed=args.seed,
        workers=args.workers,
        tracker=args.tracker,
    )
    trainer = Trainer(config, model, data, valid, ranked, overwrite=args.overwrite)
    progress = trainer.run()
    if trainer.accelerator.is_main_process:
        console.print(
            f"{args.out}/best is the model of step {progress.best_step:,} ({args.select_by} {progress.best:.4f}); "
            f"{trainer.useful_fraction:.1%} of positions were useful; the curve is {args.out}/curve.png",
            soft_wrap=True,
        )


def load_model(args: argparse.Namespace, dataset: Dataset) -> tuple[GenerativeModel, FSQTokenizer]:
    """A fresh model for the data's encoder and the given tokenizer, or the checkpoint to fine-tune."""
    facts: dict[str, Any] = {
        "data": dataset.name,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": dataset.n_interactions,
        "catalogues": [
            dataset.items_sha256,
            *(merged["items_sha256"] for merged in dataset.manifest.get("merged", [])),
        ],
        "repeats": args.repeats,
        "held out": args.holdout if not args.valid else ", ".join(path.name for path in args.valid),
        "seed": args.seed,
    }
    if args.checkpoint:
        model = GenerativeModel.from_pretrained(args.checkpoint)
        if model.tokenizer is None:
            raise CheckpointError(f"{args.checkpoint} holds no tokenizer: convert or save the model with its tokenizer")
        before = model.config.training
        facts["catalogues"] = [*facts["catalogues"], *before.get("catalogues", [])]
        model.config.training = {
            **facts,
            "fine-tuned from": args.checkpoint,
            "trained before on": before.get("data", "unknown data"),
        }
        return model, model.tokenizer
    if args.tokenizer is None:
        raise DataError("name the tokenizer that made tokens.npy: --tokenizer FOLDER (see `recgpt train-tokenizer`)")
    tokenizer = FSQTokenizer.from_pretrained(args.tokenizer)
    torch.manual_seed(args.seed)
    remedy = f"run `recgpt encode {args.data}`"
    encoder = read_fingerprint(args.data / "embeddings.npy", remedy)
    config = RecGPTConfig(
        codebook_size=tokenizer.config.codebook_size,
        n_codes=tokenizer.config.n_codes,
        embedding_dim=tokenizer.config.embedding_dim,
        max_items=args.max_items,
        d_model=args.d_model,
        n_layers=args.tf_layer,
        n_heads=args.heads,
        dropout=args.dropout,
        text_encoder={key: encoder[key] for key in ("encoder", "template", "dim", "requested") if key in encoder},
        training=facts,
    )
    model = GenerativeModel(config)
    model.set_tokenizer(tokenizer)
    return model, tokenizer


def held_out(
    args: argparse.Namespace, dataset: Dataset, tokenizer: FSQTokenizer
) -> tuple[TrainData, list[TrainData], Validate]:
    """Training data, validation data, and the ranking of held-out users."""
    tables = (dataset.tokens(tokenizer.sha256), dataset.embeddings())
    if args.valid:
        sets = [Dataset.load(path, repeats=args.repeats) for path in args.valid]
        valid = [TrainData(each.sequences, each.tokens(tokenizer.sha256), each.embeddings()) for each in sets]
        split = leave_one_out(sets[0], max_users=RANKED_USERS, seed=args.seed)
        ranked = ranking_validation(split, tokenizer, valid[0].codes_NK, valid[0].embeddings_NE)
        return TrainData(dataset.sequences, *tables), valid, ranked
    if args.holdout == "last":
        split = second_last(dataset, max_users=RANKED_USERS, seed=args.seed)
        asked = dataset.sequences[split.users]
        until_target = asked.spans(asked.offsets[:-1], asked.offsets[1:] - 1)
        valid = [TrainData(until_target, *tables, last_only=True)]
    else:
        split = held_out_users(dataset, seed=args.seed)
        valid = [TrainData(dataset.sequences[split.users], *tables)]
    return TrainData(split.past, *tables), valid, ranking_validation(split, tokenizer, *tables, max_cases=RANKED_USERS)


if __name__ == "__main__":
    try:
        main()
    except RecGPTError as error:
        sys.exit(f"pre_train.py: {error}")
