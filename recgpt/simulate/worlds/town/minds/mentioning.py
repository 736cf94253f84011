"""Items in talks: recommended or advised against from experience or by hearsay, and the answer of the other."""

from recgpt.simulate.worlds.town.minds.base import Mention
from recgpt.simulate.worlds.town.minds.conversation import Conversation
from recgpt.simulate.worlds.town.minds.leisure import mentions, opinion_of

_CLEAR = 0.25
"""Opinion from which an item was liked, or disliked below its negative."""
_STRONG = 0.5
_HEARSAY = 0.5
"""Share of a heard opinion that is passed on."""
_PASSES_ON = 0.15
"""Chance that hearsay is passed on in a talk."""


def mention(talk: Conversation, speaker: int) -> bool:
    """An item that the speaker recommends or advises against; whether there is one worth a word."""
    scene = talk.sides[speaker]
    catalogue = scene.setting.catalogue
    if catalogue is None or not scene.rules.word_of_mouth:
        return False
    already = {each.item for each in talk.mentions}
    found = [each for each in mentions(scene, talk.sides[1 - speaker]) if each.item not in already]
    found = found[:1] or _hearsay(talk, speaker)
    for each in found:
        title = _named(catalogue.titles[each.item], catalogue.kinds[each.item])
        kind = catalogue.kinds[each.item] if each.item in scene.life.adopted else "heard"
        verb = "recommend" if each.opinion > 0 else "advise"
        talk.say(speaker, talk.phrase(f"{verb}_{kind}", item=title))
        talk.say(1 - speaker, talk.phrase(_reply(talk, 1 - speaker, each)))
        talk.mentions.append(each)
        talk.subjects.append(title)
    return bool(found)


def _named(title: str, kind: str) -> str:
    """A title as a part of a sentence: dishes with an article, films and books in quotes."""
    return f"the {title[:1].lower()}{title[1:]}" if kind == "dish" else f"“{title}”"


def _hearsay(talk: Conversation, speaker: int) -> list[Mention]:
    """An item that the speaker only heard about, passed on."""
    scene, other = talk.sides[speaker], talk.sides[1 - speaker]
    for item, opinions in scene.life.heard.items():
        told_by_other = any(teller == other.agent for teller, _ in opinions)
        if item in scene.life.adopted or item in other.life.adopted or item in other.life.heard or told_by_other:
            continue
        mean = sum(opinion for _, opinion in opinions) / len(opinions)
        if abs(mean) >= _STRONG and talk.chance(_PASSES_ON):
            return [Mention(scene.agent, item, round(_HEARSAY * mean, 3))]
    return []


def _reply(talk: Conversation, listener: int, mentioned: Mention) -> str:
    adoption = talk.sides[listener].life.adopted.get(mentioned.item)
    if adoption is not None and adoption.stars:
        own = opinion_of(adoption.stars)
        return f"item_known_{'liked' if own > _CLEAR else 'disliked' if own < -_CLEAR else 'plain'}"
    return "item_will" if mentioned.opinion > 0 else "item_wont"
