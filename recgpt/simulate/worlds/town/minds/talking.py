"""Talks of the scripted mind: occasions, length and topics.

if react(scene, other, notes).response is Response.TALK:
    made = talk(scene, partner, notes)
"""

from collections.abc import Callable

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import Life
from recgpt.simulate.worlds.town.minds.base import Notes, Reaction, Response, Scene, Talk
from recgpt.simulate.worlds.town.minds.conversation import Conversation
from recgpt.simulate.worlds.town.minds.mentioning import mention
from recgpt.simulate.worlds.town.minds.news import tellable
from recgpt.simulate.worlds.town.minds.passing_on import (
    ask_news,
    bring_up_known,
    bring_up_own,
    invite,
    next_common_gathering,
    tell_news,
)
from recgpt.simulate.worlds.town.minds.recalling import recall
from recgpt.simulate.worlds.town.minds.topics import (
    GREETING,
    ask_concern,
    ask_doing,
    ask_how,
    ask_interests,
    ask_relative,
    ask_work,
    chat_about_anything,
    chat_about_place,
    greet,
    greet_in_passing,
    introduce,
    part,
    tell_seen,
)
from recgpt.simulate.worlds.town.relations import KIN, is_stranger

GO_ON = Reaction(Response.GO_ON)

_SLEEP_TIME = (23 * 60, 5 * 60)
_ALONE = frozenset((a.BATHROOM, a.TEETH, a.SHOWERING, a.DRESSING, a.BEDTIME, a.WAKING, a.CINEMA, a.CLASS, a.TEACHING))
"""Activities that no talk interrupts."""
_SOCIABLE = {
    **dict.fromkeys((a.BREAKFAST, a.LUNCH, a.DINNER, a.DINING, a.COFFEE, a.DRINKS), 1.6),
    **dict.fromkeys((a.BREAK, a.SITTING, a.WALKING, a.GAME, a.PLAYING, a.NOTICES), 1.5),
    **dict.fromkeys((a.GATHERING, a.PREPARING), 3.0),
    **dict.fromkeys((a.SERVING, a.SELLING), 0.9),
    **dict.fromkeys((a.WORKING, a.CRAFTING, a.CARING, a.MEETING, a.STUDYING), 0.45),
    **dict.fromkeys((a.COMMUTING, a.HOMEWARD, a.SHOPPING, a.MEDICINE), 0.7),
    **dict.fromkeys((a.READING, a.TELEVISION, a.PHONE, a.RESTING), 0.6),
}
"""Factor of the chance of a talk by the activity in progress; 1 for others."""
_BASE = 0.22
_MOST = 0.6
_COOL_DOWN_SECONDS = 8000
_COOL_DOWN_OF_CLOSE = 4500
_RECOVERY_SECONDS = 6600
_RECOVERY_AT_PARTIES = 1800
_LONGEST_WAIT = 5


# --- occasions ---


def react(scene: Scene, other: int, notes: Notes) -> Reaction:
    """Reaction to a resident in sight: a talk, waiting for its place, or going on.

    The chance of a talk is .22 times factors of the activities of both, their relation, the extroversion of both, and
    the time since the last talk; it is .6 at most.
    """
    del notes
    life, theirs = scene.life, scene.lives[other]
    if any(each.sleeps or each.action.activity == a.TALKING for each in (life, theirs)):
        return GO_ON
    minutes = _wait_for(scene, theirs)
    if minutes:
        return Reaction(Response.WAIT, minutes)
    if not _may_talk(scene, other):
        return GO_ON
    chance = _BASE * _occasion(scene, theirs) * _closeness(scene, other) * _liveliness(scene, other)
    chance *= _recovered(scene, life) * _recovered(scene, theirs)
    return Reaction(Response.TALK) if scene.uniform("react")[0] < min(chance, _MOST) else GO_ON


def _wait_for(scene: Scene, theirs: Life) -> int:
    """Minutes to wait for a place for one that the other uses, on arrival; 0: none."""
    place = scene.life.action.place
    if place < 0 or place != theirs.action.place or not scene.life.walks(scene.tick) or theirs.walks(scene.tick):
        return 0
    if scene.setting.map.places[place].capacity > 1:
        return 0
    left = (theirs.action.end - scene.tick) * scene.rules.seconds_per_tick // 60
    return int(left) + 1 if 0 <= left < _LONGEST_WAIT else 0


def _may_talk(scene: Scene, other: int) -> bool:
    minute = scene.minute
    if (minute >= _SLEEP_TIME[0] or minute < _SLEEP_TIME[1]) and not _is_lively(scene):
        return False
    if any(scene.lives[agent].action.activity in _ALONE for agent in (scene.agent, other)):
        return False
    relation = scene.life.relation(other)
    cool_down = _COOL_DOWN_OF_CLOSE if relation.affinity >= 0.5 else _COOL_DOWN_SECONDS
    since = (scene.tick - relation.talked_at) * scene.rules.seconds_per_tick
    return relation.talked_at < 0 or since >= cool_down


def _is_lively(scene: Scene) -> bool:
    return scene.life.action.activity in (a.DRINKS, a.GATHERING)


def _occasion(scene: Scene, theirs: Life) -> float:
    factor = min(
        _SOCIABLE.get(scene.life.action.activity, 1.0),
        _SOCIABLE.get(theirs.action.activity, 1.0) + 0.3,
    )
    if scene.life.walks(scene.tick) or theirs.walks(scene.tick):
        factor *= 0.5
    return factor


