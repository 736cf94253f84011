"""Scripted decisions about films, books and dishes: wishes, choices at a venue, stars, mentions.

    browse(scene, items), choose(scene, place, items), rate(scene, item)        # as in the protocol of minds
    wants(scene)                                 # how much each kind of venue attracts the resident today
    mentions(scene, partner), persuaded(scene, teller, item, opinion)           # word of mouth

An item fits by the feed's fitted models of choices (`worlds/feed/minds/scripted.py`). A town adds terms of log
odds: feelings about similar items taken before, opinions heard from others (with the weights of the society's
scripted mind), mood, friends nearby and money. Stars follow the feed's fitted model of stars, a little kinder among
friends.

Shapes: S items, E embedding width, k items taken before.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.society.minds.parameters import Parameters as SocietyParameters
from recgpt.simulate.worlds.society.minds.parameters import Word
from recgpt.simulate.worlds.town.activities import FUN
from recgpt.simulate.worlds.town.catalogue import TownCatalogue
from recgpt.simulate.worlds.town.life import Relation, Source
from recgpt.simulate.worlds.town.minds.base import Chosen, Mention, Rating, Scene
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.programme import VENUES

# Log odds that no data have, and their reasons.
MOOD = 1.0  # of a film or book, times how far below its middle the need for fun is: bored people try more
WISH, WISH_DAYS = 2.0, 7.0  # of an item on the list of wishes, which fades: people come for an item
COMPANY, MOST_COMPANY = 1.5, 2  # for each friend in sight that has just taken the item: friends go together
SPENT, SPENT_DAYS = 1.0, 2  # taken off for a film or book bought in the last two days: money
NO_INCOME = 0.5  # taken off for a film or book, for residents without work or study
HABIT = 0.7  # of a dish that was liked before
RELUCTANCE = {"film": -2.0, "book": 1.0, "dish": -4.0}
"""Log odds at which an item is left at the venue: visitors of a cinema came for a film, of a bookshop to look around,
and guests of a cafe eat."""
STARS_OF_COMPANY = 0.5  # log odds of more stars with a friend, about a tenth of a star

NOTICES = 0.25  # chance that the window of a venue is looked at in passing
IN_WINDOW = 2  # items looked at there
SEARCHES = (0.1, 0.2)  # chance of a search of one's own with a look at the phone: least, and added by openness
SEARCHED = 5  # titles looked through
TOLD, TOLD_DAYS, MOST_TOLD = 0.6, 3.0, 2  # chance to mention an item felt strongly about, fading in days; in a talk
_STRONG = 0.5  # opinion, of -1 to 1, from which on an item is worth a mention
_REMEMBERED = 10  # items taken before that a decision remembers
_FRIEND = 0.2  # affinity from which on the other is a friend
_OFTEN = {"film": 0.15, "book": 0.1, "dish": 0.3}  # attraction of a venue without a wish
_WISHED = 0.7  # attraction of a venue that has an item wished for
REVIEWS = {
    1: ("a waste of an evening", "I could not stand it", "never again"),
    2: ("rather weak", "I expected more", "not for me"),
    3: ("it was all right", "nothing special", "good enough"),
    4: ("I liked it a lot", "well worth it", "a good choice"),
    5: ("simply wonderful", "I loved every bit of it", "the best in a long time"),
}


# --- decisions of the protocol ---


def browse(scene: Scene, items: Sequence[int]) -> list[Chosen]:
    """Items of a page that the resident wants from now on: items that fit and would be watched."""
    models = _catalogue(scene).models
    logit = log_odds(scene, items)
    logit[:1] += models.parameters.align.first_slot
    watch = models.parameters.watch.by_activity_and_place
    by_place = watch[int(_catalogue(scene).population.activity_A[scene.agent]) - 1]
    # Keyed by day: another look at the page of the day gives the same first impressions.
    u = rng.uniform(scene.seed, np.array([scene.agent]), step=scene.day, purpose="town browse", n=2 * len(items))
    drawn = [_logit(each) for each in u[0].tolist()]
    wanted, n_fit = [], 0
    for slot, item in enumerate(items):
        if drawn[slot] < logit[slot]:
            if drawn[len(items) + slot] < by_place[min(n_fit, 3)] and _is_new(scene, item):
                wanted.append(Chosen(item, Source.PAGE))
            n_fit += 1
    return wanted


def choose(scene: Scene, place: int, items: Sequence[int]) -> Chosen | None:
    """Item that the resident takes at a venue, in proportion to its odds, or none of them."""
    del place  # all items are of the venue
    items = [item for item in items if _can_take(scene, item)]
    if not items:
        return None
    logit = log_odds(scene, items) + np.array([_at_venue(scene, item) for item in items])
    u_S = np.clip(scene.uniform("choose", len(items)), 1e-12, 1 - 1e-12)
    best = int(np.argmax(logit - np.log(-np.log(u_S))))  # drawn in proportion to exp(logit)
    reluctance = RELUCTANCE[_catalogue(scene).kinds[items[best]]]
    if _logistic(scene, "take", 1)[0] >= logit[best] - reluctance:
        return None
    wish = scene.life.wishes.get(items[best])
    return Chosen(items[best], Source.PASSING_BY) if wish is None else Chosen(items[best], wish.source, wish.other)


def rate(scene: Scene, item: int) -> Rating:
    """Stars and a short review of an item that was taken."""
    friends = sum(scene.life.relation(other).affinity >= _FRIEND for other in scene.near)
    drawn = _logistic(scene, f"stars {item}", 1) + STARS_OF_COMPANY * min(friends, MOST_COMPANY)
    stars = int(_catalogue(scene).models.stars(np.array([scene.agent]), np.array([item]), drawn)[0])
    words = REVIEWS[stars]
    return Rating(stars, words[int(scene.uniform(f"review {item}")[0] * len(words))])


# --- other decisions ---


def search(scene: Scene) -> Chosen | None:
    """Item found by a search of the resident's own: the best of some titles on offer in town today, if it fits."""
    least, openness = SEARCHES
    u = scene.uniform("search", SEARCHED + 2)
    on_offer = np.concatenate(list(_catalogue(scene).programme.in_town(scene.day).values()))
    if u[0] >= least + openness * scene.resident.openness or not len(on_offer):
        return None
    places = sorted({int(each * len(on_offer)) for each in u[2:]})
    items = [item for item in on_offer[places].tolist() if _is_new(scene, item)]
    if not items:
        return None
    logit = log_odds(scene, items)
    best = int(np.argmax(logit))
    return Chosen(items[best], Source.SEARCH) if _logit(u[1]) < logit[best] else None


