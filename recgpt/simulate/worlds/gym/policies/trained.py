"""Trained policies: their networks in a folder, and what they recommend.

    policy = TrainedPolicy.load(Path("runs/gym/ppo"), setting)
    policy.act(views)                                          # (E,) the item of the highest logit, among the allowed

A folder holds `policy.json` and `policy.safetensors`; neither Gymnasium nor Stable-Baselines3 is needed to read it. An
`item_embedding` network takes any catalogue and users of the same text encoder, a `cf` network only those of its
training.

Shapes: as in `networks`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from recgpt.bounds import MAX_WIDTH, check_sizes, read_json
from recgpt.errors import CheckpointError, SimulationError
from recgpt.files import new_folder
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.item_embedding import (
    ItemEmbeddingActorCritic,
    ItemEmbeddingQ,
    item_features,
)
from recgpt.simulate.worlds.gym.policies.networks import CFQ, Batch, CFActorCritic, SeenActorCritic, greedy

KIND = "recgpt-gym-policy"
FACTS_FILE, WEIGHTS_FILE = "policy.json", "policy.safetensors"
_BY_ID = ("cf", "cf_seen")
_MOST = 1 << 31  # users and items


@dataclass(frozen=True)
class NetworkFacts:
    """What a network was made for, stored as `policy.json`.

    Attributes
    ----------
    algo, policy
        Algorithm and network, as in the settings of training.
    width
        Width of user and item vectors.
    domain
        Name of the domain.
    n_users, n_items
        Numbers of users and items of the training.
    users_sha256, items_sha256
        Hashes of their ids.
    tags
        Tags of items, in the order of the features.
    n_text
        Width of the text embeddings.
    """

    algo: str
    policy: str
    width: int
    domain: str
    n_users: int
    n_items: int
    users_sha256: str
    items_sha256: str
    tags: tuple[str, ...]
    n_text: int

    @classmethod
    def of_setting(cls, setting: Setting, *, algo: str, policy: str, width: int) -> Self:
        """Facts of a network that is to be trained."""
        users, items = setting.users, setting.items
        return cls(
            algo,
            policy,
            width,
            setting.domain.name,
            len(users),
            len(items),
            ids_sha256(users.ids),
            ids_sha256(items.ids),
            items.tag_names,
            items.unit_NE.shape[1],
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `policy.json`.

        Raises
        ------
        CheckpointError
            It is missing, damaged, or of another kind.
        """
        path = folder / FACTS_FILE
        found = read_json(path, CheckpointError)
        if found.pop("kind", None) != KIND:
            raise CheckpointError(f"{path} describes no policy of the gym: name a folder of `recgpt gym train`")
        check_sizes(found, {"width": MAX_WIDTH, "n_text": MAX_WIDTH, "n_users": _MOST, "n_items": _MOST}, path)
        try:
            return cls(**{**found, "tags": tuple(found["tags"])})
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): train the policy again") from error

    def check(self, setting: Setting, folder: Path) -> None:
        """Refuse a catalogue or users that the network has no weights for.

        Raises
        ------
        SimulationError
            Other items or users than those of the training, or another text encoder.
        """
        if self.policy in _BY_ID:
            for word, ids, expected in (
                ("users", setting.users.ids, self.users_sha256),
                ("items", setting.items.ids, self.items_sha256),
            ):
                if ids_sha256(ids) != expected:
                    raise SimulationError(
                        f"{folder} was trained with --policy {self.policy} on other {word} than these {len(ids):,}: it"
                        " has weights for each of its own only; train one with --policy item_embedding"
                    )
        elif setting.items.unit_NE.shape[1] != self.n_text:
            raise SimulationError(
                f"{folder} was trained on text embeddings of width {self.n_text}, these items have"
                f" {setting.items.unit_NE.shape[1]}: encode them with the encoder of the training (recgpt encode)"
            )


