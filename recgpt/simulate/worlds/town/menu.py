"""Dishes of the cafes, bars and restaurants of a town: names, tags and descriptions, all made up.

DISHES[0].title
"""

from typing import NamedTuple


class Dish(NamedTuple):
    """A dish."""

    title: str
    tags: tuple[str, ...]
    description: str


def _dishes(text: str) -> tuple[Dish, ...]:
    """Dishes of lines `title | tags | description`."""
    lines = [line.split(" | ") for line in text.strip().splitlines()]
    return tuple(Dish(title, tuple(tags.split(", ")), description) for title, tags, description in lines)


DISHES = _dishes(
    """
Leek and potato soup | soup, vegetarian, hearty | A thick bowl of leeks and potatoes with black bread.
Harbour fish soup | soup, seafood, hearty | Cod, mussels and fennel in saffron broth.
Cold cucumber soup | soup, vegetarian, light | Cucumber, yoghurt and dill, served cold.
Lentil soup with lemon | soup, vegan, light | Red lentils with cumin and a squeeze of lemon.
Beef and barley stew | hearty, meat | Slow-cooked beef with barley and root vegetables.
Shepherd's pie | hearty, meat, baked | Minced lamb under a crust of potatoes.
Chicken and leek pie | hearty, meat, baked | Chicken and leeks under butter pastry.
Mushroom pot pie | hearty, vegetarian, baked | Mushrooms and thyme under a golden crust.
Grilled mackerel | seafood, light | Mackerel with rhubarb and new potatoes.
Fish cakes with tartare | seafood, hearty | Haddock cakes with capers and pickles.
Prawn noodles | seafood, spicy, noodles | Wheat noodles with prawns, chilli and lime.
Mussels in cider | seafood, light | A pot of mussels with cider and shallots.
Peanut noodles | vegan, spicy, noodles | Cold noodles with peanut sauce and cucumber.
Ramen with egg | noodles, meat, soup | Pork broth, soft egg and spring onions.
Tomato spaghetti | noodles, vegan, light | Spaghetti with tomatoes, garlic and basil.
Baked macaroni | noodles, vegetarian, baked | Macaroni with three cheeses and breadcrumbs.
Chickpea curry | vegan, spicy, curry | Chickpeas and spinach in a hot tomato gravy.
Butter chicken | meat, spicy, curry | Chicken in a mild sauce of tomatoes and cream.
Green vegetable curry | vegan, spicy, curry | Aubergine and beans in coconut milk.
Lamb curry | meat, spicy, curry | Lamb with cardamom, onions and rice.
Garden salad | salad, vegan, light | Leaves, radishes and herbs from the garden.
Goat cheese salad | salad, vegetarian, light | Warm goat cheese with beetroot and walnuts.
Chicken salad | salad, meat, light | Cold chicken with apples and celery.
Bean and feta salad | salad, vegetarian, hearty | Green beans, feta and toasted almonds.
Cheese toast | breakfast, vegetarian, baked | Sourdough with cheddar and mustard.
Mushrooms on toast | breakfast, vegan, light | Field mushrooms with garlic and parsley.
Eggs and beans | breakfast, vegetarian, hearty | Two fried eggs, beans and a grilled tomato.
Bacon roll | breakfast, meat | Crisp bacon in a soft white roll.
Porridge with honey | breakfast, vegetarian, sweet | Oats with honey and roasted nuts.
Blueberry pancakes | breakfast, vegetarian, sweet | Three pancakes with blueberries and syrup.
Apple crumble | sweet, vegetarian, baked | Apples under oats and brown sugar.
Carrot cake | sweet, vegetarian, baked | Carrot cake with cream cheese.
Chocolate tart | sweet, vegetarian, baked | Dark chocolate in a thin crust.
Lemon sorbet | sweet, vegan, light | Lemon ice with mint.
Cinnamon bun | sweet, vegetarian, breakfast | A warm bun with cinnamon and cardamom.
Rice pudding | sweet, vegetarian, hearty | Rice pudding with plum jam.
"""
)
