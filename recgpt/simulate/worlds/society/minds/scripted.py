"""Scripted mind of a society: statistical models of behaviour, without a language model and without words.

    mind = ScriptedMind(setting, rules, seed=0)
    choices = mind.choose(moment)

Every decision is a draw among options by log weights, with named coefficients in `scripted.json`; each has a source
there. The appeal of items and the stars are fitted to real people (`fitting`); talk, posts, reactions and opinions are
chosen, because no data have them. Parts: `tastes` (appeal of items, stars), `views` (word of mouth,
closeness, opinions), `dialogues` (chats), `influence` (opinions under social influence), `answers`.

A decision never depends on the other rows: draws are keyed by (seed, agent, step, purpose).

Shapes: R rows, S slots of a page or feed, B items of a buffer.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.simulate.worlds.society.minds import answers, dialogues, influence
from recgpt.simulate.worlds.society.minds.base import (
    Action,
    Answers,
    Browsing,
    Choices,
    Company,
    Dialogues,
    Moment,
    Opinions,
    Pages,
    Pairs,
    Questions,
    Reactions,
    Social,
    SocialActs,
)
from recgpt.simulate.worlds.society.minds.draws import Draws, best_places, row_numbers, values_at
from recgpt.simulate.worlds.society.minds.parameters import Parameters
from recgpt.simulate.worlds.society.minds.tastes import Tastes, with_interests
from recgpt.simulate.worlds.society.minds.views import View
from recgpt.simulate.worlds.society.people import Feature, People
from recgpt.simulate.worlds.society.sources import Source

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.config import SocietyRules
    from recgpt.simulate.worlds.society.hearing import Hearings
    from recgpt.simulate.worlds.society.state import Setting, SocietyState

_ACTIONS = 1 << 20  # keys of draws: agent * _ACTIONS + number of the action in the session


class ScriptedMind:
    """Decides by models.

    Parameters
    ----------
    setting
        Catalogue, people and ties.
    rules
        Rules of the society.
    seed
        Seed of the run.
    parameters
        Coefficients; by default the shipped ones. `opine.conformity` 0 keeps opinions from following others.
    """

    name = "scripted"

    def __init__(
        self, setting: "Setting", rules: "SocietyRules", *, seed: int, parameters: Parameters | None = None
    ) -> None:
        self.parameters = parameters or Parameters.load()
        self._setting, self._seed = setting, seed
        self._people = setting.people
        self._tastes = self._made_tastes(setting.people)

    def choose(self, moment: Moment) -> Choices:
        """See `Mind`."""
        view, agent_R, model = self._view(moment), moment.agent_R, self.parameters.choose
        activity_R = self._setting.people.population.activity_A[agent_R].astype(np.float64) - 2
        looks_R = view.has(Feature.EXPLORER, agent_R) & (view.heard_of(agent_R) >= 0).any(axis=1)
        weight_R3 = np.empty((len(moment), 3))  # in the order of `Choice`
        weight_R3[:, 0] = model.nothing - model.activity * activity_R
        weight_R3[:, 1] = model.recommender + model.watcher * view.has(Feature.WATCHER, agent_R)
        weight_R3[:, 1] += model.explorer * looks_R
        weight_R3[:, 2] = model.social + model.chatter * view.has(Feature.CHATTER, agent_R)
        weight_R3[:, 2] += model.poster * view.has(Feature.POSTER, agent_R)
        choice_R = self._draws(moment).chosen(weight_R3, agent_R, "choose")
        return Choices(choice_R.astype(np.int8), _none_failed(moment))

    def browse(self, pages: Pages) -> Browsing:
        """See `Mind`."""
        view, agent_R, n_slots = self._view(pages), pages.agent_R, pages.items_RS.shape[1]
        weight_RS = self._weights_of_items(view, pages)
        sought_R, search_R = self._sought(view, pages)
        model = self.parameters.page
        leave_R = model.leave + model.leave_by_action * (pages.action_R - 1.0)
        others_R3 = np.stack([leave_R, np.full(len(pages), model.next), search_R], axis=1)
        key_R = agent_R * _ACTIONS + pages.action_R
        option_R = self._draws(pages).chosen(np.concatenate([others_R3, weight_RS], axis=1), key_R, "browse")
        slot_R = np.where(option_R >= 3, option_R - 3, -1)
        action_R = np.array([Action.LEAVE, Action.NEXT, Action.SEARCH] + [Action.WATCH] * n_slots)[option_R]
        stars_R, feeling_R = self._rate(view, pages, slot_R)
        return Browsing(
            action_R=action_R.astype(np.int8),
            slot_R=slot_R.astype(np.int64),
            stars_R=stars_R,
            feeling_R=feeling_R,
            search_item_R=np.where(action_R == Action.SEARCH, sought_R, -1),
            failed_R=_none_failed(pages),
        )

    def react(self, company: Company) -> Reactions:
        """See `Mind`."""
        view, model, draws = self._view(company), self.parameters.react, self._draws(company)
        agent_R, posts, n_slots = company.agent_R, company.state.social.posts, company.feed_RS.shape[1]
        there_RS = company.feed_RS >= 0
        post_RS = np.maximum(company.feed_RS, 0)
        agents_RS = np.broadcast_to(agent_R[:, None], post_RS.shape)
        author_RS = np.where(there_RS, posts.author_M[post_RS], -1).astype(np.int64)
        item_RS = np.where(there_RS, posts.item_M[post_RS], -1).astype(np.int64)
        stance_RS = view.stance(agents_RS, item_RS)
        agreement_RS = np.nan_to_num(stance_RS * posts.opinion_M[post_RS])
        close_RS = view.closeness(agents_RS, author_RS)
        poster_R1 = view.has(Feature.POSTER, agent_R)[:, None]

        def drawn(log_odds_RS: np.ndarray, purpose: str) -> np.ndarray:
            happens: np.ndarray = there_RS & (draws.logits(agent_R, purpose, n_slots) < log_odds_RS)
            return happens

        comments_RS = drawn(model.comment + model.comment_strength * np.abs(agreement_RS), "comment") & (item_RS >= 0)
        muted_RS = drawn(
            model.mute - model.mute_disagreement * np.minimum(agreement_RS, 0) + model.mute_closeness * close_RS, "mute"
        )
        return Reactions(
            like_RS=drawn(model.like + model.like_agreement * agreement_RS + model.like_closeness * close_RS, "like"),
            repost_RS=drawn(
                model.repost + model.repost_agreement * agreement_RS + model.repost_poster * poster_R1, "repost"
            ),
            follow_RS=drawn(model.follow + model.follow_agreement * agreement_RS, "follow") & ~muted_RS,
            mute_RS=muted_RS,
            comment_opinion_RS=np.where(comments_RS, stance_RS, np.nan).astype(np.float32),
            failed_R=_none_failed(company),
        )

    def socialise(self, company: Company) -> SocialActs:
        """See `Mind`."""
        view, model, agent_R = self._view(company), self.parameters.socialise, company.agent_R
        draws = self._draws(company)
        weight_R3 = np.empty((len(company), 3))  # in the order of `Social`
        weight_R3[:, 0] = model.nothing
        weight_R3[:, 1] = model.chat + model.chatter * view.has(Feature.CHATTER, agent_R)
        weight_R3[:, 2] = model.post + model.poster * view.has(Feature.POSTER, agent_R)
        weight_R3[company.friends.lengths == 0, 1] = -np.inf
        weight_R3[company.topics.lengths == 0, 2] = -np.inf
        action_R = draws.chosen(weight_R3, agent_R, "socialise")
        chats_R, posts_R = action_R == Social.CHAT, action_R == Social.POST
        friend_R = np.where(chats_R, self._friend(view, company, draws), -1)
        item_R = np.where(chats_R | posts_R, self._topic(view, company.topics, agent_R, draws), -1)
        opinion_R = view.stance(agent_R, np.where(posts_R, item_R, -1))
        u_R = draws.uniform(agent_R, "hours")[:, 0]
        hours_R = np.where(u_R < model.half_hour, 0.5, np.where(u_R < 1 - model.two_hours, 1.0, 2.0))
        return SocialActs(
            action_R=action_R.astype(np.int8),
            friend_R=friend_R,
            hours_R=hours_R.astype(np.float32),
            item_R=item_R,
            opinion_R=opinion_R.astype(np.float32),
            failed_R=_none_failed(company),
        )

    def talk(self, pairs: Pairs) -> Dialogues:
        """See `Mind`."""
        return dialogues.talk(self._view(pairs), pairs, self.parameters.socialise, self._draws(pairs))

    def opine(self, moment: Moment, heard: "Hearings") -> Opinions:
        """See `Mind`."""
        conformity_A = self._setting.people.population.conformity_A
        return influence.opine(self._view(moment), heard, self.parameters, conformity_A)

    def answer(self, questions: Questions) -> Answers:
        """See `Mind`."""
        return answers.answer(self._view(questions), questions, self.parameters.answer, self._seed)

    def estimate(self, n_agents: int, n_rounds: int) -> None:
        """No calls. See `Mind`."""

    # --- parts of decisions ---

    def _view(self, moment: Moment) -> View:
        return View(moment.state, self._tastes_of(moment.state), self.parameters)

    def _draws(self, moment: Moment) -> Draws:
        return Draws(self._seed, moment.step)

    def _made_tastes(self, people: People, edited: dict[int, str] | None = None) -> Tastes:
        facts = self._setting.facts
        population = with_interests(people, edited, facts) if edited else people.population
        taken = people.population.histories
        return Tastes(population, facts, self.parameters.watch, self.parameters.rating, self._seed, taken)

    def _tastes_of(self, state: "SocietyState") -> Tastes:
        """Tastes of the people as edited; they are made again only after an edit."""
        people, given = state.people, self._setting.people.interest
        if people is not self._people:
            if people.interest != self._people.interest:
                pairs = enumerate(zip(people.interest, given, strict=True))
                self._tastes = self._made_tastes(people, {agent: new for agent, (new, old) in pairs if new != old})
            self._people = people
        return self._tastes

    def _weights_of_items(self, view: View, pages: Pages) -> np.ndarray:
        """(R, S) log weights of watching."""
        weight_RS = view.appeal(pages.agent_R, pages.items_RS)
        own_search_R = np.array([query is not None for query in pages.query], dtype=bool)
        if pages.items_RS.shape[1]:
            is_result_R = own_search_R & (pages.source_RS[:, 0] == Source.SEARCH)
            weight_RS[:, 0] += self.parameters.page.found * is_result_R
        return weight_RS

    def _sought(self, view: View, pages: Pages) -> tuple[np.ndarray, np.ndarray]:
        """(R,) items heard of to search for, and log weights of the search; -inf for none, or after a search."""
        agent_R, model = pages.agent_R, self.parameters.page
        heard_RB = view.heard_of(agent_R)
        on_page_RB = (heard_RB[:, :, None] == pages.items_RS[:, None, :]).any(axis=2)
        heard_RB = np.where(on_page_RB, -1, heard_RB)
        searched_R = np.array([query is not None for query in pages.query], dtype=bool)
        may_R = (heard_RB >= 0).any(axis=1) & ~searched_R
        sought_R = np.full(len(pages), -1, dtype=np.int64)
        weight_R = np.full(len(pages), -np.inf)
        if may_R.any():
            agents, items = agent_R[may_R], heard_RB[may_R]
            appeal_RB = view.appeal(agents, items)
            best = appeal_RB.argmax(axis=1)
            rows = np.arange(len(agents))
            sought_R[may_R] = items[rows, best]
            weight_R[may_R] = model.search + appeal_RB[rows, best]
            weight_R[may_R] += model.explorer * view.has(Feature.EXPLORER, agents)
        return sought_R, weight_R

    def _rate(self, view: View, pages: Pages, slot_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(R,) stars of watched items, and feelings: half their distance from the agent's mean; NaN elsewhere."""
        stars_R = np.full(len(pages), np.nan, dtype=np.float32)
        feeling_R = stars_R.copy()
        rows = np.flatnonzero(slot_R >= 0)
        agent, item = pages.agent_R[rows], pages.items_RS[rows, slot_R[rows]]
        noise = self._draws(pages).logits(agent * _ACTIONS + pages.action_R[rows], "stars")[:, 0]
        shift = self.parameters.stars.critic * view.has(Feature.CRITIC, agent)
        stars_R[rows] = view.tastes.stars(agent, item, noise, shift)
        feeling_R[rows] = np.clip((stars_R[rows] - view.tastes.mean_stars_A[agent]) / 2, -1, 1)
        return stars_R, feeling_R

    def _friend(self, view: View, company: Company, draws: Draws) -> np.ndarray:
        """(R,) friend to chat with, drawn by closeness; -1 without friends."""
        friends, n_agents = company.friends, len(self._setting.people)
        agent = company.agent_R[row_numbers(friends)]
        weight = self.parameters.socialise.closeness * view.closeness(agent, friends.values)
        weight += draws.gumbel(agent * n_agents + friends.values, "friend")[:, 0]
        return values_at(friends, best_places(friends, weight))

    def _topic(self, view: View, topics: Ragged, agent_R: np.ndarray, draws: Draws) -> np.ndarray:
        """(R,) topic, drawn by how new it is and how strong the opinion of it; -1 without topics."""
        return dialogues.topic(view, topics, agent_R, draws, self.parameters.socialise, "topic")


def _none_failed(moment: Moment) -> np.ndarray:
    return np.zeros(len(moment), dtype=bool)
