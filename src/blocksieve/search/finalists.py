"""The combinations that are measured on every dataset, and on samples never used to choose."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocksieve.combination import Combination
from blocksieve.importance import ImportanceScores

Beams = Mapping[str, Mapping[int, Sequence[str]]]


def select_finalists(
    beams: Beams, scores: Iterable[ImportanceScores], named: Iterable[str], max_removed: int
) -> list[dict[str, Any]]:
    """Each finalist once, with all reasons for it, in the combinations' order.

    The first of every beam (`beams` by scope and size), the removal orders of importance scores up to `max_removed`
    blocks, and combinations named in the config. None of them was chosen on a holdout sample.
    """
    reasons: dict[Combination, list[str]] = {}
    for scope, by_size in sorted(beams.items()):
        for size, kept in sorted(by_size.items()):
            reasons.setdefault(Combination.parse(kept[0]), []).append(f"first of the {scope} beam at size {size}")
    for found in scores:
        for size in range(1, min(max_removed, len(found.removal_order) - 1) + 1):
            picked = Combination.of(found.removal_order[:size])
            reasons.setdefault(picked, []).append(f"{size} least important of {found.name} ({found.scope})")
    for text in named:
        reasons.setdefault(Combination.parse(text), []).append("named in the config")
    return [{"combination": str(one), "reasons": why} for one, why in sorted(reasons.items())]
