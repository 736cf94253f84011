"""Pre-training of the generative model on many data sets, each a catalogue of its own, for use on catalogues not seen.

    recgpt pretrain pool data/pretrain/* --valid data/valid/mind_news --tokenizer vae_ckpt/pool --out runs/pool
    accelerate launch pre_train.py --data data/pretrain/* --valid data/valid/mind_news --tokenizer ... --tf_layer 3

A step reads sequences of one data set, drawn by its size up to a limit. Its loss is the cross-entropy of the next item
among the items of that catalogue (all, or a sample with its correction), scored by the dense head, plus the published
loss over all codes of each slot for a part of the positions. Three choices keep weights from learning the catalogues
by heart, which would not help in others: each item's log-count is added to its score in the loss, so that popularity
need not be learned (logit adjustment, Menon et al., arXiv 2007.07314); code embeddings of whole sequences are dropped,
so that the decoder reads texts too; and code logits do not enter the loss over items. At the end the weights of hidden
states and of code logits in the score are chosen on the validation data sets.

An interrupted run resumes. `OUT/best` is the model with the best validation figure; `OUT/model` is the same in bfloat16
with the chosen weights.

Shapes: as `recgpt.generative` defines them; besides, Q predicted positions, C candidates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.config import MAX_SEED, Config
from recgpt.data.dataset import Dataset
from recgpt.data.identity import dataset_identity
from recgpt.data.pool import load_pool
from recgpt.data.provenance import training_past
from recgpt.data.ragged import Ragged
from recgpt.data.splits import leave_one_out
from recgpt.device import computes_bfloat16, default_device
from recgpt.encode import DEFAULT, embeddings_for, find_encoder
from recgpt.errors import DataError
from recgpt.files import require_writable
from recgpt.generative.catalogue import padded
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.dense import DenseHead, pools_of_prefixes
from recgpt.generative.distributed import Precision, make_accelerator
from recgpt.generative.loss import IGNORE, next_code_loss
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.progress import note
from recgpt.training.curves import training_curve
from recgpt.training.loop import TrainingLoop, learning_rate, parameter_groups, step_seed

TEMPLATE = "fields"
SMALL_CATALOGUE = 1_000  # items; smaller catalogues are drawn proportionally less often
SIMILAR = 8  # a batch is drawn from this many batches of neighbours in the order of length, to save padding

WEIGHTS = {"query_weight": (0.0, 0.1, 0.2, 0.4, 1.0), "code_weight": (0.0, 0.05, 0.1, 0.2)}

RankingValidation = Callable[..., Callable[[GenerativeModel], dict[str, float]]]
Validations = Mapping[str, Callable[[GenerativeModel], dict[str, float]]]


class PoolConfig(Config):
    """Configuration of a pre-training run on many data sets."""

    out: Path = Field(default=Path("runs/pool"), description="run folder: best/, model/, checkpoints/, curve.png")
    encoder: str = Field(default=DEFAULT, description="sentence-transformers model name or folder")
    tokenizer: Path = Field(description="folder of a tokenizer for whitened catalogues")
    epochs: float = Field(default=5, gt=0, description="passes over the sequences, at most max_sequences a data set")
    max_sequences: int = Field(default=8_000, ge=1, description="sequences of a data set that count in an epoch")
    batch_size: int = Field(default=64, ge=1, description="sequences a process and step, of one data set")
    candidates: int = Field(default=4_096, ge=2, description="items of a catalogue that the loss ranks")
    code_positions: int = Field(default=128, ge=0, description="positions a step that also learn their codes")
    code_loss: float = Field(default=0.1, ge=0, description="weight of the loss over codes")
    query_weight: float = Field(default=0.2, ge=0, description="weight of hidden states in validations while training")
    without_codes: float = Field(default=0.5, ge=0, le=1, description="share of sequences read without their codes")
    n_layers: int = Field(default=3, ge=1, description="transformer layers")
    d_model: int = Field(default=192, ge=1, description="width of the transformer")
    n_heads: int = Field(default=6, ge=1, description="attention heads")
    max_items: int = Field(default=32, ge=2, description="items of a history that are read")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="dropout of the transformer")
    lr: float = Field(default=3e-4, gt=0, description="peak learning rate")
    warmup: int = Field(default=100, ge=0, description="steps over which the learning rate rises")
    weight_decay: float = Field(default=0.1, ge=0, description="weight decay of matrices; none for norms and biases")
    clip: float = Field(default=1.0, gt=0, description="maximum norm of the gradient")
    evaluate_every: int = Field(default=300, ge=1, description="steps between two validations, each with a checkpoint")
    valid_users: int = Field(default=500, ge=1, description="users of each validation data set")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="seed of weights, order and dropout")

    def resume_key(self) -> dict[str, Any]:
        """Settings that must agree for a run to resume."""
        return self.model_dump(mode="json", exclude={"out"})


@dataclass(frozen=True)
class Domain:
    """Sequences of one data set, shortest first, with the rows and codes of its items.

    Attributes
    ----------
    sequences
        Dense item ids, oldest first, two or more each.
    rows_NE
        (N, E) float16 rows of `FSQTokenizer.catalogue_rows`.
    codes_NK
        (N, K) uint16.
    log_counts_N
        (N,) float32, log(1 + interactions).
    """

    name: str
    sequences: Ragged
    rows_NE: np.ndarray
    codes_NK: np.ndarray
    log_counts_N: np.ndarray

    def counted(self, max_sequences: int) -> float:
        """Sequences that count in an epoch; fewer for a small catalogue."""
        return min(len(self.sequences), max_sequences) * min(1.0, len(self.codes_NK) / SMALL_CATALOGUE)


def load_domain(dataset: Dataset, encoder: str, tokenizer: FSQTokenizer) -> Domain:
    """Read the sequences, whiten and quantise the catalogue; embeddings come from the cache."""
    rows_NE = tokenizer.catalogue_rows(embeddings_for(dataset, encoder, TEMPLATE))
    sequences = dataset.sequences
    kept = np.flatnonzero(sequences.lengths >= 2)
    by_length = kept[np.argsort(sequences.lengths[kept], kind="stable")]
    counts_N = np.bincount(sequences.values, minlength=len(rows_NE))
    log_counts_N = np.log1p(counts_N).astype(np.float32)
    codes_NK = tokenizer.encode(rows_NE)
    return Domain(dataset.name, sequences[by_length], rows_NE.astype(np.float16), codes_NK, log_counts_N)


def pretrain_pool(
    config: PoolConfig,
    domains: Sequence[Path],
    valid: Sequence[Path],
    ranking_validation: RankingValidation,
    *,
    overwrite: bool = False,
) -> Path:
    """Pre-train on the data sets `domains`, choose on the data sets `valid`; returns the folder of the model.

    Raises
    ------
    DataError
        See `load_pool`; or no sequence to learn from, or a data set that does not fit the tokenizer.
    CheckpointError
        `config.out` holds a run of other settings or data.
    """
    require_writable(config.out)
    tokenizer = FSQTokenizer.from_pretrained(config.tokenizer)
    loaded = load_pool(domains, valid)
    datasets, watched = [loaded[path] for path in domains], [loaded[path] for path in valid]
    torch.manual_seed(config.seed)
    model = _new_model(config, tokenizer, datasets, watched)
    pool = [load_domain(dataset, config.encoder, tokenizer) for dataset in datasets]
    validations = {}
    for dataset in watched:
        split = leave_one_out(dataset, max_users=config.valid_users, seed=config.seed)
        embeddings_NE = embeddings_for(dataset, config.encoder, TEMPLATE)
        validations[dataset.name] = ranking_validation(split, tokenizer, None, embeddings_NE)
    identity = [dataset_identity(dataset) for dataset in (*datasets, *watched)]
    return PoolLoop(config, model, pool, validations, identity, overwrite=overwrite).run()


def _new_model(
    config: PoolConfig, tokenizer: FSQTokenizer, datasets: Sequence[Dataset], watched: Sequence[Dataset]
) -> GenerativeModel:
    source = find_encoder(config.encoder)
    sizes = tokenizer.config
    model = GenerativeModel(
        RecGPTConfig(
            codebook_size=sizes.codebook_size,
            n_codes=sizes.n_codes,
            embedding_dim=sizes.embedding_dim,
            max_items=config.max_items,
            d_model=config.d_model,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            dropout=config.dropout,
            dense_head=True,
            code_weight=0.0,
            query_weight=config.query_weight,
            text_encoder={
                "encoder": source.name,
                "requested": source.requested,
                "template": TEMPLATE,
                "dim": sizes.embedding_dim,
            },
            training={
                "domains": [dataset.name for dataset in datasets],
                "watched": [dataset.name for dataset in watched],
                "catalogues": [dataset.items_sha256 for dataset in datasets],
                "trained_on": [training_past(dataset) for dataset in datasets],
                "epochs": config.epochs,
                "seed": config.seed,
            },
        )
    )
    model.set_tokenizer(tokenizer)
    return model


def draw_sequences(domain: Domain, n: int, max_items: int, rng: np.random.Generator) -> np.ndarray:
    """(B, S) items of `n` sequences of similar length, padded with -1; of longer ones a window at a random place."""
    first = int(rng.integers(max(1, len(domain.sequences) - SIMILAR * n + 1)))
    span = min(SIMILAR * n, len(domain.sequences) - first)
    rows = np.sort(first + rng.choice(span, min(n, span), replace=False))
    drawn = domain.sequences[rows]
    room = np.maximum(0, drawn.lengths - max_items)
    starts = drawn.offsets[:-1] + rng.integers(room + 1)
    return padded(drawn.spans(starts, starts + np.minimum(drawn.lengths, max_items)))


def draw_candidates(items_BS: np.ndarray, n_items: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """(C,) item ids, those of the batch first, and the log-weight of the others, which represent the catalogue."""
    own = np.unique(items_BS[items_BS >= 0])
    others = np.setdiff1d(np.arange(n_items), own, assume_unique=True)
    n_drawn = max(0, n - len(own))
    if len(others) <= n_drawn:
        return np.concatenate([own, others]), 0.0
    drawn = rng.choice(others, n_drawn, replace=False)
    return np.concatenate([own, drawn]), math.log(len(others) / max(1, n_drawn))


def batch_tensors(domain: Domain, config: PoolConfig, padding: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """Inputs of `PoolObjective` for one step on one data set."""
    items_BS = draw_sequences(domain, config.batch_size, config.max_items, rng)
    candidates_C, log_weight = draw_candidates(items_BS, len(domain.codes_NK), config.candidates, rng)
    columns_N = np.zeros(len(domain.codes_NK), dtype=np.int64)
    columns_N[candidates_C] = np.arange(len(candidates_C))
    real_BS = items_BS >= 0
    rows_BS = np.where(real_BS, items_BS, 0)
    codes_BSK = torch.from_numpy(domain.codes_NK[rows_BS].astype(np.int64))
    codes_BSK[torch.from_numpy(~real_BS)] = padding
    reads_codes_B = torch.from_numpy(rng.random(len(items_BS)) >= config.without_codes)
    is_own_C = np.arange(len(candidates_C)) < len(np.unique(items_BS[real_BS]))
    predicts_BS = np.zeros_like(real_BS)
    predicts_BS[:, :-1] = real_BS[:, 1:]
    places = np.flatnonzero(predicts_BS)
    learns_codes = np.zeros(predicts_BS.size, dtype=bool)
    learns_codes[rng.choice(places, min(config.code_positions, len(places)), replace=False)] = True
    return {
        "codes_BSK": codes_BSK,
        "reads_codes_B": reads_codes_B,
        "rows_BSE": torch.from_numpy(domain.rows_NE[rows_BS].astype(np.float32) * real_BS[..., None]),
        "columns_BS": torch.from_numpy(np.where(real_BS, columns_N[rows_BS], -1)),
        "candidate_rows_CE": torch.from_numpy(domain.rows_NE[candidates_C].astype(np.float32)),
        "candidate_codes_CK": torch.from_numpy(domain.codes_NK[candidates_C].astype(np.int64)),
        "log_weights_C": torch.from_numpy(
            np.where(is_own_C, 0.0, log_weight).astype(np.float32) + domain.log_counts_N[candidates_C]
        ),
        "learns_codes_BS": torch.from_numpy(learns_codes.reshape(predicts_BS.shape)),
    }


class PoolObjective(nn.Module):
    """The loss of a step, in one forward pass, so that a wrapper for several processes sees all of it."""

    def __init__(self, decoder: GenerativeModel, code_loss: float) -> None:
        super().__init__()
        self.decoder = decoder
        self.code_loss = code_loss

    def forward(
        self,
        codes_BSK: Tensor,
        reads_codes_B: Tensor,
        rows_BSE: Tensor,
        columns_BS: Tensor,
        candidate_rows_CE: Tensor,
        candidate_codes_CK: Tensor,
        log_weights_C: Tensor,
        learns_codes_BS: Tensor,
    ) -> Tensor:
        """Mean cross-entropy of the next item among the candidates, and `code_loss` x that of its codes."""
        b, s, k = codes_BSK.shape
        real_BS = columns_BS >= 0
        segments_BS = torch.where(real_BS, 0, -1)
        positions_BS = torch.arange(s, device=codes_BSK.device).expand(b, s)
        hidden_BSKD = self.decoder(
            codes_BSK,
            rows_BSE.view(b, s, k, -1),
            segments_BS=segments_BS,
            positions_BS=positions_BS,
            reads_codes_B=reads_codes_B,
        ).hidden_BSKD
        predicts_BS = F.pad(real_BS[:, 1:], (0, 1), value=False)
        hidden_QKD = hidden_BSKD[predicts_BS]
        dense = cast(DenseHead, self.decoder.dense)
        pools_QPE = pools_of_prefixes(rows_BSE)[predicts_BS]
        weights_QP, nearest_Q = dense.gates(pools_QPE, positions_BS[predicts_BS] + 1)
        queries_QE = dense.queries(hidden_QKD, pools_QPE, weights_QP)
        items_CE = dense.items(candidate_rows_CE)
        nearest_QC = dense.nearest(rows_BSE, items_CE, real_BS)[predicts_BS]
        scores_QC = (queries_QE @ items_CE.T).float() + nearest_Q[:, None] * nearest_QC
        scores_QC = scores_QC + log_weights_C
        targets_Q = columns_BS[:, 1:][predicts_BS[:, :-1]]
        scores_QC = scores_QC.masked_fill(_in_history(columns_BS, predicts_BS, scores_QC.shape[1]), -torch.inf)
        loss = F.cross_entropy(scores_QC, targets_Q)
        learns_Q = learns_codes_BS[predicts_BS]
        if not self.code_loss or not bool(learns_Q.any()):
            return loss
        labels_QK = torch.where(learns_Q[:, None], candidate_codes_CK[targets_Q], IGNORE)
        chosen = labels_QK != IGNORE
        total = next_code_loss(hidden_QKD[chosen], self.decoder.head.weight, labels_QK[chosen])
        return loss + self.code_loss * total / chosen.sum()


def _in_history(columns_BS: Tensor, predicts_BS: Tensor, n_candidates: int) -> Tensor:
    """(Q, C) bool, True for candidates at or before the position in its own sequence, which ranking leaves out."""
    b, s = columns_BS.shape
    seen_BSS = torch.ones(s, s, dtype=torch.bool, device=columns_BS.device).tril().expand(b, s, s)
    seen_QS = (seen_BSS & (columns_BS >= 0)[:, None])[predicts_BS]
    columns_QS = columns_BS[:, None].expand(b, s, s)[predicts_BS]
    masked_QC = torch.zeros(len(seen_QS), n_candidates, dtype=torch.bool, device=columns_BS.device)
    queries, places = seen_QS.nonzero(as_tuple=True)
    masked_QC[queries, columns_QS[queries, places]] = True
    return masked_QC


def measured(model: GenerativeModel, validations: Validations) -> dict[str, float]:
    """NDCG@10 on each validation data set, and their geometric mean as `ndcg@10`."""
    figures = {name: validate(model)["ndcg@10"] for name, validate in validations.items()}
    mean = math.exp(sum(math.log(max(figure, 1e-6)) for figure in figures.values()) / len(figures))
    return {**figures, "ndcg@10": mean}


def choose_weights(model: GenerativeModel, validations: Validations) -> None:
    """Set `query_weight`, then `code_weight`, to the best on the validation data sets; the record keeps all figures."""
    tried: dict[str, float] = {}
    for name, values in WEIGHTS.items():
        figures = {}
        for value in values:
            setattr(model.config, name, value)
            figures[value] = measured(model, validations)["ndcg@10"]
            tried[f"{name} {value:g}"] = round(figures[value], 5)
        setattr(model.config, name, max(figures, key=lambda value: figures[value]))
    model.config.training["validation NDCG@10"] = tried


class PoolLoop(TrainingLoop):
    """Training loop over the data sets of a pool; see `pretrain_pool`."""

    name = "pretrain"
    measured = "NDCG@10"

    def __init__(
        self,
        config: PoolConfig,
        model: GenerativeModel,
        pool: Sequence[Domain],
        validations: Validations,
        identity: list[dict[str, Any]],
        *,
        overwrite: bool,
    ) -> None:
        self.config = config
        self.pool = [domain for domain in pool if len(domain.sequences)]
        if not self.pool:
            raise DataError("no sequence of two items to learn from: name other data sets")
        self.validations = validations
        counted = np.array([domain.counted(config.max_sequences) for domain in self.pool])
        self.weights = counted / counted.sum()
        precision: Precision = "bf16" if computes_bfloat16(default_device()) else "no"
        accelerator = make_accelerator(precision, gradient_accumulation=1, tracker=None, project_dir=str(config.out))
        if accelerator.is_fsdp2:
            raise DataError("a pool of data sets is trained on one process or with ddp.yaml: leave out fsdp.yaml")
        per_epoch = max(1, round(counted.sum() / (config.batch_size * accelerator.num_processes)))
        groups = parameter_groups(model, config.weight_decay)
        objective, optimizer = accelerator.prepare(
            PoolObjective(model, config.code_loss),
            torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), fused=True),
        )
        super().__init__(
            config.out,
            accelerator,
            objective,
            model,
            optimizer,
            {**config.resume_key(), "datasets": identity, "tokenizer": model.tokenizer and model.tokenizer.sha256},
            total_steps=max(1, round(config.epochs * per_epoch)),
            evaluate_every=config.evaluate_every,
            log_every=50,
            select_by="ndcg@10",
            overwrite=overwrite,
        )

    def run(self) -> Path:
        """Train to the end; returns the folder of the best model in bfloat16."""
        self._train()
        final = self.out / "model"
        if self.accelerator.is_main_process:
            best = GenerativeModel.from_pretrained(self.out / "best")
            choose_weights(best, self.validations)
            best.config.training |= {"steps": self.total_steps, "seconds": round(self.progress.seconds)}
            best.to(torch.bfloat16)  # type: ignore[arg-type]
            best.save_pretrained(final)
            note(f"{final} is the model of step {self.progress.best_step:,} (NDCG@10 {self.progress.best:.4f})")
        self.accelerator.wait_for_everyone()
        self._finish()
        return final

    def _step(self) -> Tensor:
        """One optimizer step on sequences of one data set, drawn by seed, step and process."""
        config, step = self.config, self.progress.step
        self._set_learning_rate(
            learning_rate(step, self.total_steps, peak=config.lr, warmup=min(config.warmup, self.total_steps // 10))
        )
        seed = step_seed(config.seed, step, self.accelerator.process_index)
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        domain = self.pool[int(rng.choice(len(self.pool), p=self.weights))]
        batch = batch_tensors(domain, config, self.bare.config.codebook_size, rng)
        self.model.train()
        loss = self.model(**{name: value.to(self.accelerator.device) for name, value in batch.items()})
        return self._update(loss, config.clip)

    def _measure(self) -> dict[str, float]:
        """NDCG@10 on each validation data set, and their geometric mean as `ndcg@10`."""
        return measured(cast(GenerativeModel, self.bare.eval()), self.validations)

    def _draw(self, progress: dict[str, Any], path: Path) -> None:
        training_curve(progress, path)
