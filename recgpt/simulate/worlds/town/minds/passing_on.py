"""Topics of a talk that pass something on: facts, invitations to gatherings, items.

Each function adds the lines of a topic to a conversation, and returns whether there were any.
"""

from recgpt.simulate.worlds.town.minds.attending import answer_to
from recgpt.simulate.worlds.town.minds.base import Invitation, Scene, Told
from recgpt.simulate.worlds.town.minds.conversation import Conversation
from recgpt.simulate.worlds.town.minds.news import (
    Candidate,
    certainty,
    days_since,
    fresh_about,
    fresh_shared,
    interest_of,
    is_over,
    tellable,
    trust_of,
)
from recgpt.simulate.worlds.town.minds.wording import (
    as_said_by,
    as_said_to,
    at_place,
    clause,
    day_and_clock,
    first_sentence,
    in_progress,
    liking,
    without_time,
)
from recgpt.simulate.worlds.town.relations import is_stranger
from recgpt.simulate.worlds.town.residents import Fact

_SUMMARY_WORDS = 16
_WELL = 0.5
"""Familiarity from which the two use the first name of a third."""


def fact_as_said(talk: Conversation, speaker: int, number: int) -> str:
    """A fact as a clause, in the person that fits speaker and listener."""
    fact = talk.fact(number)
    text = in_progress(without_time(first_sentence(fact.text)))
    if fact.about == talk.sides[speaker].agent:
        text = as_said_by(text, talk.me(speaker).name)
    elif fact.about == talk.sides[1 - speaker].agent:
        text = as_said_to(text, talk.me(1 - speaker).name)
    elif fact.about >= 0 and all(side.life.relation(fact.about).familiarity >= _WELL for side in talk.sides):
        about = talk.sides[0].setting.people.residents[fact.about]
        text = text.replace(about.name, about.first_name)
    return clause(text)


def pass_on(talk: Conversation, speaker: int, candidate: Candidate) -> None:
    """A fact passes: opening, reaction, questions back."""
    number, listener = candidate.fact, 1 - speaker
    fact, scene = talk.fact(number), talk.sides[speaker]
    said = fact_as_said(talk, speaker, number)
    source = _source(talk, speaker, number)
    named = False
    if fact.about == scene.agent and fact.kind != "secret":
        key = "news_own"
    elif fact.kind == "secret":
        key = "secret_say"
    elif candidate.is_faint:
        key = "news_unsure"
    elif source is not None and not _is_subject(talk, speaker, number) and talk.chance(0.5):
        key, named = "news_from", True
    else:
        key = "news_plain"
    talk.say(speaker, talk.phrase(key, fact=said, source=source or ""))
    react(talk, listener, number)
    _ask_back(talk, listener, number, asks_source=not named)
    _tell(talk, speaker, number, candidate.certain)


def _tell(talk: Conversation, speaker: int, number: int, certain: float) -> None:
    fact, listener = talk.fact(number), 1 - speaker
    first_hand = fact.about == talk.sides[speaker].agent
    trust = trust_of(talk.relation(listener), certain, first_hand)
    talk.told.append(Told(talk.sides[speaker].agent, number, round(trust, 3)))
    talk.subjects.insert(0, _short(fact))
    talk.importance = max(talk.importance, fact.importance)


def _short(fact: Fact) -> str:
    text = clause(in_progress(without_time(first_sentence(fact.text))))
    return f"the news that {text}" if len(text.split()) <= _SUMMARY_WORDS else fact.topic


def _source(talk: Conversation, speaker: int, number: int) -> str | None:
    """Name of the source of a fact: the first name if the listener knows it."""
    source = talk.sides[speaker].life.facts[number].source
    if source < 0 or source == talk.sides[1 - speaker].agent:
        return None
    resident = talk.sides[0].setting.people.residents[source]
    is_known = talk.sides[1 - speaker].life.relation(source).familiarity >= 0.1
    return resident.first_name if is_known else resident.name


