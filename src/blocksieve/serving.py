"""Answer requests with one set of weights: the router picks the blocks to leave out by the prompt.

models = PrunedModels.of_run("results/demo")
answers = models.generate(prompts, images, size=2)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import yaml

from blocksieve.combination import Combination
from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.inputs import Batch, check_length, make_inputs
from blocksieve.engine.positions import length_dependence, num_places
from blocksieve.engine.prefixes import Inputs
from blocksieve.engine.reference import generate
from blocksieve.engine.self_check import effect_of_padding
from blocksieve.errors import DataError
from blocksieve.model_description import as_described, read_description
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.models.view import skipping
from blocksieve.routing import Route, Router
from blocksieve.specs import RunSpec

PLAIN_PROMPT = "{question}"
"""The template of a prompt that stands for itself."""


@dataclass(frozen=True)
class RoutedAnswer:
    """An answer's text and tokens, and where the router sent the prompt."""

    text: str
    tokens: list[int]
    route: Route


@dataclass(frozen=True)
class _Pruned:
    """The model without some blocks. A forward may leave traces on it: one thread at a time."""

    loaded: LoadedModel
    lock: Lock = field(default_factory=Lock)


class PrunedModels:
    """Models without blocks that share all tensors of one model, and the router between them.

    Several threads may ask at once. Requests for different lists run side by side; those for the
    same list wait for each other.
    """

    def __init__(self, model: LoadedModel, router: Router) -> None:
        """Share `model`, which must not be changed from then on; `router` picks the blocks."""
        self._model = model
        self._router = router
        self._pruned: dict[Combination, _Pruned] = {}
        self._making = Lock()
        # A tokenizer sets its padding before it reads a text, and must not be read meanwhile.
        self._processing = Lock()
        self._checking = Lock()
        self._padding_matters: bool | None = None  # until a batch with padding was checked

    @classmethod
    def of_run(cls, results: Path | str) -> "PrunedModels":
        """Load the model and the router of a run from `results/{run}`."""
        folder = Path(results)
        router = Router.load(folder / "router.json")
        content = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        description = read_description(folder / "model.json")
        model = as_described(RunSpec.of(content).model, description)
        return cls(load_model(model), router)

    def generate(
        self,
        prompts: Sequence[str],
        images: Sequence[Sequence[bytes]] | None = None,
        size: int = 1,
        max_new_tokens: int = 64,
    ) -> list[RoutedAnswer]:
        """Answer prompts greedily without the `size` blocks that suit each, in their order.

        `images`: the pictures of each prompt, as files of any format hold them. Prompts for which
        the same blocks are left out are answered in one batch, unless padding changes this model's
        answers: then one by one. DataError if the router knows no such size.
        """
        pictures = [()] * len(prompts) if images is None else images
        if len(pictures) != len(prompts):
            raise DataError(
                f"{len(prompts)} prompts, but pictures for {len(pictures)};"
                " give a list of pictures, which may be empty, for each prompt"
            )
        routes = [self._router.route(prompt, size) for prompt in prompts]
        # Pictures or none: a processor does not take both in one batch.
        batches: dict[tuple[Combination, bool], list[int]] = {}
        for place, route in enumerate(routes):
            combination = Combination.of(route.blocks)
            has_pictures = len(pictures[place]) > 0
            batches.setdefault((combination, has_pictures), []).append(place)
        answers: dict[int, RoutedAnswer] = {}
        for (combination, _), places in batches.items():
            rows = [_row(prompts[place], pictures[place]) for place in places]
            texts_and_tokens = self._answer(combination, rows, max_new_tokens)
            for place, (text, tokens) in zip(places, texts_and_tokens, strict=True):
                answers[place] = RoutedAnswer(text, tokens, routes[place])
        return [answers[place] for place in range(len(prompts))]

    def without(self, combination: Combination) -> LoadedModel:
        """Return the model without a combination's blocks; it owns no tensor, and is made once."""
        return self._without(combination).loaded

    def _answer(
        self, combination: Combination, rows: list[SampleRow], max_new_tokens: int
    ) -> list[tuple[str, list[int]]]:
        pruned = self._without(combination)
        loaded = pruned.loaded
        inputs = self._inputs(rows)
        if len(rows) > 1 and self._padding_decides(rows, inputs, max_new_tokens):
            return [self._answer(combination, [row], max_new_tokens)[0] for row in rows]
        check_length(loaded, inputs, max_new_tokens)
        with pruned.lock:
            answers = generate(loaded, loaded.model, inputs, max_new_tokens)
        return [(answer.text, answer.tokens) for answer in answers]

    def _inputs(self, rows: list[SampleRow]) -> Inputs:
        with self._processing:
            return make_inputs(self._model, rows, PLAIN_PROMPT)

    def _padding_decides(self, rows: list[SampleRow], inputs: Inputs, max_new_tokens: int) -> bool:
        """Tell whether prompts may be answered otherwise in one batch than each alone.

        As the evaluation does: what the first padded batch shows of the whole model holds for all.
        """
        lengths = inputs["attention_mask"].sum(dim=1)  # (rows,)
        if bool((lengths == lengths[0]).all()):
            return False
        together = Batch(inputs)
        dependence = length_dependence(self._model.model)
        if dependence is not None and num_places(together) + max_new_tokens > dependence.limit:
            return True
        with self._checking:
            if self._padding_matters is None:
                shortest = int(lengths.argmin())
                alone = Batch(self._inputs([rows[shortest]]))
                effect = effect_of_padding(self._model, together, shortest, alone, max_new_tokens)
                self._padding_matters = effect is not None
            return self._padding_matters

    def _without(self, combination: Combination) -> _Pruned:
        with self._making:
            if combination not in self._pruned:
                path = self._model.blocks.path
                model = skipping(self._model.model, combination, path)
                loaded = replace(self._model, model=model, blocks=find_blocks(model, path))
                self._pruned[combination] = _Pruned(loaded)
            return self._pruned[combination]


def _row(prompt: str, pictures: Sequence[bytes]) -> SampleRow:
    """Return a prompt in the form in which the evaluation's samples become inputs."""
    return {
        "sample_id": "",
        "question": prompt,
        "choices": [],
        "references": [],
        "images": list(pictures),
        "cluster": "",
        "split": "",
        "role": "search",
    }
