"""`recgpt gym ablate` and `recgpt gym verify`: studies of simulated users, and the check of their dumps."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recgpt.cli.gym.options import gym_options
from recgpt.cli.options import Overwrite, Plugins, allow_plugins, resumable
from recgpt.errors import ConfigError
from recgpt.tables import print_tables
from recgpt.terminal import print_json, say

if TYPE_CHECKING:
    from recgpt.simulate.store import Run
    from recgpt.simulate.worlds.gym.studies.config import StudyConfig

_CONFIG = "recgpt.simulate.worlds.gym.studies.config:StudyConfig"
STUDY = "distribution"

SkipSampling = Annotated[bool, typer.Option("--skip-sampling", help="Leave the distribution study out.")]
Sampling = Annotated[bool, typer.Option("--sampling", help="Only the distribution study.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Quick forms: 20 items, 50 users a series, 2,000 random pairs of user and item.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Marks the reports as trials: -DEBUG in their name.")]
StudyData = Annotated[
    str | None,
    typer.Option(
        help="folder of EmoSim-RL's data, with the published sets and personas; by default $RECGPT_EMOSIM, else made up"
        " for the catalogue"
    ),
]
RandomRating = Annotated[
    bool, typer.Option("--random-rating", help="The form of the human study shows random ratings, as a control.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="seed of all random numbers")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@gym_options(_CONFIG, shaping="identity")
def ablate(
    settings: "StudyConfig",
    study: Annotated[
        str,
        typer.Option(
            help="studies, separated by commas: preference, high, low, collection, distribution, human, or all"
        ),
    ] = "all",
    run: Annotated[str, typer.Option("--run", help="id of the run")] = "studies",
    quick: Quick = False,
    skip_sampling: SkipSampling = False,
    sampling: Sampling = False,
    study_data: StudyData = None,
    random_rating: RandomRating = False,
    debug: Debug = False,
    seed: Seed = 42,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Study how simulated users rate: preference, high, low, collection, distribution; human makes a form.

    Writes dump.parquet, summary.csv and report.html into the run's folder. A stopped run goes on by the same command.

    Example: recgpt gym ablate --study all --quick

    Example: recgpt gym ablate --study high,collection --domain books --retrieval decay_emotion_3 --run emotion
    """
    play(run, _sampled(settings, skip_sampling=skip_sampling, sampling=sampling), overwrite=overwrite, as_json=as_json)


def _sampled(settings: "StudyConfig", *, skip_sampling: bool, sampling: bool) -> "StudyConfig":
    if skip_sampling and sampling:
        raise ConfigError("--skip-sampling and --sampling exclude each other: give one of them")
    if sampling:
        return settings.changed(flags={"study": (STUDY,)})
    if skip_sampling:
        return settings.changed(flags={"study": tuple(name for name in settings.study if name != STUDY)})
    return settings


def play(
    run_id: str, settings: "StudyConfig", *, overwrite: bool, as_json: bool = False, reports: Path | None = None
) -> None:
    """Run studies, write their reports, and print the scores.

    Parameters
    ----------
    reports
        Folder for the files in the published form too.
    """
    from recgpt.simulate.worlds.gym.studies.report import write_reports
    from recgpt.simulate.worlds.gym.studies.running import run_studies, write_published_reports
    from recgpt.simulate.worlds.gym.studies.spec import WORLD

    with resumable(run_id, WORLD.step_name), run_studies(run_id, settings, overwrite=overwrite) as run:
        page = write_reports(run)
        published = None if reports is None else write_published_reports(run, reports)
        if as_json:
            print_json({"run": run_id, "report": str(page), **run.metrics})
        else:
            print_tables(WORLD.summary(run))
            say(f"dump, summary and report: {page.parent}; to check them: recgpt gym verify {run_id}")
        if published is not None:
            say(f"in the published form: {published}")
        _say_failures(run, to_say=not as_json)


def _say_failures(run: "Run", *, to_say: bool) -> None:
    """Print failures by reason, and end the command with 1 where every question failed."""
    from recgpt.simulate.overview import failure_lines, n_failed

    if to_say:
        say(*failure_lines(run))
    if run.metrics["n"] and n_failed(run) == run.metrics["n"]:
        raise typer.Exit(1)


def verify(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="runs of `recgpt gym ablate`, their dump.parquet files, or folders of reports in the published form;"
            " of several, copies are found too",
        ),
    ],
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Recompute dumps of studies and everything made from them, and refuse what cannot be a measurement.

    Checks names, ids, personas, questions drawn, ratings that the rater can give, recalled items, prompt hashes,
    scripted ratings, shares and scores, and copies of another configuration. Ends with 1 where it refuses something.

    Example: recgpt gym verify studies
    """
    from recgpt.simulate.worlds.gym.studies.verify import verify_all

    allow_plugins(*(plugin or ()))
    found = verify_all(sources)
    if as_json:
        print_json({"verified": found.verified, "refused": [each._asdict() for each in found.refused]})
    else:
        say(*(f"{name}: {what}" for name, what in found.verified.items()))
        say(*(f"refused: {each.source}: {each.reason}" for each in found.refused))
    if found.refused:
        raise typer.Exit(1)


def published_command(domain: str, *, only: tuple[str, ...] = (), **defaults: Any) -> Callable[..., None]:
    """Command of a published module: the studies of one domain, with reports in the published form too.

    Parameters
    ----------
    only
        Studies of the module; by default all that are scored.
    defaults
        Defaults of its flags, see `gym_options`.
    """

    def command(
        settings: "StudyConfig",
        quick: Quick = False,
        skip_sampling: SkipSampling = False,
        sampling: Sampling = False,
        study_data: StudyData = None,
        random_rating: RandomRating = False,
        debug: Debug = False,
        seed: Seed = 42,
        reports: Annotated[Path, typer.Option(help="folder for the reports", file_okay=False)] = Path("reports"),
        show_prompt: Annotated[
            bool, typer.Option("--show-prompt", help="Print the prompt of the first question, and stop.")
        ] = False,
        overwrite: Overwrite = False,
    ) -> None:
        settings = _sampled(settings, skip_sampling=skip_sampling, sampling=sampling)
        if only:
            settings = settings.changed(flags={"study": only})
        if show_prompt:
            _show_prompt(settings)
            return
        play(_run_id(settings), settings, overwrite=overwrite, reports=reports)

    return gym_options(_CONFIG, fixed={"domain": domain}, shaping="identity", **defaults)(command)


def _run_id(settings: "StudyConfig") -> str:
    """Id of a published module's run: domain and configuration, cut with a hash where that is too long."""
    import hashlib

    own = {name: value for name, value in settings.model_dump(mode="json").items() if name != "llm"}
    text = f"{settings.domain}-{settings.label}"
    tail = hashlib.sha256(repr((own, settings.llm.model)).encode()).hexdigest()[:6]
    return f"{text[:56]}-{tail}"


def _show_prompt(settings: "StudyConfig") -> None:
    from recgpt.simulate.worlds.gym.studies.recompute import first_prompt

    say(*first_prompt(settings).splitlines())
