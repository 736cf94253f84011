"""A served catalogue of 40 items: text ids, three of them odd; users, times; random embeddings, an untrained model."""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

pytest.importorskip("fastapi", reason="needs the extra `web`")

from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.web.access import Access
from recgpt.web.server import bound
from recgpt.web.serving.server import server_of
from recgpt.web.serving.service import Service, create_service

N, WIDTH = 40, 16
IDS = [f"sku-{number:02}" for number in range(N - 3)] + ["007", "b/7 ü", "<img src=x onerror=alert(1)>"]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> & 'Heat'"


@dataclass(frozen=True)
class Shop:
    """Tables of the catalogue and of its past, embeddings, and the model."""

    items: pl.DataFrame
    past: pl.DataFrame
    embeddings_NE: np.ndarray
    model: FoundationModel

    def service(self, past: pl.DataFrame | None = None) -> Service:
        """A new service."""
        return create_service(
            self.items, self.past if past is None else past, model=self.model, embeddings=self.embeddings_NE
        )


def new_shop() -> Shop:
    """The catalogue of all tests of the service."""
    rng = np.random.default_rng(3)
    titles = [f"Film {number}" for number in range(N - 1)] + [HOSTILE]
    titles[4], titles[5] = "Heat (1995)", "The Heat (2013)"
    items = pl.DataFrame({"item_id": IDS, "title": titles, "categories": ["Drama", "Comedy"] * (N // 2)})
    walks = [[*range(start, start + 6)] for start in rng.integers(0, N - 6, 30)]
    users = np.repeat(np.arange(30), 6)
    past = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "item_id": [IDS[item] for item in np.concatenate(walks)],
            "timestamp": 1_600_000_000 + 60 * np.arange(180),
        }
    )
    encoder = {"encoder": "none", "requested": "none", "template": "fields", "dim": WIDTH}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FoundationModel(FoundationConfig(text_encoder=encoder))
    return Shop(items, past, rng.standard_normal((N, WIDTH)).astype(np.float32), model)


@pytest.fixture(scope="session")
def shop() -> Shop:
    """The catalogue, which no test changes."""
    return new_shop()


@dataclass(frozen=True)
class Answer:
    """Answer of the server."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    """Sends requests to one server."""

    port: int

    def __call__(
        self, path: str, body: Any = None, *, headers: dict[str, str] | None = None, method: str | None = None
    ) -> Answer:
        """Answer to GET, or to POST with a body: JSON, or bytes as they are."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {} if body is None else {"content-type": "application/json"}
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, data, {**sent, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())


@contextlib.contextmanager
def running(service: Service, **access: Any) -> Iterator[Client]:
    """A server in a thread."""
    with bound("127.0.0.1", 0, listens=False) as listener:
        port = listener.getsockname()[1]
        server = server_of(service, Access(access.pop("host", "127.0.0.1"), port, **access))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server has ended"
                time.sleep(0.01)
            yield Client(port)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@pytest.fixture(scope="session")
def serve() -> Any:
    """`with serve(service) as client`."""
    return running


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[Client]:
    """Client of a server that no test changes."""
    with running(shop.service()) as client:
        yield client
