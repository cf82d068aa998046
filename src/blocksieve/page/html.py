"""Write the page: a template, a style, scripts, and the content as JSON in one HTML file."""

import json

import vl_convert
from altair import SCHEMA_VERSION
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from blocksieve.page import ASSETS, SCRIPTS, STYLE, TEMPLATE
from blocksieve.page.content import Content


def libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, in the version that figures use."""
    vega_lite = "_".join(SCHEMA_VERSION.split(".")[:2])
    snippet = "window.vegaEmbed = vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(snippet, vl_version=vega_lite)
    return bundle


def write_html(content: Content, library: str) -> str:
    """Return the page; the same content gives the same text."""
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return environment.get_template(TEMPLATE).render(
        page=content,
        style=Markup((ASSETS / STYLE).read_text(encoding="utf-8")),
        library=script_text(library),
        scripts=script_text("\n".join(scripts)),
        content=as_json(content),
    )


def script_text(text: str) -> Markup:
    """Return JavaScript that no end tag in one of its strings can cut short."""
    return Markup(text.replace("</script", "<\\/script"))


def as_json(content: object) -> Markup:
    """Return JSON in ASCII without `<`, so that no text in it can be read as markup."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
