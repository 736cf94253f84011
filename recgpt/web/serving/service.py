"""A served catalogue, without HTTP: requests with outside ids in, plain values out; users' histories grow.

    service = create_service("items.csv", "past.csv")
    service.rank([RankRequest(history=[1, 3], k=5), RankRequest(user="u7")])    # one answer, or error, for each
    service.observe([[Event("u7", 12)]])
    service.explain([ExplainRequest(item=12, history=[1, 3])])

Not for several threads at once: `recgpt.web.serving.waiting` lets one thread make all calls. `item` and `search` read
only constant parts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.catalogue import Catalogue, Model, with_item_ids
from recgpt.data.catalogue_file import read_catalogue
from recgpt.data.catalogue_ids import names_of_items
from recgpt.data.dataset import Interactions
from recgpt.data.ids import IdMap
from recgpt.data.past import PastSource, item_ids, read_past_and_users
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError, RecGPTError
from recgpt.models import about_model, load_model
from recgpt.ranking import Exclude
from recgpt.web.serving.event_log import Event, EventLog

Id = int | str
TEXTS = ("categories", "brand", "description")
_UNKNOWN_TIME = -1
_NAMED = 5  # unknown ids that a message names


@dataclass(frozen=True)
class RankRequest:
    """A history, oldest first, or a user whose history is known; one of the two."""

    history: Sequence[Id] | None = None
    user: Id | None = None
    k: int = 10
    exclude: Exclude = "history"


@dataclass(frozen=True)
class ExplainRequest:
    """The item to explain after a history, or after that of a user."""

    item: Id
    history: Sequence[Id] | None = None
    user: Id | None = None


class Service:
    """An indexed catalogue with outside ids, names and users.

    Parameters
    ----------
    catalogue
        The index; its interactions are `past`.
    items
        Table of the items: `title` and, if there are any, `item_id, categories, brand, description`.
    past
        Interactions as dense ids; None without.
    users
        Outside ids of the users of `past`.
    model
        Facts about the model, see `recgpt.models.about_model`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        items: pl.DataFrame,
        past: Interactions | None = None,
        users: IdMap | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> None:
        self.catalogue, self.model = catalogue, dict(model or {})
        self.n_past = 0 if past is None else len(past)
        self.n_observed = 0
        id_map = item_ids(items)
        self._item_ids: list[Id] = id_map.ids.to_list()
        self._rows: dict[Id, int] = {each: row for row, each in enumerate(self._item_ids)}
        self._titles = names_of_items(items["title"].to_list(), id_map)
        self._folded = [title.casefold() for title in self._titles]
        self._texts = items.select(name for name in TEXTS if name in items.columns)
        self._users: dict[Id, int] = {} if users is None else {user: row for row, user in enumerate(users.ids)}
        self._histories = _by_user(past)
        self._grown: dict[int, list[int]] = {}
        self._log: EventLog | None = None

    def __len__(self) -> int:
        return len(self._item_ids)

    @property
    def n_users(self) -> int:
        """Number of known users."""
        return len(self._users)

    def about(self) -> dict[str, Any]:
        """Sizes, and the kind and hash of the model."""
        return {
            "items": len(self),
            "users": self.n_users,
            "interactions": self.n_past,
            "observed": self.n_observed,
            "score_name": self.catalogue.score_name,
            "model": f"{self.model.get('kind')} {str(self.model.get('sha256'))[:12]}",
        }

    # --- items ---

    def item(self, item_id: Id) -> dict[str, Any]:
        """Id, title and texts of one item.

        Raises
        ------
        DataError
            There is no such item.
        """
        (row,) = self._item_rows([item_id], "item")
        return self._about(row) | (self._texts.row(row, named=True) if self._texts.width else {})

    def typed_id(self, text: str) -> Id:
        """Id of an item as it is written in an address."""
        is_number = isinstance(self._item_ids[0], int) and text.lstrip("-").isdecimal()
        return int(text) if is_number else text

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Items whose titles contain all words of `text`, in order of the catalogue; beginnings first."""
        words, start = text.casefold().split(), text.casefold().strip()
        found = [row for row, title in enumerate(self._folded) if all(word in title for word in words)]
        found.sort(key=lambda row: not self._folded[row].startswith(start))
        return [self._about(row) for row in found[:limit]]

    # --- rankings ---

    def rank(self, requests: Sequence[RankRequest]) -> list[list[dict[str, Any]] | RecGPTError]:
        """Recommendations for each request, or the error of that request; one never depends on the others."""
        histories = [_caught(self._history, each.history, each.user) for each in requests]
        answers: list[Any] = list(histories)
        for exclude in ("history", "nothing"):
            places = [
                place
                for place, each in enumerate(requests)
                if each.exclude == exclude and not isinstance(histories[place], RecGPTError)
            ]
            if places:
                self._rank_alike(requests, histories, places, answers)
        return answers

    def _rank_alike(
        self, requests: Sequence[RankRequest], histories: Sequence[Any], places: list[int], answers: list[Any]
    ) -> None:
        """Rank the requests at `places`, which exclude the same, and put the answers there."""
        rows = Ragged.from_lists([histories[place] for place in places])
        k = max(requests[place].k for place in places)
        ranking = self.catalogue.recommend(rows, k, exclude=requests[places[0]].exclude, ids="rows")
        ids, scores = ranking.ids.tolist(), ranking.scores.tolist()
        for place, ids_k, scores_k in zip(places, ids, scores, strict=True):
            found = [
                {"rank": rank, **self._about(row), "score": score}
                for rank, (row, score) in enumerate(zip(ids_k, scores_k, strict=True), start=1)
                if row >= 0 and rank <= requests[place].k
            ]
            answers[place] = found if found or histories[place] else _nothing_to_rank_by()

    def explain(self, requests: Sequence[ExplainRequest]) -> list[dict[str, Any] | RecGPTError]:
        """Explanation of a score for each request, or the error of that request."""
        return [_caught(self._explain, each) for each in requests]

    def _explain(self, request: ExplainRequest) -> dict[str, Any]:
        history = self._history(request.history, request.user)
        (row,) = self._item_rows([request.item], "item")
        found = self.catalogue.explain(history, row, self._titles, ids="rows").to_dict()
        return {"kind": self.model.get("kind"), **with_item_ids(found, self._item_ids)}

    # --- events ---

    def keep_in(self, log: EventLog) -> None:
        """Take in the events that a log holds, and append later ones to it.

        Raises
        ------
        DataError
            The log has items that the catalogue does not have, or users of another type.
        """
        try:
            self._apply(log.replayed)
        except DataError as error:
            remedy = "serve the catalogue that it belongs to, or begin another log"
            raise DataError(f"{log.path}: {error}; {remedy}") from error
        self._log = log

    def observe(self, calls: Sequence[Sequence[Event]]) -> list[int | RecGPTError]:
        """Take in the events of several calls, in order; the number of events of each, or the error of that call.

        The events of a call are taken in all or not at all. With a log they are on disk first.
        """
        answers: list[int | RecGPTError] = []
        good = []
        for events in calls:
            refused = _caught(self._check, events)
            answers.append(refused or len(events))
            if refused is None:
                good.append(events)
        if self._log is not None and good:
            self._log.append(good)
        self._take_in([event for events in good for event in events])
        return answers

    def _apply(self, events: Sequence[Event]) -> None:
        self._check(events)
        self._take_in(events)

    def _check(self, events: Sequence[Event]) -> None:
        self._item_rows([event.item for event in events], "events")
        known = next(iter(self._users), events[0].user if events else None)
        for event in events:
            if isinstance(event.user, int) != isinstance(known, int):
                raise DataError(f"events: user id {event.user!r} is of another type than {known!r}: write ids alike")

    def _take_in(self, events: Sequence[Event]) -> None:
        if not events:
            return
        users = [self._users.setdefault(event.user, len(self._users)) for event in events]
        items = [self._rows[event.item] for event in events]
        for user, item in zip(users, items, strict=True):
            if user not in self._grown:
                known = user < len(self._histories)
                self._grown[user] = self._histories[user].tolist() if known else []
            self._grown[user].append(item)
        times = None
        if any(event.timestamp is not None for event in events):
            times = np.array([_UNKNOWN_TIME if each.timestamp is None else each.timestamp for each in events])
        self.catalogue.observe(Interactions(np.array(users, np.int32), np.array(items, np.int32), times))
        self.n_observed += len(events)

    # --- ids ---

    def _history(self, history: Sequence[Id] | None, user: Id | None) -> list[int]:
        if history is not None:
            return self._item_rows(history, "history")
        row = self._users.get(user) if user is not None else None
        if row is None:
            raise DataError(
                f"user: {user!r} not among the {self.n_users:,} users with interactions: check it, or pass a history"
            )
        return self._grown[row] if row in self._grown else self._histories[row].tolist()

    def _item_rows(self, ids: Sequence[Id], what: str) -> list[int]:
        rows = self._rows
        try:
            return [rows[each] for each in ids]
        except KeyError:
            unknown = list(dict.fromkeys(each for each in ids if each not in rows))
        more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        named = ", ".join(map(repr, unknown[:_NAMED])) + more
        raise DataError(
            f"{what}: {named} not among the {len(self):,} items of the catalogue, whose ids are such as"
            f" {self._item_ids[0]!r}: check the ids"
        )

    def _about(self, row: int) -> dict[str, Any]:
        return {"item_id": self._item_ids[row], "title": self._titles[row]}


def create_service(
    items: str | Path | pl.DataFrame,
    interactions: PastSource | None = None,
    *,
    model: str | Path | Model | None = None,
    embeddings: np.ndarray | None = None,
) -> Service:
    """Read a catalogue and its past, load a model and index them.

    Parameters
    ----------
    items
        File of the catalogue, or a table, with `title` and, if there are any, `item_id` and other texts.
    interactions
        Past interactions, see `recgpt.data.past`. A model that reads none takes users' histories from them.
    model
        A model, or its folder, hub repository or published file; None for the shipped model.
    embeddings
        (N, E) embeddings of the texts, if they were computed before.

    Raises
    ------
    DataError
        The files cannot be read, or do not belong together.
    """
    table = items if isinstance(items, pl.DataFrame) else read_catalogue(Path(items))
    past, users = None, None
    if interactions is not None:
        past, users = read_past_and_users(interactions, item_ids(table))
    loaded = load_model(model) if model is None or isinstance(model, str | Path) else model
    return index_service(loaded, table, past, users, embeddings)


def index_service(
    model: Model,
    items: pl.DataFrame,
    past: Interactions | None = None,
    users: IdMap | None = None,
    embeddings: np.ndarray | None = None,
) -> Service:
    """Index a catalogue that was read already, for a model that was loaded already."""
    read = past if model.reads_interactions else None
    catalogue = model.index(items, interactions=read, embeddings=embeddings)
    return Service(catalogue, items, past, users, about_model(model))


def _by_user(past: Interactions | None) -> Ragged:
    """Histories of the users of dense interactions, in their order."""
    if past is None:
        return Ragged(np.empty(0, np.int64), np.zeros(1, np.int64))
    order = np.argsort(past.user, kind="stable")
    return Ragged(past.item[order].astype(np.int64), offsets_from_lengths(np.bincount(past.user)))


def _caught(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a function, or its error as a value."""
    try:
        return function(*arguments)
    except RecGPTError as error:
        return error


def _nothing_to_rank_by() -> DataError:
    return DataError("the history is empty and there are no interactions: pass a history of at least one item")
