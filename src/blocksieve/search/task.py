"""One dataset under one model: what a job evaluates, and what decides its predictions."""

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from blocksieve.files import fingerprint
from blocksieve.models.chat import PROMPT_DATE
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec

# Raise this whenever the same model would answer differently.
PREDICTION_VERSION = 4


@dataclass(frozen=True)
class Task:
    """A dataset's name and definition, the model with its fingerprint, how to evaluate."""

    dataset: str
    definition: DatasetSpec
    model: ModelSpec
    model_fingerprint: str
    evaluation: EvaluationSpec

    def context(self) -> str:
        """Return a fingerprint of all that decides a prediction but sample and combination."""
        # Keys that only some configs set; without them the context stays what it was.
        how_to_load = {
            "blocks": self.model.blocks,
            "trust_remote_code": self.model.trust_remote_code or None,
        }
        set_keys = {key: value for key, value in how_to_load.items() if value is not None}
        return fingerprint(
            set_keys
            | {
                "prediction_version": PREDICTION_VERSION,
                "model": self.model_fingerprint,
                "dtype": self.model.dtype,
                "prompt": self.definition.prompt,
                "prompt_template": self.model.prompt,
                "prompt_date": PROMPT_DATE.isoformat(),
                "max_new_tokens": self.definition.max_new_tokens,
                "torch": version("torch"),
                "transformers": version("transformers"),
                "pictures": "torchvision" if find_spec("torchvision") else "pillow",
            }
        )