def _closeness(scene: Scene, other: int) -> float:
    """Factor of the relation; it is small within a household and after a talk today."""
    relation = scene.life.relation(other)
    if is_stranger(relation):
        return 2.8
    factor = 0.6 + 0.3 * relation.familiarity + 0.3 * relation.affinity
    if scene.setting.people.residents[other].household == scene.resident.household:
        factor *= 0.4
    if relation.talked_at >= 0 and relation.talked_at > scene.tick - scene.minute * 60 // scene.rules.seconds_per_tick:
        factor *= 0.5
    return factor


def _recovered(scene: Scene, life: Life) -> float:
    """From 0 right after any talk of a resident to 1 long after it."""
    last = max((relation.talked_at for relation in life.relations.values()), default=-1)
    if last < 0:
        return 1.0
    recovery = _RECOVERY_AT_PARTIES if life.action.activity == a.GATHERING else _RECOVERY_SECONDS
    since = max(scene.tick - last, 0) * scene.rules.seconds_per_tick
    return float(min(since / recovery, 1.0) ** 2)


def _liveliness(scene: Scene, other: int) -> float:
    theirs = scene.setting.people.residents[other]
    return 0.4 + 0.8 * scene.resident.extroversion + 0.4 * theirs.extroversion


# --- lines ---


def talk(scene: Scene, partner: Scene, notes: Notes) -> Talk:
    """The whole talk with a partner: a greeting in passing, or topics up to a number of lines."""
    made = Conversation((scene, partner))
    if _is_short(made):
        greet_in_passing(made)
    else:
        _converse(made, notes)
    for speaker in (0, 1):
        made.affinity[speaker] += _liking(made, speaker)
    first, second = (round(each, 3) for each in made.affinity)
    return Talk(
        lines=tuple(made.lines),
        minutes=made.minutes(),
        summary=_summary(made),
        told=tuple(made.told),
        mentions=tuple(made.mentions),
        invitations=tuple(made.invitations),
        thoughts=tuple(made.thoughts),
        affinity=(first, second),
        importance=made.importance,
    )


def _is_short(talk: Conversation) -> bool:
    scene, partner = talk.sides
    if is_stranger(talk.relation(0)):
        return False
    hurry = 0.12 + 0.3 * sum(side.life.walks(side.tick) for side in talk.sides)
    if scene.life.action.activity in (a.GATHERING, a.COFFEE, a.DRINKS, a.DINING, a.DINNER):
        hurry *= 0.3
    if any(each.wish > 0.5 for each in (*tellable(scene, partner)[:1], *tellable(partner, scene)[:1])):
        hurry *= 0.4
    return talk.chance(hurry)


def _converse(talk: Conversation, notes: Notes) -> None:
    is_new = is_stranger(talk.relation(0))
    if is_new:
        introduce(talk)
    else:
        greet(talk)
    budget = _length(talk, is_new)
    witness = int(talk.chance(0.4))
    memories = recall(talk.sides[witness], talk.me(1 - witness).name, notes)
    if not is_new and talk.relation(0).label not in KIN and talk.chance(0.6):
        ask_how(talk)
    openers = _openers(talk)
    topics: list[Callable[[], bool]] = [
        *openers,
        *_shuffled(
            talk,
            [
                lambda: ask_concern(talk, 0),
                lambda: ask_concern(talk, 1),
                lambda: talk.chance(0.6) and ask_doing(talk, int(talk.chance(0.5))),
                lambda: ask_work(talk, int(talk.chance(0.5))),
                lambda: ask_interests(talk, int(talk.chance(0.5))),
                lambda: tell_seen(talk, witness, memories),
                lambda: ask_relative(talk, int(talk.chance(0.5))),
                lambda: chat_about_place(talk, int(talk.chance(0.5))),
                lambda: chat_about_place(talk, int(talk.chance(0.5))),
                lambda: chat_about_anything(talk, int(talk.chance(0.5))),
                lambda: ask_news(talk, int(talk.chance(0.5))),
            ],
        ),
    ]
    for topic in topics:
        if len(talk.lines) >= budget:
            break
        topic()
    part(talk, next_common_gathering(talk))


def _openers(talk: Conversation) -> list[Callable[[], bool]]:
    """The first topics: invitations, own news, then other news and items."""
    first = int(talk.chance(0.4))
    return [
        lambda: invite(talk, first),
        lambda: invite(talk, 1 - first),
        lambda: bring_up_own(talk, first),
        lambda: tell_news(talk, first),
        lambda: tell_news(talk, 1 - first),
        lambda: mention(talk, first),
        lambda: mention(talk, 1 - first),
        lambda: talk.chance(0.4) and bring_up_known(talk, 1 - first),
    ]


def _shuffled(talk: Conversation, topics: list[Callable[[], bool]]) -> list[Callable[[], bool]]:
    keys = [talk.draw() for _ in topics]
    return [topics[place] for place in sorted(range(len(topics)), key=keys.__getitem__)]


def _length(talk: Conversation, is_new: bool) -> int:
    """Lines before the good-bye: by extroversion, relation and chance, 14 at most."""
    lively = (talk.me(0).extroversion + talk.me(1).extroversion) / 2
    base = 7 if is_new else 5 + 3 * talk.relation(0).familiarity
    return min(round(base + 5 * lively * (0.5 + talk.draw())), 14)


def _liking(talk: Conversation, speaker: int) -> float:
    """Change of affinity by a talk: agreeable partners are liked better, and a talk at all does good."""
    return 0.02 * (talk.me(1 - speaker).agreeableness - 0.2) * (0.5 + talk.draw())


def _summary(talk: Conversation) -> str:
    """Such as `talking about work and family`; one piece of news is enough."""
    subjects = list(dict.fromkeys(talk.subjects)) or ["this and that"]
    if subjects == [GREETING]:
        return GREETING
    about = subjects[0] if subjects[0].startswith("the news") else " and ".join(subjects[:2])
    return f"talking about {about}"
