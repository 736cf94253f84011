"""Configuration of a run of studies, and its published name."""

from pydantic import Field, field_validator

from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.studies.protocol import SCORED, check_studies

NAME = "gym_studies"
PUBLISHED_SEED = 42
_DEFAULT_USERS = "detailed"


class StudyConfig(GymRules, MindOptions, WorldConfig):
    """Studies, rules and minds. Ratings are not shaped: `shaping` has no effect."""

    shaping: str = Field(default="identity", description="has no effect on studies, which score ratings")
    seed: int = Field(default=PUBLISHED_SEED, ge=0, le=2**32 - 1, description="seed of all random numbers")
    study: tuple[str, ...] = Field(
        default=SCORED, description="studies: preference, high, low, collection, distribution, human, or all but human"
    )
    quick: bool = Field(default=False, description="the quick forms: 20 items, 50 users a series, 2,000 pairs")
    study_data: str | None = Field(
        default=None, description="folder of EmoSim-RL's data with the published sets and personas of the studies"
    )
    random_rating: bool = Field(
        default=False, description="control of the human study: its form shows random ratings without reasons"
    )
    debug: bool = Field(default=False, description="marks the reports as trials: -DEBUG")

    @field_validator("study", mode="before")
    @classmethod
    def _are_known(cls, names: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
        words = names.split(",") if isinstance(names, str) else names
        try:
            return check_studies(tuple(str(word).strip() for word in words if str(word).strip()))
        except SimulationError as error:
            raise ValueError(str(error)) from error

    @property
    def label(self) -> str:
        """Published name of the configuration: `{model}-{rater}-{perturbator}-{retrieval}` and what differs."""
        from recgpt.simulate.worlds.gym.domain import domain_of

        domain = domain_of(self.domain)
        model = (self.llm.model if self.mind == "llm" else self.mind).replace("/", "_").replace(":", "_")
        users = self.users or domain.default_users
        parts = [
            model,
            self.rater or domain.default_rater,
            self.perturbator,
            self.retrieval or domain.default_retrieval,
            *(
                []
                if users == _DEFAULT_USERS
                else [f"{users.rstrip('/').rsplit('/', 1)[-1]}{'_users' * (users == 'basic')}"]
            ),
            *([] if self.seed == PUBLISHED_SEED else [f"seed_{self.seed}"]),
            *(["DEBUG"] if self.debug else []),
        ]
        return "-".join(parts)
