"""Verification of dumps: everything is recomputed, and a dump that cannot be a measurement is refused, with a reason.

    found = verify_all(["books", "runs/other/dump.parquet", "reports/deepseek-chat-..."])
    found.refused                     # [Refusal(source, reason), ...]

Sources are runs, dump.parquet files, and folders in the published form (`published`). Of a run and of a dump:

- names are no placeholders, ids exist in catalogue and population;
- the questions follow the protocol: users, items, personas, `should_be`, memories, for the dump's seed;
- ratings are such that the rater can give, a failed question has none, and noise moves a rating no further than it can;
- recalled items follow from the memory by the rules; prompts have their hashes; a scripted mind gives the same;
- scores follow from the dump, and the dump from the log.

Of several sources: no study's ratings equal another configuration's, unless both had the same prompts or every
rating was recomputed; no two seeds draw the same pairs of user and item.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recgpt.errors import RecGPTError, StoreError
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.studies import dump as dumps
from recgpt.simulate.worlds.gym.studies.claims import Claim, Refusal, impossible_reasons, placeholder_reasons
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.published import published_claim, published_reasons
from recgpt.simulate.worlds.gym.studies.recompute import recomputed_reasons
from recgpt.simulate.worlds.gym.studies.scoring import ratings_of, score
from recgpt.simulate.worlds.gym.studies.tables import SUMMARY, summary_csv

_DRAWN = ("collection", "distribution")
_MOST_MOVED = {"none": 0.0, "greedy": 1.0, "gaussian": 4.0}  # points; 8 standard deviations of .5


@dataclass(frozen=True)
class Verified:
    """Result: a line for each verified source, and the refusals."""

    verified: dict[str, str]
    refused: list[Refusal]


def verify_all(sources: Sequence[str]) -> Verified:
    """Verify runs, dumps and folders of published reports, each alone and all together.

    Raises
    ------
    RecGPTError
        A source cannot be read.
    """
    claims: list[Claim] = []
    refused: list[Refusal] = []
    for source in dict.fromkeys(sources):
        if not _is_run(source) and Path(source).is_dir():
            claim = published_claim(Path(source))
            reasons = list(published_reasons(claim, Path(source)))
        else:
            claim = _claim(source)
            reasons = [*_of_source(source, claim), *own_reasons(claim)]
        claims.append(claim)
        refused += [Refusal(source, reason) for reason in reasons]
    refused += [*copies(claims), *same_pairs(claims)]
    bad = {each.source for each in refused}
    verified = {
        claim.source: f"{len(claim.frame):,} questions of {claim.configuration} verified"
        for claim in claims
        if claim.source not in bad
    }
    return Verified(verified, refused)


def _is_run(source: str) -> bool:
    try:
        return run_path(source).is_file()
    except StoreError:  # a path
        return False


def _claim(source: str) -> Claim:
    if not _is_run(source) and source.endswith(".parquet"):
        frame, about = dumps.read(Path(source))
    else:
        with Run.open(source) as run:
            frame, about = dumps.dump_of(run), dumps.about_of(run)
    mind = about["config"]["mind"]
    return Claim(source, frame, about["configuration"], domain_of(about["domain"]), about, mind == "scripted")


def _of_source(source: str, claim: Claim) -> Iterator[str]:
    """Reasons in the log of a run, and in the files that were made of its dump."""
    if not _is_run(source):
        yield from _summary_reasons(claim, Path(source).with_name(SUMMARY))
        return
    with Run.open(source) as run:
        try:
            run.check()
        except RecGPTError as error:
            yield str(error)
            return
        path = run.path.with_name(dumps.FILE_NAME)
        if path.is_file() and not dumps.read(path)[0].equals(claim.frame):
            yield f"{path} is not what the log of the run says: write it again with `recgpt runs report {source}`"
        if run.finished and run.metrics != score(claim.frame, claim.domain):
            yield "the scores of the run do not follow from its dump"
        yield from _summary_reasons(claim, run.path.with_name(SUMMARY))


def _summary_reasons(claim: Claim, path: Path) -> Iterator[str]:
    if path.is_file() and path.read_text(encoding="utf-8") != summary_csv(
        score(claim.frame, claim.domain), claim.configuration
    ):
        yield f"the shares in {path} do not follow from the dump"


# --- one dump ---


def own_reasons(claim: Claim) -> Iterator[str]:
    """Reasons in one dump with metadata."""
    config = StudyConfig(**claim.about["config"])
    labels = {*claim.frame["configuration"].unique().to_list(), claim.about["configuration"]}
    if labels - {config.label}:
        yield f"it names the configuration {', '.join(sorted(labels))}, its settings are those of {config.label}"
    yield from placeholder_reasons(claim.frame)
    yield from rating_reasons(claim.frame, claim.domain, config)
    yield from recomputed_reasons(claim.frame, claim.about, config)


def rating_reasons(frame: pl.DataFrame, domain: Domain, config: StudyConfig) -> Iterator[str]:
    """Reasons in ratings: off the scale, out of the rater's reach, moved too far, or present where the mind failed."""
    given_Q, counted_Q = ratings_of(frame, "llm_rating"), ratings_of(frame)
    lowest, highest = domain.scale.lowest, domain.scale.highest
    if config.mind == "llm":
        rater = domain.raters[config.rater or domain.default_rater]
        lowest, highest = max(lowest, rater.lowest + rater.shift), min(highest, rater.highest + rater.shift)
    yield from impossible_reasons(given_Q, lowest, highest, domain.scale.step, "the rater")
    yield from impossible_reasons(counted_Q, domain.scale.lowest, domain.scale.highest, domain.scale.step, "the scale")
    failed_Q = frame["failure"].is_not_null().to_numpy()
    if (failed_Q != np.isnan(given_Q)).any() or (np.isnan(given_Q) != np.isnan(counted_Q)).any():
        yield "a question has both a failure and a rating, or neither: a failed reply is no rating"
    moved = float(np.nanmax(np.abs(counted_Q - given_Q), initial=0.0))
    most = _MOST_MOVED[config.perturbator]
    if moved > most:
        yield f"a rating differs by {moved:g} from the mind's, noise ({config.perturbator}) moves it {most:g} at most"


