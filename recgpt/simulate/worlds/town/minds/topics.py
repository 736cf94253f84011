"""Topics of a talk: greetings, how one is, work, plans, small talk, good-byes.

Each function adds the lines of a topic to a conversation, and returns whether there were any.
"""

import re
from datetime import timedelta
from functools import cache

from recgpt.simulate.worlds.town.activities import NEEDS, TALKING
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds.base import Scene, Thought
from recgpt.simulate.worlds.town.minds.conversation import Conversation
from recgpt.simulate.worlds.town.minds.recalling import Recalled
from recgpt.simulate.worlds.town.minds.wording import (
    ago,
    as_said_by,
    at_place,
    exchanges,
    first_sentence,
    liking,
    name_of_place,
)
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.relations import KIN, is_stranger

GREETING = "saying hello"
"""Summary of a greeting in passing."""
_OF_STAFF = ("office", "workshop")
_OF_ALL = (*_OF_STAFF, "school", "park")
"""Kinds of places where small talk is the same for all, and for people who work there."""
_PRIVATE = (
    *("talking", "saying", "waiting", "waking", "getting", "using the bathroom", "brushing", "taking a shower"),
    *("walking to", "walking home"),
)
"""Beginnings of activities that people do not bring up."""
_EVENING, _NOON = 18 * 60, 11 * 60
_LONGEST_SENTENCE = 140
_URGENT = 0.35
_SOON = 40
_WELL = 0.55  # familiarity from which the interests of the other are known
_ALIKE = 2  # words of four letters that two sentences share
_TITLES = frozenset(("mother", "father", "wife", "husband", "son", "daughter", "brother", "sister"))
_SAID_BY_NEED = {"energy": "fine_tired", "food": "fine_hungry", "company": "fine_lonely", "duty": "fine_busy"}


def kind_of_place(scene: Scene) -> str:
    """Kind of the sector where a scene is; `outdoors` between them."""
    town_map = scene.setting.map
    place = town_map.at(scene.tile)
    return "outdoors" if place < 0 else town_map.places[town_map.sector_of(place)].kind


def part_of_day(scene: Scene) -> str:
    """`morning`, `day` or `evening`."""
    return "morning" if scene.minute < _NOON else "day" if scene.minute < _EVENING else "evening"


# --- beginning and end ---


def greet(talk: Conversation) -> None:
    """Greeting of both, by relation and time of day."""
    relation, scene = talk.relation(0), talk.sides[0]
    name, own = talk.name(1), talk.name(0)
    if relation.label in KIN:
        if part_of_day(scene) == "morning" and scene.minute < talk.me(0).wakes + 120 and _lives_here(scene):
            talk.say(0, talk.phrase("hello_kin_morning", name=name))
            talk.say(1, talk.phrase("slept"))
            talk.say(0, talk.phrase("slept_too"))
            return
        talk.say(0, talk.phrase("hello_kin", name=name))
        talk.say(1, talk.phrase("greet_reply_kin", name=own))
        return
    key = "hello_again" if _talked_today(talk) else f"hello_{part_of_day(scene)}"
    talk.say(0, talk.phrase(key, name=name))
    talk.say(1, talk.phrase("greet_reply", name=own))


def _lives_here(scene: Scene) -> bool:
    place = scene.setting.map.at(scene.tile)
    return place >= 0 and scene.setting.map.sector_of(place) == scene.resident.home


def _talked_today(talk: Conversation) -> bool:
    scene, relation = talk.sides[0], talk.relation(0)
    return relation.talked_at >= 0 and relation.talked_at >= scene.tick - scene.minute * 60 // (
        scene.rules.seconds_per_tick
    )


def introduce(talk: Conversation) -> None:
    """Strangers: names and occupations."""
    talk.say(0, talk.phrase("hello_stranger"), talk.phrase("i_am", me=talk.me(0).name))
    talk.say(1, talk.phrase("pleased", name=talk.me(0).first_name), talk.phrase("i_am", me=talk.me(1).name))
    talk.say(0, talk.phrase("pleased", name=talk.me(1).first_name), talk.phrase("what_do_you_do"))
    talk.say(1, occupation_of(talk.sides[1]), talk.phrase("and_you"))
    talk.say(0, occupation_of(talk.sides[0]))
    talk.say(1, talk.phrase("interesting"))
    talk.subjects.append("homes and jobs")
    for speaker in (0, 1):
        _note_acquaintance(talk, speaker)


def _note_acquaintance(talk: Conversation, speaker: int) -> None:
    other = talk.me(1 - speaker)
    about = first_sentence(other.learned)
    text = about if about.startswith(other.first_name) else f"{other.name} is somebody I know from a talk"
    talk.thoughts.append(Thought(talk.sides[speaker].agent, f"{text}.", 4.0, other=talk.sides[1 - speaker].agent))


def occupation_of(scene: Scene) -> str:
    """Occupation of a resident, in its own words."""
    resident = scene.resident
    learned = first_sentence(resident.learned)
    said = as_said_by(learned, resident.name)
    if said != learned and len(said) <= _LONGEST_SENTENCE:
        return f"{said}."
    place = resident.work if resident.work >= 0 else resident.home
    verb = "work" if resident.work >= 0 else "live"
    return f"I {verb} {at_place(scene.setting.map, place)}."


