"""Settings of accuracy suites, read and checked before anything heavy is loaded.

suite = Suite.named("foundation").restricted(only=["Global time"], seeds=[0])
suite.require_datasets(Path("data"))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from recgpt.config import MAX_SEED, Config, read_yaml
from recgpt.data.splits import check_protocol
from recgpt.errors import DataError
from recgpt.evaluate.config import KS, CutOffs
from recgpt.evaluate.protocols import refuse_negatives
from recgpt.recommenders import check_names

DEFAULT_SUITE = "accuracy"
SUITES = {name: Path(__file__).with_name(f"{name}.yaml") for name in (DEFAULT_SUITE, "foundation")}
"""Name -> YAML file of a suite."""


class BenchmarkConfig(Config):
    """Settings of one part of a suite.

    Attributes
    ----------
    datasets
        Names of data set folders in the `data` folder of the run.
    recommenders
        Registered names of recommenders.
    protocol, past, max_users
        Evaluation split, see `recgpt.data.splits`; None means the default of the protocol.
    ks
        Cut-offs of the lists; 10, of the headline figures, is always among them.
    seeds
        Seeds of recommenders that draw random numbers, one cell each; other recommenders use the first only.
    model
        Checkpoint of recommenders made from a model; None means the shipped one.
    negatives
        Must be None: sampled negatives are refused.
    allow_trained_on_targets
        Evaluate, and mark, a model that was trained on targets of a split, instead of refusing it.
    """

    datasets: list[str] = Field(min_length=1)
    recommenders: list[str] = Field(min_length=1)
    protocol: str = "leave_one_out"
    past: str | None = None
    max_users: int | None = Field(default=None, ge=1)
    ks: CutOffs = KS
    seeds: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] = Field(default=[0], min_length=1)
    model: str | None = None
    negatives: int | None = None
    allow_trained_on_targets: bool = False

    @property
    def cut_offs(self) -> tuple[int, ...]:
        """`ks` and 10, rising."""
        return tuple(sorted({*self.ks, 10}))


class Part(Config):
    """One part of a suite.

    Attributes
    ----------
    title, about
        Heading and one sentence on its result; empty in a suite of one part.
    config
        Settings.
    """

    title: str = ""
    about: str = ""
    config: BenchmarkConfig


class Suite(Config):
    """Accuracy suite: parts that are measured one after the other and reported on one page.

    Attributes
    ----------
    name
        File name of its reports, `NAME.html` and so on.
    title
        Title of the page.
    notes
        Remarks at the top of the page.
    parts
        At least one.
    """

    name: str = Field(default="benchmark", pattern=r"^\w+$")
    title: str = "Accuracy"
    notes: list[str] = Field(default=[])
    parts: list[Part] = Field(min_length=1)

    @classmethod
    def from_config(cls, config: BenchmarkConfig) -> Self:
        """Suite of a single part without a title."""
        return cls(parts=[Part(config=config)])

    @staticmethod
    def packaged_file(name: str) -> Path:
        """Path of a suite shipped with the package; DataError for an unknown name."""
        if name not in SUITES:
            raise DataError(f"unknown suite {name!r}: choose among {', '.join(SUITES)}, or name a file with --config")
        return SUITES[name]

    @classmethod
    def named(cls, name: str) -> Self:
        """Read a suite shipped with the package; DataError for an unknown name."""
        return cls.load(cls.packaged_file(name))

    @classmethod
    def load(
        cls, path: str | Path | None = None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
    ) -> Self:
        """Read a YAML file: a suite, or the settings of a `BenchmarkConfig`, which are a suite of one part.

        Parameters
        ----------
        path
            None for the default suite.
        overrides, flags
            Settings of a `BenchmarkConfig`, for every part.

        Raises
        ------
        ConfigError
            The file is missing or no YAML, or a setting is unknown or has an invalid value.
        DataError
            A protocol or recommender is unknown, or sampled negatives are requested.
        """
        path = SUITES[DEFAULT_SUITE] if path is None else path
        suite = super().load(path) if "parts" in read_yaml(path) else cls.from_config(BenchmarkConfig.load(path))
        parts = [
            part.model_copy(update={"config": part.config.changed(overrides, flags)}) if overrides or flags else part
            for part in suite.parts
        ]
        suite = suite.model_copy(update={"parts": parts})
        for part in suite.parts:
            refuse_negatives(part.config.negatives)
            check_protocol(part.config.protocol)
            check_names(part.config.recommenders)
        return suite

    def restricted(self, *, only: Sequence[str] = (), seeds: Sequence[int] = (), without: Sequence[str] = ()) -> Self:
        """Copy of the suite with some of its parts, other seeds or fewer recommenders; empty arguments change nothing.

        Parameters
        ----------
        only
            Titles (case-insensitive) or numbers (from 1) of parts, which stay in the order of the suite.
        seeds
            Seeds of every part.
        without
            Recommenders to leave out of every part.

        Raises
        ------
        DataError
            Unknown part or recommender, or a part would have no recommender left.
        """
        check_names(without)
        chosen = {self._index(wanted) for wanted in only} or set(range(len(self.parts)))
        parts = [part for index, part in enumerate(self.parts) if index in chosen]
        if seeds:
            parts = [
                part.model_copy(update={"config": part.config.model_copy(update={"seeds": list(seeds)})})
                for part in parts
            ]
        if without:
            parts = [part.model_copy(update={"config": _without(part, without)}) for part in parts]
        return self.model_copy(update={"parts": parts})

    def require_datasets(self, data: Path) -> None:
        """Check that the folder `data` holds all data sets of the suite.

        Raises
        ------
        DataError
            Some are missing.
        """
        wanted = dict.fromkeys(name for part in self.parts for name in part.config.datasets)
        missing = [name for name in wanted if not (data / name / "interactions.parquet").is_file()]
        if missing:
            raise DataError(
                f"{data} has no data set {', '.join(missing)}: name their folder with --data, fetch them with "
                "`recgpt data import`, or list others with --config"
            )

    def _index(self, wanted: str) -> int:
        for index, part in enumerate(self.parts):
            if wanted == str(index + 1) or (part.title and wanted.casefold() == part.title.casefold()):
                return index
        known = "; ".join(f"{number} {part.title}".rstrip() for number, part in enumerate(self.parts, start=1))
        raise DataError(f"{self.name} has no part {wanted!r}: choose among {known}")


def _without(part: Part, names: Sequence[str]) -> BenchmarkConfig:
    kept = [name for name in part.config.recommenders if name not in names]
    if not kept:
        raise DataError(f"part {part.title!r} has no recommender left without {', '.join(names)}: leave out fewer")
    return part.config.model_copy(update={"recommenders": kept})
