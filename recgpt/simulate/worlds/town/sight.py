"""Sight: where residents stand at a tick, and the news in sight.

    sight = Sight(state)
    sight.move(tick)                          # everybody to the start of a tick
    for agent in sight.lookers():
        sight.seen(agent, tick)               # news to a resident

A resident sees the square of its radius, clipped by the map, within its room; outdoors all tiles without a room. It
looks again when somebody in sight, itself included, has moved or does something else: nothing new appears otherwise.
All look at the start of a tick, before anybody decides.

Shapes: A residents.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from recgpt.simulate.worlds.town.activities import ACTIVITIES, TALKING, WAITING
from recgpt.simulate.worlds.town.minds.base import Scene, Seen
from recgpt.simulate.worlds.town.rooms import OUTDOORS
from recgpt.simulate.worlds.town.state import TownState

UNUSED = (TALKING, WAITING)
"""Activities that use no object."""


class Sight:
    """Positions of all residents, and whose surroundings have changed.

    Parameters
    ----------
    state
        Working state of a block, whose lives change under it.
    """

    def __init__(self, state: TownState) -> None:
        self._state = state
        self._map = state.setting.map
        self._arena_T = self._map.arena_HW.reshape(-1)
        n_residents = len(state.lives)
        self._names = [resident.name for resident in state.residents]
        self._radius_A = np.array([resident.vision_r for resident in state.residents])
        self._x_A, self._y_A, self._room_A = (np.zeros(n_residents, dtype=np.int64) for _ in range(3))
        self._changed = set(range(n_residents))
        self._walking: set[int] = set(range(n_residents))
        self._anew_at = [-1] * n_residents
        self._tick = [0] * n_residents  # of each, out of order; else all 0
        self._radius = self._radius_A.tolist()
        self._xy = [(0, 0)] * n_residents
        self._room = [OUTDOORS] * n_residents
        self._members: dict[int, set[int]] = defaultdict(set)  # residents of each room

    # --- positions ---

    def move(self, tick: int) -> None:
        """Put all walkers where they stand at the start of a tick."""
        for agent in sorted(self._walking):
            life = self._state.lives[agent]
            self._put(agent, life.tile(tick))
            self._changed.add(agent)
            if not life.walks(tick):
                self._walking.discard(agent)

    def _put(self, agent: int, tile: int) -> None:
        y, x = divmod(tile, self._map.width)
        room = int(self._arena_T[tile])
        self._members[self._room[agent]].discard(agent)
        self._members[room].add(agent)
        self._xy[agent], self._room[agent] = (x, y), room
        self._x_A[agent], self._y_A[agent], self._room_A[agent] = x, y, room

    def acts_anew(self, agent: int, tick: int) -> None:
        """Note that a resident does something else from this tick on, and maybe walks."""
        self._changed.add(agent)
        self._walking.add(agent)
        self._anew_at[agent] = tick

    # --- residents at ticks of their own, out of order ---

    def move_one(self, agent: int, tick: int) -> None:
        """Put one resident where it stands at the start of a tick."""
        self._put(agent, self._state.lives[agent].tile(tick))
        self._tick[agent] = tick

    def lookers_among(self, agents: Sequence[int], tick: int) -> list[int]:
        """As `lookers`, of residents that see none of the others; all of them stand at the start of the tick."""
        changed = [agent for agent in agents if self._has_changed(agent, tick)]
        lives = self._state.lives
        return [
            agent
            for agent in agents
            if not lives[agent].sleeps and any(agent == other or self._sees(agent, other) for other in changed)
        ]

    def _has_changed(self, agent: int, tick: int) -> bool:
        anew = self._anew_at[agent] == tick - 1 or self._state.lives[agent].walks(tick - 1)
        return anew or tick == self._state.tick

    def _sees(self, agent: int, other: int) -> bool:
        (x, y), (other_x, other_y) = self._xy[agent], self._xy[other]
        is_close = max(abs(other_x - x), abs(other_y - y)) <= self._radius[agent]
        return is_close and self._room[other] == self._room[agent]

    # --- who sees whom ---

    def scene(self, agent: int, tick: int) -> Scene:
        """A resident as its mind sees it, at the tick at which it stands."""
        state = self._state
        return Scene(
            state.rules,
            state.setting,
            state.seed,
            agent,
            tick,
            state.residents[agent],
            state.lives,
            self.near(agent),
            state.memory,
        )

    def near(self, agent: int) -> tuple[int, ...]:
        """Residents in sight of a resident, by distance, then number."""
        return tuple(other for _, other in self._in_sight(agent))

    def _in_sight(self, agent: int) -> list[tuple[int, int]]:
        """Squared distance and number of the residents in sight, in this order."""
        x, y = self._xy[agent]
        radius, tick, found = self._radius[agent], self._tick[agent], []
        for other in tuple(self._members[self._room[agent]]):
            other_x, other_y = self._xy[other]
            dx, dy = abs(other_x - x), abs(other_y - y)
            if dx <= radius and dy <= radius and other != agent and self._tick[other] == tick:
                found.append((dx * dx + dy * dy, other))
        return sorted(found)

    def lookers(self) -> list[int]:
        """Residents that are awake and have something that changed in sight, ascending; forgets what changed."""
        changed = np.array(sorted(self._changed), dtype=np.int64)
        self._changed.clear()
        if not len(changed):
            return []
        radius_A = self._radius_A
        close = np.abs(self._x_A[changed, None] - self._x_A) <= radius_A
        close &= np.abs(self._y_A[changed, None] - self._y_A) <= radius_A
        close &= self._room_A[changed, None] == self._room_A
        lives = self._state.lives
        return [agent for agent in np.flatnonzero(close.any(axis=0)).tolist() if not lives[agent].sleeps]

    def seen(self, agent: int, tick: int) -> list[Seen]:
        """What a resident has in sight that it does not remember, the nearest first, within its attention."""
        state = self._state
        life, resident = state.lives[agent], state.residents[agent]
        found: list[tuple[float, int, Seen]] = []
        for square, other in self._in_sight(agent):
            distance = float(np.sqrt(square))
            for text, place in self._shown_by(other, tick):
                found.append((distance, other, Seen(text, other if place < 0 else -1, place, distance)))
        found += [(seen.distance, len(state.lives), seen) for seen in self._happenings(agent, tick)]
        found.sort(key=lambda entry: (entry[0], entry[1], entry[2].place))
        attended = [seen for _, _, seen in found[: resident.att_bandwidth]]
        return [seen for seen in attended if seen.text not in life.recent]

    def _shown_by(self, other: int, tick: int) -> Iterable[tuple[str, int]]:
        """Texts that others see of a resident, and the object of each: its activity, and the object it uses."""
        life = self._state.lives[other]
        action = life.action
        yield f"{self._names[other]} is {action.text}", -1
        if action.place < 0 or action.activity in UNUSED or life.walks(tick):
            return
        place = self._map.places[action.place]
        if place.level == "object":
            state = ACTIVITIES[action.activity].object_state if action.activity >= 0 else "being used"
            yield f"{place.name} is {state}", place.number

    def _happenings(self, agent: int, tick: int) -> list[Seen]:
        """Places in sight with a state of their own."""
        found = []
        for place, (text, end) in self._state.happenings.items():
            nearest = self._nearest(agent, place) if tick < end else None
            if nearest is not None:
                found.append(Seen(f"{self._map.places[place].name} is {text}", -1, place, nearest))
        return found

    def _nearest(self, agent: int, place: int) -> float | None:
        """Distance to the nearest tile in sight of a place, None where none is."""
        tiles = np.array(self._map.places[place].tiles)
        dy, dx = tiles // self._map.width - self._y_A[agent], tiles % self._map.width - self._x_A[agent]
        radius = self._radius_A[agent]
        seen = (np.abs(dx) <= radius) & (np.abs(dy) <= radius) & (self._arena_T[tiles] == self._room_A[agent])
        return float(np.sqrt((dx**2 + dy**2)[seen].min())) if seen.any() else None
