"""What a search strategy looks at when it proposes, and what a strategy is."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from blocksieve.choices import GENERIC
from blocksieve.combination import Combination, Site


@dataclass(frozen=True)
class Situation:
    """What a scope knows before it proposes combinations of a size.

    `scope`: a dataset, or `generic`. `sites`: what may be removed. `kept`: what the size before
    kept, or the generation before, the best first; for one_shot every site alone, in its order.
    `proposed`: by the scope in earlier generations of this size. `budget`: how many combinations of
    this size a dataset evaluates at most, for both scopes. `generation`: counted from 1. `seed`: of
    the run.
    """

    size: int
    sites: Sequence[Site]
    scope: str = GENERIC
    kept: Sequence[Combination] = ()
    proposed: Set[Combination] = frozenset()
    budget: int = 0
    generation: int = 1
    seed: int = 0


class SearchStrategy(Protocol):
    """Proposes the combinations of a size that a scope evaluates next, each once.

    The generic scope proposes the same for every dataset.
    """

    def __call__(self, situation: Situation) -> list[Combination]:
        """Return what to evaluate, in the combinations' order."""