def react(talk: Conversation, listener: int, number: int) -> None:
    """Reaction to a new fact: by its kind, the listener's interests and the relation."""
    fact = talk.fact(number)
    interest = interest_of(talk.me(listener), fact)
    teller_is_subject = fact.about == talk.sides[1 - listener].agent
    if fact.kind == "secret":
        key = "secret_reply"
    elif fact.kind == "candidacy" and teller_is_subject:
        key = (
            "support"
            if talk.chance(0.4 + 0.5 * talk.relation(listener).affinity + 0.2 * interest)
            else ("doubt_candidate")
        )
    elif fact.kind == "candidacy":
        key = "react_candidacy"
    elif interest:
        key = "react_liked"
    else:
        key = "react_doubt" if talk.relation(listener).affinity < 0 or talk.chance(0.15) else "react_plain"
    talk.say(listener, talk.phrase(key))


def _ask_back(talk: Conversation, listener: int, number: int, *, asks_source: bool) -> None:
    fact, speaker = talk.fact(number), 1 - listener
    if fact.starts >= 0 and fact.place >= 0:
        where = _when_where(talk.sides[speaker], fact)
        if where["place"] in fact_as_said(talk, speaker, number):
            talk.say(listener, talk.phrase("ask_when"))
            talk.say(speaker, talk.phrase("when", **where))
        else:
            talk.say(listener, talk.phrase("ask_when_where"))
            talk.say(speaker, talk.phrase("when_where", **where))
    elif asks_source and fact.about != talk.sides[speaker].agent and talk.chance(0.5):
        source = _source(talk, speaker, number)
        key = "source_subject" if _is_subject(talk, speaker, number) else "source_is" if source else "source_self"
        talk.say(listener, talk.phrase("ask_source"))
        talk.say(speaker, talk.phrase(key, source=source or ""))


def _is_subject(talk: Conversation, speaker: int, number: int) -> bool:
    """Whether the speaker has a fact from the resident that it is about."""
    return talk.sides[speaker].life.facts[number].source == talk.fact(number).about


def _when_where(scene: Scene, fact: Fact) -> dict[str, str]:
    return {"when": day_and_clock(scene, fact.starts), "place": at_place(scene.setting.map, fact.place)}


def tell_news(talk: Conversation, speaker: int) -> bool:
    """Pass on the fact of the strongest wish, by chance."""
    told = {each.fact for each in talk.told}
    for candidate in tellable(talk.sides[speaker], talk.sides[1 - speaker])[:3]:
        if candidate.fact in told:
            continue
        if talk.chance(candidate.wish):
            pass_on(talk, speaker, candidate)
            return True
    return False


def ask_news(talk: Conversation, asker: int) -> bool:
    """A question for news; the answer is a fact or none."""
    teller = 1 - asker
    if not tellable(talk.sides[teller], talk.sides[asker]) and talk.chance(0.7):
        return False
    talk.say(asker, talk.phrase("news_ask"))
    told = {each.fact for each in talk.told}
    for candidate in tellable(talk.sides[teller], talk.sides[asker])[:3]:
        if candidate.fact not in told and talk.chance(min(2 * candidate.wish, 0.9)):
            pass_on(talk, teller, candidate)
            return True
    talk.say(teller, talk.phrase("news_none"))
    return True


def bring_up_own(talk: Conversation, asker: int) -> bool:
    """A question about the other's own news, heard since the last talk."""
    found = fresh_about(talk.sides[asker], talk.sides[1 - asker])
    if not found:
        return False
    number = talk.pick(found)
    source = _source(talk, asker, number)
    said = fact_as_said(talk, asker, number)
    if source is None:
        return False
    talk.say(asker, talk.phrase("own_ask", fact=said, source=source))
    talk.say(1 - asker, talk.phrase("own_yes"))
    if talk.fact(number).kind == "candidacy":
        talk.say(asker, talk.phrase("support" if talk.chance(0.5) else "doubt_candidate"))
    else:
        talk.say(asker, talk.phrase("own_more"))
        talk.say(1 - asker, talk.phrase("own_goes"))
    talk.subjects.append(_short(talk.fact(number)))
    return True


