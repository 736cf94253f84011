"""Episodic pre-training: many domains play the unseen catalogue, one network learns what evidence is worth.

    recgpt pretrain data/pretrain/* --valid data/valid/* --out runs/foundation

First every domain's episodes are made, one file each (`OUT/episodes`), then the network is trained on them with
Accelerate. A killed run goes on where it stopped: episodes that are there are used, and training resumes at its last
checkpoint. `OUT/model` is the model, `OUT/curve.png` how it learned.

No data set is opened but those named: what a model is tested on has no way in.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import load_array, save_array, write_json
from recgpt.encode import DEFAULT, embeddings_for, find_encoder
from recgpt.errors import CheckpointError, DataError
from recgpt.foundation.episodes import Episode, EpisodeSpec, blend_logits, make_episode, ndcg_at_10, specs_for
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import (
    CASE_FIGURES,
    ITEM_FIGURES,
    POSITION_FIGURES,
    RELATIONS,
    Evidence,
    NetworkConfig,
)
from recgpt.foundation.subdomains import alike, n_parts, parts_of
from recgpt.generative.trainer import Progress, stream
from recgpt.progress import Meter, console
from recgpt.training import checkpoint
from recgpt.training.curves import pretraining_curve

TEMPLATE = "fields"
VALIDATION_CASES = 2_500
_EVALUATED = 256  # cases at a time


@dataclass(frozen=True)
class PretrainConfig:
    """One pre-training run.

    Attributes
    ----------
    out
        Folder of the run.
    steps
        Of the optimizer.
    shortlist
        Candidates of a training case, of which some are drawn.
    ranked
        Candidates that the model weighs when it ranks; more cost time and add nothing.
    cases
        Users asked in a domain's fullest episode; the others ask fewer.
    episodes_per_step, cases_per_episode
        Of one step and process.
    without_times, without_words
        Share of the cases whose times, or words, are kept from the network: most domains of the pool have times, and
        many catalogues have none; where embeddings alone are indexed, words are unknown.
    """

    out: Path
    encoder: str = DEFAULT
    network: NetworkConfig = field(default_factory=NetworkConfig)
    shortlist: int = 400
    ranked: int = 150
    steps: int = 12_000
    lr: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.02
    clip: float = 1.0
    cases: int = 6_000
    episodes_per_step: int = 4
    cases_per_episode: int = 16
    without_times: float = 0.5
    without_words: float = 0.2
    evaluate_every: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "cases",
            "episodes_per_step",
            "cases_per_episode",
            "evaluate_every",
            "shortlist",
            "ranked",
        ):
            if getattr(self, name) < 1:
                raise DataError(f"{name}={getattr(self, name)}: a number of 1 or more is needed")

    def decisive(self) -> dict[str, Any]:
        """What must agree for a run to resume."""
        return {key: value for key, value in asdict(self).items() if key != "out"}


def pretrain(
    config: PretrainConfig, domains: Sequence[Path], valid: Sequence[Path], *, overwrite: bool = False
) -> Path:
    """Make the episodes, train, and return the folder of the model.

    Parameters
    ----------
    domains
        Data-set folders to learn from.
    valid
        Data-set folders to watch; no weight is fitted to them.
    overwrite
        Discard the training that `config.out` holds; episodes that fit are kept.

    Raises
    ------
    DataError
        A folder is no data set, two have one name, or one is in both lists.
    CheckpointError
        `config.out` holds a run of other settings or other data.
    """
    names = [path.name for path in (*domains, *valid)]
    if not domains or not valid:
        raise DataError("name at least one domain to learn from and one to watch (--valid)")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{', '.join(twice)} is named twice: a domain that is learned from cannot be watched")
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    datasets = {path: Dataset.load(path, repeats="drop") for path in (*domains, *valid)}
    catalogues = {path: dataset.items_sha256 for path, dataset in datasets.items()}
    if len(set(catalogues.values())) < len(catalogues):
        raise DataError("two of the folders hold the same catalogue: a domain that is learned from cannot be watched")
    training: list[tuple[EpisodeSpec, Path]] = []
    watched: list[tuple[EpisodeSpec, Path]] = []
    with accelerator.main_process_first():
        for path in domains:
            training += _learned_from(config, datasets[path])
        for path in valid:
            spec = EpisodeSpec(datasets[path].name, "leave_one_out", 1.0, VALIDATION_CASES)
            embeddings_NE = embeddings_for(datasets[path], config.encoder, TEMPLATE)
            watched += _made(config, datasets[path], embeddings_NE, [spec], for_training=False)
    if not training or not watched:
        raise DataError("no domain has a case to learn from, or to watch: name others, or more users with --cases")
    width = embeddings_for(datasets[domains[0]], config.encoder, TEMPLATE).shape[1]
    source = find_encoder(config.encoder)
    torch.manual_seed(config.seed)
    model = FoundationModel(
        FoundationConfig(
            network=config.network,
            shortlist=config.ranked,
            text_encoder={
                "encoder": source.name,
                "requested": source.requested,
                "template": TEMPLATE,
                "dim": width,
            },
            training={
                "domains": [path.name for path in domains],
                "watched": [path.name for path in valid],
                "catalogues": [catalogues[path] for path in domains],
                "steps": config.steps,
                "cases": config.cases,
                "seed": config.seed,
            },
        )
    )
    return _Trainer(config, model, accelerator, training, watched, overwrite=overwrite).run()


def _learned_from(config: PretrainConfig, dataset: Dataset) -> list[tuple[EpisodeSpec, Path]]:
    """Make the episodes of one domain, whole and in parts."""
    embeddings_NE = embeddings_for(dataset, config.encoder, TEMPLATE)
    specs = specs_for(dataset, config.cases, config.seed)
    found = _made(config, dataset, embeddings_NE, specs, for_training=True)
    n = n_parts(dataset.n_items)
    if n > 1:
        for part, rows in parts_of(dataset, _divided(config, dataset, embeddings_NE)):
            specs = specs_for(part, config.cases, config.seed, parts=n)
            found += _made(config, part, embeddings_NE[rows], specs, for_training=True)
    return found


def _divided(config: PretrainConfig, dataset: Dataset, embeddings_NE: np.ndarray) -> np.ndarray:
    """(N,) which part each item is in: as it was found first, for k-means on other threads may round otherwise."""
    made_of = {"items_sha256": dataset.items_sha256, "encoder": config.encoder, "seed": config.seed}
    path = config.out / "parts" / f"{dataset.name}-{_digest(made_of)}.npy"
    if not path.is_file():
        save_array(path, alike(embeddings_NE, config.seed), made_of)
    return load_array(path, made_of, remedy=f"delete {path}")


def _made(
    config: PretrainConfig,
    dataset: Dataset,
    embeddings_NE: np.ndarray,
    specs: list[EpisodeSpec],
    *,
    for_training: bool,
) -> list[tuple[EpisodeSpec, Path]]:
    """Make the episodes of one domain, or of a part of it, that are not on disk yet."""
    folder = config.out / "episodes"
    made_of = {
        "items": dataset.items_sha256,
        "interactions": dataset.interactions_sha256,
        "history_items": config.network.history_items,
        "shortlist": config.shortlist,
        "encoder": config.encoder,
        "evidence": [*RELATIONS, *POSITION_FIGURES, *ITEM_FIGURES, *CASE_FIGURES],
    }
    found = []
    for spec in specs:
        path = folder / f"{spec.label}-{_digest(made_of, for_training)}.safetensors"
        if not path.is_file():
            started = time.monotonic()
            episode = make_episode(
                dataset,
                embeddings_NE,
                dataset.texts(TEMPLATE),
                spec,
                n_positions=config.network.history_items,
                shortlist=config.shortlist,
                for_training=for_training,
            )
            if episode is None:
                console.print(f"episode {spec.label}: nobody's next item is on the shortlist, left out", markup=False)
                continue
            episode.save(path)
            seconds = time.monotonic() - started
            console.print(f"episode {spec.label}: {len(episode):,} cases in {seconds:.0f} s", markup=False)
        found.append((spec, path))
    return found


def _digest(made_of: Mapping[str, Any], *more: object) -> str:
    """Tells files in one folder apart by what they were made of."""
    return hashlib.sha256(repr((sorted(made_of.items()), *more)).encode()).hexdigest()[:12]


class _Trainer:
    def __init__(
        self,
        config: PretrainConfig,
        model: FoundationModel,
        accelerator: Accelerator,
        training: Sequence[tuple[EpisodeSpec, Path]],
        watched: Sequence[tuple[EpisodeSpec, Path]],
        *,
        overwrite: bool,
    ) -> None:
        self.config = config
        self.accelerator = accelerator
        self.episodes = [Episode.load(path) for _, path in training]
        self.weights = np.array([spec.weight for spec, _ in training])
        self.weights /= self.weights.sum()
        self.watched = {spec.name: Episode.load(path) for spec, path in watched}
        self.progress = Progress()
        matrices = [p for p in model.parameters() if p.dim() > 1]
        vectors = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.bare = model
        network, self.optimizer = accelerator.prepare(model.network, torch.optim.AdamW(groups, lr=config.lr))
        self.network: torch.nn.Module = network
        self.identity = {**config.decisive(), "episodes": [path.name for _, path in (*training, *watched)]}
        self._resume(overwrite)

    @property
    def _checkpoints(self) -> Path:
        return self.config.out / "checkpoints"

    def _resume(self, overwrite: bool) -> None:
        if overwrite and self.accelerator.is_main_process:
            shutil.rmtree(self._checkpoints, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        found = checkpoint.complete(self._checkpoints)
        if not found:
            return
        state = checkpoint.read_state(found[-1])
        # As JSON has it: tuples become lists there.
        differing = [key for key, value in _as_json(self.identity).items() if state["identity"].get(key) != value]
        if differing:
            raise CheckpointError(
                f"{self.config.out} holds a run with another {differing[0]}: pass --overwrite to discard it, or choose "
                "another --out"
            )
        checkpoint.restore(found[-1], self.bare, self.optimizer.optimizer)
        self.progress = Progress(**state["progress"])
        console.print(f"resuming {self.config.out} at step {self.progress.step:,} of {self.config.steps:,}")

    def run(self) -> Path:
        """Train to the end."""
        started = time.monotonic() - self.progress.seconds
        losses: list[Tensor] = []
        is_main = self.accelerator.is_main_process
        with Meter("pretrain", self.config.steps, done=self.progress.step, disable=not is_main) as meter:
            while self.progress.step < self.config.steps:
                losses.append(self._step(self.progress.step))
                self.progress.step += 1
                note = ""
                if self.progress.step % self.config.evaluate_every == 0 or self.progress.step == self.config.steps:
                    self.progress.seconds = time.monotonic() - started
                    loss = float(torch.stack(losses).mean())
                    losses = []
                    self.progress.curve.append({"step": self.progress.step, "loss": loss})
                    self._evaluate()
                    if is_main:
                        self._save()
                    note = f"loss {loss:.4f}"
                meter.update(1, note=note)
        folder = self.config.out / "model"
        if is_main:
            self.bare.settings.training["seconds"] = round(self.progress.seconds)
            checkpoint.save_model(folder, self.bare)
        self.accelerator.wait_for_everyone()
        return folder

    def _step(self, step: int) -> Tensor:
        """Move the weights once, by a few cases of a few episodes; what is drawn depends on seed, step and process."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = rate(step, config)
        seed = stream(config.seed, step, self.accelerator.process_index)
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(self.episodes), config.episodes_per_step, p=self.weights)
        self.network.train()
        loss = torch.zeros((), device=self.accelerator.device)
        for episode in (self.episodes[place] for place in drawn):
            rows = torch.from_numpy(rng.integers(0, len(episode), config.cases_per_episode))
            evidence = episode.evidence.rows(rows).without(
                times_B=torch.from_numpy(rng.random(len(rows)) < config.without_times),
                words_B=torch.from_numpy(rng.random(len(rows)) < config.without_words),
            )
            loss_of = case_loss(self.network, episode, rows, self.accelerator.device, evidence)
            loss = loss + loss_of / config.episodes_per_step
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def _evaluate(self) -> None:
        """NDCG@10 on the watched domains, beside that of the blend."""
        figures: dict[str, float] = {"step": self.progress.step}
        ratios = []
        for name, episode in self.watched.items():
            ours = ranked_ndcg(self.bare.network, episode, self.accelerator.device)
            blend = ranked_ndcg(None, episode, self.accelerator.device)
            figures[name] = ours
            ratios.append(math.log(max(ours, 1e-6) / max(blend, 1e-6)))
        figures["gain"] = math.exp(sum(ratios) / len(ratios)) - 1
        self.progress.evaluations.append(figures)
        if self.accelerator.is_main_process:
            shown = ", ".join(f"{key} {value:.4f}" for key, value in figures.items() if key != "step")
            console.print(f"step {self.progress.step:,}: NDCG@10 {shown}")

    def _save(self) -> None:
        state = {"step": self.progress.step, "progress": asdict(self.progress), "identity": _as_json(self.identity)}
        checkpoint.save(self._checkpoints, self.bare, self.optimizer.optimizer, state)
        write_json(self.config.out / "curve.json", asdict(self.progress))
        pretraining_curve(asdict(self.progress), self.config.out / "curve.png")


