"""A short training run of the token model gives the losses that the code gave before its loop was shared."""

import json
from pathlib import Path

import pytest
import torch

from tests.generative.walks import model

GOLDEN = json.loads(Path(__file__).with_name("golden_training.json").read_text())


@pytest.fixture
def one_thread():
    """Sums in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_training_curve_equals_the_stored_one(trainer, one_thread):
    settings = {"batch_size": 10, "gradient_accumulation": 2, "evaluations_per_epoch": 2, "log_every": 1, "seed": 3}
    run = trainer(decoder=model(dropout=0.1), **settings).run()
    for name in ("curve", "evaluations"):
        assert len(getattr(run, name)) == len(GOLDEN[name])
        for got, stored in zip(getattr(run, name), GOLDEN[name], strict=True):
            assert got == pytest.approx(stored, rel=1e-5)
