"""The console of a town: the published commands, on a run of the store.

    console = Console("demo", ask=input, say=print)
    console.do("run 60")
    console.do("print persona schedule Maria Lopez")

Commands are read in any case, names whole and in any number of words. Nothing is deleted without a question.
"""

import difflib
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from recgpt.errors import ConfigError, RecGPTError, SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.town import console_forms as forms
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.cursor import cursor_of
from recgpt.simulate.worlds.town.playing import moment_of, play_to
from recgpt.simulate.worlds.town.published.exporting import Ending, ending_of
from recgpt.simulate.worlds.town.published.history import read_history

COMMANDS = {
    "run N": "play N steps, each of 10 s unless configured",
    "save": "nothing to do: every block is stored",
    "fin": "end the console; also f, finish, save and finish",
    "exit": "delete the run, after a question, and end the console",
    "print current time": "time and steps",
    "print persona schedule NAME": "activities of the day",
    "print hourly org persona schedule NAME": "the same, before activities were split",
    "print all persona schedule": "activities of the day of each resident",
    "print persona current tile NAME": "column and row",
    "print persona chatting with buffer NAME": "steps until each other may be talked to again",
    "print persona associative memory (event) NAME": "events remembered, newest first; also (thought) and (chat)",
    "print persona spatial memory NAME": "known places",
    "print tile event X, Y": "the object and the residents at a tile",
    "print tile details X, Y": "the place at a tile",
    "call -- analysis NAME": "an interview, which is not remembered, until end_convo",
    "call -- load history FILE": "sentences of a CSV file (Name,Whisper) become thoughts, in a new run",
    "start path tester mode": "not needed here: known places follow from the map",
    "help": "this list",
}
"""Commands and their meaning."""
NOTE = (
    "Residents of a town are simulated. They are no people, and nothing that they do or say is advice.",
    "`help` lists the commands, `fin` ends.",
)
_LEAVE = {"f", "fin", "finish", "save and finish"}
_END = "end_convo"
_TILE = re.compile(r"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*")


