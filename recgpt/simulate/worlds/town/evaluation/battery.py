"""The battery: 25 questions for each resident, five of each category, with the truth of the log.

    for question in Battery(setting, truth, seed=0, second=64_800).questions(agent):
        print(question.text, question.true)

Questions name residents and facts that are drawn by seed and resident, where they make sense; a question without any
(no talk yet, no conclusion yet) is left out.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.town.evaluation.scoring import YES_NO, Category, Question
from recgpt.simulate.worlds.town.evaluation.truth import Truth
from recgpt.simulate.worlds.town.setting import Setting

CATEGORIES: tuple[Category, ...] = ("self-knowledge", "memory", "plans", "reactions", "reflections")
N_QUESTIONS = 25
HOURS_OF_PLANS = (7, 10, 13, 17, 21)
KNOWS = "Do you know of {name}?"
STRANGER, ACQUAINTANCE, FRIEND = "stranger", "acquaintance", "friend"
_AS_GOOD = 0.05
"""Difference of affinities that still counts as equal."""


class Battery:
    """Questions at a moment.

    Parameters
    ----------
    second
        Second of the run at which the interviews take place; the truth is of then.
    start_time
        Simulated time of the first tick.
    """

    def __init__(self, setting: Setting, truth: Truth, *, seed: int, second: int, start_time: datetime) -> None:
        self._setting, self._truth, self._seed, self._second = setting, truth, seed, second
        now = start_time + timedelta(seconds=second)
        self._midnight = second - int((now - datetime.combine(now.date(), time())).total_seconds())
        residents = setting.people.residents
        self._names = tuple(resident.name for resident in residents)
        places = setting.map.places
        self._sectors = tuple(place.name for place in places if place.level == "sector")
        self._facts = tuple(fact.text for fact in setting.people.facts)

    def questions(self, agent: int) -> list[Question]:
        """All questions that make sense for a resident."""
        kinds = (self._of_self, self._of_memory, self._of_plans, self._of_reactions, self._of_reflections)
        return [question for kind in kinds for question in kind(agent)]

    # --- categories ---

    def _of_self(self, agent: int) -> Iterator[Question]:
        residents, places = self._setting.people.residents, self._setting.map.places
        me = residents[agent]
        ages = {str(each.age) for each in residents}
        jobs = {each.occupation for each in residents if each.occupation}
        who = frozenset({me.name, str(me.age), *([me.occupation] if me.occupation else [])})
        kind: Category = "self-knowledge"
        text = "What are your name, your age and your occupation?"
        yield Question(kind, text, (*self._names, *ages, *jobs), who)
        work = frozenset() if me.work < 0 else frozenset({places[self._setting.map.sector_of(me.work)].name})
        yield Question(kind, "Where do you work or study?", self._sectors, work)
        household = {each.name for each in residents if each.household == me.household} - {me.name}
        home = places[self._setting.map.sector_of(me.home)].name
        text = "Where do you live, and who lives with you?"
        yield Question(kind, text, (*self._sectors, *self._others(agent)), frozenset({home, *household}))
        interests = {interest for each in residents for interest in each.interests}
        text = "What are you interested in?"
        yield Question(kind, text, tuple(interests), frozenset(me.interests))
        clocks = {clock(minute) for each in residents for minute in (each.wakes, each.sleeps)}
        text = "When do you get up, and when do you go to bed?"
        yield Question(kind, text, tuple(clocks), frozenset({clock(me.wakes), clock(me.sleeps)}))

    def _of_memory(self, agent: int) -> Iterator[Question]:
        truth, others = self._truth, self._others(agent)
        today = {self._names[talk.other] for talk in truth.talks[agent] if talk.second >= self._midnight}
        yield Question("memory", "Whom have you talked with today?", others, frozenset(today))
        if truth.talks[agent]:
            last = self._drawn(agent, "last talk", sorted({talk.other for talk in truth.talks[agent]}))
            about = [talk.summary for talk in truth.talks[agent] if talk.other == last][-1]
            text = f"What did you last talk about with {self._names[last]}?"
            summaries = {talk.summary for talks in truth.talks for talk in talks}
            yield Question("memory", text, tuple(summaries), frozenset({about} - {""}))
        yield Question("memory", "Who is running for office?", *self._abouts(agent, "candidacy"))
        text = "Which gatherings have you heard of, and who gives them?"
        yield Question("memory", text, *self._abouts(agent, "gathering"))
        if (other := self._named(agent, "acquaintance")) is not None:
            known = truth.is_aware_of(agent, other)
            text = KNOWS.format(name=self._names[other])
            yield Question("memory", text, YES_NO, frozenset({"yes" if known else "no"}))

    def _of_plans(self, agent: int) -> Iterator[Question]:
        if self._truth.planned[agent] < self._midnight:
            return  # no plan for today yet
        activities = {text for plan in self._truth.plans for text, _ in plan}
        for hour in HOURS_OF_PLANS:
            text = f"What is on your plan for {hour:02}:00 today?"
            planned = self._truth.planned_at(agent, 60 * hour)
            true = frozenset({planned} if planned else ())
            yield Question("plans", text, tuple(activities), true)

    def _of_reactions(self, agent: int) -> Iterator[Question]:
        truth, names = self._truth, self._names
        labels = (STRANGER, ACQUAINTANCE, FRIEND, *{tie.label for tie in self._setting.people.ties})
        partners = sorted({talk.other for talk in truth.talks[agent]})
        strangers = [other for other in range(len(names)) if other != agent and not truth.is_aware_of(agent, other)]
        for purpose, among in (("partner", partners), ("stranger", strangers)):
            if among:
                other = self._drawn(agent, purpose, among)
                text = f"{names[other]} comes through the door. What is this person to you?"
                label = frozenset({self._label(agent, other)})
                yield Question("reactions", text, labels, label)
        for purpose, knows in (("known", True), ("new", False)):
            among = [number for number in range(len(self._facts)) if truth.knows(agent, number) == knows]
            among = [number for number in among if not truth.overheard(agent, number)]
            if among:
                fact = self._drawn(agent, purpose, among)
                text = f"A passer-by says: {self._facts[fact]}. Did you know?"
                answer = frozenset({"yes" if knows else "no"})
                yield Question("reactions", text, YES_NO, answer)
        invited = sorted(fact for fact, guest in truth.spread.invited if guest == agent)
        if invited:
            fact = self._drawn(agent, "invitation", invited)
            accepted = truth.spread.invited[fact, agent].accepted
            text = f"{self._facts[fact]}. Are you going?"
            yield Question("reactions", text, YES_NO, frozenset({"yes" if accepted else "no"}))

    def _of_reflections(self, agent: int) -> Iterator[Question]:
        truth, names, others = self._truth, self._names, self._others(agent)
        if counts := truth.talks_with(agent):
            most = frozenset(names[other] for other, n in counts.items() if n == max(counts.values()))
            text = "With whom have you talked most often so far?"
            yield Question("reflections", text, others, most, one_is_enough=True)
        if affinity := truth.affinity[agent]:
            best = max(affinity.values())
            liked = frozenset(names[other] for other, each in affinity.items() if each >= best - _AS_GOOD)
            text = "Whom do you like best of all in town?"
            yield Question("reflections", text, others, liked, one_is_enough=True)
        every = tuple({each.text for concluded in truth.concluded for each in concluded})
        own = truth.concluded[agent]
        if own:
            conclusions = frozenset(each.text for each in own)
            yield Question("reflections", "What have you concluded lately?", every, conclusions, one_is_enough=True)
        if about := sorted({each.other for each in own if each.other >= 0}):
            other = self._drawn(agent, "conclusion", about)
            text = f"What have you come to think about {names[other]}?"
            thoughts = frozenset(each.text for each in own if each.other == other)
            yield Question("reflections", text, every, thoughts, one_is_enough=True)
        known = truth.spread.knowers
        heard = [fact for fact in range(len(self._facts)) if agent in known[fact] and known[fact][agent].source >= 0]
        if heard:
            facts = self._setting.people.facts
            most_important = max(facts[fact].importance for fact in heard)
            news = frozenset(self._facts[fact] for fact in heard if facts[fact].importance == most_important)
            text = "Which news that others passed on to you matters most?"
            yield Question("reflections", text, self._facts, news, one_is_enough=True)

    # --- parts ---

    def _others(self, agent: int) -> tuple[str, ...]:
        return tuple(name for other, name in enumerate(self._names) if other != agent)

    def _abouts(self, agent: int, kind: str) -> tuple[tuple[str, ...], frozenset[str]]:
        """Names that count as claims about facts of a kind, and those of other residents that known ones are about.

        Names that a resident may have overheard do not count.
        """
        truth, facts = self._truth, self._setting.people.facts
        about = {number: self._names[fact.about] for number, fact in enumerate(facts) if fact.kind == kind}
        true = {name for number, name in about.items() if truth.knows(agent, number)} - {self._names[agent]}
        overheard = {name for number, name in about.items() if truth.overheard(agent, number)} - true
        return tuple(name for name in self._others(agent) if name not in overheard), frozenset(true)

    def _named(self, agent: int, purpose: str) -> int | None:
        """A resident to be named by a question, no one only seen: unknown in half of the cases, if there are any."""
        others = [other for other in range(len(self._names)) if other != agent]
        unknown = [other for other in others if not self._truth.is_aware_of(agent, other)]
        known = [other for other in others if other in self._truth.spread.knows_of(agent)]
        wanted = unknown if self._uniform(agent, f"{purpose} known") < 1 / 2 else known
        among = wanted or known or unknown
        return self._drawn(agent, purpose, among) if among else None

    def _label(self, agent: int, other: int) -> str:
        """Relation to another: the label of the tie, else by whether they talked."""
        label = next((tie.label for tie in self._setting.people.ties if (tie.agent, tie.other) == (agent, other)), "")
        talked = any(talk.other == other for talk in self._truth.talks[agent])
        return label or (ACQUAINTANCE if talked else STRANGER)

    def _drawn(self, agent: int, purpose: str, among: Sequence[int]) -> int:
        return among[int(self._uniform(agent, purpose) * len(among))]

    def _uniform(self, agent: int, purpose: str) -> float:
        drawn = rng.uniform(self._seed, np.array([agent]), step=self._second, purpose=f"battery {purpose}", n=1)
        return float(drawn[0, 0])


def clock(minute: int) -> str:
    """Time of day, such as `06:30`."""
    hour, minute = divmod(minute, 60)
    return f"{hour:02}:{minute:02}"
