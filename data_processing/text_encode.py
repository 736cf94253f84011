"""Encode item texts into `embeddings.npy` (float16) in each data set folder; a killed run resumes.

python data_processing/text_encode.py data/pre_train/magazine data/test/games --template published
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import Dataset
from recgpt.data.text import TEXT_TEMPLATES
from recgpt.encode import DEFAULT, TextEncoder, encode_dataset
from recgpt.program import run

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--encoder", default=DEFAULT)
parser.add_argument("--template", choices=TEXT_TEMPLATES, default="fields")


def main() -> None:
    """Encode one data set after the other."""
    args = parser.parse_args()
    encoder = TextEncoder.load(args.encoder)
    for path in args.datasets:
        encode_dataset(Dataset.load(path), encoder, template=args.template)


if __name__ == "__main__":
    run(main, "text_encode.py")
