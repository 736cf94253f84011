"""Pre-train the generative model, or fine-tune it (`--checkpoint`). Equals `recgpt pretrain generative`.

    accelerate launch pre_train.py --batch_size 40 --epoch 5 --tf_layer 3
    accelerate launch pre_train.py --data data/demo --holdout last --out runs/demo --tokenizer vae_ckpt/demo
    accelerate launch --config_file configs/accelerate/fsdp.yaml --num_processes 2 pre_train.py ...
    accelerate launch pre_train.py --data data/pretrain/* --valid data/valid/* --tokenizer vae_ckpt/pool --epoch 5

Several folders of --data are catalogues of their own, as in `recgpt pretrain pool`. A single one needs embeddings.npy
and tokens.npy. A killed run resumes. `OUT/best` is the model to use.
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import REPEATS
from recgpt.evaluate.lineup import ranking_validation
from recgpt.generative.pool import PoolConfig, pretrain_pool
from recgpt.generative.pretrain import PretrainConfig, pretrain
from recgpt.program import run

PUBLISHED = {"epoch": "epochs", "tf_layer": "n_layers", "heads": "n_heads"}
"""Published flag -> setting; the others have one name."""


def parse() -> argparse.Namespace:
    """The published flags first, then ours. A flag that is left out keeps the default of the settings."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--batch_size", type=int, help="sequences a process and step (40)")
    parser.add_argument("--epoch", type=int, help="passes over the data (5)")
    parser.add_argument("--tf_layer", type=int, help="transformer layers (3)")
    parser.add_argument("--lr", type=float, help="peak learning rate (1e-4)")
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("data/pre_train")], help="data set folders")
    parser.add_argument("--valid", type=Path, nargs="*", help="validation data sets instead of held-out users")
    parser.add_argument("--out", type=Path, help="run folder (runs/pre_train)")
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer that made tokens.npy")
    parser.add_argument("--checkpoint", help="model to fine-tune; its shape and tokenizer replace the flags")
    parser.add_argument("--holdout", choices=("users", "last"), help="a tenth of the users, or everyone's last items")
    parser.add_argument("--repeats", choices=REPEATS, help="what becomes of items that a user met before (drop)")
    parser.add_argument("--d_model", type=int, help="width of the transformer (768)")
    parser.add_argument("--heads", type=int, help="attention heads (12)")
    parser.add_argument("--max_items", type=int, help="items of a history that are read (256)")
    parser.add_argument("--dropout", type=float, help="(0.1)")
    parser.add_argument("--gradient_accumulation", type=int, help="batches before the weights move (1)")
    parser.add_argument("--mixed_precision", choices=("auto", "bf16", "no"), help="(auto)")
    parser.add_argument("--select_by", choices=("loss", "ndcg@10", "hit@10"), help="figure that picks OUT/best (loss)")
    parser.add_argument("--patience", type=int, help="stop after so many evaluations without a better one (0: never)")
    parser.add_argument("--evaluations_per_epoch", type=float, help="(10)")
    parser.add_argument("--seed", type=int, help="(0)")
    parser.add_argument("--workers", type=int, help="processes that prepare batches (0)")
    parser.add_argument("--encoder", help="text encoder of several data sets (all-mpnet-base-v2)")
    parser.add_argument("--tracker", help="an Accelerate tracker, such as tensorboard")
    parser.add_argument("--overwrite", action="store_true", default=False, help="discard the run that OUT holds")
    return parser.parse_args()


def main() -> None:
    """Translate the flags, and train."""
    flags = vars(parse())
    overwrite, data = flags.pop("overwrite"), flags.pop("data")
    settings = {PUBLISHED.get(name, name): value for name, value in flags.items()}
    if len(data) == 1:
        pretrain(PretrainConfig.load(flags={"data": data[0], **settings}), ranking_validation, overwrite=overwrite)
    else:
        valid = settings.pop("valid", ())
        pretrain_pool(PoolConfig.load(flags=settings), data, valid, ranking_validation, overwrite=overwrite)


if __name__ == "__main__":
    run(main, "pre_train.py")
