"""Answers of the scripted mind to surveys, polls and interviews.

- Survey: 1 for the opinion -1, 10 for 1, and how far an agent reads the scale up or down: drawn once for an agent and a
  question, so that an answer changes only with the opinion, by what was heard or watched since. Of an item without an
  opinion by taste. A question about no item is answered by the mean opinion of the last items watched.
- Poll: options `yes` and `no` by the sign of the opinion of the item, titles of items by the opinions of them; other
  options are ordered from the least to the most favourable, and an item is needed.
- Interview: facts of the log in a sentence or two.

Shapes: R rows, K options, B items of a buffer.
"""

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.society.minds.base import Answers, Questions
from recgpt.simulate.worlds.society.minds.parameters import Answer
from recgpt.simulate.worlds.society.minds.views import View

UNCLEAR = "unclear: options that are neither titles nor yes and no need a question about an item"
_YES_OR_NO = {"yes": 1.0, "no": -1.0}


def answer(view: View, questions: Questions, model: Answer, seed: int) -> Answers:
    """Answers to one question. See `Mind.answer`."""
    if questions.in_words:
        texts = [_sentences(view, agent, questions.item) for agent in questions.agent_R.tolist()]
        return Answers(np.ones(len(questions), dtype=np.float32), texts)
    if questions.options:
        return _poll(view, questions)
    stance_R = _stance(view, questions)
    purpose = f"survey {questions.item} {questions.question}"
    noise_R = rng.normal(seed, questions.agent_R, step=0, purpose=purpose)  # of no round: the same in every one
    points_R = np.clip(np.rint(5.5 + 4.5 * stance_R + model.noise * noise_R), 1, 10)
    return Answers(points_R.astype(np.float32))


def _stance(view: View, questions: Questions) -> np.ndarray:
    """(R,) opinion of the item, or the mean of the last items watched; 0 for an agent that watched none."""
    if questions.item >= 0:
        return view.stance(questions.agent_R, np.full(len(questions), questions.item))
    watched_RB = view.state.viewing.watched_AB[questions.agent_R].astype(np.int64)
    stance_RB = view.stance(np.broadcast_to(questions.agent_R[:, None], watched_RB.shape), watched_RB)
    n_R = (watched_RB >= 0).sum(axis=1)
    mean_R: np.ndarray = np.nansum(stance_RB, axis=1) / np.maximum(n_R, 1)
    return mean_R


def _poll(view: View, questions: Questions) -> Answers:
    titles = view.state.setting.facts.items["title"].to_list()
    words = [option.strip().lower() for option in questions.options]
    agent_R, n = questions.agent_R, len(questions)
    if all(option in titles for option in questions.options):
        items = np.array([titles.index(option) for option in questions.options])
        stance_RK = view.stance(np.broadcast_to(agent_R[:, None], (n, len(items))), np.tile(items, (n, 1)))
        return Answers(stance_RK.argmax(axis=1).astype(np.float32))
    if questions.item < 0:
        return Answers(np.full(n, np.nan, dtype=np.float32), failures=[UNCLEAR] * n)
    stance_R = _stance(view, questions)
    if sorted(words) == sorted(_YES_OR_NO):
        return Answers(np.where(stance_R > 0, words.index("yes"), words.index("no")).astype(np.float32))
    place_R = np.minimum((stance_R + 1) / 2 * len(words), len(words) - 1)
    return Answers(np.floor(place_R).astype(np.float32))


def _sentences(view: View, agent: int, item: int) -> str:
    """Facts of one agent: the last items watched and heard of, and its opinion of the item."""
    viewing, titles = view.state.viewing, view.state.setting.facts.items["title"]
    parts = []
    for verb, buffer_B in (("watched", viewing.watched_AB[agent]), ("heard of", viewing.heard_AB[agent])):
        last = next((int(each) for each in buffer_B[::-1] if each >= 0), None)
        parts.append(
            f"I have {verb} nothing yet."
            if last is None
            else f"I last {verb} {titles[last]}{_judged(view, agent, last)}."
        )
    if item >= 0:
        parts.append(f"Of {titles[item]} I think{_judged(view, agent, item, always=True)}.")
    return " ".join(parts)


def _judged(view: View, agent: int, item: int, *, always: bool = False) -> str:
    one = np.array([agent]), np.array([item])
    opinion = float((view.stance if always else view.opinion)(*one)[0])
    if np.isnan(opinion):
        return ""
    word = next(word for least, word in _WORDS if opinion >= least)
    return f" it is {word}" if always else f", which is {word}"


_WORDS = ((0.6, "very good"), (0.2, "good"), (-0.2, "neither good nor bad"), (-0.6, "bad"), (-1.0, "very bad"))
"""Least opinion of each word."""
