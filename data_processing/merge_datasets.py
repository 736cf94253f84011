"""Merge several data set folders into one id space; `maps.parquet` maps the item ids of each to the merged ones.

python data_processing/merge_datasets.py data/pre_train/{beauty,books,magazine} --out data/pre_train/all --repeats drop
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import REPEATS
from recgpt.data.process import merge
from recgpt.program import run

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--repeats", choices=REPEATS, default="drop", help="applied to each set; `keep` as published")
parser.add_argument("--overwrite", action="store_true")


def main() -> None:
    """Merge."""
    args = parser.parse_args()
    merge(args.datasets, args.out, repeats=args.repeats, overwrite=args.overwrite)


if __name__ == "__main__":
    run(main, "merge_datasets.py")
