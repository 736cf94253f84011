"""Configuration of an evaluation: which recommenders, which queries, which past."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from recgpt.config import MAX_SEED, Config

KS = (1, 3, 5, 10)
"""Cut-offs of a report, by default."""


def _split_list(value: Any) -> Any:
    """`a,b` as a list; other values as they are."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


CutOffs = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split_list), Field(min_length=1)]
"""Cut-offs from 1 on: a list, or a text such as `5,10,20,50`."""


class EvaluationConfig(Config):
    """Settings of `recgpt evaluate`."""

    model: str | None = Field(
        default=None, description="model folder, hub repository, or published .pt; by default the shipped one"
    )
    recommenders: Annotated[tuple[str, ...], BeforeValidator(_split_list)] = Field(
        default=(), description="recommenders beside the model and the five that always take part"
    )
    protocol: str = Field(default="leave_one_out", description="evaluation protocol, see docs/evaluation.md")
    past: Literal["train", "train+valid"] | None = Field(
        default=None, description="past interactions: without each user's last two, or without the last one (default)"
    )
    repeats: Literal["keep", "drop-consecutive", "drop"] | None = Field(
        default=None, description="repeated items of a history; the default depends on the protocol"
    )
    ks: CutOffs = Field(
        default=KS, description="cut-offs of the lists, from 1 on; figures beyond the catalogue's size use all of it"
    )
    max_users: int | None = Field(default=None, ge=1, description="size of a random sample of users; all without it")
    lists: Annotated[tuple[str, ...], BeforeValidator(_split_list)] = Field(
        default=(), description="lists of other tools, each NAME=FILE, evaluated beside the recommenders"
    )
    allow_trained_on_targets: bool = Field(
        default=False, description="evaluate, and mark, a model that was trained on targets of the split"
    )
    seed: int = Field(
        default=0, ge=0, le=MAX_SEED, description="of the sample, the bootstrap and recommenders that draw"
    )
