"""Activities of residents: the needs that they serve, places, emojis and the state of the object used.

ACTIVITIES[SLEEPING].emoji
"""

from dataclasses import dataclass, field

NEEDS = ("energy", "food", "hygiene", "company", "fun", "duty")
"""Needs, each from 0 (urgent) to 1 (satisfied)."""
ENERGY, FOOD, HYGIENE, COMPANY, FUN, DUTY = range(len(NEEDS))


@dataclass(frozen=True)
class Activity:
    """An activity.

    Attributes
    ----------
    text
        Present participle, such as `having breakfast`.
    emoji
        One or two emojis.
    predicate, of
        Second and third part of the triple: (resident, predicate, of).
    object_state
        State of the object used, such as `being slept in`.
    minutes
        Usual duration.
    kinds
        Kinds of sectors where it is done, best first; empty: anywhere.
    objects
        Words of names of objects that it uses, best first.
    gains
        Change of needs in an hour.
    """

    text: str
    emoji: str
    predicate: str
    of: str
    object_state: str = "being used"
    minutes: int = 30
    kinds: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    gains: dict[str, float] = field(default_factory=dict)


_SEATS = ("table", "chair", "seating", "seat", "bench", "sofa", "counter")
_HOME = ("home",)
_MEAL = {"food": 1.6, "company": 0.1}

