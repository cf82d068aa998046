"""The page of a run: one HTML file that answers, without a network, what may be removed.

Python computes every number (`content`), and the page's scripts show them. Only means over
datasets under weights that the reader sets are computed in the page, from each dataset's mean and
half interval (`weights.js`).
"""

from pathlib import Path

ASSETS = Path(__file__).parent
TEMPLATE = "page.html"
STYLE = "page.css"
SCRIPTS = (
    "dom.js",
    "state.js",
    "answer.js",
    "trade_off.js",
    "strip.js",
    "ranking.js",
    "search.js",
    "samples.js",
    "weights.js",
    "figures.js",
    "main.js",
)
"""The page's scripts in the order in which they are read."""
