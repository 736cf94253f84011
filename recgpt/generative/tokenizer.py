"""FSQ tokenizer: item embeddings to K codes and back (RecGPT paper, item tokenizer; FSQ arXiv 2309.15505).

An embedding of width E is cut into K consecutive slices of width W = E / K. One shared projection maps each slice to
C = `len(levels)` numbers, which finite scalar quantisation rounds to one of V = prod(levels) codes. A decoder
reconstructs the embedding from the K codes; it is needed for training and to break ties. A tokenizer trained on one
catalogue encodes any other of the same embedding width.

    tokenizer, report = train_tokenizer(embeddings_NE, FSQTokenizerConfig(embedding_dim=384))
    codes_NK = tokenizer.encode(embeddings_NE)          # (N, 4) uint16
    tokenizer.save_pretrained("vae_ckpt/mine")

Shapes: N items, E embedding width, K codes an item, W = E / K, V codes a slot, C = len(levels).
"""

import hashlib
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import ModelHubMixin
from rich.table import Table
from safetensors import SafetensorError
from safetensors.torch import load_model, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from vector_quantize_pytorch import FSQ
from vector_quantize_pytorch.finite_scalar_quantization import round_ste

from recgpt.bounds import MAX_CODES, MAX_LAYERS, MAX_WIDTH, check_parameters, check_sizes, read_json
from recgpt.config import check_number
from recgpt.data.fingerprint import check_embeddings_given, unusable_row
from recgpt.errors import CheckpointError, DataError
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.files import new_folder
from recgpt.hub import local_folder
from recgpt.progress import Meter
from recgpt.training.weights import check_weights

ENCODE_CHUNK = 16_384
START_SAMPLE = 50_000  # items that the first projections are fitted to
WEIGHTS_FILE = "model.safetensors"
MAX_LEVELS = 16
_LIMITS = {"embedding_dim": MAX_WIDTH, "n_codes": MAX_CODES, "n_layers": MAX_LAYERS, "n_heads": MAX_WIDTH}


