"""VQA accuracy with both sides always normalised: the evaluation of TextVQA, and what is published for VLMs."""

from collections.abc import Sequence

from blocksieve.metrics import Metric, Scorer, Target
from blocksieve.metrics.vqa import agreement, check, on_one_line
from blocksieve.metrics.vqa import normalize as normalize_vqa


def normalize(text: str) -> str:
    """Lower-case, drop commas and question marks, split off 's, and normalise as for `vqa`."""
    plain = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalize_vqa(on_one_line(plain.strip()))


def score(prediction: str, target: Target) -> float:
    """Score a prediction in [0, 1]: the agreement with the annotators, every answer normalised.

    Source: Singh et al. 2019 (TextVQA): `EvalAIAnswerProcessor` of the repository facebookresearch/mmf, as the
    evaluation of TextVQA and OK-VQA in EvolvingLMMs-Lab/lmms-eval uses it. Differs from `vqa` where all annotators gave
    the same answer: there `vqa` compares the raw text, which a model that writes "Yes." never meets.
    """
    return agreement(
        normalize(prediction), [normalize(reference) for reference in target.references]
    )


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check the targets and return the scorer."""
    check(targets)
    return score


METRIC = Metric(version=1, bounded=True, prepare=prepare)
