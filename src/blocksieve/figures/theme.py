"""One look for all figures: font, sizes, and colours that colour-blind readers can tell apart."""

from typing import Any

import altair as alt

# Liberation Sans comes with the renderer, so that a PNG has the same letters on every machine.
FONT = "Liberation Sans, Helvetica, Arial, sans-serif"
INK = "#222222"
SUBDUED = "#6b6b6b"
GRID = "#e4e4e4"
FULL = "#0072b2"
BAR_INK = "#9fb8c8"
CELL_BORDER = "#cccccc"
SAME_CELL = "#eeeeee"
# From gains over 0 to losses, light enough for dark numbers.
GAIN_TO_LOSS = ["#8fc1de", "#ffffff", "#ee9a62"]
DASHED = [4, 3]
# Okabe and Ito, "Color Universal Design", 2008, from dark to light: black-and-white print keeps
# them apart, too.
CATEGORIES = [
    "#000000",
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#f0e442",
]
# Altair's limit of 5,000 rows is for notebooks, which keep all data of all figures.
alt.data_transformers.disable_max_rows()


@alt.theme.register("blocksieve", enable=True)
def theme() -> alt.theme.ThemeConfig:
    """Return the theme, in force for every chart once this module is imported."""
    labels = {
        "labelFontSize": 10,
        "titleFontSize": 10,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelLimit": 0,
        "titleLimit": 0,
    }
    # Altair's type of a theme takes no dictionary that is put together from others.
    config: Any = {
        "font": FONT,
        "background": "white",
        "view": {"stroke": None},
        # Marks without a tooltip of their own show all of their numbers.
        "mark": {"tooltip": {"content": "data"}},
        "text": {"tooltip": None},
        "axis": {
            **labels,
            "gridColor": GRID,
            "domainColor": SUBDUED,
            "tickColor": SUBDUED,
        },
        "legend": {
            **labels,
            "layout": {"bottom": {"direction": "vertical", "anchor": "start"}},
            # Over its panel, so that no column of the figure is kept free for it.
            "orient": "top",
            "offset": 6,
            "titleOrient": "left",
            "gradientThickness": 10,
            "gradientLength": 140,
        },
        "title": {
            "anchor": "start",
            "color": INK,
            "fontSize": 11,
            "fontWeight": "bold",
            "subtitleColor": SUBDUED,
            "subtitleFontSize": 10,
        },
        "range": {"category": CATEGORIES},
    }
    return {"config": config}
