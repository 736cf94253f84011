"""Person in the terminal, playing agents of a society: situations are shown, answers are the agents' decisions.

    mind = PlayedMind(own, PersonMind(setting.facts))

Wrong input is asked again. A chat goes on until an empty line or "goodbye".

Shapes: S slots of a page or feed.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.prompt import Prompt, PromptBase
from rich.table import Table
from rich.text import Text

from recgpt.console import SafeConsole
from recgpt.errors import SimulationError
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.text import cleaned
from recgpt.simulate.minds.ask import MAX_SENTENCE_CHARS
from recgpt.simulate.worlds.society.minds import base
from recgpt.simulate.worlds.society.minds.scenes import MAX_TOPICS, newest_first, when
from recgpt.simulate.worlds.society.minds.schemas import MOST_OPINION
from recgpt.terminal import plain

T = TypeVar("T")

GOODBYE = "goodbye"
"""Line that ends a chat."""
_MAX_LINES = 50
_CHOICES = {"r": base.Choice.RECOMMENDER, "s": base.Choice.SOCIAL, "n": base.Choice.NOTHING}
_SOCIAL = {"c": base.Social.CHAT, "p": base.Social.POST, "n": base.Social.NOTHING}
_HOURS = {".5": 0.5, "0.5": 0.5, "1": 1.0, "2": 2.0}
_SCALE = [str(number) for number in range(-MOST_OPINION, MOST_OPINION + 1)]


class PersonMind:
    """Asks the person in the terminal for every decision of the agents that it is given, one after the other."""

    name = "person"

    def __init__(self, facts: ItemFacts, console: Console | None = None) -> None:
        self._facts = facts
        self._console = console or SafeConsole()

    def choose(self, moment: base.Moment) -> base.Choices:
        """See `Mind`."""
        choice_R = np.zeros(len(moment), dtype=np.int8)
        for row, agent in enumerate(moment.agent_R.tolist()):
            self._show_situation(moment, agent)
            said = self._one_of("What do you do? [r]ecommender, [s]ocial, [n]othing", list(_CHOICES))
            choice_R[row] = _CHOICES[said]
        return base.Choices(choice_R, np.zeros(len(moment), dtype=bool), reasons=[None] * len(moment))

    def browse(self, pages: base.Pages) -> base.Browsing:
        """See `Mind`."""
        n = len(pages)
        action_R, slot_R = np.zeros(n, dtype=np.int8), np.full(n, -1, dtype=np.int64)
        stars_R = np.full(n, np.nan, dtype=np.float32)
        search_R = np.full(n, -1, dtype=np.int64)
        queries: list[str | None] = [None] * n
        feelings: list[str | None] = [None] * n
        for row in range(n):
            numbers = self._show_page(pages, row)
            options = [*numbers, "n", "l", "s"]
            said = self._one_of("Number to watch, [n]ext page, [s]earch, [l]eave", options)
            if said in numbers:
                action_R[row], slot_R[row] = base.Action.WATCH, int(said) - 1
                stars_R[row] = int(self._one_of("Stars, 1 to 5", list("12345")))
                feelings[row] = self._words("How did it feel?")
            elif said == "n":
                action_R[row] = base.Action.NEXT
            elif said == "s":
                action_R[row] = base.Action.SEARCH
                search_R[row], queries[row] = self._searched(pages, int(pages.agent_R[row]))
        return base.Browsing(
            action_R,
            slot_R,
            stars_R,
            (stars_R - 3) / 2,
            search_R,
            np.zeros(n, dtype=bool),
            queries,
            feelings,
            reasons=[None] * n,
        )

    def react(self, company: base.Company) -> base.Reactions:
        """See `Mind`."""
        shape = company.feed_RS.shape
        like_RS, repost_RS, follow_RS, mute_RS = np.zeros((4, *shape), dtype=bool)
        opinion_RS = np.full(shape, np.nan, dtype=np.float32)
        comments: list[list[str | None]] = [[None] * shape[1] for _ in range(shape[0])]
        for row in range(len(company)):
            numbers = self._show_feed(company, company.feed_RS[row])
            marks = {"l": like_RS, "r": repost_RS, "f": follow_RS, "m": mute_RS}
            for slot, letters in self._reactions(numbers).items():
                for letter in letters & marks.keys():
                    marks[letter][row, slot] = True
                if "c" in letters:
                    comments[row][slot] = self._words(f"Your comment on {slot + 1}")
                    has_item = company.state.social.posts.item_M[company.feed_RS[row, slot]] >= 0
                    if comments[row][slot] and has_item:
                        opinion_RS[row, slot] = self._opinion()
        none_R = np.zeros(len(company), dtype=bool)
        return base.Reactions(
            like_RS, repost_RS, follow_RS, mute_RS, opinion_RS, none_R, comments, [None] * len(company)
        )

    def socialise(self, company: base.Company) -> base.SocialActs:
        """See `Mind`."""
        n = len(company)
        action_R = np.zeros(n, dtype=np.int8)
        friend_R, item_R = np.full((2, n), -1, dtype=np.int64)
        hours_R, opinion_R = np.zeros(n, dtype=np.float32), np.full(n, np.nan, dtype=np.float32)
        texts: list[str | None] = [None] * n
        for row in range(n):
            friends, topics = company.friends[row].tolist(), company.topics[row][:MAX_TOPICS].tolist()
            offered = ["c", "p", "n"] if friends else ["p", "n"]
            words = "[c]hat, [p]ost, [n]othing" if friends else "[p]ost, [n]othing"
            action_R[row] = _SOCIAL[self._one_of(f"What do you do? {words}", offered)]
            if action_R[row] == base.Social.CHAT:
                labels = [company.state.people.label(friend) for friend in friends]
                friend_R[row] = friends[self._numbered("With whom?", labels)]
                hours_R[row] = _HOURS[self._one_of("For how many hours? .5, 1 or 2", list(_HOURS))]
                item_R[row] = self._topic(topics)
            elif action_R[row] == base.Social.POST:
                texts[row] = self._some_words("Your post")
                item_R[row] = self._topic(topics)
                opinion_R[row] = self._opinion() if item_R[row] >= 0 else np.nan
        none_R = np.zeros(n, dtype=bool)
        return base.SocialActs(action_R, friend_R, hours_R, item_R, opinion_R, none_R, texts, reasons=[None] * n)

    def converse(
        self,
        pairs: base.Pairs,
        reply: Callable[[Sequence[base.Line]], base.Line | None],
        *,
        is_partner: bool,
        plays_both: bool,
    ) -> list[base.Line]:
        """See `played.Person`."""
        people, agents = pairs.state.people, (int(pairs.agent_R[0]), int(pairs.partner_R[0]))
        topics = (pairs.topics[0][:MAX_TOPICS].tolist(), pairs.partner_topics[0][:MAX_TOPICS].tolist())
        you = agents[is_partner]
        self._console.print(
            Text(f"{plain(people.label(you))} chats with {plain(people.label(agents[not is_partner]))}; end: {GOODBYE}")
        )
        lines: list[base.Line] = []
        speaks_second = False
        while len(lines) < _MAX_LINES:
            if plays_both or speaks_second == is_partner:
                named = [line.item for line in lines if line.item >= 0]
                line = self._line(people.label(agents[speaks_second]), [*topics[speaks_second], *named], speaks_second)
            else:
                line = reply(lines)
                if line is not None:
                    self._console.print(Text(f"{plain(people.label(agents[speaks_second]))}: {self._said(line)}"))
            if line is None:
                break
            lines.append(line)
            speaks_second = not speaks_second
        return lines

    def answer(self, questions: base.Questions) -> base.Answers:
        """See `Mind`."""
        value_R = np.full(len(questions), np.nan, dtype=np.float32)
        texts: list[str | None] = [None] * len(questions)
        for row, agent in enumerate(questions.agent_R.tolist()):
            about = f" ({self._title(questions.item)})" if questions.item >= 0 else ""
            self._console.print(
                Text(f"{plain(questions.state.people.label(agent))}: {plain(questions.question)}{about}")
            )
            if questions.in_words:
                value_R[row], texts[row] = 1, self._some_words("Your answer")
                continue
            if questions.options:
                value_R[row] = self._numbered("Your answer", list(questions.options))
            else:
                value_R[row] = int(self._one_of("From 1 to 10", [str(score) for score in range(1, 11)]))
            texts[row] = self._words("Why?")
        return base.Answers(value_R, texts)

    # --- output ---

    def _show_situation(self, moment: base.Moment, agent: int) -> None:
        state = moment.state
        watched = [self._title(item) for item in newest_first(state.viewing.watched_AB[agent])]
        heard = [self._title(item) for item in newest_first(state.viewing.heard_AB[agent])]
        self._console.print(
            Text(f"You are {plain(state.people.label(agent))}. {when(state.now)}, round {moment.step}.")
        )
        for what, titles in (("Watched", watched), ("Heard of", heard)):
            if titles:
                self._console.print(Text(f"{what}: {', '.join(titles)}"))

    def _show_page(self, pages: base.Pages, row: int) -> list[str]:
        query, items_S = pages.query[row], pages.items_RS[row]
        table = Table("", "title", "rated", title=f"Found for {plain(query)}" if query else "Recommended", box=None)
        slots = np.flatnonzero(items_S >= 0).tolist()
        for slot in slots:
            rating = self._facts.mean_rating_N[items_S[slot]]
            table.add_row(str(slot + 1), Text(self._title(items_S[slot])), "" if np.isnan(rating) else f"{rating:.1f}")
        self._console.print(table)
        return [str(slot + 1) for slot in slots]

    def _show_feed(self, company: base.Company, feed_S: np.ndarray) -> list[str]:
        posts, people = company.state.social.posts, company.state.people
        slots = np.flatnonzero(feed_S >= 0).tolist()
        table = Table("", "author", "post", "about", "likes", title="Posts", box=None)
        for slot in slots:
            post = int(feed_S[slot])
            item = int(posts.item_M[post])
            table.add_row(
                str(slot + 1),
                Text(plain(people.label(int(posts.author_M[post])))),
                Text(plain(posts.text(post) or "")),
                Text(self._title(item) if item >= 0 else ""),
                str(int(posts.n_likes_M[post])),
            )
        self._console.print(table)
        return [str(slot + 1) for slot in slots]

    def _title(self, item: int) -> str:
        return plain(self._facts.items["title"][int(item)])

    def _said(self, line: base.Line) -> str:
        about = f" [{self._title(line.item)}]" if line.item >= 0 else ""
        return f"{plain(line.text or '...')}{about}"

    # --- input ---

    def _line(self, label: str, topics: list[int], by_partner: bool) -> base.Line | None:
        text = self._words(f"{plain(label)}")
        if text is None or text.lower().strip(" .!") == GOODBYE:
            return None
        item = self._topic(list(dict.fromkeys(topics)))
        return base.Line(by_partner, item, self._opinion() if item >= 0 else np.nan, text)

    def _reactions(self, numbers: list[str]) -> dict[int, set[str]]:
        """Letters by slot, from an input such as `1l 3lc`."""
        question = "Reactions such as 1l 3lc ([l]ike, [r]epost, [c]omment, [f]ollow, [m]ute), or nothing"
        while numbers:
            parts = self._ask(Prompt, question, default="").replace(",", " ").split()
            found = {part.rstrip("lrcfm"): set(part[len(part.rstrip("lrcfm")) :]) for part in parts}
            if all(number in numbers and letters for number, letters in found.items()):
                return {int(number) - 1: letters for number, letters in found.items()}
            self._console.print(f"numbers out of {', '.join(numbers)}, each with letters of l r c f m, please")
        return {}

    def _searched(self, pages: base.Pages, agent: int) -> tuple[int, str | None]:
        heard = newest_first(pages.state.viewing.heard_AB[agent])
        self._list([self._title(item) for item in heard])
        said = self._some_words("Search for: a number of the list, or words" if heard else "Search for")
        if said.isdigit() and 1 <= int(said) <= len(heard):
            return heard[int(said) - 1], None
        return -1, said

    def _topic(self, topics: list[int]) -> int:
        """An item of the list, or -1."""
        if not topics:
            return -1
        self._list([self._title(item) for item in topics])
        numbers = [str(number) for number in range(len(topics) + 1)]
        return [-1, *topics][int(self._one_of("About which title? 0 for none", numbers, default="0"))]

    def _opinion(self) -> float:
        return int(self._one_of(f"What do you think of it, {_SCALE[0]} to {_SCALE[-1]}?", _SCALE)) / MOST_OPINION

    def _numbered(self, question: str, options: list[str]) -> int:
        """Place of the chosen option."""
        self._list([plain(option) for option in options])
        return int(self._one_of(question, [str(number) for number in range(1, len(options) + 1)])) - 1

    def _list(self, options: list[str]) -> None:
        for number, option in enumerate(options, start=1):
            self._console.print(Text(f"{number}. {option}"))

    def _words(self, question: str) -> str | None:
        return cleaned(self._ask(Prompt, question, default="", show_default=False), MAX_SENTENCE_CHARS) or None

    def _some_words(self, question: str) -> str:
        while True:
            words = self._words(question)
            if words:
                return words
            self._console.print("a few words, please")

    def _one_of(self, question: str, options: list[str], default: str | None = None) -> str:
        while True:
            said = self._ask(Prompt, question, default=default or "", show_default=bool(default)).strip().lower()
            if said in options:
                return said
            self._console.print(f"one of {', '.join(options)}, please")

    def _ask(self, kind: type[PromptBase[T]], question: str, **options: Any) -> T:
        try:
            # As `Text`: a title may hold what Rich would take for markup.
            return kind.ask(Text(question), console=self._console, **options)
        except EOFError as error:
            raise SimulationError(
                "the input ended before all questions were answered: the mind person needs a terminal. Finished rounds "
                "are kept, `recgpt runs resume` goes on"
            ) from error
