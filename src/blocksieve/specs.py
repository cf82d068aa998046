"""What a run's config says, typed: built once by `config.resolve`, passed on as it is.

`RunSpec.content()` gives back the merged config; each spec is `Spec(**content)` of its part of it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from blocksieve.combination import Combination
from blocksieve.units import Scale

Content = dict[str, Any]
"""A part of the config as YAML and JSON hold it."""

SearchUnit = Literal["block", "half"]
Role = Literal["search", "holdout", "verify", "train"]
"""Search samples choose combinations, holdout samples judge what was chosen.

Verify samples measure once what holdout samples let pass. Train samples heal exported lists."""


@dataclass(frozen=True)
class ModelSpec:
    """The config's `model`: where the checkpoint lies and how it runs; see config/schema.yaml."""

    kind: Literal["vlm", "text"]
    path: str
    revision: str | None
    gguf_file: str | None
    blocks: str | None
    prompt: str | None
    dtype: str
    device: Literal["auto", "cpu", "cuda"]
    trust_remote_code: bool


class Source(TypedDict, total=False):
    """A dataset's `source`: `kind` decides which other keys it takes; see config/schema.yaml."""

    kind: Literal["columns", "demo", "facts"]
    task: str
    level: int
    path: str
    name: str
    revision: str
    files: dict[str, str | list[str]]
    streaming: bool
    image_folder: str
    each: str
    where: dict[str, str | int | float | bool]
    question: str
    images: str | list[str]
    references: str
    choices: str | list[str]
    cluster: str


@dataclass(frozen=True)
class DatasetSpec:
    """One file of config/datasets/: where samples come from, how they are asked and scored."""

    task_type: str
    source: Source
    splits: list[str]
    prompt: str
    metric: str
    max_new_tokens: int
    above_chance: bool = False


Count = int | Literal["all"]
"""How many samples a role gets of a dataset; "all" takes what the other role leaves."""


@dataclass(frozen=True)
class SampleSpec:
    """The config's `samples`: how many a dataset gives, by role; the share that may be unusable.

    `datasets`: the counts of single datasets, from their files or the run's config.
    """

    search: Count
    holdout: Count
    max_bad_samples: float
    verify: int = 0
    datasets: dict[str, dict[Role, Count]] = field(default_factory=dict)

    def counts(self, dataset: str) -> dict[Role, Count]:
        """Return how many samples each role gets of a dataset; verify only where it gets some."""
        counts: dict[Role, Count] = {
            "search": self.search,
            "holdout": self.holdout,
            "verify": self.verify,
        }
        counts |= self.datasets.get(dataset, {})
        if counts["verify"] == 0:
            del counts["verify"]
        return counts


@dataclass(frozen=True)
class EvaluationSpec:
    """The config's `evaluation`: how candidates are evaluated; `batch_timeout` in seconds."""

    engine: Literal["shared", "reference"]
    batch_size: int | Literal["auto"]
    batch_timeout: float


@dataclass(frozen=True)
class ResourceSpec:
    """The config's `resources`: what a job that runs the model asks for; MB, minutes, GPUs."""

    mem_mb: int
    runtime: int
    gpu: int


Racing = float | Literal["off", "halving"]
"""Which candidates are dropped before all samples are answered; a number is a test's level."""


StrategyName = Literal["beam", "greedy", "evolutionary", "random", "one_shot"]
Proxy = Literal["drop", "cosine", "kl"]


@dataclass(frozen=True)
class SearchSpec:
    """The config's `search`: how far, how wide and by which strategy it goes."""

    max_removed: int
    beam_width: int
    exhaustive_sizes: list[int]
    jobs_per_step: int
    weak_baseline: Literal["stop", "go_on"] = "stop"
    unit: SearchUnit = "block"
    exportable: bool = False
    racing: Racing = "off"
    strategy: StrategyName = "beam"
    budget: int | Literal["auto"] = "auto"
    proxy: Proxy = "drop"


@dataclass(frozen=True)
class MaxDrop:
    """What each strategy may lose, in the unit of the run's scale."""

    conservative: float
    balanced: float
    aggressive: float


@dataclass(frozen=True)
class AnalysisSpec:
    """The config's `analysis`: scale and weights of means over datasets, the strategies' limits."""

    across_datasets: Scale
    max_drop: MaxDrop
    weights: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, across_datasets: Scale, max_drop: dict[str, float], weights: dict[str, float]
    ) -> "AnalysisSpec":
        """Build it from the config's `analysis`."""
        return cls(across_datasets, MaxDrop(**max_drop), weights)


@dataclass(frozen=True)
class HealSpec:
    """The config's `deploy.heal`: how lists are finetuned; `samples` are most per dataset."""

    method: Literal["none", "lora", "blocks"] = "none"
    lists: list[str] = field(default_factory=list)
    samples: int = 400
    steps: int = 400
    learning_rate: float | Literal["auto"] = "auto"


@dataclass(frozen=True)
class DeploySpec:
    """The config's `deploy`: what is done with lists besides exporting and proving them."""

    heal: HealSpec = HealSpec()

    @classmethod
    def of(cls, heal: Content) -> "DeploySpec":
        """Build it from the config's `deploy`."""
        return cls(HealSpec(**heal))


@dataclass(frozen=True)
class RunSpec:
    """One run: one model and one configuration.

    `evaluations`: path of a table from elsewhere, None to search.
    """

    run: str
    seed: int
    model: ModelSpec
    datasets: dict[str, DatasetSpec]
    samples: SampleSpec
    evaluation: EvaluationSpec
    resources: ResourceSpec
    search: SearchSpec
    finalists: list[Combination]
    analysis: AnalysisSpec
    evaluations: str | None
    deploy: DeploySpec = DeploySpec()

    @classmethod
    def of(cls, content: Content) -> "RunSpec":
        """Build it from `content`; ValueError for a finalist that is no combination."""
        typed = {
            "model": ModelSpec(**content["model"]),
            "datasets": {
                name: DatasetSpec(**definition) for name, definition in content["datasets"].items()
            },
            "samples": SampleSpec(**content["samples"]),
            "evaluation": EvaluationSpec(**content["evaluation"]),
            "resources": ResourceSpec(**content["resources"]),
            "search": SearchSpec(**content["search"]),
            "finalists": [Combination.parse(text) for text in content["finalists"]],
            "analysis": AnalysisSpec.of(**content["analysis"]),
            # Runs of earlier versions have none.
            "deploy": DeploySpec.of(**content.get("deploy", {"heal": {}})),
        }
        return cls(**{**content, **typed})

    @property
    def model_name(self) -> str:
        """The last part of the model's path; for a given table that of its file."""
        path = self.model.path if self.evaluations is None else self.evaluations
        return Path(path).name

    def content(self) -> Content:
        """Return the merged config, each dataset's definition in place of its name."""
        return asdict(self) | {"finalists": [str(combination) for combination in self.finalists]}


def read_definitions(text: str) -> dict[str, DatasetSpec]:
    """Read datasets' definitions by name from JSON, as a rule's parameter holds them."""
    definitions = json.loads(text)
    return {name: DatasetSpec(**content) for name, content in definitions.items()}
