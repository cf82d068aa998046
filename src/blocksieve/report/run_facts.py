"""What the report says about the run itself: its settings, and the metrics of its datasets."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from blocksieve.model_description import ModelDescription
from blocksieve.report.section import Section
from blocksieve.specs import Content
from blocksieve.units import Scale

SETTINGS = {
    "run": "run",
    "evaluations": "given table",
    "seed": "seed",
    "analysis": "analysis",
    "model": "model",
    "samples": "samples",
    "evaluation": "evaluation",
    "search": "search",
}
"""Keys of the config that the report shows, in its order, and what it calls them."""

OF_GIVEN_TABLE = ("run", "evaluations", "seed", "analysis")
"""Keys that hold where the evaluations were not measured in this run but given as a table."""


@dataclass(frozen=True)
class RunFacts:
    """What was run: the scale of its drops, settings by name, the metric of each dataset."""

    scale: Scale
    settings: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_config(
        cls, config: Content, description: ModelDescription | None = None
    ) -> "RunFacts":
        """Take the facts from a merged config and its model's description (`model.json`).

        With a given table of evaluations, the settings of a model and its search are left out.
        """
        described = {} if description is None else _with_counted_kinds(description)
        config = config | {"model": config["model"] | described}
        keys = SETTINGS if config["evaluations"] is None else OF_GIVEN_TABLE
        datasets = config["datasets"]
        return cls(
            scale=config["analysis"]["across_datasets"],
            settings={SETTINGS[key]: config[key] for key in keys},
            metrics={name: definition["metric"] for name, definition in datasets.items()},
        )


def settings_section(facts: RunFacts) -> Section:
    """Return the section of settings, one row per setting that is not None."""
    settings = facts.settings.items()
    rows = [(name, _spelled(setting)) for name, setting in settings if setting is not None]
    return Section(title="What was run", header=("setting", "value"), rows=rows, text_columns=2)


def _with_counted_kinds(description: ModelDescription) -> Content:
    """Return a model's description with its kinds of blocks counted: `4 attention and 2 mamba`."""
    counts = Counter(description["kinds"])
    counted = [f"{count} {kind}" for kind, count in counts.items()]
    return {**description, "kinds": " and ".join(counted)}


def _spelled(setting: object) -> str:
    """Spell a setting in words, a group of settings as its keys and values."""
    if not isinstance(setting, Mapping):
        return str(setting)
    parts = [f"{key} {_spelled(part)}" for key, part in setting.items() if part not in (None, {})]
    return ", ".join(parts)
