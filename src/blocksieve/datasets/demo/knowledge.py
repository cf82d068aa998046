"""Facts that no picture shows: what has a colour or a shape, months by number, synonyms."""

FRUIT = {
    "red": ("apple", "cherry"),
    "green": ("lime", "kiwi"),
    "blue": ("blueberry", "blueberries"),
    "yellow": ("banana", "lemon"),
    "purple": ("grape", "plum"),
    "orange": ("tangerine", "mandarin"),
    "black": ("blackberry", "blackberries"),
    "white": ("coconut", "lychee"),
}
ANIMAL = {
    "red": ("lobster", "crab"),
    "green": ("frog", "lizard"),
    "blue": ("whale", "bluebird"),
    "yellow": ("canary", "chick"),
    "purple": ("starfish", "urchin"),
    "orange": ("tiger", "fox"),
    "black": ("raven", "crow"),
    "white": ("swan", "polar bear"),
}
USE = {
    "circle": ("wheel", "ball"),
    "square": ("box", "window"),
    "triangle": ("roof", "tent"),
    "star": ("badge", "medal"),
    "cross": ("hospital", "pharmacy"),
    "diamond": ("kite", "jewel"),
}
SYNONYMS = {
    "purple": "violet",
    "square": "box",
    "diamond": "rhombus",
    "cross": "plus",
    "yes": "yeah",
    "no": "nope",
}
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
