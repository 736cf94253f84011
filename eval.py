"""Mean loss of generative models on held-out data sets, to select a checkpoint. Equals `recgpt loss`.

    python eval.py --tf_layer 3 --test_batch_size 96 --ckpt_path runs/pre_train/best
    python eval.py --ckpt_path runs/pre_train/checkpoints/step-* --data data/eval/fashion data/eval/scientific

Data set folders need embeddings.npy and tokens.npy, see data_processing/. Published `.pt` files are read as they are.
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import REPEATS
from recgpt.evaluate.losses import model_losses
from recgpt.generative.published import PUBLISHED_DECODER
from recgpt.hub import PUBLISHED_TOKENIZER
from recgpt.program import run
from recgpt.terminal import say


def parse() -> argparse.Namespace:
    """The published flags first; then ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tf_layer", type=int, help="checked against the depth of the checkpoint")
    parser.add_argument("--test_batch_size", type=int, default=96, help="sequences a batch; changes no figure")
    parser.add_argument(
        "--ckpt_path", nargs="+", default=[PUBLISHED_DECODER], help="model folders or published .pt files"
    )
    parser.add_argument("--data", type=Path, nargs="*", help="data set folders; by default all under data/eval")
    parser.add_argument("--tokenizer", default=PUBLISHED_TOKENIZER, help="for published .pt files")
    parser.add_argument("--repeats", choices=REPEATS, default="drop", help="what becomes of items met before")
    parser.add_argument("--json", type=Path, help="write the losses here as well")
    return parser.parse_args()


def main() -> None:
    """Print one line a checkpoint, the lowest marked."""
    args = parse()
    losses = model_losses(
        args.ckpt_path,
        args.data or (),
        tokenizer=args.tokenizer,
        n_layers=args.tf_layer,
        batch_size=args.test_batch_size,
        repeats=args.repeats,
    )
    say(*losses.lines())
    if args.json:
        losses.save(args.json)


if __name__ == "__main__":
    run(main, "eval.py")
