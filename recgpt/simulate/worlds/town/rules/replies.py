"""How free replies of a language model are read: as the published code does, and corrected.

    wake_hour(" 6am")                                          # 6
    importance('{"output": 7}')                                # 7; as published: None

None stands for a failed reply; with `published=True` it is where the published code raises. The mind `llm` needs none
of this, its replies are bound to a schema: these readers serve the published behaviour and its replays.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from recgpt.simulate.worlds.town.rules.nodes import Triple
from recgpt.simulate.worlds.town.rules.schedules import Block, decomposed, decomposed_as_published

OUTAGE = "TOKEN LIMIT EXCEEDED"
"""Text that the published code takes for a reply when the service does not answer."""
_FIRST_HOUR = 8
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"
    "(?:\u200d[\u2190-\u3299\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
_MOST_EMOJIS = 2
_PUBLISHED_LETTERS = 3
_IMPORTANCES = range(1, 11)
_PART = re.compile(r"^\s*\d+\)\s*(?P<text>.*?)\s*\(duration in minutes:\s*(?P<minutes>\d+)", re.IGNORECASE)
_WORDS_BEFORE_A_PART = 3


def wake_hour(reply: str, *, published: bool = False) -> int:
    """Hour of waking of ` 6am`; 8 for any other form. Corrected: also `6:30am`, cut to the hour, in the morning."""
    if published:
        try:
            return int(reply.strip().lower().split("am")[0])
        except ValueError:
            return _FIRST_HOUR
    found = re.match(r"\s*(\d{1,2})(?::\d\d)?\s*am\b", reply.lower())
    return int(found[1]) if found and int(found[1]) < 12 else _FIRST_HOUR  # noon


def broad_plan(hour: int, reply: str, *, published: bool = False) -> list[str] | None:
    """Items of ` eat at 7:00 am, 3) work at 8:00 am, …` after waking up. Published: the last one is dropped."""
    items = [f"wake up and complete the morning routine at {hour}:00 am"]
    if published:
        for part in reply.split(")"):
            if part[-1:].isdigit() and (item := part[:-1].strip())[-1:] in (".", ",") and item:
                items.append(item[:-1].strip())
        return items
    if _is_outage(reply):
        return None
    parts = (re.sub(r"[\s.,;]+$", "", part.strip()) for part in re.split(r"\s*\b\d+\)\s*", reply))
    return items + [part for part in parts if part]


def hour_activity(reply: str, *, published: bool = False) -> str | None:
    """Activity of an hour, without its full stop. Published: an outage's text too."""
    text = reply.strip().removesuffix(".")
    return text if published or (text and not _is_outage(reply)) else None


def triple(name: str, reply: str, *, published: bool = False) -> Triple:
    """Subject, predicate and object of ` eat, breakfast)`; by default the name is idle, as published the name twice."""
    parts = [part.strip() for part in reply.split(")")[0].split(",")]
    if len(parts) == 2 and (published or all(parts)):  # predicate and object
        return name, parts[0], parts[1]
    return (name, name, "is") if published else (name, "is", "idle")


def importance(reply: str, *, published: bool = False) -> int | None:
    """Importance of `{"output": "7"}`, from 1 to 10.

    Published: any integer but 0 as a text, no number. Corrected: as a text or number, with or without JSON.
    """
    value = _output(reply)
    if published:
        return (_integer(value) or None) if isinstance(value, str) else None
    found = _integer(reply if value is None else value)
    return found if found in _IMPORTANCES else None


def emoji(reply: str, *, published: bool = False) -> str | None:
    """Emojis of `{"output": "🍳🍞"}`. Published: the first three letters, which may cut one. Corrected: at most two."""
    value = _output(reply)
    if not isinstance(value, str):
        return None
    if published:
        return value[:_PUBLISHED_LETTERS] or None
    return "".join(_EMOJI.findall(value)[:_MOST_EMOJIS]) or None


def wants_to_talk(reply: str, *, published: bool = False) -> bool | None:
    """Answer `yes` or `no`. Published: yes unless the answer follows a marker that the prompt spells otherwise."""
    if published:
        return reply.rpartition("Answer in yes or no:")[2].strip().lower() != "no"
    words = re.findall(r"[a-z]+", reply.lower())
    return words[-1] == "yes" if words and words[-1] in ("yes", "no") else None


@dataclass(frozen=True)
class Utterance:
    """A line of a talk, and whether it ends it."""

    text: str
    ends: bool


def utterance(reply: str, *, published: bool = False) -> Utterance | None:
    """Line of `{"Maria Lopez": "Bye", "end": true}`.

    Published: the first two values, the second false if it has the letter f; `...` for any failure.
    """
    start = reply.find("{")
    values = list((_object(reply[start : reply.find("}", start) + 1]) or {}).values())
    if len(values) < 2:  # line and end
        return Utterance("...", ends=False) if published else None
    if published:
        return Utterance(values[0], ends="f" not in str(values[1]).lower())
    if not isinstance(values[0], str) or str(values[1]).lower() not in ("true", "false"):
        return None
    return Utterance(values[0], ends=str(values[1]).lower() == "true")


def option(reply: str, *, published: bool = False) -> int | None:
    """Option 1 (wait) or 2 (go on). Published: 3 for any form but `Answer: Option 1`, which means to go on too."""
    if published:
        text = reply.rpartition("Answer: Option")[2].strip()
        return int(text) if text in ("1", "2", "3") else 3
    found = re.search(r"\b([12])\b", reply)
    return int(found[1]) if found else None


def decomposition(task: str, minutes: int, reply: str, *, published: bool = False) -> list[Block] | None:
    """Parts of an activity from lines `1) Maria is reading. (duration in minutes: 15, minutes left: 45)`.

    Published: None if a line has no duration or nothing fits. Corrected: None if no line has one.
    """
    lines = [line.strip() for line in reply.strip().split("\n")]
    parts = [part for line in lines if (part := _part(line))]
    if published:
        return decomposed_as_published(task, minutes, parts) if len(parts) == len(lines) else None
    return decomposed(task, minutes, parts) if parts else None


def _part(line: str) -> Block | None:
    found = _PART.match(line)
    if not found:
        return None
    words = found["text"].split()[_WORDS_BEFORE_A_PART - 1 :]  # without name and verb
    return " ".join(words).removesuffix("."), int(found["minutes"])


def _is_outage(reply: str) -> bool:
    return OUTAGE in reply


def _output(reply: str) -> Any:
    """Value of `output` in the JSON that the reply begins with; None without one."""
    return (_object(reply.strip()[: reply.strip().rfind("}") + 1]) or {}).get("output")


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _integer(value: Any) -> int | None:
    """Integer of a number or of the text of one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value) else None
