"""Zero-shot and cold-start test of a model on one data set, beside the baselines it has to beat.

    python predict.py --dataset steam
    python predict.py --tf_layer 3 --test_batch_size 48 --dataset steam --ckpt_path runs/pre_train/best
    python predict.py --dataset steam --ckpt_path ckpt/recgpt_layer_3_weight.pt --cold True
    python predict.py --dataset data/demo --ckpt_path runs/demo/best --json runs/demo/report.json --show 3

`--dataset` is a name under data/test or a folder; a folder of the published pickles is imported first, beside them.
"""

import argparse
import sys
from pathlib import Path

import recgpt  # noqa: F401  before torch: it chooses how threads wait

# isort: split
import torch

from recgpt.data.dataset import REPEATS, Dataset
from recgpt.data.readers import published
from recgpt.data.splits import Split, cold_user, leave_one_out
from recgpt.errors import DataError, RecGPTError
from recgpt.evaluate import evaluate
from recgpt.evaluate.control import ShuffledHistories
from recgpt.evaluate.examples import show_examples
from recgpt.evaluate.lineup import embeddings_of, names_for, recommenders_for
from recgpt.foundation.model import SHIPPED
from recgpt.generative.published import PUBLISHED_TOKENIZER
from recgpt.models import load_model
from recgpt.progress import console
from recgpt.tables import print_tables


def parse() -> argparse.Namespace:
    """The published flags first; then ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tf_layer", type=int, help="checked against the checkpoint, which knows its own depth")
    parser.add_argument("--test_batch_size", type=int, default=48, help="users a batch; changes no figure")
    parser.add_argument("--dataset", default="steam", help="a name under data/test, or a data set folder")
    parser.add_argument(
        "--ckpt_path", default=str(SHIPPED), help="model folder, or published .pt file; by default ckpt/recgpt-minilm"
    )
    parser.add_argument("--cold", type=true_or_false, default=False, metavar="True|False", help="short histories")
    parser.add_argument("--gpu", type=int, default=0, help="which GPU, where there is one")
    parser.add_argument("--tokenizer", default=PUBLISHED_TOKENIZER, help="for published .pt files")
    parser.add_argument("--repeats", choices=REPEATS, default="drop", help="keep, to reproduce published figures")
    parser.add_argument("--past", choices=("train", "train+valid"), default="train+valid", help="what baselines count")
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


def find_dataset(name: str, *, cold: bool) -> Path:
    """The folder that `name` means; published pickles in it are imported, `cold_test.pkl` into a folder of its own."""
    folder = Path(name) if Path(name).is_dir() else Path("data/test") / name
    imported = folder / "cold" if cold and (folder / "cold_test.pkl").is_file() else folder
    if (imported / "interactions.parquet").is_file():
        return imported
    sequences = "cold_test" if imported != folder else "test"
    if not (folder / f"{sequences}.pkl").is_file():
        raise DataError(
            f"{folder} holds neither interactions.parquet nor {sequences}.pkl: name a data set folder, "
            f"or make one with `recgpt data import`"
        )
    console.print(f"importing {folder}/{sequences}.pkl into {imported}", markup=False, soft_wrap=True)
    published.read(folder, imported, sequences=sequences)
    return imported


def make_split(dataset: Dataset, args: argparse.Namespace) -> Split:
    """Leave-one-out; for `--cold`, short histories of withheld users unless the data set is cold itself."""
    if args.cold and int(dataset.sequences.lengths.max()) > 5:
        return cold_user(dataset, seed=args.seed)
    return leave_one_out(dataset, past=args.past, seed=args.seed)


def main() -> None:
    """Load, rank, print."""
    args = parse()
    dataset = Dataset.load(find_dataset(args.dataset, cold=args.cold), repeats=args.repeats)
    device = torch.device("cuda", args.gpu) if torch.cuda.is_available() else None
    model = load_model(args.ckpt_path, tokenizer=args.tokenizer, n_layers=args.tf_layer, device=device)
    split = make_split(dataset, args)
    embeddings_NE = embeddings_of(dataset, model)
    recommenders = recommenders_for(names_for(split, model=model), embeddings_NE=embeddings_NE, model=model)
    model_row = recommenders[-1]
    if args.control:
        recommenders.append(ShuffledHistories(model_row, seed=args.seed))
    report = evaluate(split, recommenders, embeddings_NE=embeddings_NE, batch_size=args.test_batch_size, seed=args.seed)
    print_tables(report.table(), wide=args.wide)
    if args.show:
        show_examples(dataset, split, model_row, args.show, seed=args.seed)
    if args.json:
        report.save(args.json)


if __name__ == "__main__":
    try:
        main()
    except RecGPTError as error:
        sys.exit(f"predict.py: {error}")
