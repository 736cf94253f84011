"""Kinds of events of a run of the gym and the meaning of their columns."""

from recgpt.simulate.clock import Clock
from recgpt.simulate.events import EventKind, EventKinds

CLOCK = Clock(seconds_per_step=3600)
"""An item takes an hour of simulated time."""

_ITEM = "the item"

KINDS = EventKinds(
    EventKind("shown", "the policy showed an item", item=_ITEM),
    EventKind("recalled", "items that the user recalled for its rating", text="JSON: `items`, the best match first"),
    EventKind(
        "rated",
        "the user rated the item; what user and policy remember",
        item=_ITEM,
        value="rating on the domain's scale",
        text="why",
    ),
    EventKind("unperturbed", "rating of the mind, where the perturbator changed it", item=_ITEM, value="rating"),
    EventKind("rewarded", "reward, where the shaping made it another than the rating", item=_ITEM, value="reward"),
    EventKind("failed", "the mind gave no rating; nothing is remembered", item=_ITEM, text="why"),
    EventKind("left", "the episode ended before its last item", value="items rated", text="why"),
)
