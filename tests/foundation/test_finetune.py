"""Fine-tuning keeps what helps, leaves the given model alone, and looks at nothing it is asked about."""

import copy
import signal

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Dataset
from recgpt.data.provenance import training_past
from recgpt.errors import CheckpointError, DataError
from recgpt.foundation import finetune as module
from recgpt.foundation.episodes import Episode
from recgpt.foundation.finetune import CUTS, drop_checkpoints, finetune, finetuned_folder
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import CANDIDATE_FEATURES, RELATIONS, NetworkConfig

N_ITEMS = 40
CPU = torch.device("cpu")
NETWORK = NetworkConfig(history_items=4, d_model=8, n_heads=2, hidden=16)


def dataset_of(sequences: list[list[int]], n_items: int = N_ITEMS, *, timed: bool = False) -> Dataset:
    events = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences}).explode("item_id")
    events = events.with_row_index("position")
    if timed:
        events = events.with_columns(timestamp=pl.col("position").cast(pl.Int64) * 1000)
    items = pl.DataFrame({"item_id": range(n_items), "title": [f"item {i}" for i in range(n_items)]})
    return Dataset.from_frames("toy", events, items)


def walks(n_users: int = 60) -> list[list[int]]:
    """Forward by strides of any of three lengths: where to is known, but not how far."""
    rng = np.random.default_rng(0)
    steps = [rng.choice([1, 3, 7], rng.integers(4, 9)) for _ in range(n_users)]
    return [((rng.integers(0, N_ITEMS) + np.cumsum(each)) % N_ITEMS).tolist() for each in steps]


def embeddings(n_items: int = N_ITEMS) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n_items, 6)).astype(np.float32)


def model_of(**training: object) -> FoundationModel:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        made = FoundationModel(FoundationConfig(NETWORK, 30, {"dim": 6}, training))
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return made


def same_weights(first: FoundationModel, second: FoundationModel) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def watched(monkeypatch) -> list[Episode]:
    """What the last fine-tuning held out."""
    found: list[Episode] = []
    trained = module._Loop.trained

    def spy(loop):
        found[:] = loop.validation
        return trained(loop)

    monkeypatch.setattr(module._Loop, "trained", spy)
    return found


def test_another_model_is_returned_and_the_given_one_stays():
    model = model_of(seed=1)
    before, settings = copy.deepcopy(model), copy.deepcopy(model.config)
    tuned = finetune(model, dataset_of(walks()), embeddings(), steps=24, lr=1e-2)
    assert same_weights(model, before)
    assert model.config == settings
    assert not same_weights(tuned, model)
    assert not tuned.training
    assert tuned.config.network == settings.network
    assert (tuned.index(embeddings()).recommend([[0]], 5).ids >= 0).all()


def test_what_was_learned_from_is_recorded(tmp_path):
    first, second = dataset_of(walks()), dataset_of(walks(50), N_ITEMS + 1)
    once = finetune(model_of(catalogues=["earlier"], seed=4), first, embeddings(), steps=1)
    assert once.config.training == {
        "catalogues": ["earlier", first.items_sha256],
        "seed": 4,
        "fine-tuned on": "toy",
        "trained_on": [training_past(first)],
    }
    twice = finetune(once, second, embeddings(N_ITEMS + 1), steps=1)
    assert twice.config.training["catalogues"] == ["earlier", first.items_sha256, second.items_sha256]
    twice.save_pretrained(tmp_path / "tuned")
    loaded = FoundationModel.from_pretrained(tmp_path / "tuned")
    assert loaded.config == twice.config
    assert same_weights(loaded, twice)


@pytest.mark.parametrize("lr", [1e-3, 1e-2, 0.3])
def test_held_out_users_are_served_no_worse(watched, lr):
    model = model_of()
    tuned = finetune(model, dataset_of(walks()), embeddings(), steps=24, lr=lr)
    before, after = (module._mean_ndcg(each.network, watched, CPU) for each in (model, tuned))
    assert after >= before
    assert after > before or same_weights(tuned, model)


def test_what_does_not_help_is_not_kept(monkeypatch):
    figures = iter(range(100, 0, -1))
    monkeypatch.setattr(module, "_mean_ndcg", lambda *_: next(figures))
    model = model_of()
    assert same_weights(finetune(model, dataset_of(walks()), embeddings(), steps=16, lr=1e-2), model)


