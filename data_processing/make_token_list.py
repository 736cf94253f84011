"""`embeddings.npy` -> `tokens.npy` (K codes an item, uint16) in each data set folder.

python data_processing/make_token_list.py data/pre_train/magazine data/test/games --tokenizer vae_ckpt/PATH
"""

import argparse
from pathlib import Path

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import read_fingerprint
from recgpt.generative.tokenizer import FSQTokenizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("datasets", type=Path, nargs="+")
parser.add_argument("--tokenizer", required=True, help="folder or hub name of a saved FSQTokenizer")


def main() -> None:
    """Tokenize one data set after the other."""
    args = parser.parse_args()
    tokenizer = FSQTokenizer.from_pretrained(args.tokenizer)
    for path in args.datasets:
        dataset = Dataset.load(path)
        tokens_NK = tokenizer.encode(dataset.embeddings(), progress=True)
        fingerprint = read_fingerprint(path / "embeddings.npy", f"run `recgpt encode {path}`")
        dataset.save_tokens(tokens_NK, tokenizer_sha256=tokenizer.sha256, embeddings=fingerprint)


if __name__ == "__main__":
    main()