def greet_in_passing(talk: Conversation) -> None:
    """Greeting without a talk."""
    greet_only = talk.chance(0.4)
    scene = talk.sides[0]
    talk.say(0, talk.phrase(f"hello_{part_of_day(scene)}", name=talk.name(1)))
    reply = "greet_reply_kin" if talk.relation(0).label in KIN else "greet_reply"
    talk.say(1, talk.phrase(reply, name=talk.name(0)))
    if not greet_only:
        talk.say(0, talk.phrase("passing"))
        talk.say(1, talk.phrase("passing_reply"))
    talk.subjects.append(GREETING)


def part(talk: Conversation, when: str | None) -> None:
    """Good-bye; `when` both see each other at a gathering."""
    first = 1 - talk.last_speaker
    name, own = talk.name(1 - first), talk.name(first)
    coming = next_block(talk.sides[first], within=_SOON)
    sentences = []
    if coming is not None and coming.text not in talk.mentioned_plans and talk.chance(0.6):
        sentences.append(talk.phrase("bye_next", next=coming.text))
    if when is not None:
        sentences.append(talk.phrase("bye_gathering", when=when))
    elif talk.relation(first).label in KIN:
        sentences.append(talk.phrase("bye_kin", name=name))
    elif is_stranger(talk.relation(first)):
        sentences.append(talk.phrase("bye_stranger", name=name))
    else:
        late = part_of_day(talk.sides[0]) == "evening"
        sentences.append(talk.phrase(talk.pick(("bye", "bye_evening" if late else "bye_day")), name=name))
    talk.say(first, *sentences)
    reply = "bye_reply_kin" if talk.relation(1 - first).label in KIN else "bye_reply"
    talk.say(1 - first, talk.phrase(reply, name=own))


# --- topics without news ---


def ask_how(talk: Conversation) -> bool:
    """How the two are: the most urgent need of each decides."""
    talk.say(0, talk.phrase("how_are_you"))
    first = _state_of(talk, 1)
    talk.say(1, talk.phrase(first), talk.phrase("and_how_are_you"))
    second = _state_of(talk, 0)
    answer = talk.phrase("get_rest" if first == "fine_tired" else "glad") if talk.chance(0.6) else ""
    talk.say(0, *filter(None, (answer, talk.phrase(second))))
    return True


def _state_of(talk: Conversation, speaker: int) -> str:
    scene = talk.sides[speaker]
    levels = needs_at(scene.life, scene.resident, scene.tick, scene.rules.seconds_per_tick)
    needs = dict(zip(NEEDS, levels, strict=True))
    lowest = min(_SAID_BY_NEED, key=lambda need: needs[need])
    return _SAID_BY_NEED[lowest] if needs[lowest] < _URGENT else "fine_good"


def ask_doing(talk: Conversation, asker: int) -> bool:
    """Present and next activity of the other."""
    teller = talk.sides[1 - asker]
    doing, coming = current_doing(teller), next_block(teller)
    if doing is None and coming is None:
        return False
    talk.say(asker, talk.phrase("doing_ask"))
    sentences = []
    if doing is not None:
        sentences.append(talk.phrase("doing_now", doing=doing))
    if coming is not None and coming.text != doing:
        sentences.append(talk.phrase("doing_then", next=coming.text))
        talk.mentioned_plans.add(coming.text)
    talk.say(1 - asker, *sentences)
    talk.say(asker, talk.phrase("doing_reply"))
    talk.subjects.append("the plans of the day")
    return True


def current_doing(scene: Scene) -> str | None:
    """Activity of a resident as a participle, if it is one to talk about."""
    text = scene.life.action.text
    return text if scene.life.action.activity != TALKING and _is_participle(text) else None


def next_block(scene: Scene, *, within: int = 24 * 60) -> PlanBlock | None:
    """The next activity of the day's plan, if it begins within so many minutes and is a participle, but no sleep."""
    if scene.life.plan_day != scene.day:
        return None
    minute = 0
    for block in scene.life.plan:
        if minute > scene.minute + within:
            return None
        if minute > scene.minute:
            return block if _is_participle(block.text) and block.text != scene.life.action.text else None
        minute += block.minutes
    return None


def _is_participle(text: str) -> bool:
    return text.split(" ", 1)[0].endswith("ing") and "sleep" not in text


def ask_work(talk: Conversation, asker: int) -> bool:
    """How work is at the other's place of work."""
    scene = talk.sides[1 - asker]
    if scene.resident.work < 0:
        return False
    talk.say(asker, talk.phrase("work_ask", work=name_of_place(scene.setting.map, scene.resident.work)))
    levels = needs_at(scene.life, scene.resident, scene.tick, scene.rules.seconds_per_tick)
    duty = levels[NEEDS.index("duty")]
    talk.say(1 - asker, talk.phrase("work_busy" if duty < 0.5 else "work_good"))
    talk.say(asker, talk.phrase("work_reply"))
    talk.subjects.append("work")
    return True