def bring_up_known(talk: Conversation, speaker: int) -> bool:
    """A fact that both know from others."""
    found = fresh_shared(talk.sides[speaker], talk.sides[1 - speaker])
    if not found:
        return False
    number = talk.pick(found)
    talk.say(speaker, talk.phrase("known_ask", fact=fact_as_said(talk, speaker, number)))
    source = _source(talk, 1 - speaker, number)
    key = "known_subject" if _is_subject(talk, 1 - speaker, number) else "known_from" if source else "known_plain"
    talk.say(1 - speaker, talk.phrase(key, source=source or ""))
    talk.subjects.append(_short(talk.fact(number)))
    return True


# --- invitations ---


def invite(talk: Conversation, speaker: int) -> bool:
    """Invite the other to a gathering: the host does, and guests that accepted and care."""
    guest = 1 - speaker
    number = _gathering_for(talk, speaker)
    if number is None:
        return False
    inviter, invited = talk.sides[speaker], talk.sides[guest]
    fact = talk.fact(number)
    slots = {"fact": fact_as_said(talk, speaker, number), **_when_where(inviter, fact)}
    if talk.knows(guest, number):
        talk.say(speaker, *_reminded(talk, speaker, slots))
    else:
        own = fact.about == inviter.agent
        talk.say(speaker, talk.phrase("invite_own" if own else "invite_other", **slots))
        known = inviter.life.facts[number]
        _tell(talk, speaker, number, certainty(known, fact, days_since(inviter, known.tick)))
    answer = answer_to(invited, inviter.agent, number, talk.draw())
    reason = talk.phrase(answer.key, topic=liking(fact.topic), plan=answer.plan)
    talk.say(guest, reason)
    talk.say(speaker, talk.phrase("invite_thanks" if answer.accepts else "invite_pity"))
    talk.invitations.append(Invitation(inviter.agent, number, answer.accepts, reason))
    talk.affinity[speaker] += 0.04 if answer.accepts else -0.01
    talk.affinity[guest] += 0.03
    talk.importance = max(talk.importance, 7.0)
    return True


def _reminded(talk: Conversation, speaker: int, slots: dict[str, str]) -> tuple[str, ...]:
    """Invitation to a gathering that the guest knows of, maybe from this very talk."""
    again = talk.phrase("invite_again")
    if talk.told:
        return (again,)
    return (talk.phrase("known_ask", fact=slots["fact"]), again)


def _gathering_for(talk: Conversation, speaker: int) -> int | None:
    """The next gathering to which the speaker would invite the other."""
    inviter, guest = talk.sides[speaker], talk.sides[1 - speaker]
    relation = talk.relation(speaker)
    for number, known in sorted(inviter.life.facts.items()):
        fact = talk.fact(number)
        if fact.kind != "gathering" or is_over(inviter, fact) or number in guest.life.appointments:
            continue
        if guest.agent == fact.about or any(each.fact == number for each in talk.invitations):
            continue
        is_host = fact.about == inviter.agent
        goes = inviter.life.appointments.get(number, False)
        if not is_host and (not goes or is_stranger(relation)):
            continue
        if certainty(known, fact, days_since(inviter, known.tick)) < 0.3 and not is_host:
            continue
        wish = 0.8 + 0.3 * relation.affinity if is_host else 0.3 + 0.5 * relation.affinity * relation.familiarity
        if talk.chance(wish):
            return number
    return None


def next_common_gathering(talk: Conversation) -> str | None:
    """When the two see each other at a gathering that both go to; None for none."""
    agreed = {each.fact for each in talk.invitations if each.accepted}
    for number in sorted({*talk.sides[0].life.facts, *talk.sides[1].life.facts, *agreed}):
        fact = talk.fact(number)
        if fact.kind != "gathering" or is_over(talk.sides[0], fact):
            continue
        if all(number in agreed or _goes(side, number, fact) for side in talk.sides):
            return day_and_clock(talk.sides[0], fact.starts)
    return None


def _goes(side: Scene, number: int, fact: Fact) -> bool:
    return fact.about == side.agent or side.life.appointments.get(number, False)
