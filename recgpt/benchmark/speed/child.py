"""Child process of the speed benchmark, for its own time and memory: `python -m recgpt.benchmark.speed.child JSON`."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recgpt.benchmark.speed.process import MARK, peak_memory

if TYPE_CHECKING:
    from recgpt.benchmark.speed.setting import Setting


def catalogue_points(setting: "Setting", points: Sequence[int], folder: Path) -> Iterator[dict[str, float]]:
    """Catalogue sizes: index time, ranking time of one batch, and memory, with embeddings in a sparse file."""
    from recgpt.benchmark.speed.limits import BATCH
    from recgpt.benchmark.speed.ranking import recommend
    from recgpt.benchmark.speed.scoring import any_item, random_logits
    from recgpt.benchmark.speed.setting import clustered_codes
    from recgpt.generative.catalogue import GenerativeCatalogue

    config, sizes = setting.config, setting.sizes
    model, tokenizer = setting.new_model(), setting.tokenizer
    logits = random_logits(model, setting.seed)
    for n_items in points:
        codes_NK = clustered_codes(n_items, config.n_codes, config.codebook_size, setting.rng(f"codes of {n_items}"))
        path = folder / f"embeddings-{n_items}.npy"
        shape = (n_items, config.embedding_dim)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape).flush()  # zeros, never written
        embeddings_NE = np.load(path, mmap_mode="r")
        histories = setting.even_histories(BATCH, sizes.history)
        histories.values[:] %= n_items
        request, rows = any_item(BATCH, n_items), np.arange(BATCH)
        with peak_memory() as memory:
            started = time.perf_counter()
            catalogue = GenerativeCatalogue(model, tokenizer, codes_NK, embeddings_NE)
            index_s = time.perf_counter() - started
            end_to_end_s = _best(recommend, catalogue, histories)
            with torch.inference_mode():
                top_k_s = _best(catalogue.code_index.top_k, logits, request, rows)
        path.unlink()
        yield {
            "items": n_items,
            "index_s": index_s,
            "end_to_end_ms": 1e3 / BATCH * end_to_end_s,
            "top_k_ms": 1e3 / BATCH * top_k_s,
            **memory,
        }


def history_points(setting: "Setting", points: Sequence[int], _folder: Path) -> Iterator[dict[str, float]]:
    """History lengths: ranking time and memory of one batch."""
    from recgpt.benchmark.speed.limits import BATCH
    from recgpt.benchmark.speed.ranking import recommend

    for length in points:
        histories = setting.even_histories(BATCH, length)
        recommend(setting.catalogue, histories)
        with peak_memory() as memory:
            seconds = _best(recommend, setting.catalogue, histories)
        yield {"history": length, "end_to_end_ms": 1e3 / BATCH * seconds, **memory}


def user_points(setting: "Setting", points: Sequence[int], _folder: Path) -> Iterator[dict[str, float]]:
    """Numbers of users: time and memory of one call."""
    from recgpt.benchmark.speed.ranking import recommend

    recommend(setting.catalogue, setting.even_histories(1, setting.sizes.user_history))
    for n_users in points:
        histories = setting.even_histories(n_users, setting.sizes.user_history)
        with peak_memory() as memory:
            seconds = _seconds(recommend, setting.catalogue, histories)
        yield {"users": n_users, "seconds": seconds, **memory}


def training_points(setting: "Setting", points: Sequence[int], folder: Path) -> Iterator[dict[str, float]]:
    """Numbers of training steps: items a second and memory; under `torchrun` of all processes, reported by rank 0."""
    from recgpt.benchmark.speed.training import TrainerSteps
    from recgpt.generative.trainer import TrainData

    catalogue = setting.catalogue
    picked = setting.rng("trained").permutation(len(setting.sequences))[: setting.sizes.trained_sequences]
    data = TrainData(setting.sequences[picked], catalogue.codes_NK.numpy(), np.asarray(catalogue.embeddings_NE))
    steps = TrainerSteps(setting, setting.new_model(), data, folder)
    for n_steps in points:
        steps.run(1)
        with peak_memory() as memory:
            seconds = _seconds(steps.run, n_steps)
        if int(os.environ.get("RANK", "0")) == 0:
            yield {"items_per_second": n_steps * steps.items / steps.n_steps / seconds, **memory}
    steps.close()


Task = Callable[["Setting", Sequence[int], Path], Iterator[dict[str, float]]]
TASKS: dict[str, Task] = {
    "catalogue": catalogue_points,
    "history": history_points,
    "users": user_points,
    "training": training_points,
}


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def _best(work: Callable[..., object], *arguments: object, trials: int = 2) -> float:
    return min(_seconds(work, *arguments) for _ in range(trials))


def main() -> None:
    """Run the tasks and print one line for each point."""
    from recgpt.benchmark.speed.setting import Setting, Sizes

    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    sizes: dict[str, Any] = {name: tuple(of) if isinstance(of, list) else of for name, of in job["sizes"].items()}
    data = None if job["data"] is None else Path(job["data"])
    setting = Setting(data, Sizes(**sizes), repetitions=1, seed=job["seed"])
    for task, points in job["tasks"].items():
        for point in TASKS[task](setting, points, Path(job["folder"])):
            print(MARK + json.dumps({"task": task, **point}), flush=True)


if __name__ == "__main__":
    main()
