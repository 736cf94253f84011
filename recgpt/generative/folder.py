"""Check of a model folder from elsewhere, before transformers allocates what its config.json asks for."""

from pathlib import Path
from typing import Any

from recgpt.bounds import MAX_CODES, MAX_HISTORY, MAX_LAYERS, MAX_WIDTH, check_sizes, read_json
from recgpt.errors import CheckpointError

_LIMITS = {"n_layers": MAX_LAYERS, "n_codes": MAX_CODES, "max_items": MAX_HISTORY}
_LIMITS |= dict.fromkeys(("codebook_size", "embedding_dim", "d_model", "n_heads"), MAX_WIDTH)


def checked_sizes(folder: Path) -> dict[str, Any]:
    """Sizes in the config.json of a folder, by name of the setting.

    Raises
    ------
    CheckpointError
        There is no config.json, a size is out of bounds, or the index of the shards names a file elsewhere.
    """
    path, index = folder / "config.json", folder / "model.safetensors.index.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no config.json: name the folder of a model")
    content = read_json(path, CheckpointError)
    check_sizes(content, _LIMITS, path)
    if index.is_file():
        shards = read_json(index, CheckpointError).get("weight_map", {})
        if not isinstance(shards, dict) or any(str(each) != Path(str(each)).name for each in shards.values()):
            raise CheckpointError(f"{index} names files outside its folder: copy the model again")
    return {name: content[name] for name in _LIMITS if name in content}
