"""Merging of the embeddings (and tokens, if all sets have them) of merged data sets.

python data_processing/merge_embeddings.py data/pre_train/{beauty,books,magazine} --out data/pre_train/all

Name the sets in the order of the merge.
"""

import argparse
from pathlib import Path

from recgpt.data.process import merge_arrays

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--out", type=Path, required=True, help="the folder that merge_datasets.py wrote")


def main() -> None:
    """Merge."""
    args = parser.parse_args()
    merge_arrays(args.datasets, args.out, "embeddings")
    if all((path / "tokens.npy").is_file() for path in args.datasets):
        merge_arrays(args.datasets, args.out, "tokens")


if __name__ == "__main__":
    main()
