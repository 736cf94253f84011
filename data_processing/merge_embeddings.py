"""Merge the embeddings (and tokens, if all have them) of several data sets, for the folder of `merge_datasets.py`.

python data_processing/merge_embeddings.py data/pre_train/{beauty,books,magazine} --out data/pre_train/all

Name the data sets in the same order as for `merge_datasets.py`.
"""

import argparse
from pathlib import Path

from recgpt.data.process import merge_arrays
from recgpt.program import run

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--out", type=Path, required=True, help="folder written by merge_datasets.py")


def main() -> None:
    """Merge."""
    args = parser.parse_args()
    merge_arrays(args.datasets, args.out, "embeddings")
    if all((path / "tokens.npy").is_file() for path in args.datasets):
        merge_arrays(args.datasets, args.out, "tokens")


if __name__ == "__main__":
    run(main, "merge_embeddings.py")