def ids_sha256(ids: Sequence[str]) -> str:
    """Hash of ids in their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()


def make_network(facts: NetworkFacts, setting: Setting) -> nn.Module:
    """Make a network with new weights, for the catalogue and the users of a setting.

    Raises
    ------
    CheckpointError
        Unknown policy.
    """
    is_q = facts.algo == "dqn"
    sizes = {"n_users": len(setting.users), "n_items": len(setting.items), "width": facts.width}
    if facts.policy == "cf":
        return CFQ(**sizes) if is_q else CFActorCritic(**sizes)
    if facts.policy == "cf_seen":
        return SeenActorCritic(**sizes)
    options: dict[str, Any] = {
        "n_tags": len(facts.tags),
        "n_user_features": 5 + len(facts.tags),
        "scale": setting.domain.scale,
        "width": facts.width,
    }
    features_NX = item_features(setting.items, facts.tags)
    if facts.policy == "item_embedding":
        return (ItemEmbeddingQ if is_q else ItemEmbeddingActorCritic)(features_NX, **options)
    if facts.policy == "recgpt":
        from recgpt.simulate.worlds.gym.policies.recgpt_state import RecGPTActorCritic, RecGPTLists

        return RecGPTActorCritic(features_NX, RecGPTLists(setting), **options)
    raise CheckpointError(f"unknown policy {facts.policy!r}: it is cf, cf_seen, item_embedding or recgpt")


def save_network(folder: Path, facts: NetworkFacts, network: nn.Module) -> None:
    """Write facts and weights into a folder, whose other files stay."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with new_folder(folder, overwrite=True, what="policy") as draft:
        save_file(weights, draft / WEIGHTS_FILE)
        (draft / FACTS_FILE).write_text(json.dumps({"kind": KIND, **asdict(facts)}, indent=2) + "\n", encoding="utf-8")


def load_weights(folder: Path, network: nn.Module) -> None:
    """Load the weights of a folder into a network.

    Raises
    ------
    CheckpointError
        They are missing, damaged, or of another network.
    """
    path = folder / WEIGHTS_FILE
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        what = " ".join(str(error).split())
        raise CheckpointError(f"{path} is missing, damaged or of another network ({what}): train it again") from error


class TrainedPolicy:
    """Greedy recommendations of a trained network.

    Parameters
    ----------
    network
        A network of `networks`.
    features_UF
        (U, F) features of the users, as the network reads them.
    name
        Name for reports.
    """

    def __init__(self, network: nn.Module, features_UF: np.ndarray, name: str = "trained") -> None:
        self.name = name
        self._network = network.eval()
        self._features_UF = torch.from_numpy(features_UF)

    @classmethod
    def load(cls, folder: str | Path, setting: Setting) -> Self:
        """Read a folder of `recgpt gym train`.

        Raises
        ------
        CheckpointError
            It holds no policy, or a damaged one.
        SimulationError
            Its network has no weights for these items or users.
        """
        folder = Path(folder)
        facts = NetworkFacts.read(folder)
        facts.check(setting, folder)
        network = make_network(facts, setting)
        load_weights(folder, network)
        return cls(network, setting.users.features(facts.tags), f"{facts.algo}:{facts.policy}")

    @torch.inference_mode()
    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 allowed item of the highest logit, of several the first."""
        return greedy(self._network.logits(self._batch(views))).numpy()  # type: ignore[operator]

    def observe(self, views: Views, item_E: np.ndarray, rating_E: np.ndarray) -> None:
        """Ignore ratings: the network reads them in the next view."""

    def _batch(self, views: Views) -> Batch:
        items_EH, ratings_EH = newest_first(views.items_EH, views.ratings_EH)
        user_E = torch.from_numpy(views.user_E.astype(np.int64))
        allowed_EN = torch.from_numpy(np.asarray(views.allowed(), dtype=bool))
        return Batch(
            user_E, self._features_UF[user_E], torch.from_numpy(items_EH), torch.from_numpy(ratings_EH), allowed_EN
        )


def newest_first(items_EH: np.ndarray, ratings_EH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E, max(H, 1)) int64 items and float32 ratings with the newest first; padded with -1 and 0.

    Parameters
    ----------
    items_EH, ratings_EH
        Interactions, oldest first, -1 and NaN beyond them.
    """
    width = max(items_EH.shape[1], 1)
    count_E1 = (items_EH >= 0).sum(axis=1, keepdims=True)
    place_EH = count_E1 - 1 - np.arange(width)
    is_item_EH = place_EH >= 0
    if items_EH.shape[1] == 0:
        return np.full((len(items_EH), 1), -1, dtype=np.int64), np.zeros((len(items_EH), 1), dtype=np.float32)
    place_EH = np.maximum(place_EH, 0)
    items = np.where(is_item_EH, np.take_along_axis(items_EH, place_EH, axis=1), -1)
    ratings = np.where(is_item_EH, np.take_along_axis(ratings_EH, place_EH, axis=1), 0)
    return items.astype(np.int64), ratings.astype(np.float32)