class Console:
    """Commands on a run.

    Parameters
    ----------
    ask
        Function that prints a question and reads the answer.
    say
        Function that prints lines.

    Attributes
    ----------
    run_id
        The run; another one after a history was loaded.
    over
        Whether the console has ended.
    """

    def __init__(self, run_id: str, *, ask: Callable[[str], str], say: Callable[..., None]) -> None:
        self.run_id = run_id
        self.over = False
        self._ask, self._say = ask, say
        self._ending: tuple[str, str, int, Ending] | None = None
        with Run.open(run_id) as run:
            self._published = stored_config(run, NAME, TownConfig).behaviour == "published"

    def do(self, line: str) -> None:
        """Do a command and print its result.

        Raises
        ------
        RecGPTError
            The command or a name in it is unknown, or it failed.
        """
        text = " ".join(line.split())
        words = text.lower()
        if words in _LEAVE:
            self.over = True
            return
        for start, action in self._actions().items():
            if words == start or words.startswith(f"{start} "):
                self._say(*action(text[len(start) :].strip()))
                return
        if words:
            near = difflib.get_close_matches(words, COMMANDS, n=1, cutoff=0)[0]
            raise ConfigError(f"there is no command {text!r}: did you mean {near!r}? `help` lists all")

    def _actions(self) -> dict[str, Callable[[str], Sequence[str]]]:
        memories = {
            f"print persona associative memory ({kind})": lambda name, kind=kind: self._memory(name, kind)
            for kind in ("event", "thought", "chat")
        }
        return {
            "run": self._run,
            "save": lambda _: [f"run {self.run_id}: every block is stored"],
            "exit": self._delete,
            "print current time": lambda _: self._time(),
            "print persona schedule": lambda name: self._schedule(name, "f_daily_schedule"),
            "print hourly org persona schedule": lambda name: self._schedule(name, "f_daily_schedule_hourly_org"),
            "print all persona schedule": lambda _: self._schedules(),
            "print persona current tile": self._tile,
            "print persona chatting with buffer": lambda name: forms.buffer_lines(
                self._now.persona(self._agent(name)), published=self._published
            ),
            **memories,
            "print persona spatial memory": lambda name: forms.place_lines(
                self._now.persona(self._agent(name)).spatial
            ),
            "print tile event": self._tile_event,
            "print tile details": self._tile_details,
            "call -- analysis": self._interview,
            "call -- load history": self._load_history,
            "start path tester mode": lambda _: [
                "not needed here: known places follow from the map, see `recgpt town map`; nothing was deleted"
            ],
            "help": lambda _: [f"{name:46} {meaning}" for name, meaning in COMMANDS.items()],
        }

    # --- the run ---

    @property
    def _now(self) -> Ending:
        """The town at the cursor."""
        with Run.open(self.run_id) as run:
            key = (self.run_id, run.hash, cursor_of(run))
            if self._ending is None or self._ending[:3] != key:
                self._ending = (*key, ending_of(run, key[2]))
        return self._ending[3]

    def _run(self, steps: str) -> list[str]:
        if not steps.isdecimal() or not 1 <= len(steps) <= 9 or not int(steps):
            raise ConfigError(f"run {steps}: write a number of steps, such as `run 360` for an hour of 10 s steps")
        with Run.open(self.run_id, write=True) as run:
            play_to(run, cursor_of(run) + int(steps))
        return self._time()

    def _time(self) -> list[str]:
        with Run.open(self.run_id) as run:
            tick = cursor_of(run)
            return [f"{moment_of(run, tick):%B %d, %Y, %H:%M:%S}", f"steps: {tick}"]

    def _delete(self, _: str) -> list[str]:
        """Delete the run, if its id is typed again."""
        answer = self._ask(f"Delete run {self.run_id} and all its blocks for good? Type {self.run_id} to do it: ")
        if answer.strip() != self.run_id:
            return [f"run {self.run_id} stays; `fin` ends the console"]
        with Run.open(self.run_id, write=True):
            shutil.rmtree(run_path(self.run_id).parent)
        self.over = True
        return [f"run {self.run_id} is deleted"]

    def _load_history(self, file: str) -> list[str]:
        """Each sentence becomes a thought at the start of the next block, in a fork of the run."""
        with Run.open(self.run_id) as run:
            config = stored_config(run, NAME, TownConfig)
            names = self._now.names
            block = run.n_steps + 1
            entries = [
                {"kind": "whisper", "block": block, "agent": names.index(name), "text": text}
                for name, text in read_history(Path(file), names)
            ]
            schedule = [*config.model_dump(mode="json")["schedule"], *entries]
            new_id = self._free_id()
            runner.fork(run, new_id, run.n_steps, settings={"schedule": schedule}).close()
            moment = moment_of(run, (block - 1) * config.ticks_per_block)
        self.run_id = new_id
        when = f"{moment:%B %d, %Y, %H:%M:%S}"
        return [f"{len(entries):,} thoughts from {when} on, in the new run {new_id}: the console goes on with it"]

    def _free_id(self) -> str:
        stem = re.sub(r"-h\d+$", "", self.run_id)[:56]
        return next(f"{stem}-h{number}" for number in range(1, 10_000) if not run_path(f"{stem}-h{number}").is_file())

    # --- residents ---

    def _agent(self, name: str) -> int:
        return resident_of(name, self._now.names)

    def _schedule(self, name: str, key: str) -> list[str]:
        return forms.schedule_lines(self._now.persona(self._agent(name)), key, published=self._published)

    def _schedules(self) -> list[str]:
        lines, rest = [], [""] if self._published else []
        for agent, name in enumerate(self._now.names):
            persona = self._now.persona(agent)
            schedule = forms.schedule_lines(persona, "f_daily_schedule", published=self._published)
            lines += [name, *schedule, *rest, "---"]
        return lines

    def _tile(self, name: str) -> list[str]:
        return [str(self._now.persona(self._agent(name)).scratch["curr_tile"])]

    def _memory(self, name: str, kind: str) -> list[str]:
        return forms.memory_lines(self._now.persona(self._agent(name)).nodes, kind, published=self._published)

    # --- tiles ---

    def _at(self, text: str) -> int:
        town_map, found = self._now.setting.map, _TILE.fullmatch(text)
        if found is None or int(found[1]) >= town_map.width or int(found[2]) >= town_map.height:
            raise ConfigError(
                f"{text!r} is no tile: write column and row, such as 72, 14, below {town_map.width}, {town_map.height}"
            )
        return town_map.tile(int(found[1]), int(found[2]))

    def _events(self, tile: int) -> list[forms.Event]:
        now = self._now
        return forms.tile_events(now.setting.map, now.lives, now.names, tile, now.tick, published=self._published)

    def _tile_event(self, text: str) -> list[str]:
        return [str(event) for event in self._events(self._at(text))]

    def _tile_details(self, text: str) -> list[str]:
        tile = self._at(text)
        return forms.tile_lines(self._now.setting.map, tile, self._events(tile))

    # --- interview ---

    def _interview(self, name: str) -> list[str]:
        from recgpt.simulate.worlds.town.interviewing import interview

        agent = self._agent(name)
        with Run.open(self.run_id) as run:
            tick = cursor_of(run)
            while (question := self._ask("Enter Input: ").strip()) != _END:
                if question:
                    try:
                        found = interview(run, tick, agent, question)
                    except RecGPTError as error:
                        self._say(str(error))
                        continue
                    self._say(found.text or f"no answer: {found.failure or 'unknown'}")
        return []


def resident_of(name: str, names: Sequence[str]) -> int:
    """Number of the resident of that name, in any case; a number stands for itself.

    Raises
    ------
    SimulationError
        There is none, or several.
    """
    if name.isdecimal() and len(name) < 9 and int(name) < len(names):
        return int(name)
    low = name.lower()
    found = [agent for agent, each in enumerate(names) if each.lower() == low]
    if len(found) == 1:
        return found[0]
    if found:
        raise SimulationError(f"{len(found)} residents are called {name!r}: write a number, one of {found[:5]}")
    near = difflib.get_close_matches(name, names, n=3, cutoff=0)
    raise SimulationError(f"no resident is called {name!r}: did you mean {', '.join(near)}?")
