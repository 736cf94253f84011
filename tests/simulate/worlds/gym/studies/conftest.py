"""Runs of the studies that several tests read; each is made once."""

from pathlib import Path

import pytest

from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.report import write_reports
from recgpt.simulate.worlds.gym.studies.running import run_studies

BOOKS = StudyConfig(domain="books", quick=True, retrieval="decay_emotion_3", study="all,human")
FILMS = StudyConfig(domain="movies", quick=True, study="high,low,collection", perturbator="greedy")


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs with `books` (all studies in their quick form) and `films` (three of them, with noise)."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(folder))
        patch.delenv("RECGPT_EMOSIM", raising=False)
        for name, config in (("books", BOOKS), ("films", FILMS)):
            with run_studies(name, config) as run:
                write_reports(run)
    return folder


@pytest.fixture
def runs(runs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as that of the runs of this test, which must not change them."""
    monkeypatch.setenv("RECGPT_RUNS", str(runs_folder))
    monkeypatch.delenv("RECGPT_EMOSIM", raising=False)
    return runs_folder
