"""A society in progress: one step is one round of all agents.

    recgpt simulate society --agents 1000 --rounds 50 --run demo

Wang et al., "User Behavior Simulation with Large Language Model-based Agents" (TOIS 43(2):55, 2025). A round is
simultaneous: the schedule takes effect, then all agents decide on the state at its start, and the effects apply in the
order of agents. So neither the order of threads nor of agents' numbers decides who reaches whom.

Shapes: A agents, R agents of one decision.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recgpt.recommenders.base import Recommender
from recgpt.simulate.events import by_kind
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.online import LiveRecommender
from recgpt.simulate.worlds.society import interventions, sessions, socialising
from recgpt.simulate.worlds.society.activity import Busy, who_acts
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.hearing import hearings
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds import make_mind
from recgpt.simulate.worlds.society.minds.base import Choice, Choices, Mind, Moment
from recgpt.simulate.worlds.society.page_interventions import on_pages
from recgpt.simulate.worlds.society.schedule import Intervention
from recgpt.simulate.worlds.society.schedule_check import check_schedule
from recgpt.simulate.worlds.society.search import Search
from recgpt.simulate.worlds.society.setting import Setting
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import distinct

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.inputs import Inputs

Pieces = list[pl.DataFrame]
NO_RECOMMENDER, NO_SOCIAL_LIFE = "there is no recommender", "there is no social life"


class Society:
    """A society in progress.

    Parameters
    ----------
    recommender
        Recommender fitted on `setting.known`; it observes what is watched after each round, in the order of agents.
    make_recommender
        Makes a recommender that is not fitted, for the schedule's swaps.
    schedule
        Interventions, surveys and polls.

    Raises
    ------
    SimulationError
        The schedule names what does not exist.
    """

    def __init__(
        self,
        rules: SocietyRules,
        setting: Setting,
        recommender: Recommender,
        mind: Mind,
        *,
        schedule: Sequence[Intervention] = (),
        make_recommender: Callable[[str], Recommender] | None = None,
        seed: int = 0,
    ) -> None:
        check_schedule(tuple(schedule), setting, rules)
        if setting.known is None:
            raise ValueError("the setting of a stored run has no data set to recommend from")
        self.rules = rules
        self.setting = setting
        self.mind = mind
        self.state = SocietyState(rules, setting, seed)
        self.live = LiveRecommender(recommender, setting.known, setting.people.population)
        self._schedule = tuple(schedule)
        self._make_recommender = make_recommender
        self._search = Search(setting.facts)
        self._seed = seed

    @property
    def step(self) -> int:
        """Rounds so far."""
        return self.state.step

    @property
    def n_steps(self) -> int:
        """Number of rounds."""
        return self.rules.rounds

    @property
    def n_active(self) -> int:
        """Number of agents."""
        return len(self.setting.people)

    @property
    def over(self) -> bool:
        """Whether all rounds were played."""
        return self.step >= self.rules.rounds

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of the remaining rounds; None if no language model is called."""
        return self.mind.estimate(self.n_active, self.rules.rounds - self.step)

    def play(self) -> pl.DataFrame:
        """Decide the next round and return its events, without changing the state."""
        step, state = self.step + 1, self.state
        pieces = interventions.start(self._schedule, step, state, self._seed)
        if pieces:
            state = state.after_start(self._assembled(pieces))
        live = self._after_swap(pieces)
        pieces += self._decisions(step, state, live)
        rows = self._assembled(pieces)
        pieces.clear()  # of a large society some hundred MB
        rows = self._extended(rows, self._opinions(step, state, rows))
        return self._extended(rows, self._answers(step, rows))

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one round, from `play` or from the log; nothing else changes the state."""
        seconds = self.state.time
        of_kind = by_kind(rows)
        self.state.apply(rows)
        if "swapped" in of_kind:
            self.live.replace(self._made(of_kind["swapped"]["text"].to_list()[-1]))
        self.live.observe(rows, seconds=seconds)
        every = self.rules.retrain_every
        if every and self.step % every == 0 and not self.over:
            self.live.refit()

    def _assembled(self, pieces: Pieces) -> pl.DataFrame:
        return KINDS.assemble(self.step + 1, pieces, time=self.state.time)

    def _extended(self, rows: pl.DataFrame, pieces: Pieces) -> pl.DataFrame:
        """The rows with more pieces, which come last in the events of their agents."""
        return self._assembled([rows.select(pieces[0].columns), *pieces]) if pieces else rows

    # --- decisions ---

    def _decisions(self, step: int, state: SocietyState, recommender: Recommender) -> Pieces:
        moment = Moment(step, who_acts(self.rules, state.activity, step, self._seed), state)
        if not len(moment):
            return []
        choices = self.mind.choose(moment)
        chosen_R = np.where(choices.failed_R, -1, choices.choice_R)
        enters, goes = chosen_R == Choice.RECOMMENDER, chosen_R == Choice.SOCIAL
        if not self.rules.recommends:
            enters = np.zeros_like(enters)
        if not self.rules.socialises:
            goes = np.zeros_like(goes)
        browsed = sessions.play(
            self.rules, moment.rows(enters), self.mind, recommender, self._search, self._amend(step, state)
        )
        watching_A = state.activity.kind_A == Busy.WATCHING
        for piece in browsed:
            watching_A[piece.filter(pl.col("kind") == "watched")["agent"].to_numpy()] = True
        social = socialising.play(
            self.rules,
            moment.rows(goes),
            watching_A,
            self.mind,
            are_chatting=state.activity.are_chatting,
            recommender=recommender,
        )
        return [*self._first(moment, choices, enters, goes), *browsed, *social]

    def _first(self, moment: Moment, choices: Choices, enters: np.ndarray, goes: np.ndarray) -> Pieces:
        """Events of the first decision: memories read, failures, agents that do nothing, conclusions of reflections."""
        reasons = list(choices.reasons or [None] * len(moment))
        for wanted, why in ((Choice.RECOMMENDER, NO_RECOMMENDER), (Choice.SOCIAL, NO_SOCIAL_LIFE)):
            kept = enters if wanted == Choice.RECOMMENDER else goes
            for row in np.flatnonzero((choices.choice_R == wanted) & ~kept).tolist():
                reasons[row] = reasons[row] if choices.failed_R[row] else why
        read = [row for row, text in enumerate(choices.retrieved or []) if text]
        thinks = [row for row, text in enumerate(choices.thoughts or []) if text]
        failed, rests = np.flatnonzero(choices.failed_R), np.flatnonzero(~choices.failed_R & ~enters & ~goes)
        return [
            KINDS.piece("retrieved", moment.agent_R[read], text=[(choices.retrieved or [])[row] for row in read]),
            KINDS.piece("failed", moment.agent_R[failed], text=[reasons[row] for row in failed.tolist()]),
            KINDS.piece("rested", moment.agent_R[rests], text=[reasons[row] for row in rests.tolist()]),
            KINDS.piece("thought", moment.agent_R[thinks], text=[(choices.thoughts or [])[row] for row in thinks]),
        ]

    def _amend(self, step: int, state: SocietyState) -> sessions.Amend | None:
        """Random items and adverts of this round; None where the schedule has none."""
        if not any(entry.kind in ("random_items", "advert") and entry.is_due(step) for entry in self._schedule):
            return None
        placed = partial(on_pages, self._schedule, step, state, self._seed)

        def amend(
            agents: np.ndarray, items_RS: np.ndarray, source_RS: np.ndarray, action: int, seen: sessions.Seen
        ) -> tuple[np.ndarray, np.ndarray]:
            return placed(agents, items_RS, source_RS, action=action, seen=seen)

        return amend

    def _opinions(self, step: int, state: SocietyState, rows: pl.DataFrame) -> Pieces:
        heard = hearings(rows, self.state)
        agents = distinct(heard.agent_H[heard.item_H >= 0])
        if not len(agents):
            return []
        changed = self.mind.opine(Moment(step, agents, state), heard)
        if not len(changed.agent_O):
            return []
        piece = KINDS.piece(
            "opined",
            changed.agent_O,
            item=changed.item_O,
            other=changed.other_O,
            value=changed.opinion_O,
        )
        return [piece.with_columns(pl.when(pl.col("other") >= 0).then("other").alias("other"))]

    def _answers(self, step: int, rows: pl.DataFrame) -> Pieces:
        """Answers at the end of the round, on the state after it."""
        if not any(entry.kind in ("survey", "interview") and entry.is_due(step) for entry in self._schedule):
            return []
        after = self.state.copy()
        after.apply(rows)
        return interventions.questions(self._schedule, step, after, self.mind, self._seed)

    # --- recommender ---

    def _after_swap(self, pieces: Pieces) -> Recommender:
        """Recommender of this round: another one where the schedule swaps it now."""
        names = [name for piece in pieces for name in piece.filter(pl.col("kind") == "swapped")["text"].to_list()]
        return self.live.recommender if not names else self._made(names[-1]).fit(self.live.known_now())

    def _made(self, name: str) -> Recommender:
        """Recommender of that name, not fitted."""
        if self._make_recommender is None:
            raise ValueError(f"no way to make the recommender {name} was given")
        return self._make_recommender(name)


def make_world(config: SocietyConfig, inputs: "Inputs", run: Run, concurrency: int) -> Society:
    """The society before its first round."""
    rules, setting = config.rules(), inputs.setting
    mind = make_mind(config, setting, rules, seed=config.seed, run=run, schedule=config.schedule)
    return Society(
        rules,
        setting,
        inputs.recommender,
        mind,
        schedule=config.schedule,
        make_recommender=inputs.make_recommender,
        seed=config.seed,
    )
