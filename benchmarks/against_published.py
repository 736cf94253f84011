"""The published padding and decoding against ours: same histories, same random weights, in one run.

python benchmarks/against_published.py                                       # synthetic histories, 3 layers x 768
python benchmarks/against_published.py --data ../shared/data/test/steam      # real ones; the catalogue is filled up
python benchmarks/against_published.py --items 200 --users 4 --d_model 64 --layers 1 --json /dev/null

The published system is written anew here, on our weights. In training it pads every sequence to 1,024 positions. In
prediction it pads a batch of 48 users on the left, to the longest history among them, writes out all attention scores,
gives every position its logits, and searches a trie in Python: each beam of each user masks, normalises and sorts the
whole vocabulary. One history of 255 items makes a batch as long as the 1,024 positions; that case is timed too. The
beam reference of `recgpt.beam` finds the same items with less work and stands between the two. All run in float32, but
for the row that says otherwise; in bfloat16, rankings do depend a little on the batch.
"""

import argparse
import copy
import hashlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor
from torch.nn import functional as F

from recgpt.beam import BRANCHES, FIRST_WIDTH, KEPT, LOST, TEMPERATURE, CodeTrie, beam_scores
from recgpt.data.dataset import Dataset
from recgpt.data.packing import MIN_ITEMS, PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.device import cpu_model
from recgpt.model import Block, RecGPTConfig
from recgpt.rank import Catalogue, RecGPT, item_log_probs
from recgpt.tokenizer import FSQTokenizer, FSQTokenizerConfig, start_from_principal_axes
from recgpt.topk import Ranking, top_k

RESULT = Path(__file__).parent / "results" / "against_published.json"
MAX_ITEMS = 256  # 1,024 positions
PUBLISHED_BATCH = 48  # --test_batch_size of the published predict.py
OUR_BATCH = 64
TOP = 5
FORBIDDEN = -1e7  # log-probability of a code that the trie does not allow
SYNTHETIC_USERS = 10_000
SYNTHETIC_MEAN_LENGTH = 10.6


# --- the published system ---


def left_padded(histories: Ragged, n_items: int) -> np.ndarray:
    """(B, n_items) catalogue rows, each history at the end of its row, -1 before it."""
    items_BS = np.full((len(histories), n_items), -1)
    for row, history in zip(items_BS, histories, strict=True):
        row[n_items - len(history) :] = history
    return items_BS


def published_logits(catalogue: Catalogue, items_BS: np.ndarray) -> Tensor:
    """Logits (B, K, V + 1) of the next item: positions counted from the padding, logits for every position."""
    model = catalogue.model
    codes_BSK, slices_BSKW = catalogue._inputs(items_BS)
    b, s, k = codes_BSK.shape
    item_T = torch.arange(s).repeat_interleave(k)
    real_BT = torch.from_numpy(items_BS >= 0).repeat_interleave(k, 1)
    allowed_BTT = (item_T <= item_T.unsqueeze(1)) & real_BT.unsqueeze(1)
    mask_B1TT = torch.where(allowed_BTT, 0.0, torch.finfo(torch.float32).min).unsqueeze(1)
    x_BTD = model._embed(codes_BSK, slices_BSKW, torch.arange(s).expand(b, s))
    for block in model.blocks:
        x_BTD = published_block(block, x_BTD, mask_B1TT)
    return model.head(model.final_norm(x_BTD))[:, -k:].clone()


