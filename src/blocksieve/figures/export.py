"""Write charts to files: PNG for slides, SVG for print, Vega-Lite JSON for changing a figure."""

from io import BytesIO, StringIO
from pathlib import Path

from altair.typing import ChartType

# Imported for its effect: every file is written in the theme.
from blocksieve.figures import theme as theme
from blocksieve.files import whole_file, write_text

PNG_PIXELS_PER_INCH = 300


def save_chart(chart: ChartType, png: Path | str, svg: Path | str, json: Path | str) -> None:
    """Write an Altair chart as PNG (300 dpi), SVG and Vega-Lite JSON.

    The same chart gives the same bytes. A file appears whole or not at all.
    """
    png_bytes = BytesIO()
    chart.save(png_bytes, format="png", ppi=PNG_PIXELS_PER_INCH)
    with whole_file(Path(png)) as temporary:
        temporary.write_bytes(png_bytes.getvalue())

    svg_text = StringIO()
    chart.save(svg_text, format="svg")
    write_text(Path(svg), svg_text.getvalue())
    write_text(Path(json), chart.to_json(indent=2) + "\n")