def noticed(scene: Scene, items: Sequence[int], venue: int = -1) -> list[Chosen]:
    """Items in the window of a venue that a passer-by wants from now on."""
    u = scene.uniform(f"window {venue}", 2 * IN_WINDOW + 1)
    if u[0] >= NOTICES or not items:
        return []
    seen = [items[place] for place in sorted({int(each * len(items)) for each in u[1 : IN_WINDOW + 1]})]
    seen = [item for item in seen if _is_new(scene, item)]
    logit = log_odds(scene, seen)
    drawn = [_logit(each) for each in u[IN_WINDOW + 1 :]]
    return [Chosen(item, Source.PASSING_BY) for place, item in enumerate(seen) if drawn[place] < logit[place]]


def persuaded(scene: Scene, teller: int, item: int, opinion: float) -> bool:
    """Whether a recommendation of another makes the resident want the item."""
    wish = scene.life.wishes.get(item)
    if opinion <= 0 or not _can_take(scene, item) or (wish is not None and wish.other == teller):
        return False
    logit = log_odds(scene, [item])[0] + _weight(scene.life.relation(teller), opinion)
    return bool(_logistic(scene, f"persuaded {item}", 1)[0] < logit)


def mentions(scene: Scene, partner: Scene) -> tuple[Mention, ...]:
    """Items that the resident recommends to a partner, or advises against: strong feelings of the last days."""
    if not scene.rules.word_of_mouth or scene.setting.catalogue is None:
        return ()
    worth = []
    for item, adoption in scene.life.adopted.items():
        opinion = opinion_of(adoption.stars)
        told = any(teller == scene.agent for teller, _ in partner.life.heard.get(item, ()))
        if abs(opinion) >= _STRONG and not told and item not in partner.life.adopted:
            days = _days(scene, adoption.tick)
            worth.append((TOLD * abs(opinion) * math.exp(-days / TOLD_DAYS), item, opinion))
    worth.sort(key=lambda each: (-each[0], each[1]))
    u = scene.uniform("mention", MOST_TOLD)
    return tuple(
        Mention(scene.agent, item, opinion)
        for (chance, item, opinion), drawn in zip(worth, u, strict=False)
        if drawn < chance
    )


def wants(scene: Scene) -> dict[str, float]:
    """How much each kind of venue with items attracts the resident today, from 0 to 1, by kind of sector."""
    if scene.setting.catalogue is None:
        return {}
    catalogue = _catalogue(scene)
    bored = 1.5 - _fun(scene)
    wished = scene.life.wishes.keys()
    found: dict[str, float] = {}
    for venue in catalogue.programme.venues:
        kind = VENUES[venue.kind]
        is_there = not wished.isdisjoint(catalogue.programme.stock(venue, scene.day))
        pull = (_WISHED if is_there else _OFTEN[kind]) * (1.0 if kind == "dish" else bored)
        if kind != "dish":
            pull *= math.exp(-_spent(scene))
        found[venue.kind] = max(found.get(venue.kind, 0.0), min(pull, 1.0))
    return found


