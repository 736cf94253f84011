"""Texts of items: tags, lists in strings, and the vectors that stand in for text embeddings.

    tags_in("Adventure, Animation, Children")      # ("adventure", "animation", "family")
    names_in("['Anne Rice', 'Lisa Shulman']")      # ("Anne Rice", "Lisa Shulman")

Shapes: N items, E embedding width.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.data.ragged import Ragged
from recgpt.data.text import fields_template
from recgpt.features.text_similarity import unit_rows
from recgpt.simulate.agents.memory_texts import hashed_words

WORD_WIDTH, TAG_WIDTH = 128, 64
_MAX_SHARE = 0.2  # of the items: more frequent words are left out

SAME_TAGS = {
    "animated": "animation",
    "children": "family",
    "children's": "family",
    "sci-fi": "science fiction",
    "computers": "computer",
    "other fiction": "fiction",
    "other non-fiction": "nonfiction",
    "non-fiction": "nonfiction",
}
"""Other names of a tag in the published files, in MovieLens, and in the categories that users of books like."""

_NO_TAG = re.compile(r"^\(?(no genres? listed|none|null|unknown|n/a)\)?$")
_SEPARATORS = re.compile(r"[,>|;]")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_LIST = re.compile(r"""\[\s*(?:(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*(?:,\s*|(?=\])))*\]""")


def names_in(text: str | None) -> tuple[str, ...]:
    """Names in a text: a Python list of texts as published files have it, or names between commas.

    Nothing is evaluated. Names are stripped; empty and repeated ones are left out.
    """
    stripped = (text or "").strip()
    if _LIST.fullmatch(stripped):
        found = [_ESCAPE.sub(_unescaped, single or double) for single, double in _QUOTED.findall(stripped)]
    else:
        found = stripped.removeprefix("[").removesuffix("]").split(",")
    return tuple(dict.fromkeys(name for each in found if (name := each.strip())))


def _unescaped(found: re.Match[str]) -> str:
    """Character of one escape sequence, as Python writes it."""
    *codes, letter = found.groups()
    code = next((int(each, 16) for each in codes if each), None)
    if code is None:
        return _CONTROLS.get(letter, letter)
    return chr(code) if code <= sys.maxunicode else ""


def tags_in(text: str | None) -> tuple[str, ...]:
    """Tags in a text with categories, between `,`, `>`, `|` or `;`, or in a Python list of texts; see `tag_of`."""
    stripped = (text or "").strip()
    names = names_in(stripped) if stripped.startswith("[") else tuple(_SEPARATORS.split(stripped))
    return tags_of(names)


def tags_of(names: Sequence[str]) -> tuple[str, ...]:
    """Tags by the names of categories, without repeats; names such as `(no genres listed)` are no tag."""
    return tuple(dict.fromkeys(tag for name in names if (tag := tag_of(name))))


def tag_of(name: str) -> str:
    """A tag in lower case, other names of it replaced by one (`SAME_TAGS`); "" for a name that stands for none."""
    lower = " ".join(name.lower().split())
    return "" if _NO_TAG.match(lower) else SAME_TAGS.get(lower, lower)


def text_vectors(table: pl.DataFrame, tags: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, E) float32 unit rows that stand in for text embeddings: half shared words, half shared tags.

    Words of title, categories, people and description are weighted by TF-IDF, log(count) + 1 times log(N / n), where n
    items have the word; words of one item alone, and of more than a fifth, are left out. Tags are whole names, so that
    a frequent one counts as much as a rare one. Both are hashed; an item without either has a zero row.
    """
    words_NE = _word_rows(fields_template(table))
    tags_NE = hashed_words([" ".join(re.sub(r"\W", "_", tag) for tag in each) for each in tags], TAG_WIDTH)
    return unit_rows(np.concatenate([words_NE, unit_rows(tags_NE)], axis=1))


def _word_rows(texts: Sequence[str]) -> np.ndarray:
    """(N, WORD_WIDTH) float32 unit rows of hashed words, without scikit-learn, whose import takes seconds."""
    counts = [Counter(re.findall(r"\w+", text.casefold())) for text in texts]
    n_texts = Counter(word for each in counts for word in each)
    most = max(2, len(texts) * _MAX_SHARE)
    column = {word: place for place, word in enumerate(word for word, n in n_texts.items() if 2 <= n <= most)}
    hashed_VE = hashed_words(list(column), WORD_WIDTH)
    idf_V = np.array([np.log(len(texts) / n_texts[word]) for word in column])
    kept = [[(column[word], n) for word, n in each.items() if word in column] for each in counts]
    columns = Ragged.from_lists([[place for place, _ in each] for each in kept])
    weights = 1 + np.log([n for each in kept for _, n in each])
    shape = (len(texts), len(column))
    counts_NV = sparse.csr_array((weights, columns.values, columns.offsets), shape=shape)
    return unit_rows((counts_NV * idf_V[None, :]) @ hashed_VE)
