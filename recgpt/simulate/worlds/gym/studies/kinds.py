"""Events of a run of studies; the "agent" of an event is the number of its question."""

from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKind, EventKinds

KINDS = EventKinds(
    EventKind(
        "asked",
        "an item for a user to rate",
        other="the user",
        item="the item",
        text='JSON of what the user recalls, best first, and of the prompt: {"items": [...], "ratings": [...],'
        ' "prompt_hash": "..."}; absent if there is neither',
    ),
    EventKind("rated", "the rating of the mind", value="rating on the domain's scale", text="reason, if it gives one"),
    EventKind("perturbed", "the rating that counts, where it differs", value="rating after the perturbator"),
    EventKind("replied", "the language model's reply", value="tokens of the call", text="the reply"),
    EventKind("failed", "the mind gave no rating", text="reason"),
)
CLOCK = Clock(60)
