"""VQA accuracy with both sides always normalised, as TextVQA and published results for VLMs do.

Source: Singh et al. 2019 (TextVQA): `EvalAIAnswerProcessor` of the repository facebookresearch/mmf,
as EvolvingLMMs-Lab/lmms-eval uses it for TextVQA and OK-VQA.
"""

from collections.abc import Sequence

from blocksieve.metrics import Metric, Scorer, Target
from blocksieve.metrics.vqa import agreement, check, on_one_line
from blocksieve.metrics.vqa import normalize as normalize_vqa


def normalize(text: str) -> str:
    """Lower-case, drop commas and question marks, split off 's, and normalise as for `vqa`."""
    plain = text.lower().replace(",", "").replace("?", "")
    split = plain.replace("'s", " 's").strip()
    return normalize_vqa(on_one_line(split))


def score(prediction: str, target: Target) -> float:
    """Return the agreement with the annotators in [0, 1], every answer normalised.

    This differs from `vqa` where all annotators gave the same answer. There `vqa` compares the raw
    texts, and a model that writes "Yes." never matches "yes".
    """
    answer = normalize(prediction)
    references = [normalize(reference) for reference in target.references]
    return agreement(answer, references)


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check the targets and return the scorer."""
    check(targets)
    return score


METRIC = Metric(bounded=True, prepare=prepare)
