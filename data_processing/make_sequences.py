"""Import raw Amazon reviews of one category: users with at least five reviews, in order of time, and item texts.

python data_processing/make_sequences.py --category Magazine_Subscriptions --out data/pre_train/magazine
python data_processing/make_sequences.py --source raw/ --category Video_Games --out data/test/games --repeats drop

Without --source the files come from the Hugging Face hub. Other sources: `recgpt data import --help`.
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import REPEATS, Dataset
from recgpt.data.process import PUBLISHED_MIN_RECORDS
from recgpt.data.readers import amazon
from recgpt.program import run

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--source", type=Path, help="folder with CATEGORY.jsonl and meta_CATEGORY.jsonl, or their .gz")
parser.add_argument("--category", required=True)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--min_records", type=int, default=PUBLISHED_MIN_RECORDS)
parser.add_argument("--repeats", choices=REPEATS, default="keep", help="the published system keeps them")
parser.add_argument("--overwrite", action="store_true")


def main() -> None:
    """Read, filter, order and write."""
    args = parser.parse_args()
    amazon.read(args.source, args.out, category=args.category, min_records=args.min_records, overwrite=args.overwrite)
    if args.repeats != "keep":
        Dataset.load(args.out, repeats=args.repeats).save(args.out, overwrite=True)


if __name__ == "__main__":
    run(main, "make_sequences.py")
