"""Fixtures of the token model's tests."""

import pytest

from recgpt.generative import trainer as trainer_module
from recgpt.generative.trainer import Trainer
from tests.generative.walks import DATA, HELD_OUT, config, model


@pytest.fixture
def trainer(fresh_accelerator, tmp_path, monkeypatch):
    """Make a run in `tmp_path/run`: `trainer(lr=.1, decoder=..., data=...)`. Pictures would take half of its time."""
    monkeypatch.setattr(trainer_module, "training_curve", lambda _, path: path.write_bytes(b"a picture"))

    def make(*, decoder=None, data=DATA, valid=(HELD_OUT,), validate=None, overwrite=False, **options) -> Trainer:
        settings = config(options.pop("out", tmp_path / "run"), **options)
        return Trainer(settings, decoder or model(), data, list(valid), validate, overwrite=overwrite)

    return make
