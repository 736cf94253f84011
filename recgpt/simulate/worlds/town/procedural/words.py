"""Words of drawn towns: names of people, streets and places, interests, traits."""

_FIRST_NAMES = (
    "Ada Agnes Aldo Alina Amir Anika Anton Arlo Astrid Aurel Basil Beata Bela Bianca Boris Brenna Caleb Carla Casper"
    " Celia Cleo Conrad Cora Cyril Dagny Dalia Damon Delia Denis Doris Edgar Edith Elena Elias Elsa Emil Enid Erik"
    " Esme Ethan Eva Farid Faye Fiona Flora Frank Frida Gemma Georg Gina Goran Greta Gwen Hank Harriet Hassan Hector"
    " Heidi Hilda Hugo Ida Igor Imani Ingrid Irene Iris Ivan Ivo Jakob Janet Jasper Jelena Joan Jonah Judith Julius"
    " Kai Karim Karin Keiko Kirsten Klara Kofi Lars Laura Leo Lidia Lena Linus Lola Lorenz Lotte Luca Lucy Lydia Mabel"
    " Magnus Malik Mara Marcel Marta Matteo Maud Mila Mirko Moira Nadia Naomi Nell Niko Nils Nina Noor Olaf Olga Olive"
    " Omar Orla Oscar Otto Pablo Paula Petra Philip Pia Quentin Ralf Rania Regina Rita Robin Roman Rosa Ruben Ruth"
    " Sally Samuel Selma Simon Sonja Stella Sven Tamar Tara Thea Tilda Tomas Ulla Ulrich Vera Viktor Viola Wanda"
    " Wilma Xenia Yara Yusuf Zelda Zora"
)
FIRST_NAMES = tuple(_FIRST_NAMES.split())
_LAST_NAMES = (
    "Abbott Acker Aldous Almond Ambrose Archer Ashby Atwell Auden Bailey Balfour Barlow Baxter Becker Bellamy Benson"
    " Birch Blackwood Bloom Bolton Bonner Bowen Bramley Brandt Briggs Burnett Byrne Calder Carver Chandler Chase"
    " Clayton Colby Conway Cooper Corbin Crane Cross Dalton Darby Davenport Dawson Denham Dietrich Dixon Drake Duffy"
    " Dunn Easton Eckhart Egan Ellery Emerson Falk Farley Fenton Fields Fisher Fleming Forster Fowler Franke Frost"
    " Gardner Garrick Gibson Gilmore Glover Goddard Grant Greer Griffin Haas Hale Hardy Harlow Hawkins Hayes Heller"
    " Hobbes Holden Hollis Howell Hurst Ibsen Ingram Irving Jansen Jarvis Jensen Kaplan Keane Keller Kemp Kendall"
    " Kessler Kirby Knox Kramer Lambert Landau Langley Larkin Lawson Leigh Lennox Linden Lockwood Lombard Lowell"
    " Madden Mallory Marlow Mather Maxwell Mercer Merritt Milner Monroe Morrow Murdoch Nash Navarro Newell Nolan Norris"
    " Oakley Okoye Olsen Orwell Osborn Palmer Parrish Paxton Perry Petrov Piper Porter Prescott Quinn Radley Ramsey"
    " Redmond Reeve Rhodes Ridley Rivers Roscoe Rowan Russo Sadler Santos Sawyer Saxon Schuster Selby Sharma Shaw"
    " Silva Sinclair Slater Somers Stein Sterling Stone Sutton Talbot Tanaka Tate Thorne Tilden Torres Travers Tucker"
    " Turner Underhill Vance Vaughn Vogel Wade Walden Ward Warren Webb Weller Whitby Wilder Winslow Wolfe Wyatt"
    " Yates York Zimmer"
)
LAST_NAMES = tuple(_LAST_NAMES.split())
STREETS = tuple(
    f"{stem} {suffix}"
    for suffix in ("Street", "Lane", "Road", "Row", "Way")
    for stem in (
        *("Alder", "Bell", "Chapel", "Church", "Copper", "Elm", "Ferry", "Garden", "Glover", "Harbour", "Hazel"),
        *("High", "Ivy", "Kiln", "Lark", "Linden", "Maple", "Market", "Meadow", "Mill", "North", "Orchard", "Park"),
        *("Poplar", "Quarry", "River", "Rose", "South", "Station", "Tanner", "Thistle", "Weaver", "West", "Willow"),
    )
)
TOWN_STEMS = ("Alder", "Ash", "Bram", "Clay", "Elm", "Fern", "Green", "Hart", "King", "Mill", "North", "Oak", "Otter")
TOWN_ENDS = ("bridge", "brook", "bury", "field", "ford", "ham", "mouth", "stead", "ton", "well", "wick", "wood")
_PLACE_WORDS = (
    "Amber Anchor Arch Aurora Badger Beacon Bluebell Bramble Brass Bridge Canal Cedar Chestnut Clover Comet Compass"
    " Coral Corner Crescent Crown Daisy Dolphin Eagle Ember Fable Falcon Feather Fox Garnet Ginger Globe Golden Granite"
    " Grove Hare Harvest Heather Hearth Heron Holly Indigo Iron Jasmine Juniper Kestrel Lantern Laurel Lemon Lily Lion"
    " Lotus Magpie Marble Meridian Mint Moon Nightingale Nutmeg Oak Olive Onyx Orchid Otter Owl Pear Pebble Pepper"
    " Phoenix Pine Plum Poppy Quill Raven Red River Robin Rowan Ruby Saffron Sage Sail Silver Sparrow Spring Star Stone"
    " Summit Sun Swan Teal Thyme Tulip Union Velvet Violet Walnut Wave Wheel White Wick Willow Windmill Wren"
)
PLACE_WORDS = tuple(_PLACE_WORDS.split())
NOUNS: dict[str, tuple[str, ...]] = {
    "cafe": ("Cafe", "Coffee House", "Tea Room"),
    "bar": ("Tavern", "Arms", "Bar"),
    "restaurant": ("Kitchen", "Restaurant", "Table"),
    "cinema": ("Cinema", "Picture House", "Theatre"),
    "bookshop": ("Books", "Bookshop", "Pages"),
    "shop": ("Store", "Grocery", "Market"),
    "pharmacy": ("Pharmacy",),
    "school": ("School", "College", "Academy"),
    "library": ("Library",),
    "office": ("Office", "Partners", "House of Business", "Courier"),
    "workshop": ("Works", "Workshop", "Joinery", "Press"),
    "park": ("Park", "Green", "Gardens"),
    "hall": ("Hall",),
    "clinic": ("Clinic", "Practice"),
    "gym": ("Gym",),
}
"""Second parts of names of public places, by kind."""

INTERESTS: dict[str, float] = {
    **{"music": 8, "sport": 7, "romance": 6, "cooking": 7, "science fiction": 5, "comedy": 6, "drama": 5, "film": 6},
    **{"politics": 4, "history": 5, "literature": 5, "mystery": 5, "documentary": 4, "poetry": 3, "thriller": 4},
    **{"gardening": 5, "parties": 4, "craft": 4, "business": 3, "health": 4, "art": 4, "education": 3, "chess": 2},
    **{"animation": 3, "travel": 4, "animals": 4},
}
"""Interests and how frequent they are."""

TRAITS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "extroversion": (("quiet", "reserved", "thoughtful"), ("outgoing", "talkative", "lively")),
    "agreeableness": (("blunt", "stubborn", "critical"), ("kind", "helpful", "patient")),
    "conscientiousness": (("easy-going", "forgetful", "spontaneous"), ("diligent", "orderly", "reliable")),
    "openness": (("down-to-earth", "practical", "traditional"), ("curious", "imaginative", "inventive")),
}
"""Words of low and of high values of the traits."""