def case_loss(
    network: torch.nn.Module,
    episode: Episode,
    rows: Tensor,
    device: torch.device,
    evidence: Evidence | None = None,
) -> Tensor:
    """Mean cross-entropy of the target among its candidates, those of a sample counted for all they stand for.

    Parameters
    ----------
    rows
        (B,) the cases.
    evidence
        What the network is to see of these cases; by default all there is.
    """
    evidence = (episode.evidence.rows(rows) if evidence is None else evidence).to(device)
    logits_BM = network(evidence) + episode.correction_CM[rows].float().to(device)
    return F.cross_entropy(logits_BM, episode.target_C[rows].to(device))


@torch.inference_mode()
def ranked_ndcg(network: torch.nn.Module | None, episode: Episode, device: torch.device) -> float:
    """Mean NDCG@10 of the targets among their candidates, by the network, or by the blend where it is None."""
    ndcg = []
    for start in range(0, len(episode), _EVALUATED):
        rows = slice(start, start + _EVALUATED)
        evidence = episode.evidence.rows(rows)
        logits_CM = blend_logits(evidence) if network is None else network.eval()(evidence.to(device)).cpu()
        ndcg.append(ndcg_at_10(logits_CM, episode.target_C[rows]))
    return float(torch.cat(ndcg).mean())


def rate(step: int, config: PretrainConfig) -> float:
    """The learning rate: linear warm-up, then a cosine to zero."""
    warm = min(1.0, (step + 1) / config.warmup)
    return config.lr * warm * 0.5 * (1 + math.cos(math.pi * step / config.steps))


def _as_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(identity, default=str))
