"""Catalogue, past and history of `recgpt recommend` and `recgpt explain`, read before a model is loaded."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgpt.cli.checks import check_dataset, check_model
from recgpt.data.catalogue_file import read_catalogue
from recgpt.data.catalogue_ids import ids_from_texts, names_of_items
from recgpt.data.past import item_ids, read_past_and_users
from recgpt.errors import DataError
from recgpt.titles import find_titles, split_escaped, split_titles

if TYPE_CHECKING:
    import numpy as np

    from recgpt.catalogue import Catalogue, Model
    from recgpt.web.serving.service import Service


class Source:
    """Files that the options name.

    Parameters
    ----------
    items, interactions
        Files of the catalogue and of the past; `items` may be a data set folder, which has both.
    columns
        Column in the files by the name that recgpt reads; None where it is the same.
    time_format
        Format of the times.
    """

    def __init__(
        self, items: Path, interactions: str | None, columns: Mapping[str, str | None], time_format: str | None = None
    ) -> None:
        self._folder = items if items.is_dir() else None
        if items.is_dir():
            check_dataset(items)
            if interactions is None:
                interactions, time_format = str(items / "interactions.parquet"), "s"
            items = items / "items.parquet"
        self.model: dict[str, Any] = {}
        given = {name: column for name, column in columns.items() if column is not None}
        of_events = ("user_id", "timestamp")
        self._events_columns: dict[str, str] = {
            name: old for name, old in given.items() if name in (*of_events, "item_id")
        }
        self.items = read_catalogue(items, {name: old for name, old in given.items() if name not in of_events})
        self._interactions = interactions
        self._time_format = time_format
        self._id_map = item_ids(self.items)
        self.names = names_of_items(self.items["title"].to_list(), self._id_map)

    @cached_property
    def _past(self) -> Any:
        """Interactions and ids of their users; (None, None) without a file."""
        if self._interactions is None:
            return None, None
        return read_past_and_users(
            self._interactions, self._id_map, time_format=self._time_format, columns=self._events_columns
        )

    def history(self, titles: str | None, ids: str | None, user: str | None) -> list[int]:
        """Rows of the history that one of the three options gives.

        Raises
        ------
        DataError
            None or several of them are given, or a title, id or user is unknown.
        """
        given = [
            name for name, each in (("--history", titles), ("--history-ids", ids), ("--user", user)) if each is not None
        ]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "no history is given"
            raise DataError(f"{found}: pass exactly one of --history, --history-ids and --user")
        if titles is not None:
            return find_titles(self.names, split_titles(titles, self.names))
        if ids is not None:
            return self.rows([part for part in split_escaped(ids, ",") if part], "--history-ids")
        return self._history_of(str(user))

    def rows(self, ids: list[str], what: str) -> list[int]:
        """Rows of typed outside ids."""
        return [int(row) for row in ids_from_texts(self._id_map, ids, what)]

    def _history_of(self, user: str) -> list[int]:
        past, users = self._past
        if past is None or users is None:
            raise DataError(
                f"--user {user}: the history of a user is read from past interactions: pass --interactions FILE"
            )
        (number,) = ids_from_texts(users, [user], "--user")
        return [int(row) for row in past.item[past.user == number]]

    def indexed(self, model: str | None) -> "Catalogue":
        """Index the catalogue with the named model, by default the shipped one; `model` then has the facts about it."""
        check_model(model)
        past, _ = self._past

        from recgpt.models import about_model, load_model

        loaded = load_model(model)
        self.model = about_model(loaded)
        return loaded.index(self.items, interactions=past)

    def service(self, model: str | None) -> "Service":
        """Index the catalogue for `recgpt serve`; the embeddings of a data set folder are used, or made once.

        A model that reads no interactions takes users' histories from them.
        """
        check_model(model)
        past, users = self._past

        from recgpt.models import load_model
        from recgpt.progress import note
        from recgpt.web.serving.service import index_service

        loaded = load_model(model)
        note(f"indexing {len(self.items):,} items{'' if past is None else f' and {len(past):,} interactions'}")
        return index_service(loaded, self.items, past, users, self._embeddings(loaded))

    def _embeddings(self, model: "Model") -> "np.ndarray | None":
        """Embeddings of a data set folder by the model's encoder; None for a file, whose texts are encoded."""
        if self._folder is None or "encoder" not in model.text_encoder:
            return None
        from recgpt.data.dataset import Dataset
        from recgpt.encode import embeddings_for

        dataset = Dataset.load(self._folder)
        if not dataset.item_map.ids.equals(self._id_map.ids):
            return None
        encoder = model.text_encoder
        return embeddings_for(dataset, encoder["encoder"], encoder.get("template", "fields"))
