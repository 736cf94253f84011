"""Meta-training of the foundation model on episodes from many data sets, each treated as an unseen catalogue.

    recgpt pretrain foundation data/pretrain/* --valid data/valid/* --out runs/foundation

First the episodes of every data set are made, one file each (`OUT/episodes`), then the network is trained on them with
Accelerate. A killed run resumes: stored episodes are reused, and training continues at its last checkpoint.
`OUT/model` is the model, `OUT/curve.png` the training curve.

Only the data sets named on the command line are opened, so that test sets cannot leak in.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from recgpt.config import MAX_SEED, Config
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import array_identity, load_array, save_array
from recgpt.data.identity import code_version, dataset_identity, json_sha256
from recgpt.data.pool import load_pool
from recgpt.data.provenance import training_past
from recgpt.encode import DEFAULT, embeddings_for, find_encoder
from recgpt.errors import DataError
from recgpt.files import file_name, only_writer, require_writable
from recgpt.foundation.episodes import Episode, EpisodeSpec, blend_logits, make_episode, ndcg_at_10, specs_for
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    HISTORY_FEATURES,
    QUERY_FEATURES,
    RELATIONS,
    Evidence,
    NetworkConfig,
)
from recgpt.foundation.subdomains import cluster_items, n_subdomains, split_by_cluster
from recgpt.progress import note
from recgpt.training.curves import pretraining_curve
from recgpt.training.loop import TrainingLoop, learning_rate, parameter_groups, step_seed

TEMPLATE = "fields"
VALIDATION_CASES = 2_500
_EVALUATED = 256  # queries per batch


class PretrainConfig(Config):
    """One pre-training run."""

    out: Path = Field(default=Path("runs/foundation"), description="run folder")
    encoder: str = Field(default=DEFAULT, description="sentence-transformers model name or folder")
    network: NetworkConfig = Field(default_factory=NetworkConfig, description="shape of the network")
    shortlist: int = Field(default=400, ge=1, description="candidates of a training query, partly sampled")
    ranked: int = Field(default=150, ge=1, description="candidates that the trained model scores; more do not help")
    steps: int = Field(default=12_000, ge=1, description="optimizer steps")
    lr: float = Field(default=2e-3, gt=0, description="peak learning rate")
    warmup: int = Field(default=100, ge=1, description="steps over which the learning rate rises")
    weight_decay: float = Field(default=0.02, ge=0, description="of matrices; norms and biases have none")
    clip: float = Field(default=1.0, gt=0, description="maximum norm of the gradient")
    cases: int = Field(default=6_000, ge=1, description="maximum queries per episode")
    episodes_per_step: int = Field(default=4, ge=1, description="episodes per step and process")
    cases_per_episode: int = Field(default=16, ge=1, description="queries sampled per episode and step")
    without_times: float = Field(
        default=0.5, ge=0, le=1, description="share of queries trained without times, as in data sets without them"
    )
    without_words: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of queries trained without words, as in a catalogue of embeddings only",
    )
    evaluate_every: int = Field(default=500, ge=1, description="steps between two evaluations, each a checkpoint")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="of weights, episodes and order")

    def resume_key(self) -> dict[str, Any]:
        """Settings that must agree for a run to resume."""
        return self.model_dump(mode="json", exclude={"out"})


def pretrain(
    config: PretrainConfig, domains: Sequence[Path], valid: Sequence[Path], *, overwrite: bool = False
) -> Path:
    """Make the episodes, train, and return the folder of the model.

    Parameters
    ----------
    domains
        Data set folders to train on.
    valid
        Validation data set folders.
    overwrite
        Discard the training in `config.out`; episodes with the same inputs are reused.

    Raises
    ------
    DataError
        A folder is no data set, two have the same name or catalogue, or one is in both lists.
    CheckpointError
        `config.out` holds a run with other settings or data.
    """
    require_writable(config.out)
    datasets = load_pool(domains, valid)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    with only_writer(config.out / "checkpoints") if accelerator.is_main_process else nullcontext():
        return _pretrain(config, domains, valid, datasets, accelerator, overwrite=overwrite)


def _pretrain(
    config: PretrainConfig,
    domains: Sequence[Path],
    valid: Sequence[Path],
    datasets: Mapping[Path, Dataset],
    accelerator: Accelerator,
    *,
    overwrite: bool,
) -> Path:
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
        raise DataError("no query to train on, or none to validate on: name other data sets, or raise --cases")
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
                "catalogues": [datasets[path].items_sha256 for path in domains],
                "trained_on": [training_past(datasets[path]) for path in domains],
                "steps": config.steps,
                "cases": config.cases,
                "seed": config.seed,
            },
        )
    )
    return PretrainLoop(config, model, accelerator, training, watched, overwrite=overwrite).run()


def _learned_from(config: PretrainConfig, dataset: Dataset) -> list[tuple[EpisodeSpec, Path]]:
    """Make the training episodes of one data set and of its subdomains."""
    embeddings_NE = embeddings_for(dataset, config.encoder, TEMPLATE)
    specs = specs_for(dataset, config.cases, config.seed)
    found = _made(config, dataset, embeddings_NE, specs, for_training=True)
    n = n_subdomains(dataset.n_items)
    if n > 1:
        for part, rows in split_by_cluster(dataset, _divided(config, dataset, embeddings_NE)):
            specs = specs_for(part, config.cases, config.seed, parts=n)
            found += _made(config, part, embeddings_NE[rows], specs, for_training=True)
    return found


def _divided(config: PretrainConfig, dataset: Dataset, embeddings_NE: np.ndarray) -> np.ndarray:
    """(N,) subdomain of each item; stored, because k-means may round differently with other thread counts."""
    made_of = {
        **code_version(),
        "items_sha256": dataset.items_sha256,
        "embeddings": array_identity(embeddings_NE),
        "encoder": config.encoder,
        "seed": config.seed,
    }
    path = config.out / "parts" / f"{file_name(dataset.name)}-{_digest(made_of)}.npy"
    if not path.is_file():
        save_array(path, cluster_items(embeddings_NE, config.seed), made_of)
    return load_array(path, made_of, remedy=f"delete {path}")


def _made(
    config: PretrainConfig,
    dataset: Dataset,
    embeddings_NE: np.ndarray,
    specs: list[EpisodeSpec],
    *,
    for_training: bool,
) -> list[tuple[EpisodeSpec, Path]]:
    """Make the episodes of one data set or subdomain that are not on disk yet."""
    folder = config.out / "episodes"
    made_of = {
        **code_version(),
        **dataset_identity(dataset),
        "embeddings": array_identity(embeddings_NE),
        "history_items": config.network.history_items,
        "shortlist": config.shortlist,
        "encoder": config.encoder,
        "evidence": [*RELATIONS, *HISTORY_FEATURES, *CANDIDATE_FEATURES, *QUERY_FEATURES],
    }
    found = []
    for spec in specs:
        path = folder / f"{file_name(spec.label)}-{_digest(made_of, for_training)}.safetensors"
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
                note(f"episode {spec.label}: no target is on the shortlist, left out")
                continue
            episode.save(path)
            seconds = time.monotonic() - started
            note(f"episode {spec.label}: {len(episode):,} queries in {seconds:.0f} s")
        found.append((spec, path))
    return found


def _digest(made_of: Mapping[str, Any], *more: object) -> str:
    """Short hash of the inputs of a file, part of its name."""
    return json_sha256([made_of, *more])[:12]


class PretrainLoop(TrainingLoop):
    """Training loop over stored episodes; see `pretrain`."""

    name = "pretrain"
    measured = "NDCG@10"

    def __init__(
        self,
        config: PretrainConfig,
        model: FoundationModel,
        accelerator: Accelerator,
        training: Sequence[tuple[EpisodeSpec, Path]],
        validation: Sequence[tuple[EpisodeSpec, Path]],
        *,
        overwrite: bool,
    ) -> None:
        self.config = config
        self.episodes = [Episode.load(path) for _, path in training]
        self.weights = np.array([spec.weight for spec, _ in training])
        self.weights /= self.weights.sum()
        self.validation = {spec.name: Episode.load(path) for spec, path in validation}
        groups = parameter_groups(model, config.weight_decay)
        network, optimizer = accelerator.prepare(model.network, torch.optim.AdamW(groups, lr=config.lr))
        super().__init__(
            config.out,
            accelerator,
            network,
            model,
            optimizer,
            {**config.resume_key(), "episodes": [path.name for _, path in (*training, *validation)]},
            total_steps=config.steps,
            evaluate_every=config.evaluate_every,
            log_every=config.evaluate_every,
            overwrite=overwrite,
        )

    def run(self) -> Path:
        """Train to the end; returns the folder of the model."""
        self._train()
        if self.accelerator.is_main_process:
            self.bare.config.training["seconds"] = round(self.progress.seconds)
        self._save_model("model")
        self.accelerator.wait_for_everyone()
        self._finish()
        return self.out / "model"

    def _step(self) -> Tensor:
        """One optimizer step on a few queries of a few episodes, sampled by seed, step and process."""
        config, step = self.config, self.progress.step
        self._set_learning_rate(
            learning_rate(step, config.steps, peak=config.lr, warmup=config.warmup, decay_from="start")
        )
        seed = step_seed(config.seed, step, self.accelerator.process_index)
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(self.episodes), config.episodes_per_step, p=self.weights)
        self.model.train()
        loss = torch.zeros((), device=self.accelerator.device)
        for episode in (self.episodes[place] for place in drawn):
            rows, evidence = draw_queries(episode, config, rng)
            episode_loss = case_loss(self.model, episode, rows, self.accelerator.device, evidence)
            loss = loss + episode_loss / config.episodes_per_step
        return self._update(loss, config.clip)

    def _measure(self) -> dict[str, float]:
        """NDCG@10 on each validation data set, and the mean gain over the hybrid score."""
        figures: dict[str, float] = {}
        ratios = []
        for name, episode in self.validation.items():
            figures[name] = ranked_ndcg(self.bare.network, episode, self.accelerator.device)
            blend = ranked_ndcg(None, episode, self.accelerator.device)
            ratios.append(math.log(max(figures[name], 1e-6) / max(blend, 1e-6)))
        figures["gain"] = math.exp(sum(ratios) / len(ratios)) - 1
        return figures

    def _draw(self, progress: dict[str, Any], path: Path) -> None:
        pretraining_curve(progress, path)


def draw_queries(episode: Episode, config: PretrainConfig, rng: np.random.Generator) -> tuple[Tensor, Evidence]:
    """Draw `cases_per_episode` queries of an episode for one step: their rows, and their features, some hidden."""
    rows = torch.from_numpy(rng.integers(0, len(episode), config.cases_per_episode))
    evidence = episode.evidence.rows(rows).without(
        times_B=torch.from_numpy(rng.random(len(rows)) < config.without_times),
        words_B=torch.from_numpy(rng.random(len(rows)) < config.without_words),
    )
    return rows, evidence


def case_loss(
    network: torch.nn.Module,
    episode: Episode,
    rows: Tensor,
    device: torch.device,
    evidence: Evidence | None = None,
) -> Tensor:
    """Mean cross-entropy of the target among its candidates, corrected for the sampling of candidates.

    Parameters
    ----------
    rows
        (B,) queries of the episode.
    evidence
        Their features, if some are to be hidden; by default all.
    """
    evidence = (episode.evidence.rows(rows) if evidence is None else evidence).to(device)
    logits_BM = network(evidence) + episode.correction_CM[rows].float().to(device)
    return F.cross_entropy(logits_BM, episode.target_C[rows].to(device))


@torch.inference_mode()
def ranked_ndcg(network: torch.nn.Module | None, episode: Episode, device: torch.device) -> float:
    """Mean NDCG@10 of the targets among their candidates, by the network, or by the hybrid score if it is None."""
    ndcg = []
    for start in range(0, len(episode), _EVALUATED):
        rows = slice(start, start + _EVALUATED)
        evidence = episode.evidence.rows(rows)
        logits_CM = blend_logits(evidence) if network is None else network.eval()(evidence.to(device)).cpu()
        ndcg.append(ndcg_at_10(logits_CM, episode.target_C[rows]))
    return float(torch.cat(ndcg).mean())