def test_the_same_seed_gives_the_same_weights():
    model, dataset = model_of(), dataset_of(walks())
    tuned = [finetune(model, dataset, embeddings(), steps=16, lr=1e-2, seed=seed) for seed in (0, 0, 1)]
    assert same_weights(tuned[0], tuned[1])
    assert not same_weights(tuned[0], tuned[2])


def test_random_numbers_of_the_caller_are_left_alone():
    before = torch.get_rng_state()
    finetune(model_of(), dataset_of(walks()), embeddings(), steps=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("sequences", [[[0, 1], [1, 2]], [[0, 1, 0], [3, 4, 3]], [[0, 1, 2, 3]]])
def test_too_few_users_are_an_error(sequences):
    with pytest.raises(DataError, match="toy has too few users"):
        finetune(model_of(), dataset_of(sequences), embeddings(), steps=2)


@pytest.mark.parametrize("timed", [False, True])
def test_users_are_asked_for_what_no_index_knows(monkeypatch, timed):
    # Everybody's last three items are theirs alone: known of them can only be the events that are asked for.
    rng = np.random.default_rng(0)
    sequences = [[*rng.permutation(20)[:5].tolist(), *(20 + 3 * user + np.arange(3))] for user in range(30)]
    episodes: list[Episode] = []
    collected = module.collected
    monkeypatch.setattr(module, "collected", lambda *a, **k: episodes.append(collected(*a, **k)) or episodes[-1])
    wide = model_of()
    wide.config.__dict__["shortlist"] = 128
    finetune(wide, dataset_of(sequences, 110, timed=timed), embeddings(110), steps=1)
    assert len(episodes) == 2 * len(CUTS)
    assert sum(map(len, episodes)) == 30 * len(CUTS), "every user is asked once a cut"
    counted = [r for r, name in enumerate(RELATIONS) if name not in ("text", "neighbourhood")]
    for episode in episodes:
        case, place = torch.arange(len(episode)), episode.target_C
        assert not episode.evidence.relations_BSMR[case, :, place][..., counted].any()
        for name in ("log_count", "log_recent_count", "is_known", "co_occurrence"):
            assert not episode.evidence.items_BMF[case, place, CANDIDATE_FEATURES.index(name)].any(), name


@pytest.mark.parametrize("step", [1, 7, 12, 24])
def test_a_stopped_fine_tuning_goes_on_to_the_same_weights(tmp_path, monkeypatch, step):
    data = dataset_of(walks())
    expected = finetune(model_of(seed=1), data, embeddings(), steps=24, lr=1e-2)
    losses = iter(range(1, 100))
    original = module.case_loss

    def stopped(*arguments):
        if next(losses) == step:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt) as stop:
        patch.setattr(module, "case_loss", stopped)
        finetune(model_of(seed=1), data, embeddings(), steps=24, lr=1e-2, checkpoints=tmp_path)
    assert stop.value.__notes__ == [f"the same command goes on at step {step}"]
    done = []
    monkeypatch.setattr(module, "case_loss", lambda *arguments: done.append(1) or original(*arguments))
    tuned = finetune(model_of(seed=1), data, embeddings(), steps=24, lr=1e-2, checkpoints=tmp_path)
    assert len(done) == 24 - step and same_weights(tuned, expected)
    assert tuned.config == expected.config


def test_checkpoints_of_other_arguments_are_refused_or_discarded(tmp_path):
    data = dataset_of(walks())
    finetune(model_of(seed=1), data, embeddings(), steps=8, lr=1e-2, checkpoints=tmp_path)
    with pytest.raises(CheckpointError, match=r"unfinished fine-tuning with other settings \(seed=0, not 1\)"):
        finetune(model_of(seed=1), data, embeddings(), steps=8, lr=1e-2, seed=1, checkpoints=tmp_path)
    tuned = finetune(model_of(seed=1), data, embeddings(), steps=8, lr=1e-2, seed=1, checkpoints=tmp_path, discard=True)
    assert same_weights(tuned, finetune(model_of(seed=1), data, embeddings(), steps=8, lr=1e-2, seed=1))


def test_the_folder_of_a_fine_tuned_model_is_not_empty_or_overwritten(tmp_path):
    with finetuned_folder(tmp_path / "out", overwrite=False) as checkpoints:
        checkpoints.mkdir(parents=True)
    with finetuned_folder(tmp_path / "out", overwrite=False) as checkpoints:
        drop_checkpoints(checkpoints)
        model_of(seed=1).save_pretrained(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    with pytest.raises(CheckpointError, match="is not empty"), finetuned_folder(tmp_path / "out", overwrite=False):
        pass