ACTIVITIES: tuple[Activity, ...] = (
    Activity("sleeping", "😴", "is", "sleep", "being slept in", 480, _HOME, ("bed",), {"energy": 0.14}),
    Activity("talking", "💬", "chat with", "", "being used", 10, gains={"company": 1.0}),
    Activity("waiting", "⌛", "wait for", "", "being used", 10),
    # morning and evening at home
    Activity("waking up", "🥱", "is", "awake", "being left", 5, _HOME, ("bed",)),
    Activity(
        "using the bathroom", "🚽", "use", "bathroom", "in use", 5, _HOME, ("toilet", "bathroom"), {"hygiene": 0.6}
    ),
    Activity("brushing the teeth", "🪥", "brush", "teeth", "in use", 5, _HOME, ("sink", "toilet"), {"hygiene": 1.2}),
    Activity("taking a shower", "🚿", "take", "shower", "running", 10, _HOME, ("shower", "bath"), {"hygiene": 5.0}),
    Activity("getting dressed", "👕", "get", "dressed", "open", 5, _HOME, ("closet", "wardrobe", "bed")),
    Activity("getting ready for bed", "🌙", "prepare", "bed", "being made", 10, _HOME, ("bed",), {"energy": 0.1}),
    # meals
    Activity(
        "cooking", "🍳", "cook", "meal", "heating a pan", 25, _HOME, ("stove", "cooking", "kitchen"), {"duty": 0.2}
    ),
    Activity("having breakfast", "🥣", "eat", "breakfast", "laid for breakfast", 20, _HOME, _SEATS, _MEAL),
    Activity("having lunch", "🥪", "eat", "lunch", "laid for lunch", 25, _HOME, _SEATS, _MEAL),
    Activity("having dinner", "🍽️", "eat", "dinner", "laid for dinner", 30, _HOME, _SEATS, _MEAL),
    Activity(
        "having a snack", "🍎", "eat", "snack", "being used", 10, (), ("refrigerator", "fridge", *_SEATS), {"food": 1.2}
    ),
    Activity("setting the table", "🍴", "set", "table", "being laid", 10, _HOME, ("table",), {"duty": 0.2}),
    Activity("washing up", "🧽", "wash", "dishes", "full of dishes", 10, _HOME, ("sink", "stove"), {"duty": 0.3}),
    # duty
    Activity("walking to work", "🚶", "walk to", "work", minutes=15),
    Activity("working", "💼", "do", "work", "being worked at", 25, (), (), {"duty": 0.16}),
    Activity("serving", "🧑‍🍳", "serve", "guests", "attended", 25, (), (), {"duty": 0.16, "company": 0.05}),
    Activity("selling", "🛍️", "sell", "goods", "attended", 25, (), (), {"duty": 0.16, "company": 0.05}),
    Activity("teaching", "🧑‍🏫", "teach", "class", "covered in writing", 45, (), (), {"duty": 0.16, "company": 0.05}),
    Activity("crafting", "🛠️", "make", "things", "in operation", 30, (), (), {"duty": 0.16}),
    Activity("caring", "🩺", "care for", "patients", "attended", 25, (), (), {"duty": 0.16, "company": 0.05}),
    Activity(
        "attending a class",
        "🎓",
        "attend",
        "class",
        "in use",
        45,
        ("school",),
        ("desk", "seat", "chair", "table"),
        {"duty": 0.16, "company": 0.05},
    ),
    Activity(
        "studying",
        "📚",
        "study",
        "books",
        "covered with notes",
        35,
        ("library", "school", "home"),
        ("desk", "table", "shelf"),
        {"duty": 0.14},
    ),
    Activity(
        "meeting colleagues",
        "🗓️",
        "meet",
        "colleagues",
        "in use",
        30,
        (),
        ("table", "desk"),
        {"duty": 0.14, "company": 0.2},
    ),
    Activity(
        "taking a break",
        "☕",
        "take",
        "break",
        "being used",
        10,
        (),
        ("coffee", "kettle", "sofa", "bench", "table", "counter", "chair"),
        {"energy": 0.1, "fun": 0.4, "company": 0.1},
    ),
    Activity(
        "doing housework",
        "🧹",
        "clean",
        "home",
        "being cleaned",
        30,
        _HOME,
        ("shelf", "closet", "sink", "table", "sofa", "stove"),
        {"duty": 0.35},
    ),
    Activity(
        "doing the laundry",
        "🧺",
        "wash",
        "clothes",
        "being filled",
        20,
        _HOME,
        ("washing", "shower", "closet", "sink"),
        {"duty": 0.35},
    ),
    Activity(
        "shopping for groceries",
        "🛒",
        "buy",
        "groceries",
        "being looked through",
        20,
        ("shop",),
        ("shelf", "shelves", "counter"),
        {"duty": 0.4, "fun": 0.1},
    ),
    Activity(
        "buying medicine",
        "💊",
        "buy",
        "medicine",
        "being looked at",
        15,
        ("pharmacy", "clinic"),
        ("counter", "shelf"),
        {"duty": 0.3},
    ),
    # leisure
    Activity(
        "looking at the phone",
        "📱",
        "look at",
        "phone",
        "being used",
        10,
        (),
        ("sofa", "chair", "bed", "table", "bench"),
        {"fun": 0.4},
    ),
    Activity(
        "reading",
        "📖",
        "read",
        "book",
        "being sat on",
        35,
        ("home", "library", "park"),
        ("sofa", "chair", "shelf", "desk", "bench", "bed"),
        {"fun": 0.3, "energy": 0.03},
    ),
    Activity(
        "watching television",
        "📺",
        "watch",
        "television",
        "turned on",
        45,
        _HOME,
        ("television", "tv", "sofa", "table"),
        {"fun": 0.35, "energy": 0.04},
    ),
    Activity(
        "playing music",
        "🎵",
        "play",
        "music",
        "being played",
        30,
        ("home", "hall"),
        ("piano", "guitar", "harp", "violin"),
        {"fun": 0.5},
    ),
    Activity(
        "pursuing a hobby",
        "🎨",
        "pursue",
        "hobby",
        "covered with materials",
        40,
        _HOME,
        ("desk", "easel", "bench", "table"),
        {"fun": 0.4},
    ),
    Activity(
        "gardening",
        "🌱",
        "tend",
        "garden",
        "being watered",
        30,
        ("home", "park"),
        ("garden", "flower", "plant"),
        {"fun": 0.4, "duty": 0.1},
    ),
    Activity(
        "resting",
        "🛋️",
        "is",
        "at rest",
        "being sat on",
        25,
        _HOME,
        ("sofa", "chair", "bed"),
        {"energy": 0.12, "fun": 0.1},
    ),
    Activity(
        "playing a game",
        "🎲",
        "play",
        "game",
        "in use",
        40,
        ("home", "bar", "cafe"),
        ("pool", "game", "table"),
        {"fun": 0.5, "company": 0.15},
    ),
    Activity(
        "walking in the park",
        "🌳",
        "walk in",
        "park",
        "being passed",
        30,
        ("park",),
        ("garden", "path", "tree", "pond", "flower", "fountain", "bench"),
        {"fun": 0.35, "company": 0.15, "energy": -0.02},
    ),
    Activity(
        "sitting in the park",
        "🪑",
        "sit in",
        "park",
        "being sat on",
        25,
        ("park",),
        ("bench", "table", "grass"),
        {"fun": 0.25, "company": 0.2, "energy": 0.05},
    ),
    Activity(
        "exercising",
        "🏃",
        "do",
        "exercise",
        "being used",
        35,
        ("gym", "park"),
        ("treadmill", "weights", "mat", "path", "field", "tree", "garden"),
        {"fun": 0.35, "energy": -0.06, "hygiene": -0.3},
    ),
    Activity(
        "having coffee",
        "☕",
        "drink",
        "coffee",
        "being sat at",
        25,
        ("cafe",),
        ("seating", "table", "seat", "chair", "counter"),
        {"fun": 0.25, "company": 0.3, "food": 0.3},
    ),
    Activity(
        "eating out",
        "🍝",
        "eat",
        "meal",
        "being sat at",
        40,
        ("restaurant", "cafe"),
        ("seating", "table", "seat", "chair", "counter"),
        {"food": 1.4, "fun": 0.25, "company": 0.3},
    ),
    Activity(
        "having drinks",
        "🍻",
        "have",
        "drinks",
        "being sat at",
        45,
        ("bar",),
        ("seating", "stool", "seat", "counter", "bar"),
        {"fun": 0.4, "company": 0.45, "energy": -0.03},
    ),
    Activity(
        "watching a film",
        "🎬",
        "watch",
        "film",
        "being sat in",
        115,
        ("cinema",),
        ("seats", "row", "seat", "chair", "screen"),
        {"fun": 0.5, "energy": 0.02},
    ),
    Activity(
        "browsing books",
        "🔖",
        "browse",
        "books",
        "being looked through",
        25,
        ("bookshop",),
        ("shelf", "shelves", "table", "counter"),
        {"fun": 0.4},
    ),
    Activity(
        "borrowing books",
        "📗",
        "borrow",
        "books",
        "being looked through",
        20,
        ("library",),
        ("shelf", "shelves", "counter"),
        {"fun": 0.3, "duty": 0.05},
    ),
    Activity(
        "looking at the notices",
        "📌",
        "read",
        "notices",
        "being read",
        15,
        ("hall",),
        ("board", "notice", "desk", "table", "seat"),
        {"company": 0.2, "fun": 0.1},
    ),
    Activity(
        "playing outside",
        "🛝",
        "play",
        "outside",
        "in use",
        40,
        ("park",),
        ("swing", "playground", "grass", "tree", "garden"),
        {"fun": 0.6, "company": 0.3, "hygiene": -0.2},
    ),
    # with others
    Activity(
        "preparing a gathering",
        "🎈",
        "prepare",
        "gathering",
        "being decorated",
        30,
        (),
        ("table", "counter"),
        {"duty": 0.2, "fun": 0.1},
    ),
    Activity(
        "attending a gathering",
        "🎉",
        "attend",
        "gathering",
        "in use",
        60,
        (),
        ("table", "seat", "chair", "sofa", "counter"),
        {"fun": 0.5, "company": 0.7},
    ),
    Activity("walking home", "🏡", "walk", "home", minutes=15),
    Activity("walking through town", "🚶", "walk through", "town", minutes=10),
)
(SLEEPING, TALKING, WAITING, WAKING, BATHROOM, TEETH, SHOWERING, DRESSING, BEDTIME) = range(9)
(COOKING, BREAKFAST, LUNCH, DINNER, SNACK, LAYING, WASHING_UP) = range(9, 16)
(COMMUTING, WORKING, SERVING, SELLING, TEACHING, CRAFTING, CARING, CLASS, STUDYING, MEETING, BREAK) = range(16, 27)
(HOUSEWORK, LAUNDRY, SHOPPING, MEDICINE) = range(27, 31)
(PHONE, READING, TELEVISION, MUSIC, HOBBY, GARDENING, RESTING, GAME, WALKING, SITTING, EXERCISE) = range(31, 42)
(COFFEE, DINING, DRINKS, CINEMA, BOOKSHOP, BORROWING, NOTICES, PLAYING) = range(42, 50)
(PREPARING, GATHERING, HOMEWARD, UNDERWAY) = range(50, 54)


def activity_of(text: str) -> int:
    """Number of the activity whose words a free text holds, such as `watching a film with Ana`; -1 for none."""
    lowered = text.lower()
    return next((number for number, activity in enumerate(ACTIVITIES) if activity.text in lowered), -1)