def opinion_of(stars: float) -> float:
    """Opinion from -1 to 1 of stars from 1 to 5; 0 for an item not rated yet."""
    return (stars - 3) / 2 if stars else 0.0


# --- terms ---


def log_odds(scene: Scene, items: Sequence[int]) -> np.ndarray:
    """(S,) log odds that items fit: taste, feelings about similar items, opinions heard, mood."""
    catalogue = _catalogue(scene)
    items_S = np.array(items, dtype=np.int64)
    if not len(items_S):
        return np.zeros(0)
    logit_S = catalogue.models.fit_log_odds(np.array([scene.agent]), items_S[None])[0].astype(np.float64)
    logit_S += catalogue.models.parameters.align.memory * _recalled(scene, items_S)
    bored = MOOD * (0.5 - _fun(scene))
    for place, item in enumerate(items):
        logit_S[place] += sum(
            _weight(scene.life.relation(teller), opinion) for teller, opinion in scene.life.heard.get(item, ())
        )
        logit_S[place] += bored if catalogue.kinds[item] != "dish" else 0.0
    return logit_S


def _recalled(scene: Scene, items_S: np.ndarray) -> np.ndarray:
    """(S,) feelings about the last items taken, by likeness, as the feed's mind recalls its memories of the run."""
    taken = [(item, opinion_of(each.stars)) for item, each in scene.life.adopted.items() if each.stars]
    if not taken:
        return np.zeros(len(items_S))
    unit_NE = _catalogue(scene).facts.unit_NE
    items, feelings = zip(*taken[-_REMEMBERED:], strict=True)
    likeness_Sk = np.maximum(unit_NE[items_S] @ unit_NE[list(items)].T, 0)
    recalled_S: np.ndarray = likeness_Sk @ np.array(feelings)
    return recalled_S


def _at_venue(scene: Scene, item: int) -> float:
    """Terms of log odds at a venue: wish, friends, habit, money."""
    life, kind = scene.life, _catalogue(scene).kinds[item]
    wish = life.wishes.get(item)
    found = 0.0 if wish is None else WISH * math.exp(-_days(scene, wish.tick) / WISH_DAYS)
    found += COMPANY * min(sum(_has_just_taken(scene, other, item) for other in scene.near), MOST_COMPANY)
    if kind == "dish":
        known = life.adopted.get(item)
        return found + (HABIT * opinion_of(known.stars) if known is not None else 0.0)
    return found - SPENT * _spent(scene) - (NO_INCOME if scene.resident.work < 0 else 0.0)


def _has_just_taken(scene: Scene, other: int, item: int) -> bool:
    """Whether a friend in sight took the item within the last hour."""
    taken = scene.lives[other].adopted.get(item)
    is_friend = scene.life.relation(other).affinity >= _FRIEND
    return taken is not None and is_friend and _days(scene, taken.tick) <= 1 / 24


def _spent(scene: Scene) -> int:
    """Films and books bought in the last days."""
    kinds = _catalogue(scene).kinds
    return sum(
        kinds[item] != "dish" and _days(scene, each.tick) < SPENT_DAYS for item, each in scene.life.adopted.items()
    )


def _weight(relation: Relation, opinion: float) -> float:
    """Log odds of an opinion heard, by how close the teller is."""
    word = _word()
    closeness = relation.familiarity * (1 + relation.affinity) / 2
    return (word.mention if opinion > 0 else 0.0) + word.opinion * opinion * closeness


@cache
def _word() -> Word:
    return SocietyParameters.load().word


def _is_new(scene: Scene, item: int) -> bool:
    """Whether the resident can still want the item: neither wished for nor, but for dishes, taken before."""
    return item not in scene.life.wishes and item not in scene.life.adopted


def _can_take(scene: Scene, item: int) -> bool:
    """Whether the resident would take the item: films and books once, dishes again."""
    return item not in scene.life.adopted or _catalogue(scene).kinds[item] == "dish"


def _fun(scene: Scene) -> float:
    needs = needs_at(scene.life, scene.resident, scene.tick, scene.rules.seconds_per_tick)
    return needs[FUN]


def _days(scene: Scene, tick: int) -> float:
    return (scene.tick - tick) * scene.rules.seconds_per_tick / 86_400


def _catalogue(scene: Scene) -> TownCatalogue:
    catalogue = scene.setting.catalogue
    if catalogue is None:
        raise ValueError("a town without items has no venues to decide about")
    return catalogue


def _logistic(scene: Scene, purpose: str, n: int) -> np.ndarray:
    """(n,) draws of the standard logistic distribution: below x with probability 1 / (1 + e^-x)."""
    return np.array([_logit(u) for u in scene.uniform(purpose, n)])


def _logit(u: float) -> float:
    u = min(max(u, 2.0**-54), 1 - 2.0**-53)
    return math.log(u / (1 - u))
