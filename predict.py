"""Evaluate a model, zero-shot or cold-start, and the baselines on one data set.

Equals `recgpt evaluate DATASET --model CKPT_PATH` (with `--protocol cold_user` for `--cold True`); it adds the import
of published pickles, `--control` and `--show`.

    python predict.py --dataset steam
    python predict.py --tf_layer 3 --test_batch_size 48 --dataset steam --ckpt_path runs/pre_train/best
    python predict.py --dataset steam --ckpt_path ckpt/recgpt_layer_3_weight.pt --cold True
    python predict.py --dataset data/demo --ckpt_path runs/demo/best --json runs/demo/report.json --show 3

`--dataset` is a name under data/test or a folder; a folder of the published pickles is imported first, beside them.
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import REPEATS
from recgpt.evaluate.predict import predict
from recgpt.foundation.model import SHIPPED
from recgpt.hub import PUBLISHED_TOKENIZER
from recgpt.program import run
from recgpt.tables import print_tables


def parse() -> argparse.Namespace:
    """The published flags first; then ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tf_layer", type=int, help="checked against the depth of the checkpoint")
    parser.add_argument("--test_batch_size", type=int, default=48, help="users a batch; changes no figure")
    parser.add_argument("--dataset", default="steam", help="a name under data/test, or a data set folder")
    parser.add_argument(
        "--ckpt_path", default=str(SHIPPED), help="model folder, or published .pt file; by default ckpt/recgpt-minilm"
    )
    parser.add_argument("--cold", type=true_or_false, default=False, metavar="True|False", help="short histories")
    parser.add_argument("--gpu", type=int, default=0, help="which GPU, where there is one")
    parser.add_argument("--tokenizer", default=PUBLISHED_TOKENIZER, help="for published .pt files")
    parser.add_argument("--repeats", choices=REPEATS, default="drop", help="keep, to reproduce published figures")
    parser.add_argument(
        "--past", choices=("train", "train+valid"), default="train+valid", help="interactions that baselines learn from"
    )
    parser.add_argument(
        "--allow_trained_on_targets", action="store_true", help="evaluate, and mark, a model trained on the targets"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    parser.add_argument("--control", action="store_true", help="also rank after shuffled histories")
    parser.add_argument("--wide", action="store_true", help="tables as wide as their content, on a terminal too")
    parser.add_argument("--show", type=int, default=0, help="print so many users' histories and recommendations")
    return parser.parse_args()


def true_or_false(text: str) -> bool:
    """`--cold False` means False."""
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return values[text.lower()]


def main() -> None:
    """Rank, print, and write the report."""
    args = parse()
    report = predict(
        args.dataset,
        args.ckpt_path,
        cold=args.cold,
        tokenizer=args.tokenizer,
        n_layers=args.tf_layer,
        gpu=args.gpu,
        batch_size=args.test_batch_size,
        repeats=args.repeats,
        past=args.past,
        control=args.control,
        examples=args.show,
        allow_trained_on_targets=args.allow_trained_on_targets,
        seed=args.seed,
    )
    print_tables(report.table(), wide=args.wide)
    if args.json:
        report.save(args.json)


if __name__ == "__main__":
    run(main, "predict.py")
