"""Numbers that are not finite or out of bounds, and arrays and weights that no training can have left, are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recgpt.config import check_number
from recgpt.data.dataset import Dataset
from recgpt.errors import CheckpointError, ConfigError, DataError
from recgpt.evaluate.config import EvaluationConfig
from recgpt.foundation.finetune import FinetuneConfig
from recgpt.foundation.model import SHIPPED, FoundationModel
from recgpt.foundation.pretrain import PretrainConfig as FoundationPretrainConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.pretrain import PretrainConfig
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig, train_tokenizer
from recgpt.recommenders import make
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.worlds.feed.config import FeedConfig

GENERATIVE = {"data": "x"}
BAD = [float("inf"), float("-inf"), float("nan"), -1.0]


@pytest.mark.parametrize("value", [*BAD, 0.0])
@pytest.mark.parametrize(
    ("config", "needed"), [(FinetuneConfig, {}), (FoundationPretrainConfig, {}), (PretrainConfig, GENERATIVE)]
)
def test_a_learning_rate_is_finite_and_above_zero(config, needed, value):
    with pytest.raises(ConfigError, match=r"--lr: lr="):
        config.load(None, (), {**needed, "lr": value})


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("config", "needed", "name"),
    [
        *((PretrainConfig, GENERATIVE, name) for name in ("warmup", "final_lr", "weight_decay", "clip", "dropout")),
        *((PretrainConfig, GENERATIVE, name) for name in ("evaluations_per_epoch", "epochs", "batch_size", "seed")),
        *((FoundationPretrainConfig, {}, name) for name in ("weight_decay", "clip", "without_times", "without_words")),
        (FoundationPretrainConfig, {}, "seed"),
        *((FinetuneConfig, {}, name) for name in ("steps", "seed")),
        *((EvaluationConfig, {}, name) for name in ("max_users", "seed")),
        *((FeedConfig, {"dataset": "x"}, name) for name in ("llm.max_usd", "llm.temperature", "llm.timeout_s", "seed")),
    ],
)
def test_every_number_of_a_config_is_finite_and_in_its_bounds(config, needed, name, value):
    with pytest.raises(ConfigError):
        config.load(None, (), {**needed, name: value})


@pytest.mark.parametrize("name", ["warmup", "final_lr"])
def test_shares_are_at_most_one(name):
    with pytest.raises(ConfigError, match=name):
        PretrainConfig.load(None, (), {**GENERATIVE, name: 1.5})


def test_caps_are_numbers():
    with pytest.raises(ValueError, match="finite"):
        Caps(usd=float("nan"))


@pytest.mark.parametrize("value", [*BAD, 0, True, "5", None])
def test_numbers_given_to_functions(value):
    with pytest.raises(ConfigError, match=r"^batch_size=.*: a whole number, at least 1 is needed$"):
        check_number("batch_size", value, at_least=1, whole=True)
    check_number("batch_size", np.int64(3), at_least=1, whole=True)
    check_number("share", 0.5, above=0, below=1)


@pytest.mark.parametrize(("name", "value"), [("lr", float("inf")), ("lr", 0), ("epochs", 0), ("batch_size", -1)])
def test_a_tokenizer_is_trained_with_sound_settings(name, value):
    embeddings_NE = np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32)
    config = FSQTokenizerConfig(embedding_dim=32, levels=[4, 4, 4], n_layers=1, n_heads=4)
    with pytest.raises(ConfigError, match=name):
        train_tokenizer(embeddings_NE, config, **{"epochs": 1, name: value})


@pytest.mark.parametrize(
    ("value", "held"), [(0, "zeros only"), (np.nan, "NaN or infinity"), (np.inf, "NaN or infinity")]
)
def test_embeddings_without_a_direction_are_refused(value, held, tiny):
    embeddings_NE = np.random.default_rng(0).normal(size=(24, 32)).astype(np.float32)
    embeddings_NE[7] = value
    refused = pytest.raises(DataError, match=rf"embedding of item 7 holds {held}")
    config = FSQTokenizerConfig(embedding_dim=32, levels=[4, 4, 4], n_layers=1, n_heads=4)
    with refused:
        train_tokenizer(embeddings_NE, config, epochs=1)
    with refused:
        GenerativeModel.from_pretrained(tiny.model).index(embeddings_NE)
    wide = np.random.default_rng(0).normal(size=(24, 384)).astype(np.float32)
    wide[7] = value
    with refused:
        FoundationModel.from_pretrained().index(wide)
    if value == 0:
        return  # the baselines give a text without a direction the cosine 0
    with refused:
        make("text_knn", embeddings=embeddings_NE).fit(Dataset.load(tiny.data))


def damaged(source: Path, out: Path, name: str, value: float) -> Path:
    shutil.copytree(source, out)
    path = next(out.glob("model.safetensors"))
    tensors = load_file(path)
    changed = tensors[name].copy()
    changed[...] = value
    save_file({**tensors, name: changed}, path, metadata={"format": "pt"})
    return out


@pytest.mark.parametrize(
    ("value", "held"), [(0, "are all zero"), (np.nan, "hold NaN or infinity"), (-np.inf, "hold NaN or infinity")]
)
def test_weights_of_no_training_are_refused(value, held, tiny, tmp_path):
    name = "quantizer.project_in.weight"
    with pytest.raises(CheckpointError, match=rf"the weights {name} {held}"):
        FSQTokenizer.from_pretrained(damaged(tiny.tokenizer, tmp_path / "tokenizer", name, value))
    with pytest.raises(CheckpointError, match=rf"the weights head\.weight {held}"):
        GenerativeModel.from_pretrained(damaged(tiny.model, tmp_path / "model", "head.weight", value))
    with pytest.raises(CheckpointError, match=rf"the weights network\.item_in\.weight {held}"):
        FoundationModel.from_pretrained(damaged(SHIPPED, tmp_path / "shipped", "network.item_in.weight", value))


@pytest.mark.parametrize("code", [64, 65_535, -1])
def test_codes_outside_the_codebook_are_refused(code, tiny):
    model, dataset = GenerativeModel.from_pretrained(tiny.model), Dataset.load(tiny.data)
    codes_NK = np.array(dataset.tokens(), dtype=np.int64)
    codes_NK[5, 2] = code
    refused = pytest.raises(DataError, match=rf"item 5 has the code {code} in slot 2, the codebook has 0 to 63")
    with refused:
        model.index(np.asarray(dataset.embeddings()), codes=codes_NK)
    with refused:
        model.tokenizer.decode(codes_NK)


def test_codes_that_do_not_fit_into_a_token_file_are_refused(tiny, tmp_path):
    shutil.copytree(tiny.data, tmp_path / "data")
    dataset = Dataset.load(tmp_path / "data")
    with pytest.raises(DataError, match="codes run from 0 to 65536, 0 to 65,535 can be stored"):
        dataset.save_tokens(np.array([[0, 65_536]] * 24), tokenizer_sha256="x", embeddings={})
    about = json.loads((tmp_path / "data" / "tokens.json").read_text(encoding="utf-8"))
    assert about["tokenizer_sha256"] == FSQTokenizer.from_pretrained(tiny.tokenizer).sha256
