"""Verification of dumps: honest ones pass, and forgeries of every kind are refused with their reason."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.studies import dump as dumps
from recgpt.simulate.worlds.gym.studies import recompute, verify
from recgpt.simulate.worlds.gym.studies.claims import Claim
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.inputs import load_inputs
from recgpt.simulate.worlds.gym.studies.published import published_claim, published_reasons
from recgpt.simulate.worlds.gym.studies.verify import copies, own_reasons, same_pairs, verify_all


@pytest.fixture
def claim(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Claim:
    """The dump of `films`: high, low and collection with noise. Its inputs are made once a test session."""
    frame, about = dumps.read(runs / "films" / dumps.FILE_NAME)
    monkeypatch.setattr(recompute, "load_inputs", cached_inputs)
    return Claim("films", frame, about["configuration"], domain_of("movies"), about, is_recomputed=True)


_CACHE: dict[str, object] = {}


def cached_inputs(config: StudyConfig) -> object:
    return _CACHE.setdefault(config.model_dump_json(), load_inputs(config))


def forged(claim: Claim, column: str, value: object, where: pl.Expr | None = None) -> Claim:
    """The dump with a value in some rows of a column, by default in the first row."""
    where = pl.col("question") == 0 if where is None else where
    literal = pl.lit(value, dtype=claim.frame.schema[column])
    frame = claim.frame.with_columns(pl.when(where).then(literal).otherwise(pl.col(column)).alias(column))
    return replace(claim, frame=frame)


def test_an_honest_run_and_its_dump_are_verified(runs):
    found = verify_all(["films", str(runs / "films" / dumps.FILE_NAME)])
    assert found.refused == []
    assert list(found.verified) == ["films", str(runs / "films" / dumps.FILE_NAME)]


FORGERIES: dict[str, tuple[Callable[[Claim], Claim], str]] = {
    "placeholder user": (lambda c: forged(c, "user_name", "User_102"), "names in user_name are placeholders"),
    "placeholder item": (lambda c: forged(c, "item_name", "Movie_900"), "names in item_name are placeholders"),
    "unknown item": (lambda c: forged(c, "item_id", "31337"), "items are not in the catalogue, such as '31337'"),
    "unknown user": (lambda c: forged(c, "user_id", "stranger"), "users are not in the population, such as 'stranger'"),
    "ten and a half": (lambda c: forged(c, "rating", 10.5), "ratings cannot be given by the scale"),
    "zero": (lambda c: forged(c, "llm_rating", 0.0), "ratings cannot be given by the rater"),
    "half a point": (lambda c: forged(c, "rating", 7.5), "in steps of 1, such as 7.5"),
    "too much noise": (lambda c: forged(c, "rating", 4.0), r"noise \(greedy\) moves it 1 at most"),
    "a failure with a rating": (lambda c: forged(c, "failure", "timeout"), "both a failure and a rating, or neither"),
    "a rating that vanished": (lambda c: forged(c, "rating", None), "both a failure and a rating, or neither"),
    "another persona": (
        lambda c: forged(c, "user_name", "Hugo Falk"),
        r"study high have another persona \(user_name\) than the protocol",
    ),
    "should be": (lambda c: forged(c, "should_be", "1-10"), "another should_be than the protocol"),
    "another item": (
        lambda c: forged(c, "item", c.frame["item"][1]),
        "another item than the protocol",
    ),
    "pairs not drawn": (
        lambda c: forged(c, "user", 0, pl.col("study") == "collection"),
        "study collection have another drawn user",
    ),
    "another memory": (
        lambda c: replace(c, frame=c.frame.with_columns(pl.col("known_ratings").list.eval(pl.element() * 0 + 10))),
        "another known_ratings than the protocol",
    ),
    "recalled": (
        lambda c: replace(c, frame=c.frame.with_columns(pl.col("recalled_items").list.reverse())),
        "the user recalls does not follow from the memory",
    ),
    "a prompt of a scripted mind": (
        lambda c: forged(c, "prompt_hash", "0" * 64),
        "the prompt hash is not that of the question's prompt",
    ),
    "made-up ratings": (
        lambda c: replace(c, frame=c.frame.with_columns(llm_rating=pl.col("rating"))),
        "not those that the scripted mind gives",
    ),
    "other noise": (
        lambda c: replace(c, frame=c.frame.with_columns(rating=pl.col("llm_rating"))),
        "recalls does not follow|not those that the perturbator greedy gives",
    ),
    "left-out rows": (lambda c: replace(c, frame=c.frame.filter(pl.col("rating") > 5)), "a dump of another protocol"),
    "another protocol": (
        lambda c: replace(c, frame=c.frame.with_columns(pl.lit("low").alias("study"))),
        "questions are not those of the protocol",
    ),
    "another label": (
        lambda c: forged(c, "configuration", "deepseek-chat-0Shot_cotlite_our-none-last_3"),
        "its settings are those of scripted",
    ),
    "another retrieval in the metadata": (
        lambda c: replace(
            c, about={**c.about, "config": {**c.about["config"], "retrieval": "simple_3"}}
        ),
        "its settings are those of scripted-0Shot_cotlite_our-greedy-simple_3",
    ),
    "another catalogue": (
        lambda c: replace(c, about={**c.about, "dataset": {**c.about["dataset"], "items_sha256": "0"}}),
        "catalogue, users or questions are not those of its configuration",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_of_one_dump_are_refused(claim, name):
    forge, reason = FORGERIES[name]
    assert not list(verify.rating_reasons(claim.frame, claim.domain, StudyConfig(**claim.about["config"])))
    found = "\n".join(own_reasons(forge(claim)))
    assert re.search(reason, found), found


def test_a_rating_out_of_the_raters_reach_is_refused(claim):
    """A rater from 0 to 9 whose answers are not shifted cannot give a ten."""
    raters = {**claim.domain.raters, "nine": replace(claim.domain.raters["0Shot_cotlite_our"], shift=0)}
    config = StudyConfig(domain="movies", mind="llm", rater="nine", perturbator="greedy")
    reasons = list(verify.rating_reasons(claim.frame, replace(claim.domain, raters=raters), config))
    assert "cannot be given by the rater, from 1 to 9 in steps of 1, such as 10" in reasons[0]


def test_scores_and_summaries_that_do_not_follow_are_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(recompute, "load_inputs", cached_inputs)
    for name in ("dump.parquet", "summary.csv"):
        (tmp_path / name).write_bytes((runs / "films" / name).read_bytes())
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8")
    (tmp_path / "summary.csv").write_text(text.replace("high,,", "high,,9", 1), encoding="utf-8")
    found = verify_all([str(tmp_path / "dump.parquet")])
    assert [each.reason for each in found.refused] == [
        f"the shares in {tmp_path / 'summary.csv'} do not follow from the dump"
    ]


def test_copies_of_another_configuration_are_refused(claim):
    """Unless both are recomputed, or had the same prompts."""
    other = replace(claim, source="other", configuration="another")
    assert copies([claim, other]) == []
    unchecked = replace(other, is_recomputed=False)
    reasons = copies([claim, unchecked])
    assert {each.source for each in reasons} == {"other"}
    assert "ratings in the study collection+ are those of scripted" in "".join(each.reason for each in reasons)
    prompted = claim.frame.with_columns(prompt_hash=pl.col("item_id"))
    assert copies([replace(claim, frame=prompted), replace(unchecked, frame=prompted)]) == []
    changed = forged(unchecked, "rating", 9.0, pl.col("question") % 50 == 3)
    assert not [each for each in copies([claim, changed]) if "collection" in each.reason]


def test_pairs_that_two_seeds_share_are_refused(claim):
    about = {**claim.about, "config": {**claim.about["config"], "seed": 7}}
    other = replace(claim, source="other", about=about)
    assert "pairs of user and item in the study collection are those of films" in same_pairs([claim, other])[0].reason
    assert same_pairs([claim, replace(claim, source="again")]) == [], "equal seeds draw equal pairs, to be compared"


# --- published reports ---


def report_folder(tmp_path: Path, label: str, study: str, rows: pl.DataFrame, share: float | None = None) -> Path:
    folder = tmp_path / label
    folder.mkdir(exist_ok=True)
    rows.write_csv(folder / f"{study}_rating_dump.csv")
    if share is not None:
        (folder / f"{study}.csv").write_text(f"Config,Name,Success\n{label},{study},{share}\n", encoding="utf-8")
    return folder


def published_rows(ratings: list[float]) -> pl.DataFrame:
    n = len(ratings)
    names = [f"Title number {chr(65 + row % 20)}" for row in range(n)]
    users = ["Ada Reed" if row % 2 else "Max Stone" for row in range(n)]
    columns = {"item": range(n), "user": [row % 2 for row in range(n)], "user_name": users, "item_name": names}
    return pl.DataFrame({**columns, "rating": ratings, "TMDB_id": [str(1000 + ord(name[-1])) for name in names]})


RATINGS = np.random.default_rng(0).integers(3, 10, 200).astype(float).tolist()


def reasons_of(folder: Path) -> str:
    return "\n".join(published_reasons(published_claim(folder), folder))


def test_published_reports_with_true_shares_pass(tmp_path):
    passed = float((np.array(RATINGS) >= 9).mean())
    folder = report_folder(tmp_path, "m-0Shot_system_our-none-last_3", "high", published_rows(RATINGS), passed)
    assert reasons_of(folder) == ""


def test_published_forgeries_are_refused(tmp_path):
    """Every kind that the published reports hold: raised shares, placeholders, tens of a rater that ends at nine."""
    label, rows = "deepseek-chat-0Shot_cotlite_our-none-last_3", published_rows([10.0, *RATINGS])
    raised = report_folder(tmp_path, label, "high", rows, 0.5)
    assert "high.csv says 0.5, from the dump it is" in reasons_of(raised)
    assert "1 ratings cannot be given by the rater, from 1 to 9 in steps of 1, such as 10" in reasons_of(raised)
    fake = rows.with_columns(
        user_name=pl.format("User_{}", "user"), item_name=pl.format("Movie_{}", "item"), TMDB_id=pl.lit("7")
    )
    drawn = report_folder(tmp_path, "other-0Shot_system_our-none-none", "sampling_distribution", fake)
    assert "2 of 2 names in user_name are placeholders, such as 'User_" in reasons_of(drawn)
    assert "item ids stand for several items" in reasons_of(drawn)
    twice = report_folder(tmp_path, "third-0Shot_system_our-none-none", "sampling_distribution", fake)
    found = verify_all([str(drawn), str(twice)])
    reasons = "\n".join(each.reason for each in found.refused if each.source == str(twice))
    assert "pairs of user and item in the study distribution are those of" in reasons
    assert "ratings in the study distribution are those of other-0Shot_system_our-none-none" in reasons


def test_copies_among_the_published_dumps_are_found(shared):
    """The dumps of the golden table, copies made again from their originals: each copy is found, nothing else."""
    golden = json.loads((shared / "fixtures/emosim/golden.json").read_text(encoding="utf-8"))["published_dumps"][
        "cases"
    ]
    stored = pl.read_parquet(shared / "data/simulate/emosim/study_dumps.parquet")
    stored = stored.rename({"study": "published"}).with_columns(
        study=pl.col("published").str.strip_suffix("+").str.strip_suffix("-"),
        part=pl.col("published").str.extract(r"([+-])$").fill_null(""),
    )
    own = dict(stored.group_by("domain", "configuration", "published", maintain_order=True))
    for domain, name in (("films", "movies"), ("books", "books")):
        frames: dict[str, list[pl.DataFrame]] = {}
        wanted, agrees = set(), []
        for at, label, study, _, _, share, said, does_agree, copy in golden:
            if at != domain:
                continue
            rows = own.get((at, copy or label, study))
            if rows is not None:
                frames.setdefault(label, []).append(rows)
            if copy is not None:
                wanted.add((label, study))
            agrees.append((abs(share - said) < 5e-6) == does_agree)
        claims = [Claim(label, pl.concat(parts), label, domain_of(name)) for label, parts in frames.items()]
        # A configuration whose original stands later in the table is its equal all the same.
        claims.sort(key=lambda each: any(label == each.configuration for label, _ in wanted))
        found = {(each.source, each.reason.split("study ")[1].split(" ")[0]) for each in copies(claims)}
        names = {"genre+": "preference+", "genre-": "preference-"}
        assert {(label, names.get(study, study)) for label, study in wanted} == {
            (label, study.replace("genre", "preference")) for label, study in found
        }
        assert all(agrees)
