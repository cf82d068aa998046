"""What is removed: a site of the decoder, and a combination of sites.

No other module knows their text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

Part = Literal["", "a", "m"]
HALF_NAMES: dict[Part, str] = {"a": "token mixer", "m": "channel mixer"}
"""What the halves of a block are called; the token mixer is attention in most models."""
HALVES_COUNT = "each half of a block (4a, 4m) counts as a block"
"""What sizes and numbers of blocks mean in a run of halves."""
SITE_PATTERN = re.compile(r"(\d+)([am]?)")


@dataclass(frozen=True, order=True)
class Site:
    """What can be removed: a block `4`, its token mixer `4a`, or its channel mixer `4m`.

    The token mixer is attention, linear attention or a convolution.
    The channel mixer is an MLP or experts.
    """

    block: int
    part: Part = ""

    @classmethod
    def parse(cls, text: str) -> "Site":
        """Read `4`, `4a` or `4m`; ValueError for anything else."""
        match = SITE_PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a site; write 4 for a block, 4a or 4m for a half")
        block, part = match.groups()
        return cls(int(block), part)  # type: ignore[arg-type]  # the pattern leaves no other part

    def __str__(self) -> str:
        return f"{self.block}{self.part}"


@dataclass(frozen=True, order=True)
class Combination:
    """The sites that a candidate model lacks: sorted, distinct, no block beside its own half.

    Written `none`, `4`, `2-10` or `2-4a-10m`. Combinations order lexicographically by their sites.
    """

    sites: tuple[Site, ...] = ()

    def __post_init__(self) -> None:
        if list(self.sites) != sorted(set(self.sites)):
            raise ValueError(f"sites must be sorted and without repeats; got {self}")
        if any(site.block < 0 for site in self.sites):
            raise ValueError(f"blocks count from 0; got {self}")
        whole_blocks = {site.block for site in self.sites if not site.part}
        if any(site.part and site.block in whole_blocks for site in self.sites):
            raise ValueError(f"a block and its own half must not both be removed; got {self}")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Combinations are the keys of most look-ups: hashing their sites anew took a third of the
        # analyses' time.
        return hash(self.sites)

    @classmethod
    def of(cls, sites: Iterable[Site | int | str]) -> "Combination":
        """Return the combination of these sites in any order; a number is a whole block."""
        parsed = {site if isinstance(site, Site) else Site.parse(str(site)) for site in sites}
        return cls(tuple(sorted(parsed)))

    @classmethod
    def parse(cls, text: str) -> "Combination":
        """Read `none`, `4` or `2-4a-10m`; ValueError for anything else."""
        return _parse(text)

    def __str__(self) -> str:
        return "-".join(map(str, self.sites)) or "none"

    @property
    def size(self) -> int:
        """How many sites it removes."""
        return len(self.sites)

    @property
    def is_single(self) -> bool:
        """Whether it removes exactly one site."""
        return self.size == 1

    @property
    def blocks(self) -> tuple[int, ...]:
        """The numbers of the blocks that it removes or halves, sorted, without repeats."""
        blocks = {site.block for site in self.sites}
        return tuple(sorted(blocks))

    @property
    def whole_blocks(self) -> tuple[int, ...]:
        """The numbers of the blocks that it removes whole, sorted."""
        return tuple(site.block for site in self.sites if not site.part)

    @property
    def halves(self) -> tuple[Site, ...]:
        """The halves that it removes of blocks that stay, sorted."""
        return tuple(site for site in self.sites if site.part)

    @property
    def names(self) -> tuple[int | str, ...]:
        """Its sites as JSON files name them: a block by its number, a half by its text."""
        return tuple(str(site) if site.part else site.block for site in self.sites)

    @property
    def singles(self) -> tuple["Combination", ...]:
        """Each of its sites removed alone."""
        return tuple(Combination((site,)) for site in self.sites)

    def overlap(self, other: "Combination") -> float:
        """Return the share of its sites that the other removes, too; both have one size above 0."""
        common_sites = set(self.sites) & set(other.sites)
        return len(common_sites) / self.size

    def without(self, site: Site) -> "Combination":
        """Return the combination that keeps this site."""
        kept_sites = [kept for kept in self.sites if kept != site]
        return Combination(tuple(kept_sites))

    def contains(self, other: "Combination") -> bool:
        """Whether it removes all that the other removes."""
        return set(other.sites) <= set(self.sites)

    def parents(self) -> list["Combination"]:
        """Return every combination that removes one site less, in order."""
        return sorted(self.without(site) for site in self.sites)

    def children(self, sites: Iterable[Site]) -> list["Combination"]:
        """Return every combination that removes one more of these sites, in order."""
        free_sites = [site for site in sites if self._leaves(site)]
        return sorted(Combination.of((*self.sites, site)) for site in free_sites)

    def keeps(self, site: Site) -> bool:
        """Whether it removes neither this site nor the block that it is a half of."""
        return site not in self.sites and Site(site.block) not in self.sites

    def _leaves(self, site: Site) -> bool:
        """Whether the site is still there, none of it removed."""
        overlapping = [removed for removed in self.sites if removed.block == site.block]
        if not site.part:
            return not overlapping
        return all(removed.part not in ("", site.part) for removed in overlapping)


@cache
def _parse(text: str) -> Combination:
    if text == "none":
        return NONE
    try:
        return Combination(tuple(parse_sites(text)))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a combination ({error}); write sites as 4 or 2-4a-10m, or none"
        ) from error


def parse_sites(text: str) -> list[Site]:
    """Read the sites of a text such as `10-2` in any order; ValueError for anything else."""
    return [Site.parse(part) for part in text.split("-")]


def singles_of_one_kind(combinations: Iterable[Combination]) -> list[Combination]:
    """Return those that remove one block, or those that remove one half: the kind of most.

    A search removes one kind; finalists may name a few of the other.
    """
    singles = [combination for combination in combinations if combination.is_single]
    halves = [single for single in singles if single.halves]
    blocks = [single for single in singles if not single.halves]
    return halves if len(halves) > len(blocks) else blocks


def block_sites(num_blocks: int) -> list[Site]:
    """Return every whole block of a model as a site."""
    return [Site(block) for block in range(num_blocks)]


NONE = Combination()
