"""Decoder of the generative model: from the codes of a history to logits of the next item's codes (RecGPT paper).

A GPT-2-style transformer over K tokens an item. A token is the embedding of its code plus a projection of the
corresponding slice of the item's text embedding. Attention is bidirectional inside an item and causal across items.
Position K*t + j predicts code j of item t + 1, so one pass gives K independent distributions over the next item.

    decoder = RecGPTDecoder(RecGPTConfig(n_layers=3, d_model=768, embedding_dim=768))
    out = decoder(codes_BSK, slices_BSKW, segments_BS=segments_BS, labels_BSK=next_item_labels(codes_BSK, segments_BS))
    out.loss.backward()

Two pitfalls. (1) Rows are padded or packed on the right only: positions count from the start of an item's own sequence,
so that outputs do not depend on other sequences of the row. (2) Logits of all rows x 15,361 codes do not fit into
memory: the loss goes through `next_code_loss` in chunks, and ranking computes logits of the last item only.

Shapes: as `recgpt.generative` defines them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from recgpt.bounds import check_parameters
from recgpt.errors import CheckpointError, DataError
from recgpt.files import new_folder
from recgpt.generative.card import model_card
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.dense import DenseHead
from recgpt.generative.folder import checked_sizes
from recgpt.generative.loss import IGNORE, next_code_loss
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.hub import OPTIONS, local_folder, uploaded
from recgpt.progress import quiet_transformers
from recgpt.training.weights import check_weights

TOKENIZER_FOLDER = "tokenizer"
HAS_ONEDNN = torch.backends.mkldnn.is_available()  # at import: torch.compile cannot trace this call
MIN_LENGTH_RATIO = (
    0.7  # a few long sequences would make most of a group padding; stricter makes more groups than it saves
)
EAGER_ATTENTION_MAX_TOKENS = 512  # longest sequence, in tokens, whose attention scores are kept in memory


class KeyValues:
    """Key-value cache of one layer, in buffers with spare room, so that appending copies the new entries only."""

    def __init__(self) -> None:
        self._stored: tuple[Tensor, ...] | None = None  # (B, H, T + room, D / H) each
        self._length = 0

    def append(self, *new: Tensor) -> Sequence[Tensor]:
        """Append keys and values (B, H, t, D / H); returns all of them, the new ones last."""
        start, self._length = self._length, self._length + new[0].shape[2]
        if self._stored is None:
            self._stored = new
        else:
            if self._length > self._stored[0].shape[2]:
                grown = (0, 0, 0, 2 * self._length - start)
                self._stored = tuple(F.pad(stored[:, :, :start], grown) for stored in self._stored)
            for stored, added in zip(self._stored, new, strict=True):
                stored[:, :, start : self._length] = added
        return [stored[:, :, : self._length] for stored in self._stored]


@dataclass(frozen=True)
class SequenceGroups:
    """Sequences of packed rows, grouped by similar length for batched attention.

    Parameters
    ----------
    items_P
        (P,) indices, among the B x S items of the rows, of the grouped items; shorter sequences of a group are padded
        with item 0, which the mask hides from them.
    places_R
        (B x S,) index of each item among the P.
    shapes
        (sequences, items of the longest) of each group, in the order of `items_P`.
    masks
        (1, 1, T, T) attention mask of each group.
    """

    items_P: Tensor
    places_R: Tensor
    shapes: list[tuple[int, int]]
    masks: list[Tensor]


Mask = Tensor | BlockMask | SequenceGroups | None


@dataclass
class RecGPTOutput(ModelOutput):
    """Output of a forward pass: loss (with labels), hidden states, and key-value caches (with `use_cache`)."""

    loss: Tensor | None = None
    hidden_BSKD: Tensor | None = None
    past: list[KeyValues] | None = None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`, by oneDNN for float32 inference on a CPU: MKL has half its speed on AMD processors."""
    trains = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
    if trains or not HAS_ONEDNN or x.device.type != "cpu" or x.dtype != torch.float32:
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class Linear(nn.Linear):
    """`nn.Linear` that uses `linear` of this file."""

    def forward(self, input: Tensor) -> Tensor:
        """See `torch.nn.Linear`."""
        return linear(input, self.weight, self.bias)


