"""Prompts as a model sees them: through its chat template, or a plain one."""

from dataclasses import replace

import pytest

from blocksieve.engine.prompt_report import describe_prompt
from blocksieve.models.chat import render
from blocksieve.models.loading import LoadedModel
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec, ModelSpec

PLAIN = "{images}answer en {prompt}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, "<user><image><image>what {is} {images}?<assistant>"),
        (PLAIN, "<image><image>answer en what {is} {images}?"),
        ("{prompt}", "what {is} {images}?"),
    ],
)
def test_a_prompt_is_put_into_one_template(
    demo_model: LoadedModel, template: str | None, expected: str
) -> None:
    assert render(demo_model.processor, template, "what {is} {images}?", 2) == expected


def test_without_any_template_images_come_before_the_bare_prompt() -> None:
    class Bare:
        image_token = "<image>"

    assert render(Bare(), None, "what?", 1) == "<image>what?"


def test_what_the_model_sees_is_shown_with_its_tokens(
    demo_model_config: ModelSpec, demo_samples
) -> None:
    samples, definition = demo_samples("demo_vqa", 2)
    row = samples.row(0, named=True)
    seen = describe_prompt(demo_model_config, row, definition.prompt, "a")
    assert (
        f"sample: {row['sample_id']}\ntemplate: chat template of the processor\nimages: 1\n" in seen
    )
    assert "16 of them for images" in seen
    assert f"== the prompt\n<user><image>{row['question']}<assistant>\n" in seen
    assert "<image>[x 16]" in seen
    plain = describe_prompt(replace(demo_model_config, prompt=PLAIN), row, definition.prompt, "a")
    assert "template: plain\n" in plain
    assert f"== the prompt\n<image>answer en {row['question']}\n" in plain


def test_another_template_is_another_context(demo_model_config: ModelSpec, demo_samples) -> None:
    _, definition = demo_samples("demo_vqa", 2)
    evaluation = EvaluationSpec("shared", 4, batch_timeout=3600)
    contexts = set()
    for prompt in (None, PLAIN, "{prompt}"):
        model = replace(demo_model_config, prompt=prompt)
        task = Task("demo_vqa", definition, model, "fingerprint", evaluation)
        contexts.add(task.context())
    assert len(contexts) == 3
