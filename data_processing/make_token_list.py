"""Quantise `embeddings.npy` into `tokens.npy` (K codes per item, uint16) in each data set folder.

Equals `recgpt tokenize`.

python data_processing/make_token_list.py data/pre_train/magazine data/test/games --tokenizer vae_ckpt/PATH

A killed run resumes.
"""

import argparse
from pathlib import Path

from recgpt.bulk.tokenize import tokenize_dataset
from recgpt.data.dataset import Dataset
from recgpt.program import run

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--tokenizer", required=True, help="folder or hub name of a saved FSQTokenizer")


def main() -> None:
    """Tokenize one data set after the other."""
    args = parser.parse_args()
    for path in args.datasets:
        tokenize_dataset(Dataset.load(path), args.tokenizer)


if __name__ == "__main__":
    run(main, "make_token_list.py")
