"""The foundation model: indexes a catalogue by its texts and past interactions, without a gradient step, in seconds.

    model = FoundationModel.from_pretrained("ckpt/recgpt-minilm")
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"], interactions=past)
    ranking = catalogue.recommend([[0, 2]], k=1)                                 # .ids, .scores
    catalogue.observe(events)                                                    # counted from the next ranking on

The ranking is in `recgpt.foundation.catalogue`, the network in `recgpt.foundation.network`.

Shapes: N items, M candidates, E embedding width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl
from huggingface_hub import ModelCardData
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from recgpt.arguments import check_embeddings, check_iterable
from recgpt.bounds import MAX_LAYERS, MAX_WIDTH, check_parameters, check_sizes, read_json
from recgpt.catalogue import Kind, rankings_sha256
from recgpt.data.dataset import Interactions
from recgpt.data.fingerprint import check_embeddings_given
from recgpt.data.ids import IdMap
from recgpt.data.past import PastSource, given_ids, read_past_and_users
from recgpt.data.provenance import describe_past
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.data.text import catalogue_texts
from recgpt.encode import TextEncoder
from recgpt.errors import CheckpointError, DataError
from recgpt.files import new_folder
from recgpt.foundation.calibration import index_and_calibrate
from recgpt.foundation.catalogue import FoundationCatalogue
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    COSINES,
    FIRST_CANDIDATE_FEATURES,
    FoundationNetwork,
    NetworkConfig,
)
from recgpt.foundation.repeats import fit_repeats
from recgpt.hub import SHIPPED_MODEL, local_folder, shipped_folder, uploaded
from recgpt.ranking import first_unknown
from recgpt.terminal import markdown
from recgpt.training.weights import check_weights

if TYPE_CHECKING:
    import pandas as pd

MODEL_TYPE = "recgpt-foundation"
WEIGHTS_FILE = "model.safetensors"
ZERO_AT_START = ("network.modulation.weight", "network.item_out.weight")
SHIPPED = shipped_folder(SHIPPED_MODEL)
NETWORK_LIMITS = {"n_layers": MAX_LAYERS, **dict.fromkeys(("history_items", "d_model", "hidden"), MAX_WIDTH)}
NETWORK_LIMITS |= {"n_heads": MAX_WIDTH, "patterns": MAX_WIDTH}


@dataclass(frozen=True)
class FoundationConfig:
    """Configuration of a foundation model, stored as `config.json`.

    Attributes
    ----------
    network
        Sizes of the network.
    shortlist
        M, the number of items that the network scores after each history.
    text_encoder
        Encoder, template and width of the embeddings that the network was trained with.
    training
        Training record: the training past of each data set (`recgpt.data.provenance`), hashes of the catalogues, seed,
        steps and further settings.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    shortlist: int = 400
    text_encoder: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    model_type: str = MODEL_TYPE

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `config.json`.

        Raises
        ------
        CheckpointError
            It is missing, damaged, or of another kind of model.
        """
        found = read_json(path, CheckpointError)
        try:
            if found.get("model_type") != MODEL_TYPE:
                raise CheckpointError(
                    f"{path} has model_type={found.get('model_type')!r}, not {MODEL_TYPE!r}: name the folder of a"
                    " foundation model"
                )
            check_sizes(found["network"], NETWORK_LIMITS, path)
            check_sizes(found, {"shortlist": MAX_WIDTH}, path)
            return cls(**{**found, "network": _network_config(found["network"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is missing or damaged ({error}): copy the model again") from error


def _network_config(found: Mapping[str, Any]) -> NetworkConfig:
    """Configuration from JSON; one of an earlier version names neither features of candidates nor soft maxima."""
    features = tuple(found.get("candidate_features", FIRST_CANDIDATE_FEATURES))
    soft_maxima = tuple(found.get("soft_maxima", ()))
    for name in (*features, *soft_maxima):
        if name not in (*CANDIDATE_FEATURES, *COSINES):
            raise CheckpointError(f"the model reads a feature {name!r}, which this version lacks: install a later one")
    return NetworkConfig(**{**found, "candidate_features": features, "soft_maxima": soft_maxima})


class FoundationModel(nn.Module):
    """The trained network, its configuration, and `index`. Keeps `recgpt.catalogue.Model`."""

    kind: ClassVar[Kind] = "foundation"
    reads_interactions: ClassVar[bool] = True

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__()
        self.config = config
        self.network = FoundationNetwork(config.network)
        self.source: str | None = None
        self.eval()

    @property
    def text_encoder(self) -> Mapping[str, Any]:
        """Encoder, template and width of the embeddings that it was trained with; empty where it is not recorded."""
        return self.config.text_encoder

    @property
    def training_record(self) -> Mapping[str, Any]:
        """Training record: `trained_on`, the training past of each data set; `catalogues`, their hashes."""
        return self.config.training

    @property
    def sha256(self) -> str:
        """Hash of the weights and of the settings that the weights do not show."""
        return rankings_sha256((self.config.shortlist, self.config.network), self.state_dict())

    def index(
        self,
        items: "Sequence[str] | pl.DataFrame | pd.DataFrame | np.ndarray",
        *,
        interactions: PastSource | None = None,
        embeddings: np.ndarray | None = None,
        now: bool = False,
    ) -> FoundationCatalogue:
        """Index a catalogue, which may be new to the model, by its texts and past interactions; no gradient step.

        Given interactions of at least a hundred users, the network's logits are calibrated to this catalogue by one
        linear system, see `recgpt.foundation.calibration`.

        Parameters
        ----------
        items
            N texts; or a table with `title` and, if there are any, `categories, brand, description`; or text embeddings
            (N, E) from the encoder that the model was trained with, without the tf-idf relation that texts give.
        interactions
            Dense `Interactions`, oldest first; or a table (polars, pandas, Arrow, a DuckDB relation) or the path of a
            file, a pattern or `hf://` address of files, with `user_id`, `item_id` and, if known, `position` or
            `timestamp`, which order them; see `recgpt.data.past`, also for times in a format of their own. `item_id`
            refers to the column `item_id` of the items table, or to row numbers without such a column. None ranks by
            texts alone.
        embeddings
            (N, E) embeddings of these texts, if they were computed before; otherwise the texts are encoded.
        now
            All rankings are for the time after the whole past, as in use; False where some are for moments within it,
            as under leave-one-out. It matters for the calibration of catalogues with times.

        Raises
        ------
        DataError
            An empty catalogue, an item without text, NaN, duplicate or unknown `item_id`.
        EncoderError
            The texts' encoder cannot be loaded or is not the model's.
        """
        if isinstance(items, str):
            raise DataError(f"a single text was given, {items[:40]!r}: index a list of texts, one an item")
        check_iterable(items, "items", "index a list of texts, a table with a column title, or an array of embeddings")
        if embeddings is not None:
            check_embeddings(embeddings, len(items))
        if len(items) == 0:
            raise DataError("the catalogue is empty: index at least one item")
        ids = given_ids(items)
        texts = None if isinstance(items, np.ndarray) else catalogue_texts(items, self.template)
        embeddings_NE = self._embeddings(items, texts, embeddings)
        width = self.config.text_encoder.get("dim")
        if embeddings_NE.shape[:-1] != (len(items),) or width not in (None, embeddings_NE.shape[1]):
            raise DataError(
                f"embeddings have shape {embeddings_NE.shape}, the model reads ({len(items)}, {width}): "
                f"encode the items with the encoder that the model was trained with"
            )
        check_embeddings_given(embeddings_NE, "the catalogue")
        events, users = _past(interactions, ids.id_map)
        order = np.argsort(events.user, kind="stable")
        sequences = Ragged(events.item[order].astype(np.int64), offsets_from_lengths(np.bincount(events.user)))
        times = None if events.timestamp is None else events.timestamp[order]
        features, calibration = index_and_calibrate(
            self.network, embeddings_NE, sequences, times, texts, shortlist=self.config.shortlist, now=now
        )
        shortlist = self.config.shortlist
        repeats = fit_repeats(self.network, calibration, features, shortlist=shortlist)
        return FoundationCatalogue(
            self.network, features, calibration, repeats, shortlist=shortlist, ids=ids, users=users
        )

    def open_index(self, folder: Path, embeddings: np.ndarray) -> FoundationCatalogue:
        """Read the index that `FoundationCatalogue.save` wrote; `embeddings` are not needed."""
        return FoundationCatalogue.open(folder, self.network, shortlist=self.config.shortlist)

    @property
    def template(self) -> str:
        """Name of the template that makes an item's text from its fields."""
        return str(self.config.text_encoder.get("template", "fields"))

    def _embeddings(self, items: Any, texts: Sequence[str] | None, given_NE: np.ndarray | None) -> np.ndarray:
        if texts is None:
            return np.asarray(items)
        if given_NE is not None:
            return given_NE
        return TextEncoder.from_fingerprint(self.config.text_encoder).encode(texts, progress=len(texts) > 1000)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        """Write weights (safetensors), config and, where there is none yet, a model card; see also `push_to_hub`.

        An earlier model in the folder is replaced as a whole.
        """
        folder = Path(save_directory)
        has_card = (folder / "README.md").exists()
        with new_folder(folder, overwrite=True, what="model") as draft:
            save_file(self.state_dict(), draft / WEIGHTS_FILE)
            text = json.dumps(asdict(self.config), indent=2)
            (draft / "config.json").write_text(text + "\n", encoding="utf-8")
            if not has_card:
                (draft / "README.md").write_text(model_card(self.config), encoding="utf-8")
        if push_to_hub:
            self.push_to_hub(repo_id or folder.name, token=token)

    def push_to_hub(
        self, repo_id: str, *, private: bool | None = None, token: str | bool | None = None, **upload: Any
    ) -> str:
        """Upload the folder of `save_pretrained` to a repository of the hub; returns the address of the commit.

        Parameters
        ----------
        repo_id
            "owner/name", created if it does not exist, then private if `private`.
        upload
            Further options of `huggingface_hub.HfApi.upload_folder`: `commit_message`, `revision`, `create_pr`.
        """
        return uploaded(self.save_pretrained, repo_id, private=private, token=token, **upload)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None = None, **hub: Any) -> Self:
        """Load a folder, or a repository of the hub, that `save_pretrained` or `push_to_hub` wrote.

        Parameters
        ----------
        pretrained_model_name_or_path
            None for the weights shipped with the package.
        hub
            `revision`, `token`, `cache_dir` and the like, for a repository of the hub.

        Raises
        ------
        CheckpointError
            Nothing there, or a file of it is missing or damaged.
        """
        folder = local_folder(pretrained_model_name_or_path or SHIPPED, **hub)
        config, weights = FoundationConfig.read(folder / "config.json"), folder / WEIGHTS_FILE
        check_parameters(config.network.least_parameters, weights)
        model = cls(config)
        model.source = str(pretrained_model_name_or_path or SHIPPED_MODEL)
        try:
            model.load_state_dict(load_file(weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{weights} is missing or damaged ({error}): copy it again") from error
        check_weights(model.state_dict(), weights, may_be_zero=ZERO_AT_START)
        return model


def shipped() -> FoundationModel:
    """Load the model shipped with the package.

    Raises
    ------
    CheckpointError
        Its folder is missing.
    """
    if not SHIPPED.is_dir():
        raise CheckpointError(
            f"{SHIPPED} is missing: install recgpt again, or name a model, such as one made by `recgpt pretrain"
            " foundation`"
        )
    model = FoundationModel.from_pretrained(SHIPPED)
    model.source = SHIPPED_MODEL
    return model


def model_card(config: FoundationConfig) -> str:
    """README.md of a saved model: description, usage and training record."""
    data = ModelCardData(license="mit", library_name="recgpt", tags=["recommendation", "zero-shot", "cold-start"])
    encoder = markdown(config.text_encoder.get("encoder", "an encoder that is not recorded"))
    facts = {key: value for key, value in config.training.items() if key not in ("catalogues", "trained_on")}
    facts |= {"trained on": "; ".join(map(describe_past, config.training.get("trained_on", ()))) or "not recorded"}
    rows = "\n".join(f"| {key} | {markdown(value)} |" for key, value in facts.items())
    table = (
        f"## Training\n\n| | |\n|-|-|\n{rows}\n" if config.training else "Training is not recorded in this folder.\n"
    )
    return f"""---
{data.to_yaml()}
---

# RecGPT foundation model

An in-context recommender: it ranks a catalogue it was not trained on, by item texts and past interactions, without a
gradient step. Item texts are embedded by {encoder}.

```python
from recgpt import FoundationModel

model = FoundationModel.from_pretrained("this folder")
catalogue = model.index(["first item's text", "second item's text", "third item's text"], interactions=past)
print(catalogue.recommend([[0, 2]], k=1).ids)
```

{table}"""


def _past(source: PastSource | None, items: IdMap) -> tuple[Interactions, IdMap | None]:
    """Past interactions with ids of the catalogue, and the ids of their users, if they have any but dense ones."""
    if source is None:
        return Interactions(np.empty(0, np.int32), np.empty(0, np.int32)), None
    past, users = read_past_and_users(source, items)
    for what, ids in (("item", past.item), ("user", past.user)):
        unknown = first_unknown(ids, len(items) if what == "item" else np.iinfo(np.int32).max)
        if unknown is not None:
            raise DataError(
                f"interaction {unknown} has the {what} id {ids[unknown]}, the catalogue has {len(items)} items: ids"
                " of Interactions are counted from 0"
            )
    return past, users
