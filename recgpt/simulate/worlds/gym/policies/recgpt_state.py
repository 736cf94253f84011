"""RecGPT in a policy: as encoder of the state, and as warm start, to whose ranking training adds what it learns.

    lists = RecGPTLists(setting)                  # fits the recommender: texts and past interactions, no gradient step
    network = RecGPTActorCritic(features, lists, ...)

The recommender `recgpt` ranks the catalogue after the items that a user liked, before the episode and in it; the best
`LIST` items of that ranking are read. Their mean vector is an input of the state, and their places are the logits that
training starts from. The foundation model itself is not trained. Rankings are kept, so that an epoch of training costs
no second ranking.

Shapes: as in `item_embedding`; M items of a ranking.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recgpt.data.ragged import Ragged
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.policies.item_embedding import ItemEmbeddingActorCritic
from recgpt.simulate.worlds.gym.policies.networks import Batch
from recgpt.simulate.worlds.gym.policies.recommenders import fitted, histories_of

LIST = 200
"""M, the number of ranked items that are read."""
KEPT_LISTS = 200_000
"""Rankings kept, 800 bytes each."""
_NO_ITEM = -1


class RecGPTLists:
    """Rankings of the recommender `recgpt`, of the items that are not in the history.

    Parameters
    ----------
    setting
        Catalogue, users and, in `model`, the folder of the foundation model; None for the shipped one.
    """

    def __init__(self, setting: Setting) -> None:
        self._recommender = fitted("recgpt", setting)
        self._users, self._liked_from = setting.users, setting.domain.liked_from
        self._kept: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._n = min(LIST, len(setting.items))

    def after(self, user_B: np.ndarray, items_BH: np.ndarray, ratings_BH: np.ndarray) -> np.ndarray:
        """(B, M) int32 ranked items, best first; -1 where fewer can be ranked.

        Parameters
        ----------
        user_B, items_BH, ratings_BH
            Users, and interactions of their episodes, newest first; -1 for none.
        """
        known_BH = np.where(items_BH >= 0, ratings_BH, np.nan)
        histories = histories_of(user_B, items_BH[:, ::-1], known_BH[:, ::-1], self._users, self._liked_from)
        keys = [history.tobytes() for history in histories]
        missing = {key: row for row, key in enumerate(keys) if key not in self._kept}
        if missing:
            ranked = self._recommender.rank(Ragged.from_lists([histories[row] for row in missing.values()]), self._n)
            self._kept.update(zip(missing, ranked.ids.astype(np.int32), strict=True))
        found_BM = np.stack([self._kept[key] for key in keys])
        while len(self._kept) > KEPT_LISTS:
            self._kept.popitem(last=False)
        return found_BM


class RecGPTActorCritic(ItemEmbeddingActorCritic):
    """Item-embedding network whose state reads RecGPT's ranking; before the training, its logits are this ranking."""

    start = 0.0

    def __init__(self, features_NX: np.ndarray, lists: RecGPTLists, *, width: int = 32, **sizes: Any) -> None:
        self._width = width
        super().__init__(features_NX, width=width, **sizes)
        self.lists = lists
        self.list_weight = nn.Parameter(torch.tensor(6.0))

    @property
    def n_context(self) -> int:
        """K: the mean vector of the ranked items."""
        return self._width

    def context(self, batch: Batch) -> Tensor:
        """(B, K) mean vector of the ranked items, the better ones with more weight."""
        ranked_BM = self._ranked(batch)
        weight_BM = _place_weights(ranked_BM)
        vectors_BMK = self._items()[:, :-1].detach()[ranked_BM.clamp(min=0)]
        return torch.einsum("bm,bmk->bk", weight_BM / weight_BM.sum(1, keepdim=True).clamp(min=1e-6), vectors_BMK)

    def with_prior(self, logits_BN: Tensor, batch: Batch) -> Tensor:
        """(B, N) logits with a learned weight times each ranked item's place."""
        ranked_BM = self._ranked(batch)
        prior_BM = self.list_weight * _place_weights(ranked_BM)
        return logits_BN.scatter_add(1, ranked_BM.clamp(min=0), prior_BM)

    def _ranked(self, batch: Batch) -> Tensor:
        arrays = (part.cpu().numpy() for part in (batch.user_B, batch.items_BH, batch.ratings_BH))
        return torch.from_numpy(self.lists.after(*arrays).astype(np.int64)).to(batch.user_B.device)


def _place_weights(ranked_BM: Tensor) -> Tensor:
    """(B, M) weights from 1 for the best to about 0 for the last, by the logarithm of the place; 0 for padding."""
    n = ranked_BM.shape[1]
    place_M = torch.arange(n, device=ranked_BM.device, dtype=torch.float32)
    weight_M = 1 - torch.log1p(place_M) / np.log1p(n)
    return weight_M * (ranked_BM > _NO_ITEM)
