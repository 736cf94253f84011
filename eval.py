"""Mean loss of checkpoints on held-out data sets: what picks the checkpoint to release.

    python eval.py --tf_layer 3 --test_batch_size 96 --ckpt_path runs/pre_train/best
    python eval.py --ckpt_path runs/pre_train/checkpoints/step-* --data data/eval/fashion data/eval/scientific

Data set folders need embeddings.npy and tokens.npy, see data_processing/. Published `.pt` files are read as they are.
"""

import argparse
import json
import sys
from pathlib import Path

import recgpt  # noqa: F401  before torch: it chooses how threads wait

# isort: split
import torch

from recgpt.data.dataset import REPEATS, Dataset
from recgpt.data.packing import PackedDataset
from recgpt.errors import DataError, RecGPTError
from recgpt.generative.published import PUBLISHED_DECODER, PUBLISHED_TOKENIZER, load_model
from recgpt.generative.trainer import TrainData, mean_loss
from recgpt.progress import track


def parse() -> argparse.Namespace:
    """The published flags first; then ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tf_layer", type=int, help="checked against the checkpoint, which knows its own depth")
    parser.add_argument("--test_batch_size", type=int, default=96, help="sequences a batch; changes no figure")
    parser.add_argument(
        "--ckpt_path", nargs="+", default=[PUBLISHED_DECODER], help="model folders or published .pt files"
    )
    parser.add_argument("--data", type=Path, nargs="*", help="data set folders; by default all under data/eval")
    parser.add_argument("--tokenizer", default=PUBLISHED_TOKENIZER, help="for published .pt files")
    parser.add_argument("--repeats", choices=REPEATS, default="drop")
    parser.add_argument("--json", type=Path, help="write the losses here as well")
    return parser.parse_args()


def main() -> None:
    """Print one line a checkpoint, best marked."""
    args = parse()
    folders = args.data or sorted(path.parent for path in Path("data/eval").glob("*/interactions.parquet"))
    if not folders:
        raise DataError("no data to evaluate on: name folders with --data, or put them under data/eval")
    datasets = {str(folder): Dataset.load(folder, repeats=args.repeats) for folder in folders}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    losses: dict[str, dict[str, float]] = {}
    for path in args.ckpt_path:
        model = load_model(path, args.tokenizer, n_layers=args.tf_layer)
        model.to(device)  # type: ignore[arg-type]
        losses[path] = {}
        for folder, dataset in track(datasets.items(), f"loss of {path}", total=len(datasets)):
            tokens_NK = dataset.tokens(model.tokenizer.sha256 if model.tokenizer else None)
            data = TrainData(dataset.sequences, tokens_NK, dataset.embeddings())
            rows = PackedDataset(data.sequences.tail(model.config.max_items), row_items=model.config.max_items)
            batch_rows = max(1, round(args.test_batch_size * len(rows) / rows.n_sequences))
            losses[path][folder] = mean_loss(model, data, rows, batch_rows)
    means = {path: sum(by_set.values()) / len(by_set) for path, by_set in losses.items()}
    best = min(means, key=means.__getitem__)
    for path, by_set in losses.items():
        sets = ", ".join(f"{name} {loss:.4f}" for name, loss in by_set.items())
        print(f"{path}: mean loss {means[path]:.4f} ({sets}){' <- lowest' if path == best and len(means) > 1 else ''}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"mean": means, "by_dataset": losses}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except RecGPTError as error:
        sys.exit(f"eval.py: {error}")