# --- several dumps ---


def copies(claims: Sequence[Claim]) -> list[Refusal]:
    """Studies with the ratings of an earlier configuration in the sequence.

    Ratings without any difference are left out. Equal answers to equal prompts are no copy, nor are ratings that were
    recomputed.
    """
    found = []
    for number, claim in enumerate(claims):
        for study, part, rows in _parts(claim.frame):
            earlier = (
                other
                for other in claims[:number]
                if other.domain.name == claim.domain.name and other.configuration != claim.configuration
            )
            for other in earlier:
                theirs = other.frame.filter((pl.col("study") == study) & (pl.col("part") == part))
                if _is_copy(rows, theirs) and not (claim.is_recomputed and other.is_recomputed):
                    reason = f"its {len(rows):,} ratings in the study {study}{part} are those of {other.configuration}"
                    found.append(Refusal(claim.source, f"{reason} ({other.source})"))
                    break
    return found


def _parts(frame: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for study, part in frame.select("study", "part").unique(maintain_order=True).iter_rows():
        yield study, part, frame.filter((pl.col("study") == study) & (pl.col("part") == part))


def _is_copy(rows: pl.DataFrame, others: pl.DataFrame) -> bool:
    own_Q = ratings_of(rows)
    if (
        len(rows) != len(others)
        or len(np.unique(own_Q)) < 2
        or not np.array_equal(own_Q, ratings_of(others), equal_nan=True)
    ):
        return False
    hashes = [each["prompt_hash"] if "prompt_hash" in each.columns else pl.Series([None]) for each in (rows, others)]
    return bool(hashes[0].null_count()) or hashes[0].to_list() != hashes[1].to_list()


def same_pairs(claims: Sequence[Claim]) -> list[Refusal]:
    """Studies that draw users and items, with the very pairs of another dump that has another seed, or no seed."""
    found = []
    for number, claim in enumerate(claims):
        for study in _DRAWN:
            pairs = _pairs(claim, study)
            if pairs is None:
                continue
            for other in claims[:number]:
                theirs = _pairs(other, study)
                known = claim.about and other.about and claim.about["config"]["seed"] == other.about["config"]["seed"]
                if theirs is not None and not known and pairs.equals(theirs):
                    reason = (
                        f"its {len(pairs):,} pairs of user and item in the study {study} are those of {other.source}"
                    )
                    found.append(Refusal(claim.source, f"{reason}, though every run draws its own"))
                    break
    return found


def _pairs(claim: Claim, study: str) -> pl.DataFrame | None:
    rows = claim.frame.filter(pl.col("study") == study)
    return rows.select("user", "item").sort("user", "item") if len(rows) > 1 else None
