"""A block of a town: ten simulated minutes, decided tick by tick on a working copy of the state.

    events = Block(state, mind).play()          # of the block after those in the state

In a tick, residents decide in the order of their numbers; those whose activity is over first plan (on a new day),
reflect (where due) and act, then each perceives and maybe reacts: Park et al. 2023, section 4, and the published step.
A decision depends on residents in sight only, see `minds.base`: `out_of_order` plays the same block for slow minds.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town import adopting, goals
from recgpt.simulate.worlds.town.activities import PHONE, TALKING
from recgpt.simulate.worlds.town.edits import edit_events
from recgpt.simulate.worlds.town.events import Event
from recgpt.simulate.worlds.town.kinds import TOWN
from recgpt.simulate.worlds.town.minds.base import Act, Mind, Notes, Response, Scene, Seen, Talk
from recgpt.simulate.worlds.town.rules import talks
from recgpt.simulate.worlds.town.schedule import Edit
from recgpt.simulate.worlds.town.sight import Sight
from recgpt.simulate.worlds.town.state import TownState

MINUTES_A_DAY = 1440


class Block:
    """A block in progress.

    Parameters
    ----------
    state
        State before it; a copy is worked on.
    mind
        Mind of all residents.
    schedule
        Edits of the run; those of this block take effect at its start.
    offers
        Pages of the recommender, if this is a block in which it ranks.
    """

    def __init__(
        self, state: TownState, mind: Mind, schedule: Sequence[Edit] = (), offers: Sequence[Event] = ()
    ) -> None:
        self.state = state.copy()
        self.mind = mind
        self._schedule = schedule
        self._offers = offers
        self._sold = state.sold  # at the start of the block: sales out of sight since then do not count
        self._first = state.tick
        self._number = state.step + 1
        self._events: list[list[Event]] = [[] for _ in self.state.lives]
        self._of_town: list[Event] = []
        self.sight = Sight(self.state)
        self._reflected: set[int] = set()
        self._arriving: set[int] = set(range(len(self.state.lives)))  # all: places close, and fill, at any time
        self._interrupted: set[int] = set()

    def play(self) -> list[Event]:
        """All events of the block, those of a resident in the order of their ticks; in lock-step."""
        self.start()
        for tick in self.ticks:
            self.sight.move(tick)
            self.process(range(len(self.state.lives)), tick, self.sight.lookers())
        return self.events()

    @property
    def ticks(self) -> range:
        """Ticks of the block."""
        return range(self._first, self._first + self.state.rules.ticks_per_block)

    def start(self) -> None:
        """Hand out the pages, and let the edits take effect; residents that they move or give a plan decide anew."""
        for event in self._offers:
            self.emit(event)
        for event in edit_events(self._schedule, self._number, self.state):
            self.emit(event)
            if event.kind in ("moved", "planned"):
                self._interrupted.add(event.agent)

    def events(self) -> list[Event]:
        """Events so far: of the town, then of each resident."""
        return [*self._of_town, *(event for events in self._events for event in events)]

    def emit(self, event: Event) -> None:
        """Log an event and let it change the working state."""
        (self._of_town if event.agent == TOWN else self._events[event.agent]).append(event)
        self.state.apply_event(event)

    def due(self, agents: Sequence[int], tick: int) -> list[int]:
        """Residents whose activity is over, interrupted, or begins at its place in this tick."""
        lives, arriving, interrupted = self.state.lives, self._arriving, self._interrupted
        return [
            agent
            for agent in agents
            if (life := lives[agent]).action.end <= tick
            or (agent in arriving and life.arrives <= tick)
            or agent in interrupted
        ]

    def process(self, agents: Sequence[int], tick: int, lookers: Sequence[int]) -> None:
        """Decide a tick of residents that see none of the others.

        Parameters
        ----------
        agents
            Ascending.
        lookers
            Those of them that look around.
        """
        seen = {agent: found for agent in lookers if (found := self.sight.seen(agent, tick))}
        for agent in sorted({*self.due(agents, tick), *seen}):
            scene = self.sight.scene(agent, tick)
            self._decide(scene)
            if agent in seen:
                self._perceive(scene, seen[agent])

    # --- the own day ---

    def _decide(self, scene: Scene) -> None:
        """Plan, reflect and act where the activity is over, or its place turns out to be taken or closed."""
        agent, tick, life = scene.agent, scene.tick, scene.life
        if life.action.end <= tick or agent in self._interrupted:
            self._interrupted.discard(agent)
            self._begin(scene)
        elif agent in self._arriving and life.arrives <= tick:
            self._arriving.discard(agent)
            if not goals.is_free(scene):
                self._act(replace(scene, taken=life.action.place))
            elif tick == max(life.arrives, life.action.start + 1):  # later checks are of places that close or fill
                self._arrive(scene)

    def _begin(self, scene: Scene) -> None:
        agent, notes = scene.agent, Notes()
        for event in adopting.opinions(scene, self.mind, notes):
            self.emit(event)
        if scene.life.plan_day != scene.day:
            self._plan(scene, notes)
        if self.state.memory.is_due(agent) and agent not in self._reflected:
            self._reflect(scene, notes)
        self._note(scene.tick, notes)
        self._act(scene)

    def _plan(self, scene: Scene, notes: Notes) -> None:
        plan = self.mind.plan_day(scene, notes)
        if (minutes := sum(block.minutes for block in plan)) != MINUTES_A_DAY:
            raise SimulationError(
                f"plan of {scene.resident.name} on day {scene.day}: {minutes} minutes instead of {MINUTES_A_DAY}"
            )
        for slot, block in enumerate(plan):
            columns = {"item": _or_null(block.activity), "place": _or_null(block.place)}
            length = float(block.minutes)
            self.emit(Event(scene.tick, scene.agent, "planned", slot=slot, value=length, text=block.text, **columns))

    def _reflect(self, scene: Scene, notes: Notes) -> None:
        self._reflected.add(scene.agent)
        self.emit(Event(scene.tick, scene.agent, "reflected"))
        for thought in self.mind.reflect(scene, notes):
            self._think(scene.tick, thought.agent, thought.text, thought.importance, thought.other, 1, thought.evidence)

    def _think(
        self, tick: int, agent: int, text: str, importance: float, other: int, slot: int, evidence: Sequence[int]
    ) -> None:
        self.emit(Event(tick, agent, "thought", other=_or_null(other), slot=slot, value=importance, text=text))
        for entry in evidence:
            self.emit(Event(tick, agent, "cited", slot=entry))

    def _act(self, scene: Scene) -> None:
        notes = Notes()
        act = self.mind.act(scene, notes)
        self._note(scene.tick, notes)
        self.emit(_acted(scene, act))
        self._arriving.add(scene.agent)
        self.sight.acts_anew(scene.agent, scene.tick)
        if act.activity == PHONE:
            self._adopt(replace(scene, taken=-1), adopting.looked_at)

    def _arrive(self, scene: Scene) -> None:
        """Items seen on the way, and taken at a venue."""
        for event in adopting.on_the_way(scene):
            self.emit(event)
        self._adopt(scene, partial(adopting.at_venue, sold=self._sold))

    def _adopt(self, scene: Scene, decide: Callable[[Scene, Mind, Notes], list[Event]]) -> None:
        notes = Notes()
        events = decide(scene, self.mind, notes)
        self._note(scene.tick, notes)
        for event in events:
            self.emit(event)

    def _note(self, tick: int, notes: Notes) -> None:
        """Log failures of decisions and memories read for them."""
        for resident, reason in notes.failed:
            self.emit(Event(tick, resident, "failed", text=reason))
        for resident, read in notes.retrieved:
            self.emit(Event(tick, resident, "retrieved", text=read))

    # --- others ---

    def _perceive(self, scene: Scene, seen: Sequence[Seen]) -> None:
        agent, tick, notes = scene.agent, scene.tick, Notes()
        importance = self.mind.importance(scene, seen, notes)
        for each, points in zip(seen, importance, strict=True):
            columns = {"other": _or_null(each.other), "place": _or_null(each.place)}
            self.emit(Event(tick, agent, "perceived", value=points, text=each.text, **columns))
        self._note(tick, notes)
        others = [each.other for each in seen if each.other >= 0 and self._can_talk(each.other)]
        if others and self._can_talk(agent):
            self._react(scene, others[0])

    def _can_talk(self, agent: int) -> bool:
        life = self.state.lives[agent]
        return not life.sleeps and life.action.activity != TALKING

    def _react(self, scene: Scene, other: int) -> None:
        published = scene.rules.behaviour == "published"
        talked_at = scene.life.relation(other).talked_at
        if published and not talks.may_talk_again(talked_at, scene.tick, scene.rules.seconds_per_tick):
            return
        notes = Notes()
        reaction = self.mind.react(scene, other, notes)
        self._note(scene.tick, notes)
        if reaction.response == Response.WAIT:
            minutes = float(max(reaction.minutes, 1))
            self.emit(Event(scene.tick, scene.agent, "waited", other=other, value=minutes))
            self.sight.acts_anew(scene.agent, scene.tick)
        elif reaction.response == Response.TALK:
            self._talk(scene, self.sight.scene(other, scene.tick))

    def _talk(self, scene: Scene, partner: Scene) -> None:
        notes = Notes()
        talk = self.mind.talk(scene, partner, notes)
        if scene.rules.behaviour == "published":
            names = [resident.name for resident in self.state.residents]
            said = [(names[line.speaker], line.text) for line in talk.lines]
            talk = replace(talk, minutes=talks.minutes_of_talk(said, published=True))
        self._note(scene.tick, notes)
        for event in _talk_events(scene.tick, scene.agent, partner.agent, talk):
            self.emit(event)
        for thought in talk.thoughts:
            self._think(scene.tick, thought.agent, thought.text, thought.importance, thought.other, 0, thought.evidence)
        for each in talk.mentions:
            listener = partner if each.teller == scene.agent else scene
            for event in adopting.heard(listener, each.teller, each.item, each.opinion):
                self.emit(event)
        for agent in (scene.agent, partner.agent):
            self._arriving.discard(agent)
            self.sight.acts_anew(agent, scene.tick)


def _acted(scene: Scene, act: Act) -> Event:
    """Event of an activity, with the tile that the resident walks to."""
    return Event(
        scene.tick,
        scene.agent,
        "acted",
        other=_or_null(act.other),
        item=_or_null(act.activity),
        place=_or_null(act.place),
        slot=goals.goal_of(scene, act),
        value=float(max(act.minutes, 1)),
        text=act.text,
    )


def _talk_events(tick: int, first: int, second: int, talk: Talk) -> list[Event]:
    other_of = {first: second, second: first}
    minutes = float(max(talk.minutes, 1))
    events = [Event(tick, first, "talked", other=second, value=minutes, text=talk.summary)]
    events += [
        Event(tick, line.speaker, "said", other=other_of[line.speaker], slot=slot, text=line.text)
        for slot, line in enumerate(talk.lines)
    ]
    events += [
        Event(tick, told.teller, "told", other=other_of[told.teller], item=told.fact, value=told.trust)
        for told in talk.told
    ]
    events += [
        Event(tick, each.teller, "mentioned", other=other_of[each.teller], item=each.item, value=each.opinion)
        for each in talk.mentions
    ]
    events += [
        Event(
            tick,
            each.host,
            "invited",
            other=other_of[each.host],
            item=each.fact,
            value=float(each.accepted),
            text=each.reason,
        )
        for each in talk.invitations
    ]
    return events + [
        Event(tick, agent, "related", other=other_of[agent], value=change)
        for agent, change in zip((first, second), talk.affinity, strict=True)
        if change
    ]


def _or_null(number: int) -> int | None:
    return None if number < 0 else number