def ask_concern(talk: Conversation, asker: int) -> bool:
    """The other's present concern, in its own words, without secrets and unknown news."""
    scene = talk.sides[1 - asker]
    if talk.relation(asker).n_talks and talk.chance(0.7):  # it was a topic before
        return False
    current = first_sentence(scene.resident.currently)
    said = as_said_by(current, scene.resident.name)
    if said == current or len(said) > _LONGEST_SENTENCE or _touches_news(talk, 1 - asker, current):
        return False
    talk.say(asker, talk.phrase("current_ask"))
    talk.say(1 - asker, f"{said}.")
    talk.say(asker, talk.phrase("current_reply"))
    talk.affinity[1 - asker] += 0.01
    talk.subjects.append(f"what {scene.resident.first_name} is busy with")
    return True


def _touches_news(talk: Conversation, speaker: int, text: str) -> bool:
    """Whether a sentence gives away a secret that the speaker knows, or a fact that the other does not know."""
    names = {resident.first_name.lower()[:4] for resident in (talk.me(0), talk.me(1))}
    words = _stems(text) - names
    return any(
        len(words & _stems(talk.fact(number).text)) >= _ALIKE
        and (talk.fact(number).kind == "secret" or not talk.knows(1 - speaker, number))
        for number in talk.sides[speaker].life.facts
    )


@cache
def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:4] for word in re.findall(r"[a-z]{4,}", text.lower()))


def ask_interests(talk: Conversation, asker: int) -> bool:
    """An interest of the other; shared ones bring two closer."""
    theirs, own = talk.me(1 - asker).interests, talk.me(asker).interests
    if not theirs or talk.relation(asker).familiarity > _WELL or talk.relation(asker).n_talks > 2:
        return False
    shared = [each for each in theirs if each in own]
    liked = talk.pick(shared or theirs)
    talk.say(asker, talk.phrase("interest_ask"))
    talk.say(1 - asker, talk.phrase("interest_say", interest=liking(liked)))
    if shared or not own:
        talk.say(asker, talk.phrase("interest_both" if shared else "interesting"))
    else:
        talk.say(asker, talk.phrase("interest_else", interest=liking(talk.pick(own))))
    for speaker in (0, 1):
        talk.affinity[speaker] += 0.04 if shared else 0.0
    talk.subjects.append(liking(liked))
    return True


def tell_seen(talk: Conversation, teller: int, memories: Recalled) -> bool:
    """A sight of the other, from a memory of the teller."""
    scene, name = talk.sides[teller], talk.me(1 - teller).name
    for text, hours in memories.entries:
        doing = text.removeprefix(f"{name} is ")
        age = scene.seconds / 3600 - hours
        if doing == text or not 1 <= age < 48 or not _is_participle(doing) or _is_private(doing):
            continue
        when = ago(scene.rules.start_time + timedelta(hours=hours), scene.now)
        talk.say(teller, talk.phrase("seen_say", when=when, doing=doing))
        talk.say(1 - teller, talk.phrase("seen_reply"))
        talk.subjects.append("the plans of the day")
        return True
    return False


def _is_private(doing: str) -> bool:
    return doing.startswith(_PRIVATE)


def ask_relative(talk: Conversation, asker: int) -> bool:
    """A relative of the other that the asker knows."""
    asking, other = talk.sides[asker], talk.sides[1 - asker]
    if talk.relation(asker).label in KIN:
        return False
    known = [
        (relation.label, number)
        for number, relation in sorted(other.life.relations.items())
        if relation.label in KIN and number != asking.agent and asking.life.relation(number).familiarity > 0.1
    ]
    if not known:
        return False
    label, number = talk.pick(known)
    their = (
        f"your {label}" if label in _TITLES and talk.chance(0.4) else asking.setting.people.residents[number].first_name
    )
    talk.say(asker, talk.phrase("tie_ask", their=their))
    talk.say(1 - asker, talk.phrase("tie_reply"))
    talk.subjects.append("family")
    return True


def chat_about_place(talk: Conversation, first: int) -> bool:
    """Small talk that fits where the two are, at home or as guests, and whether they work there."""
    scene = talk.sides[0]
    kind = kind_of_place(scene)
    if kind == "outdoors":
        return talk.exchange(first, exchanges(kind))
    place = scene.setting.map.sector_of(scene.setting.map.at(scene.tile))
    at_home = [side.resident.home == place for side in talk.sides]
    at_work = [side.resident.work == place for side in talk.sides]
    if kind == "home" and not all(at_home):
        return any(at_home) and talk.exchange(int(at_home[0]), exchanges("home_guest")[:1])
    if any(at_work) and kind not in _OF_ALL:
        return (
            talk.exchange(first, exchanges("staff"))
            if all(at_work)
            else talk.exchange(int(at_work[0]), exchanges("with_staff"))
        )
    if kind in _OF_STAFF and not all(at_work):
        return talk.exchange(first, exchanges("other"))
    return talk.exchange(first, exchanges(kind))


def chat_about_anything(talk: Conversation, first: int) -> bool:
    """Small talk that fits everywhere."""
    return talk.exchange(first, exchanges("any"))