class Block(nn.Module):
    """Pre-norm GPT-2 block.

    Dropout is applied to the updates of the residual stream, not to attention weights, as fused attention on a CPU does
    not support it.
    """

    def __init__(self, config: RecGPTConfig) -> None:
        super().__init__()
        d = config.d_model
        self.n_heads = config.n_heads
        self.head_dim = d // config.n_heads
        self.dropout = config.dropout
        self.attention_norm = nn.LayerNorm(d)
        self.qkv = Linear(d, 3 * d)
        self.attention_out = Linear(d, d)
        self.mlp_norm = nn.LayerNorm(d)
        self.mlp_in = Linear(d, 4 * d)
        self.mlp_out = Linear(4 * d, d)

    def forward(self, x_BTD: Tensor, mask: Mask, past: KeyValues | None = None) -> Tensor:
        """(B, T, D) updated residual stream; new keys and values are appended to `past`."""
        qkv_BTD = self.qkv(self.attention_norm(x_BTD))
        if isinstance(mask, SequenceGroups):
            attended_BTD = self._attend_in_groups(qkv_BTD, mask)
        else:
            q_BHTd, k_BHTd, v_BHTd = self._heads(qkv_BTD)
            if past is not None:
                k_BHTd, v_BHTd = past.append(k_BHTd, v_BHTd)
            attended_BTD = _joined(_attend(q_BHTd, k_BHTd, v_BHTd, mask))
        return self._residual(x_BTD, attended_BTD)

    def read_last(self, x_BTD: Tensor, last_BK: Tensor, mask: Tensor, past: KeyValues | None = None) -> Tensor:
        """(B, K, D) updated residual stream of the tokens `last_BK` only; ranking needs no others."""
        normed_BTD = self.attention_norm(x_BTD)
        rows_B1 = torch.arange(len(x_BTD), device=x_BTD.device).unsqueeze(1)
        d = x_BTD.shape[-1]
        q_BHKd = self._heads(linear(normed_BTD[rows_B1, last_BK], self.qkv.weight[:d], self.qkv.bias[:d]))[0]
        k_BHTd, v_BHTd = self._heads(linear(normed_BTD, self.qkv.weight[d:], self.qkv.bias[d:]))
        if past is not None:
            k_BHTd, v_BHTd = past.append(k_BHTd, v_BHTd)
        return self._residual(x_BTD[rows_B1, last_BK], _joined(_attend(q_BHKd, k_BHTd, v_BHTd, mask)))

    def _heads(self, x_BTD: Tensor) -> Sequence[Tensor]:
        """Cut (B, T, n * D) into n tensors (B, H, T, D / H)."""
        b, t, _ = x_BTD.shape
        return x_BTD.view(b, t, -1, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind()

    def _attend_in_groups(self, qkv_BTD: Tensor, groups: SequenceGroups) -> Tensor:
        b, t, d3 = qkv_BTD.shape
        n_codes = b * t // len(groups.places_R)
        taken_PD = qkv_BTD.reshape(len(groups.places_R), n_codes * d3).index_select(0, groups.items_P)
        parts = []
        for part, (n, s), mask in zip(
            taken_PD.split([n * s for n, s in groups.shapes]), groups.shapes, groups.masks, strict=True
        ):
            q_nHtd, k_nHtd, v_nHtd = self._heads(part.view(n, s * n_codes, d3))
            attend = _attend_written_out if s * n_codes <= EAGER_ATTENTION_MAX_TOKENS else _attend
            attended = _joined(attend(q_nHtd, k_nHtd, v_nHtd, mask))
            parts.append(attended.reshape(n * s, n_codes * d3 // 3))
        return torch.cat(parts).index_select(0, groups.places_R).view(b, t, d3 // 3)

    def _residual(self, x_BTD: Tensor, attended_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + F.dropout(self.attention_out(attended_BTD), self.dropout, self.training)
        hidden = self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh"))
        return x_BTD + F.dropout(hidden, self.dropout, self.training)


def _attend(q_BHTd: Tensor, k_BHTd: Tensor, v_BHTd: Tensor, mask: Tensor | BlockMask | None) -> Tensor:
    if isinstance(mask, BlockMask):
        return _flex(q_BHTd, k_BHTd, v_BHTd, mask)
    return F.scaled_dot_product_attention(q_BHTd, k_BHTd, v_BHTd, attn_mask=mask)


def _attend_written_out(q_BHTd: Tensor, k_BHTd: Tensor, v_BHTd: Tensor, mask: Tensor) -> Tensor:
    """Attention with the scores in memory: two to five times as fast as SDPA in training short sequences on a CPU."""
    b, h, t, d = q_BHTd.shape
    forbidden_TT = torch.zeros(t, t, dtype=q_BHTd.dtype, device=q_BHTd.device).masked_fill_(~mask[0, 0], -torch.inf)
    q_GTd, k_GTd, v_GTd = (x_BHTd.reshape(b * h, t, d) for x_BHTd in (q_BHTd, k_BHTd, v_BHTd))
    scores_GTT = torch.baddbmm(forbidden_TT.expand(b * h, t, t), q_GTd, k_GTd.transpose(1, 2), alpha=d**-0.5)
    return torch.bmm(scores_GTT.softmax(-1), v_GTd).view(b, h, t, d)


def _joined(x_BHTd: Tensor) -> Tensor:
    """Concatenate the heads: (B, H, T, D / H) -> (B, T, D)."""
    return x_BHTd.transpose(1, 2).flatten(2)


_compiled_flex: Any = None


def _flex(q_BHTd: Tensor, k_BHTd: Tensor, v_BHTd: Tensor, mask: BlockMask) -> Tensor:
    """FlexAttention, compiled once; uncompiled it would build all T x T scores."""
    global _compiled_flex
    if _compiled_flex is None:
        _compiled_flex = torch.compile(flex_attention, dynamic=False)
    return _compiled_flex(q_BHTd, k_BHTd, v_BHTd, block_mask=mask)


class RecGPTDecoder(PreTrainedModel):
    """Decoder with an untied output head; a saved folder also holds its tokenizer.

    Attributes
    ----------
    tokenizer
        Tokenizer of the item codes, or None. Saved in `<folder>/tokenizer`; not part of the parameters and state dict.
    """

    config: RecGPTConfig
    config_class = RecGPTConfig
    base_model_prefix = "recgpt"
    main_input_name = "codes_BSK"
    _no_split_modules = ["Block"]  # noqa: RUF012 - transformers declares it so
    _input_embed_layer = "token_embedding"

    def __init__(self, config: RecGPTConfig) -> None:
        super().__init__(config)
        d = config.d_model
        self.token_embedding = nn.Embedding(config.vocab_size, d)
        self.token_norm = nn.LayerNorm(d)
        self.dense_projection = nn.Linear(config.slice_dim, d, bias=False)
        self.dense_norm = nn.LayerNorm(d)
        self.position_embedding = nn.Embedding(config.max_items * config.n_codes, d)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, config.vocab_size, bias=False)
        self.dense = DenseHead(config.n_codes * d, config.embedding_dim, config.dropout) if config.dense_head else None
        self._tokenizer: tuple[FSQTokenizer] | None = None  # in a tuple, so that nn.Module does not register it
        self.post_init()

    @property
    def tokenizer(self) -> FSQTokenizer | None:
        """Tokenizer of the codes that the model was trained on; None if it is not set."""
        return self._tokenizer[0] if self._tokenizer else None

    def set_tokenizer(self, tokenizer: FSQTokenizer) -> None:
        """Attach `tokenizer` to the model; `save_pretrained` saves it too.

        Raises
        ------
        CheckpointError
            Its sizes differ from the model's.
        """
        self.check_fits(tokenizer)
        self._tokenizer = (tokenizer,)

    def check_fits(self, tokenizer: FSQTokenizer) -> None:
        """Raise CheckpointError if the sizes of `tokenizer` differ from the model's."""
        theirs = (tokenizer.config.embedding_dim, tokenizer.config.n_codes, tokenizer.config.codebook_size)
        ours = (self.config.embedding_dim, self.config.n_codes, self.config.codebook_size)
        if theirs != ours:
            raise CheckpointError(
                f"the tokenizer has (embedding width, codes an item, codes a slot) = {theirs}, the model {ours}: "
                f"use the tokenizer that the model was trained with"
            )

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path, *args: Any, **kwargs: Any
    ) -> Self:
        """Load a folder, or a repository of the hub, written by `save_pretrained` or `push_to_hub`.

        Raises
        ------
        CheckpointError
            The folder is missing, or the weights are damaged or of another shape.
        """
        hub = {option: kwargs.pop(option) for option in OPTIONS if option in kwargs}
        folder = local_folder(pretrained_model_name_or_path, **hub)
        check_parameters(RecGPTConfig(**checked_sizes(folder)).least_parameters, folder)
        # By default transformers initialises missing or mismatched weights at random and drops unknown ones.
        kwargs.setdefault("dtype", torch.float32)  # weights may be stored in bfloat16
        kwargs |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        try:
            with quiet_transformers():
                loaded: Any = super().from_pretrained(folder, *args, **kwargs)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"the weights in {folder} are missing or damaged ({error}): copy them again"
            ) from error
        model, loading = loaded
        problems = [f"{name} is missing" for name in loading["missing_keys"]]
        problems += [f"{name} is unknown" for name in loading["unexpected_keys"]]
        problems += [f"{name} has shape {tuple(saved)}" for name, saved, _ in loading["mismatched_keys"]]
        if problems:
            raise CheckpointError(f"the weights in {folder} are not those of its config.json: {sorted(problems)[0]}")
        check_weights(model.state_dict(), folder)
        if (folder / TOKENIZER_FOLDER).is_dir():
            model.set_tokenizer(FSQTokenizer.from_pretrained(folder / TOKENIZER_FOLDER))
        return model

    def save_pretrained(  # type: ignore[override]
        self,
        save_directory: str | Path,
        *args: Any,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write weights (safetensors), config, tokenizer and a model card to a folder; see also `push_to_hub`.

        An earlier model in the folder is replaced as a whole.
        """
        with new_folder(Path(save_directory), overwrite=True, what="model") as draft:
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(draft / TOKENIZER_FOLDER)
            with quiet_transformers():
                super().save_pretrained(draft, *args, **kwargs)
            (draft / "README.md").write_text(model_card(self.config), encoding="utf-8")
        if push_to_hub:
            self.push_to_hub(repo_id or Path(save_directory).name, token=kwargs.get("token"))

    def push_to_hub(  # type: ignore[override]
        self, repo_id: str, *, private: bool | None = None, token: str | bool | None = None, **upload: Any
    ) -> str:
        """Upload the folder of `save_pretrained`, with tokenizer and model card, to a repository of the hub.

        Parameters
        ----------
        repo_id
            "owner/name", created if it does not exist, then private if `private`.
        upload
            Further options of `huggingface_hub.HfApi.upload_folder`: `commit_message`, `revision`, `create_pr`.

        Returns
        -------
        str
            Address of the commit.
        """
        return uploaded(self.save_pretrained, repo_id, private=private, token=token, **upload)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """GPT-2 initialisation; projections into the residual stream are scaled by depth."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for projection in (module.attention_out, module.mlp_out):
                nn.init.normal_(projection.weight, std=0.02 / (2 * self.config.n_layers) ** 0.5)
        if isinstance(module, DenseHead):
            module.reset()

    def forward(
        self,
        codes_BSK: Tensor,
        slices_BSKW: Tensor,
        *,
        segments_BS: Tensor | None = None,
        positions_BS: Tensor | None = None,
        labels_BSK: Tensor | None = None,
        loss_normaliser: Tensor | float | None = None,
        last_B: Tensor | None = None,
        reads_codes_B: Tensor | None = None,
        past: list[KeyValues] | None = None,
        past_mask_BT: Tensor | None = None,
        use_cache: bool = False,
    ) -> RecGPTOutput:
        """Forward pass over rows of items.

        Parameters
        ----------
        codes_BSK
            (B, S, K) int64 codes; `codebook_size` is padding.
        slices_BSKW
            (B, S, K, W) slices of the items' embeddings; any value at padding.
        segments_BS
            (B, S) sequence number of each item within its row, -1 at padding; sequences are contiguous. None: one
            sequence a row, padded on the right.
        positions_BS
            (B, S) positions of items within their sequence. None: 0, 1, 2, ... along the row.
        labels_BSK
            (B, S, K) codes to predict at each position, `IGNORE` for none (see `next_item_labels`).
        loss_normaliser
            Divisor of the summed loss. None: the number of labels.
        last_B
            (B,) item of each row for which alone hidden states are computed; `hidden_BSKD` is then (B, 1, K, D). Not
            with segments, labels or past.
        reads_codes_B
            (B,) bool, False for rows whose code embeddings are left out, in training. None: none are.
        past
            Key-value caches from a pass with `use_cache=True`; S must be 1. The new item is appended to them.
        past_mask_BT
            (B, T_past) bool, False for padding among the cached positions.

        Raises
        ------
        DataError
            A row is longer than `max_items`.
        """
        b, s, k = codes_BSK.shape
        if positions_BS is None:
            positions_BS = torch.arange(s, device=codes_BSK.device).expand(b, s)
            if s > self.config.max_items:
                raise DataError(f"a row of {s} items is longer than max_items={self.config.max_items}: cut its oldest")
        x_BTD = self._embed(codes_BSK, slices_BSKW, positions_BS, reads_codes_B)
        mask = self._mask(codes_BSK, segments_BS, past, past_mask_BT)
        if use_cache:
            past = [KeyValues() for _ in self.blocks]
        in_full = len(self.blocks) if last_B is None else len(self.blocks) - 1
        for layer, block in enumerate(self.blocks[:in_full]):
            x_BTD = block(x_BTD, mask, past[layer] if past else None)
        if last_B is not None:
            last_BK = last_B.unsqueeze(1) * k + torch.arange(k, device=last_B.device)
            sees_BT = torch.arange(s * k, device=last_B.device) <= last_BK[:, -1:]
            final = cast(Block, self.blocks[-1])
            x_BTD = final.read_last(x_BTD, last_BK, sees_BT[:, None, None], past[-1] if past else None)
            s = 1
        hidden_BTD = self.final_norm(x_BTD)
        loss = None
        if labels_BSK is not None:
            labels_R = labels_BSK.reshape(-1)
            hidden_RD = hidden_BTD.reshape(b * s * k, -1)
            predicts_R = labels_R != IGNORE
            total = next_code_loss(hidden_RD[predicts_R], self.head.weight, labels_R[predicts_R])
            loss = total / (predicts_R.sum() if loss_normaliser is None else loss_normaliser)
        return RecGPTOutput(loss=loss, hidden_BSKD=hidden_BTD.view(b, s, k, -1), past=past)

    def _embed(
        self, codes_BSK: Tensor, slices_BSKW: Tensor, positions_BS: Tensor, reads_codes_B: Tensor | None
    ) -> Tensor:
        b, s, k = codes_BSK.shape
        known_BSK1 = (codes_BSK < self.config.codebook_size).unsqueeze(-1)
        tokens = self.token_norm(self.token_embedding(codes_BSK))
        if reads_codes_B is not None:
            tokens = tokens * reads_codes_B[:, None, None, None]
        dense = self.dense_norm(self.dense_projection(slices_BSKW.to(self.dense_projection.weight.dtype)))
        slots = torch.arange(k, device=codes_BSK.device)
        positions = self.position_embedding(positions_BS.unsqueeze(-1) * k + slots)
        x_BTD = ((tokens + dense) * known_BSK1 + positions).view(b, s * k, -1)
        return F.dropout(x_BTD, self.config.dropout, self.training)

    def _mask(
        self,
        codes_BSK: Tensor,
        segments_BS: Tensor | None,
        past: list[KeyValues] | None,
        past_mask_BT: Tensor | None,
    ) -> Mask:
        b, s, k = codes_BSK.shape
        if past is None:
            if segments_BS is None:
                return block_causal_mask(s, k, codes_BSK.device)
            # SDPA with a mask would compute the scores between all sequences of a row as well.
            packed = flex_mask if segments_BS.device.type == "cuda" else sequence_groups
            return packed(segments_BS, k)
        if s != 1:
            raise DataError(f"{s} items were appended at once to a cache: append one at a time")
        if past_mask_BT is None:
            return None  # the new item attends to all cached positions and itself
        new = torch.ones(b, k, dtype=torch.bool, device=codes_BSK.device)
        return torch.cat((past_mask_BT, new), 1).view(b, 1, 1, -1)

    def slot_logits(self, hidden_BKD: Tensor) -> Tensor:
        """Logits over the V codes (and padding) of each slot of the next item: (B, K, D) -> (B, K, V + 1)."""
        return self.head(hidden_BKD)

    def code_logits(self, hidden_BKD: Tensor) -> Tensor:
        """`slot_logits` for ranking: (V + 1, K, B) float32, the logits of one code for all histories contiguous."""
        b, k, d = hidden_BKD.shape
        return linear(self.head.weight, hidden_BKD.transpose(0, 1).reshape(k * b, d)).view(-1, k, b).float()


def block_causal_mask(n_items: int, n_codes: int, device: torch.device) -> Tensor:
    """(1, 1, T, T) bool, True for allowed attention: bidirectional inside an item, causal across items."""
    allowed_SS = torch.ones(n_items, n_items, dtype=torch.bool, device=device).tril()
    return allowed_SS.repeat_interleave(n_codes, 0).repeat_interleave(n_codes, 1)[None, None]


def flex_mask(segments_BS: Tensor, n_codes: int) -> BlockMask:
    """Block-causal mask within each sequence of packed rows, for FlexAttention, which skips fully masked blocks."""
    b, s = segments_BS.shape
    segments_BT = segments_BS.repeat_interleave(n_codes, 1)

    def may_attend(row: Tensor, _head: Tensor, q: Tensor, key: Tensor) -> Tensor:
        return (key // n_codes <= q // n_codes) & (segments_BT[row, q] == segments_BT[row, key])

    return create_block_mask(may_attend, b, None, s * n_codes, s * n_codes, device=segments_BS.device)


def sequence_groups(segments_BS: Tensor, n_codes: int) -> SequenceGroups:
    """Group the sequences of packed rows by length, each at least `MIN_LENGTH_RATIO` x the longest of its group."""
    b, s = segments_BS.shape
    begins_BS = torch.ones_like(segments_BS, dtype=torch.bool)
    begins_BS[:, 1:] = segments_BS[:, 1:] != segments_BS[:, :-1]
    starts = begins_BS.flatten().nonzero()[:, 0]
    lengths = torch.diff(starts, append=starts.new_tensor([b * s]))
    real = segments_BS.flatten()[starts] >= 0
    lengths, order = lengths[real].sort(descending=True, stable=True)
    starts = starts[real][order]
    items, places_R, shapes, masks = [], torch.zeros(b * s, dtype=torch.long), [], []
    first = taken = 0
    while first < len(lengths):
        longest = int(lengths[first])
        n = int((lengths[first:] >= MIN_LENGTH_RATIO * longest).sum())
        within = torch.arange(longest)
        inside_nS = within < lengths[first : first + n, None]
        items_nS = torch.where(inside_nS, starts[first : first + n, None] + within, 0)
        places_R[items_nS[inside_nS]] = taken + inside_nS.flatten().nonzero()[:, 0]
        items.append(items_nS.flatten())
        shapes.append((n, longest))
        masks.append(block_causal_mask(longest, n_codes, segments_BS.device))
        first, taken = first + n, taken + n * longest
    return SequenceGroups(torch.cat(items), places_R, shapes, masks)