@dataclass
class FSQTokenizerConfig:
    """Sizes of the tokenizer; the defaults are the published ones."""

    embedding_dim: int = 768  # E, width of the text embedding
    n_codes: int = 4  # K, codes an item
    levels: list[int] = field(default_factory=lambda: [8, 8, 8, 6, 5])  # V = 15,360
    n_layers: int = 2  # of the decoder
    n_heads: int = 8
    dropout: float = 0.2
    published_bound: bool = False  # True for released weights: tan and 1 - eps, not atanh and 1 + eps
    whitened: bool = False  # each catalogue is whitened with its own covariance before its slices are quantised

    def __post_init__(self) -> None:
        if self.embedding_dim % self.n_codes:
            raise DataError(
                f"embedding width {self.embedding_dim} cannot be cut into {self.n_codes} equal slices: "
                f"choose a number of codes that divides it"
            )
        if (self.embedding_dim // self.n_codes) % self.n_heads:
            raise DataError(
                f"slice width {self.embedding_dim // self.n_codes} is not divisible by {self.n_heads} heads: "
                f"choose n_heads that divides it"
            )
        if min(self.levels) < 3:
            raise DataError(f"levels {self.levels}: each must be 3 or more")
        if self.slice_dim <= len(self.levels):
            raise DataError(
                f"slice width {self.slice_dim} is no wider than the {len(self.levels)} levels it is projected to: "
                f"choose fewer levels or fewer codes"
            )
        if math.prod(self.levels) > np.iinfo(np.uint16).max:
            raise DataError(
                f"levels {self.levels} make {math.prod(self.levels):,} codes; token files hold 65,535: choose fewer"
                " or smaller levels"
            )

    @property
    def slice_dim(self) -> int:
        """W, the width of one slice."""
        return self.embedding_dim // self.n_codes

    @property
    def codebook_size(self) -> int:
        """V, the number of codes a slot."""
        return math.prod(self.levels)


class PublishedFSQ(FSQ):
    """FSQ with the arithmetic of the released RecGPT code (`tan`, `1 - eps`)."""

    def bound(self, z: Tensor, eps: float = 1e-3, hard_clamp: bool = False) -> Tensor:
        """Bound and round `z` (..., C) to codes in [-1, 1].

        round(h tanh(z + tan(o / h)) - o) / (levels // 2); h = (levels - 1)(1 - eps) / 2, o = .5 for even levels else 0.
        """
        half = (self._levels - 1) * (1 - eps) / 2
        offset = torch.where(self._levels % 2 == 0, 0.5, 0.0)
        shift = (offset / half).tan()
        bounded = (z + shift).tanh() * half - offset
        return round_ste(bounded) / (self._levels // 2)


class DecoderLayer(nn.Module):
    """Pre-norm transformer layer with full attention over the K slots of one item."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x_NKW: Tensor) -> Tensor:
        """(N, K, W) -> (N, K, W)."""
        n, k, w = x_NKW.shape
        drop = self.dropout if self.training else 0.0
        h = self.attention_norm(x_NKW)
        q, k_, v = (p(h).view(n, k, self.n_heads, -1).transpose(1, 2) for p in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k_, v, dropout_p=drop)
        attended = self.attention_out(attended.transpose(1, 2).reshape(n, k, w))
        x_NKW = x_NKW + F.dropout(attended, drop, self.training)
        h = F.dropout(F.gelu(self.mlp_in(self.mlp_norm(x_NKW))), drop, self.training)
        return x_NKW + F.dropout(self.mlp_out(h), drop, self.training)


class EmbeddingDecoder(nn.Module):
    """Quantised slices (N, K, W) -> reconstructed embeddings (N, E), from the state of the last slot."""

    def __init__(self, config: FSQTokenizerConfig) -> None:
        super().__init__()
        width = config.slice_dim
        self.position_embedding = nn.Embedding(config.n_codes, width)
        self.layers = nn.ModuleList(DecoderLayer(width, config.n_heads, config.dropout) for _ in range(config.n_layers))
        self.head_in = nn.Linear(width, config.embedding_dim)
        self.head_out = nn.Linear(config.embedding_dim, config.embedding_dim)

    def forward(self, x_NKW: Tensor) -> Tensor:
        """(N, K, W) -> (N, E)."""
        x_NKW = x_NKW + self.position_embedding.weight
        for layer in self.layers:
            x_NKW = layer(x_NKW)
        return self.head_out(F.relu(self.head_in(x_NKW[:, -1])))


class FSQTokenizer(
    nn.Module,
    ModelHubMixin,
    library_name="recgpt",
    tags=["recommendation", "fsq", "tokenizer"],
    license="mit",
):
    """FSQ tokenizer. Quantisation always runs in float32: rounding in bfloat16 gives wrong and even illegal codes."""

    def __init__(self, config: FSQTokenizerConfig) -> None:
        super().__init__()
        self.config = config
        quantizer = PublishedFSQ if config.published_bound else FSQ
        self.quantizer = quantizer(config.levels, dim=config.slice_dim)
        self.decoder = EmbeddingDecoder(config)

    def slices(self, embeddings_NE: Tensor) -> Tensor:
        """(N, E) -> (N, K, W), the consecutive slices of each embedding."""
        check_width(embeddings_NE.shape[-1], self.config)
        return embeddings_NE.reshape(-1, self.config.n_codes, self.config.slice_dim)

    def forward(self, embeddings_NE: Tensor) -> tuple[Tensor, Tensor]:
        """(N, E) -> reconstruction (N, E) and codes (N, K) int32."""
        with torch.autocast(embeddings_NE.device.type, enabled=False):
            quantised_NKW, codes_NK = self.quantizer(self.slices(embeddings_NE.float()))
        return self.decoder(quantised_NKW), codes_NK

    def catalogue_rows(self, embeddings_NE: np.ndarray) -> np.ndarray:
        """(N, E) rows of a whole catalogue that are quantised: its embeddings, or whitened ones of unit length."""
        return _catalogue_rows(embeddings_NE, self.config)

    @torch.inference_mode()
    def encode(self, embeddings_NE: np.ndarray | Tensor, *, progress: bool = False) -> np.ndarray:
        """(N, K) uint16 codes of all items, in chunks, so that a memory-mapped `embeddings_NE` is never loaded whole.

        A tokenizer of whitened catalogues takes the rows of `catalogue_rows`.

        Raises
        ------
        DataError
            An embedding holds NaN or infinity; the message names the first such item.
        """
        check_width(embeddings_NE.shape[-1], self.config)
        codes_NK = np.empty((len(embeddings_NE), self.config.n_codes), np.uint16)
        with Meter("tokenize items", len(embeddings_NE), disable=not progress) as meter:
            for start in range(0, len(embeddings_NE), ENCODE_CHUNK):
                chunk = finite_rows(embeddings_NE, slice(start, start + ENCODE_CHUNK)).to(self.device)
                with torch.autocast(self.device.type, enabled=False):
                    _, codes = self.quantizer(self.slices(chunk))
                codes_NK[start : start + len(chunk)] = codes.cpu().numpy().astype(np.uint16)
                meter.update(len(chunk))
        return codes_NK

    @torch.inference_mode()
    def decode(self, codes_NK: np.ndarray | Tensor) -> Tensor:
        """Reconstruct embeddings (N, E) float32 from codes (N, K)."""
        if not isinstance(codes_NK, Tensor):
            check_codes(codes_NK, self.config.codebook_size, "decode")
        codes = torch.as_tensor(np.asarray(codes_NK, dtype=np.int64), device=self.device)
        training = self.training
        self.eval()
        embeddings_NE = self.decoder(self.quantizer.indices_to_codes(codes))
        self.train(training)
        return embeddings_NE

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Write weights and config to a folder, replacing an earlier tokenizer as a whole; see `ModelHubMixin`."""
        card = Path(save_directory) / "README.md"
        with new_folder(Path(save_directory), overwrite=True, what="tokenizer") as draft:
            if card.is_file() and draft / card.name != card:  # the mixin writes one only where there is none
                shutil.copy2(card, draft)
            return super().save_pretrained(draft, **{"repo_id": Path(save_directory).name, **options})

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the weights; the mixin writes the config."""
        save_file(self.state_dict(), save_directory / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **hub: Any) -> Self:
        """Load a folder, or a repository of the hub, written by `save_pretrained` or `push_to_hub`.

        Raises
        ------
        CheckpointError
            The folder or one of its files is missing or damaged.
        """
        folder = local_folder(pretrained_model_name_or_path, **hub)
        path, weights = folder / "config.json", folder / WEIGHTS_FILE
        if not path.is_file() or not weights.is_file():
            raise CheckpointError(f"{folder} lacks config.json or {WEIGHTS_FILE}: name a folder that was saved whole")
        content = read_json(path, CheckpointError)
        check_sizes(content, _LIMITS, path)
        levels = content.get("levels", [])
        if not isinstance(levels, list) or len(levels) > MAX_LEVELS or not all(type(level) is int for level in levels):
            raise CheckpointError(f"{path}: levels={levels!r} are not 1 to {MAX_LEVELS} whole numbers: correct it")
        width = content.get("embedding_dim", 768) // content.get("n_codes", 4)
        check_parameters(content.get("n_layers", 2) * 12 * width**2, weights)
        return super().from_pretrained(folder)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, config: FSQTokenizerConfig | None = None, **_hub: Any) -> Self:
        """Load the weights; called by the mixin, which has read the config."""
        weights = Path(model_id) / WEIGHTS_FILE
        if config is None or not weights.is_file():
            raise CheckpointError(f"{model_id} lacks config.json or {WEIGHTS_FILE}: name a folder that was saved whole")
        tokenizer = cls(config)
        try:
            load_model(tokenizer, weights)
        except (SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{weights} is damaged or of another shape ({error}): copy it again") from error
        check_weights(tokenizer.state_dict(), weights)
        return tokenizer.eval()

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.quantizer.project_in.weight.device

    @property
    def sha256(self) -> str:
        """Hash of the inputs of the codes (levels, bound, `project_in`), the fingerprint of token files."""
        settings: tuple[object, ...] = (self.config.n_codes, self.config.levels, self.config.published_bound)
        if self.config.whitened:  # older tokenizers keep their hash
            settings = (*settings, "whitened")
        digest = hashlib.sha256(repr(settings).encode())
        for parameter in (self.quantizer.project_in.weight, self.quantizer.project_in.bias):
            digest.update(parameter.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()


def check_width(width: int, config: FSQTokenizerConfig) -> None:
    """Raise DataError if embeddings are not as wide as the tokenizer reads them."""
    if width != config.embedding_dim:
        raise DataError(
            f"embeddings are {width} wide but this tokenizer reads width "
            f"{config.embedding_dim}: encode the items with the encoder that the tokenizer was trained on"
        )


def finite_rows(embeddings_NE: np.ndarray | Tensor, rows: slice | np.ndarray) -> Tensor:
    """Rows of the embeddings as float32; DataError names the first item with NaN or infinity."""
    picked = embeddings_NE[rows]
    chunk = picked.float() if isinstance(picked, Tensor) else torch.from_numpy(np.array(picked, dtype=np.float32))
    problem = unusable_row(chunk.cpu().numpy())
    if problem is not None:
        item = np.arange(len(embeddings_NE))[rows][problem[0]]
        raise DataError(f"the embedding of item {item} holds {problem[1]}: encode that item's text again")
    return chunk


def check_codes(codes_NK: np.ndarray, codebook_size: int, where: str) -> None:
    """Check that codes are whole numbers of the codebook, 0 to V - 1.

    Raises
    ------
    DataError
        Names the first item with another code.
    """
    codes_NK = np.asarray(codes_NK)
    if codes_NK.dtype.kind not in "iuf" or (codes_NK.dtype.kind == "f" and not np.array_equal(codes_NK, codes_NK // 1)):
        raise DataError(f"{where}: codes are {codes_NK.dtype}, whole numbers are needed: tokenize the items again")
    if not codes_NK.size or (codes_NK.max() < codebook_size and codes_NK.min() >= 0):
        return
    item, slot = np.argwhere((codes_NK >= codebook_size) | (codes_NK < 0))[0]
    raise DataError(
        f"{where}: item {item} has the code {codes_NK[item, slot]} in slot {slot}, the codebook has 0 to"
        f" {codebook_size - 1}: tokenize the items with the model's tokenizer again"
    )


@torch.no_grad()
def start_from_principal_axes(quantizer: FSQ, slices_NKW: Tensor) -> None:
    """Initialise the shared projections with the C leading principal axes of the slices, scaled to unit variance.

    With a random initialisation the small entries of unit-length embeddings round to few codes, and most of the
    codebook is never used. Unit variance spreads them over the levels from the first step. Directions in which the
    slots' means differ are removed: along them a projection shared by all slots would separate slots and not items.
    """
    n, k, w = slices_NKW.shape
    mean_KW = slices_NKW.mean(0)
    mean_W = mean_KW.mean(0)
    between_WK = torch.linalg.qr((mean_KW - mean_W).T).Q[:, : k - 1]
    inside_WW = torch.eye(w, device=slices_NKW.device) - between_WK @ between_WK.T
    centred_RW = (slices_NKW - mean_KW).reshape(n * k, w) @ inside_WW
    variances_W, axes_WW = torch.linalg.eigh(centred_RW.T @ centred_RW / len(centred_RW))
    axes_WC = axes_WW[:, -quantizer.codebook_dim :].flip(1)
    deviations_C = variances_W[-quantizer.codebook_dim :].flip(0).clamp_min(1e-12).sqrt()
    quantizer.project_in.weight.copy_((axes_WC / deviations_C).T)
    quantizer.project_in.bias.copy_(-quantizer.project_in.weight @ mean_W)
    quantizer.project_out.weight.copy_(axes_WC * deviations_C)
    quantizer.project_out.bias.copy_(mean_W)


@dataclass(frozen=True)
class TokenizerReport:
    """Quality of a tokenizer on a catalogue, and its training curve."""

    n_items: int
    code_use: list[float]  # share of the V codes that some item uses, a slot
    perplexity: list[float]  # exp of the entropy of the code distribution, a slot
    reconstruction_cosine: float  # mean over items
    collision_rate: float  # share of items that share all K codes with another item
    loss_curve: list[float] = field(default_factory=list)  # mean L1 an epoch

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain types, for JSON."""
        return dict(self.__dict__)

    def table(self) -> Table:
        """Table for the terminal."""
        table = Table(title=f"Tokenizer on {self.n_items:,} items", title_justify="left", show_header=False, box=None)
        table.add_row("codes in use, by slot", ", ".join(f"{share:.1%}" for share in self.code_use))
        table.add_row("perplexity, by slot", ", ".join(f"{value:,.0f}" for value in self.perplexity))
        table.add_row("reconstruction cosine", f"{self.reconstruction_cosine:.3f}")
        table.add_row("items that share all codes", f"{self.collision_rate:.2%}")
        if self.loss_curve:
            table.add_row("L1, first to last epoch", f"{self.loss_curve[0]:.5f} to {self.loss_curve[-1]:.5f}")
        return table


def code_statistics(codes_NK: np.ndarray, codebook_size: int) -> tuple[list[float], list[float], float]:
    """Share of used codes and perplexity of each slot, and the collision rate, of codes (N, K)."""
    use, perplexity = [], []
    for slot in codes_NK.T:
        counts = np.bincount(slot, minlength=codebook_size)
        p = counts[counts > 0] / len(slot)
        use.append(float((counts > 0).mean()))
        perplexity.append(float(np.exp(-(p * np.log(p)).sum())))
    return use, perplexity, collision_rate(codes_NK)


def collision_rate(codes_NK: np.ndarray) -> float:
    """Share of items with the same K codes as another item."""
    _, counts = np.unique(codes_NK, axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / len(codes_NK))


@torch.inference_mode()
def report_on(tokenizer: FSQTokenizer, embeddings_NE: np.ndarray, loss_curve: Sequence[float] = ()) -> TokenizerReport:
    """Measure the quality of `tokenizer` on a catalogue."""
    tokenizer.eval()
    codes_NK = tokenizer.encode(embeddings_NE)
    cosine = 0.0
    for start in range(0, len(codes_NK), ENCODE_CHUNK):
        rows = finite_rows(embeddings_NE, slice(start, start + ENCODE_CHUNK)).to(tokenizer.device)
        rebuilt = tokenizer.decode(codes_NK[start : start + len(rows)])
        cosine += float(F.cosine_similarity(rebuilt, rows).sum())
    use, perplexity, collisions = code_statistics(codes_NK, tokenizer.config.codebook_size)
    return TokenizerReport(len(codes_NK), use, perplexity, cosine / len(codes_NK), collisions, list(loss_curve))


def _catalogue_rows(embeddings_NE: np.ndarray, config: FSQTokenizerConfig) -> np.ndarray:
    check_width(embeddings_NE.shape[-1], config)
    return whitened_unit_rows(embeddings_NE) if config.whitened else embeddings_NE


def rows_of_catalogues(
    catalogues: Sequence[np.ndarray], config: FSQTokenizerConfig, *, most_items: int | None = None, seed: int = 0
) -> np.ndarray:
    """Rows to train a tokenizer on: each catalogue's, whitened by itself if `config.whitened`, one after the other.

    Parameters
    ----------
    catalogues
        (N, E) embeddings of each.
    most_items
        Rows of one catalogue, drawn at random; None takes all.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for embeddings_NE in catalogues:
        rows_NE = _catalogue_rows(embeddings_NE, config)
        drawn = np.sort(rng.permutation(len(rows_NE))[:most_items])
        parts.append(rows_NE if most_items is None else rows_NE[drawn])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def train_tokenizer(
    embeddings_NE: np.ndarray,
    config: FSQTokenizerConfig,
    *,
    epochs: int = 100,
    batch_size: int = 256,
    lr: float = 1e-4,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[FSQTokenizer, TokenizerReport]:
    """Train a tokenizer on a catalogue: L1 between embedding and reconstruction, Adam (the paper's recipe).

    Parameters
    ----------
    embeddings_NE
        (N, E) float, may be a memory map; every epoch visits all rows in random order.

    Raises
    ------
    DataError
        The width does not fit the config, or an embedding is not finite.
    """
    check_number("epochs", epochs, at_least=1, whole=True)
    check_number("batch_size", batch_size, at_least=1, whole=True)
    check_number("lr", lr, above=0)
    check_number("seed", seed, at_least=0, whole=True)
    check_width(embeddings_NE.shape[-1], config)
    check_embeddings_given(embeddings_NE, "training embeddings")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = FSQTokenizer(config).to(device).train()
    sample = np.sort(rng.permutation(len(embeddings_NE))[:START_SAMPLE])
    rows = finite_rows(embeddings_NE, sample).to(device)
    start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(rows))
    optimizer = torch.optim.Adam(tokenizer.parameters(), lr=lr)
    curve: list[float] = []
    with Meter("train tokenizer", epochs) as meter:
        for _ in range(epochs):
            total = 0.0
            order = rng.permutation(len(embeddings_NE))
            for start in range(0, len(order), batch_size):
                picked = np.sort(order[start : start + batch_size])
                batch = finite_rows(embeddings_NE, picked).to(device)
                rebuilt, _ = tokenizer(batch)
                loss = F.l1_loss(rebuilt, batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(batch)
            curve.append(total / len(order))
            if not math.isfinite(curve[-1]):
                raise DataError(
                    f"the loss of epoch {len(curve)} is not finite: choose a lower learning rate than {lr:g}"
                )
            meter.update(note=f"L1 {curve[-1]:.5f}")
    return tokenizer.eval(), report_on(tokenizer, embeddings_NE, curve)