def published_block(block: Block, x_BTD: Tensor, mask_B1TT: Tensor) -> Tensor:
    """A transformer block that writes out its (B, H, T, T) attention scores."""
    b, t, d = x_BTD.shape
    qkv_BTD = block.qkv(block.attention_norm(x_BTD)).view(b, t, 3, block.n_heads, d // block.n_heads)
    q_BHTd, k_BHTd, v_BHTd = qkv_BTD.permute(2, 0, 3, 1, 4)
    scores_BHTT = q_BHTd @ k_BHTd.transpose(-1, -2) / (d // block.n_heads) ** 0.5 + mask_B1TT
    attended_BTD = (scores_BHTT.softmax(-1) @ v_BHTd).transpose(1, 2).reshape(b, t, d)
    x_BTD = x_BTD + block.attention_out(attended_BTD)
    return x_BTD + block.mlp_out(F.gelu(block.mlp_in(block.mlp_norm(x_BTD)), approximate="tanh"))


def published_decoding(logits_BKV: Tensor, trie: CodeTrie) -> Tensor:
    """Scores (B, N): beams over the whole vocabulary, in loops over beams and users."""
    n_users = len(logits_BKV)
    beams = [(torch.empty(n_users, 0, dtype=torch.long), torch.zeros(n_users))]
    for slot in range(trie.n_codes):
        grown = []
        for prefixes_BP, scores_B in beams:
            log_probs_BV = (logits_BKV[:, slot] / TEMPERATURE).log_softmax(-1)
            for user, prefix in enumerate(prefixes_BP.tolist()):
                forbidden_V = torch.ones(log_probs_BV.shape[1], dtype=torch.bool)
                if tuple(prefix) in trie.children:
                    forbidden_V[trie.children[tuple(prefix)]] = False
                log_probs_BV[user] = log_probs_BV[user].masked_fill(forbidden_V, FORBIDDEN)
            best = log_probs_BV.topk(BRANCHES if slot else FIRST_WIDTH)
            for values_B, codes_B in zip(best.values.T, best.indices.T, strict=True):
                grown.append((torch.cat((prefixes_BP, codes_B.unsqueeze(1)), 1), scores_B + values_B))
        kept = []
        for user in range(n_users):
            of_user = [(prefixes_BP[user], scores_B[user]) for prefixes_BP, scores_B in grown]
            kept.append(sorted(of_user, key=lambda beam: beam[1], reverse=True)[:KEPT])
        beams = [
            (torch.stack([prefix for prefix, _ in beam]), torch.stack([score for _, score in beam]))
            for beam in zip(*kept, strict=True)
        ]
    scores_BN = torch.full((n_users, trie.n_items), LOST)
    for prefixes_BP, scores_B in beams:
        for user, prefix in enumerate(prefixes_BP.tolist()):
            scores_BN[user, trie.leaves.get(tuple(prefix), [])] = scores_B[user]
    return scores_BN


def published_ranking(catalogue: Catalogue, histories: Ragged, trie: CodeTrie, n_items: int | None) -> None:
    """Rank the users in batches; rows are `n_items` long, or as long as the longest history of the batch."""
    for start in range(0, len(histories), PUBLISHED_BATCH):
        batch = histories[start : start + PUBLISHED_BATCH]
        logits_BKV = published_logits(catalogue, left_padded(batch, n_items or int(batch.lengths.max())))
        published_decoding(logits_BKV, trie).topk(TOP)


# --- what both are given ---


@dataclass(frozen=True)
class Data:
    """Sequences of catalogue rows."""

    name: str
    sequences: Ragged

    @property
    def sha256(self) -> str:
        """Hash of the sequences."""
        digest = hashlib.sha256(np.ascontiguousarray(self.sequences.offsets, np.int64).data)
        digest.update(np.ascontiguousarray(self.sequences.values, np.int64).data)
        return digest.hexdigest()


def load(args: argparse.Namespace, rng: np.random.Generator) -> Data:
    """The sequences of a data set, or synthetic ones with as many items as the published Steam test has."""
    if args.data is None:
        lengths = 1 + rng.geometric(1 / (SYNTHETIC_MEAN_LENGTH - 1), SYNTHETIC_USERS)
        data = Data("synthetic", Ragged.from_lists([rng.integers(0, args.items, length) for length in lengths]))
    else:
        dataset = Dataset.load(args.data)
        if dataset.n_items > args.items:
            sys.exit(f"{args.data} has {dataset.n_items:,} items: give --items {dataset.n_items} or more")
        data = Data(args.data.resolve().name, dataset.sequences)
    return Data(data.name, data.sequences[np.flatnonzero(data.sequences.lengths >= MIN_ITEMS)])


def random_catalogue(args: argparse.Namespace, rng: np.random.Generator) -> Catalogue:
    """Clustered embeddings, codes that follow them, and an untrained decoder."""
    torch.manual_seed(args.seed)
    config = FSQTokenizerConfig()
    centres = rng.standard_normal((max(1, args.items // 50), config.embedding_dim), dtype=np.float32)
    embeddings_NE = centres[rng.integers(0, len(centres), args.items)]
    embeddings_NE += 0.8 * rng.standard_normal(embeddings_NE.shape, dtype=np.float32)
    embeddings_NE /= np.linalg.norm(embeddings_NE, axis=1, keepdims=True)
    tokenizer = FSQTokenizer(config).eval()
    start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(embeddings_NE)))
    shape = {"d_model": args.d_model, "n_layers": args.layers, "n_heads": args.d_model // 64}
    model = RecGPT(RecGPTConfig(max_items=MAX_ITEMS, **shape))
    return model.index(embeddings_NE.astype(np.float16), tokenizer=tokenizer)


def last_histories(data: Data, n_users: int, rng: np.random.Generator) -> Ragged:
    """All but the last item of `n_users` sequences, at most 255 as published."""
    chosen = data.sequences[rng.permutation(len(data.sequences))[:n_users]]
    return chosen.spans(chosen.offsets[:-1], chosen.offsets[1:] - 1).tail(MAX_ITEMS - 1)


# --- what is measured ---


def positions(data: Data, seed: int) -> dict[str, float]:
    """Positions that hold no item, of one epoch over all sequences."""
    packed = PackedDataset(data.sequences, row_items=MAX_ITEMS, seed=seed)
    useful = int(np.minimum(data.sequences.lengths, MAX_ITEMS).sum())
    padded_waste = len(data.sequences) * MAX_ITEMS - useful
    packed_waste = len(packed) * MAX_ITEMS - useful
    return {
        "sequences": len(data.sequences),
        "useful_items": useful,
        "published_rows": len(data.sequences),
        "published_useful": useful / (len(data.sequences) * MAX_ITEMS),
        "our_rows": len(packed),
        "our_useful": packed.useful_fraction,
        "times_fewer_wasted": padded_waste / max(packed_waste, 1),
        "times_fewer_computed": len(data.sequences) / len(packed),
    }


@dataclass(frozen=True)
class Rate:
    """Users a second over the repetitions."""

    median: float
    lowest: float
    highest: float


def rates(ways: dict[str, Callable[[], object]], n_users: int, repetitions: int) -> dict[str, Rate]:
    """Time all ways in turn, again and again, so that a slow minute of the machine falls on all; once unmeasured."""
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            rate = n_users / (time.perf_counter() - start)
            print(f"{repetition}/{repetitions} {name}: {rate:,.1f} users/s", file=sys.stderr)
            if repetition:
                seen[name].append(rate)
    return {name: Rate(statistics.median(each), min(each), max(each)) for name, each in seen.items()}


def lost_by_the_beam(logits_BKV: Tensor, catalogue: Catalogue, trie: CodeTrie) -> dict[str, float]:
    """How often the beam misses the best item; and that the two beams find the same."""
    exact_BN = item_log_probs(logits_BKV, catalogue.codes_NK)
    beam_BN = torch.stack([beam_scores(logits_KV, trie) for logits_KV in logits_BKV])
    torch.testing.assert_close(published_decoding(logits_BKV, trie), beam_BN, atol=1e-2, rtol=1e-4)
    return {
        "best_item_missed": (exact_BN.argmax(1) != beam_BN.argmax(1)).float().mean().item(),
        "items_ranked": (beam_BN > LOST).sum(1).float().mean().item(),
    }


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, help="data-set folder with the histories; the default is synthetic")
parser.add_argument("--items", type=int, default=15_066, help="catalogue, as the published Steam test")
parser.add_argument("--users", type=int, default=2 * PUBLISHED_BATCH)
parser.add_argument("--layers", type=int, default=3)
parser.add_argument("--d_model", type=int, default=768, help="a multiple of 64, the width of a head")
parser.add_argument("--repetitions", type=int, default=3)
parser.add_argument("--threads", type=int, help="the default is PyTorch's")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--json", type=Path, default=RESULT)


@torch.inference_mode()
def main() -> None:
    """Measure, print a table, keep the figures."""
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    data = load(args, rng)
    catalogue = random_catalogue(args, rng)
    histories = last_histories(data, args.users, rng)
    n_users = len(histories)
    trie = CodeTrie(catalogue.codes_NK)
    logits_BKV = torch.cat([published_logits(catalogue, history[None]) for history in histories])

    def exact_decoding() -> None:
        for start in range(0, n_users, OUR_BATCH):
            top_k(item_log_probs(logits_BKV[start : start + OUR_BATCH], catalogue.codes_NK), TOP)

    def ours(indexed: Catalogue, batch_size: int = OUR_BATCH) -> Ranking:
        return indexed.recommend(histories, TOP, exclude="nothing", batch_size=batch_size)

    halved = Catalogue(
        copy.deepcopy(catalogue.model).bfloat16(),
        catalogue.tokenizer,
        catalogue.codes_NK.numpy(),
        catalogue.embeddings_NE,
    )
    end_to_end = rates(
        {
            "published, padded to the longest": lambda: published_ranking(catalogue, histories, trie, None),
            "published, padded to 1,024": lambda: published_ranking(catalogue, histories, trie, MAX_ITEMS),
            "ours": lambda: ours(catalogue),
            "ours, weights in bfloat16": lambda: ours(halved),
        },
        n_users,
        args.repetitions,
    )
    decoding = rates(
        {
            "published": lambda: published_decoding(logits_BKV, trie).topk(TOP),
            "recgpt.beam": lambda: torch.stack([beam_scores(each, trie) for each in logits_BKV]).topk(TOP),
            "ours": exact_decoding,
        },
        n_users,
        args.repetitions,
    )
    report: dict[str, Any] = {
        "date": date.today().isoformat(),
        "hardware": {"cpu": cpu_model(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "seed": args.seed,
        "data": {"name": data.name, "sha256": data.sha256},
        "catalogue_items": args.items,
        "shared_codes": catalogue.collision_rate,
        "layers": args.layers,
        "d_model": args.d_model,
        "users": n_users,
        "history_items": {"mean": float(histories.lengths.mean()), "longest": int(histories.lengths.max())},
        "repetitions": args.repetitions,
        "positions": positions(data, args.seed),
        "users_per_second": compared(end_to_end),
        "decoding_users_per_second": compared(decoding),
        "equal_ids_at_batch_1": float((ours(catalogue).ids == ours(catalogue, batch_size=1).ids).mean()),
        "beam": lost_by_the_beam(logits_BKV, catalogue, trie),
    }
    show(report)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report, indent=2) + "\n")


def compared(measured: dict[str, Rate]) -> dict[str, dict[str, float]]:
    """Rates, and how many times faster ours is."""
    ours = measured["ours"].median
    return {name: {**asdict(rate), "ours_is_faster": ours / rate.median} for name, rate in measured.items()}


def show(report: dict[str, Any]) -> None:
    """Tables for a reader."""
    console, waste = Console(), report["positions"]
    table = Table("training rows", "useful positions", "rows", title=f"{waste['sequences']:,} sequences")
    table.add_row("published, padded to 1,024", f"{waste['published_useful']:.2%}", f"{waste['published_rows']:,}")
    table.add_row("ours, packed", f"{waste['our_useful']:.2%}", f"{waste['our_rows']:,}")
    console.print(table)
    console.print(f"{waste['times_fewer_wasted']:,.0f} times fewer positions wasted\n")
    for title, key in (("histories to rankings", "users_per_second"), ("decoding", "decoding_users_per_second")):
        table = Table(Column(title, no_wrap=True), "users/s", "lowest", "highest", "ours is faster")
        for name, rate in report[key].items():
            row = (f"{rate['median']:,.1f}", f"{rate['lowest']:,.1f}", f"{rate['highest']:,.1f}")
            table.add_row(name, *row, f"{rate['ours_is_faster']:,.1f} x")
        console.print(table)
    beam = report["beam"]
    console.print(
        f"The beam misses the best item of {beam['best_item_missed']:.0%} of {report['users']} users "
        f"and ranks {beam['items_ranked']:.0f} of {report['catalogue_items']:,} items. "
        f"Ours gives {report['equal_ids_at_batch_1']:.1%} equal ids at batch 1 and {OUR_BATCH}."
    )


if __name__ == "__main__":
    main()
