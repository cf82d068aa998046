"""Prompts and tokens are those that transformers itself would show the model."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoProcessor, PreTrainedTokenizerFast

from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.inputs import process
from blocksieve.errors import ModelError
from blocksieve.models.chat import PROMPT_DATE, dated, render, template_source
from blocksieve.models.processor import load_processor
from blocksieve.search.task import PREDICTION_VERSION

WORKFLOW_TESTS = Path(__file__).parents[1] / "workflow"
QUESTION = "What is it?"
WITH_TEMPLATE = ("smolvlm", "llava", "llava_onevision", "qwen2_5_vl", "qwen3_vl", "internvl")
SYSTEM = "{% if messages[0]['role'] != 'system' %}SYSTEM: be brief. {% endif %}"
PARTS = (
    "{% for m in messages %}{{ m['role'] }}: {% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)
STRING = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{% endfor %} ASSISTANT:"
EITHER = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{% endfor %}"
)
SELECTED = (
    "{% for m in messages %}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ part['text'] }}{% endfor %}{% endfor %}"
)


@pytest.fixture(scope="session")
def checkpoints() -> Iterator[Any]:
    """The module that makes processors of real architectures."""
    sys.path.insert(0, str(WORKFLOW_TESTS))
    import checkpoints

    yield checkpoints
    sys.path.remove(str(WORKFLOW_TESTS))


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(out, "PNG")
    return out.getvalue()


def row_of(images: list[bytes], question: str = QUESTION) -> SampleRow:
    return SampleRow(
        sample_id="x",
        question=question,
        choices=[],
        references=["it"],
        images=images,
        cluster="c",
        split="train",
        role="search",
    )


def add_bos(processor: Any) -> Any:
    """Let the tokenizer write <s> before every text, as Llama's does."""
    tokenizer = processor.tokenizer
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    special = [("<s>", backend.token_to_id("<s>"))]
    backend.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=special
    )
    tokenizer._tokenizer = backend
    return processor


def text_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    backend = ByteLevelBPETokenizer()
    backend.train_from_iterator(["What is it?"], 300, special_tokens=["<pad>", "<s>", "</s>"])
    backend._tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend._tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=template,
    )


@pytest.mark.parametrize("num_images", [0, 1, 2])
@pytest.mark.parametrize("start", ["", "{{ bos_token }}", "{{ bos_token }}" + SYSTEM, SYSTEM])
@pytest.mark.parametrize("name", WITH_TEMPLATE)
def test_tokens_are_those_of_the_processor(
    checkpoints: Any, name: str, start: str, num_images: int
) -> None:
    processor = add_bos(checkpoints.make_processor(name))
    processor.chat_template = start + processor.chat_template
    images = [picture()] * num_images
    content: list[dict[str, Any]] = []
    for data in images:
        content.append({"type": "image", "image": Image.open(io.BytesIO(data))})
    content.append({"type": "text", "text": QUESTION})
    expected = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    inputs = process(processor, None, [row_of(images)], "{question}")
    assert inputs["input_ids"].tolist() == expected["input_ids"].tolist()
    num_bos = inputs["input_ids"].tolist()[0].count(processor.tokenizer.bos_token_id)
    assert num_bos == 1


@pytest.mark.parametrize("start", ["", "{{ bos_token }}", SYSTEM])
@pytest.mark.parametrize(("template", "wants_parts"), [(STRING, False), (PARTS, True)])
def test_tokens_are_those_of_the_tokenizer(start: str, template: str, wants_parts: bool) -> None:
    tokenizer = text_tokenizer(start + template)
    content = [{"type": "text", "text": QUESTION}] if wants_parts else QUESTION
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
    )
    inputs = process(tokenizer, None, [row_of([])], "{question}")
    assert inputs["input_ids"].tolist()[0] == expected["input_ids"]


def test_a_plain_template_that_writes_bos_gets_it_once() -> None:
    tokenizer = text_tokenizer(None)
    for template in ("<s>{prompt}", "{prompt}"):
        inputs = process(tokenizer, template, [row_of([])], "{question}")
        assert inputs["input_ids"].tolist()[0].count(1) == 1


@pytest.mark.parametrize("template", [PARTS, STRING, EITHER, SELECTED])
def test_a_question_without_pictures_is_in_the_prompt(checkpoints: Any, template: str) -> None:
    processor = checkpoints.make_processor("llava")
    for takes_chat in (processor, text_tokenizer(template)):
        takes_chat.chat_template = template
        prompt = render(takes_chat, None, QUESTION, 0)
        assert QUESTION in prompt
        assert "'text'" not in prompt


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('a system message must come first') }}", "a system message must come"),
        ("nothing of it", "the question 'What is it?' does not occur"),
        ("{{ messages[0]['content']['no']['such'] }}", "Undefined"),
        ("{% for", "TemplateSyntaxError"),
        ("{{ strftime_now(messages[0]['role']) }}{{ messages[0]['content'] }}", "asks for the day"),
        ("{% set now = strftime_now %}{{ now('%Y') }}{{ messages[0]['content'] }}", "asks for"),
    ],
)
def test_a_template_that_fails_is_named_in_one_line(template: str, message: str) -> None:
    with pytest.raises(ModelError, match="chat template") as error:
        process(text_tokenizer(template), None, [row_of([])], "{question}")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plain_template_without_the_question_is_refused() -> None:
    with pytest.raises(ModelError, match=r"model\.prompt: 'USER: ' leaves the question out"):
        render(text_tokenizer(None), "USER: ", QUESTION, 0)


def test_a_text_model_is_shown_no_pictures() -> None:
    with pytest.raises(ModelError, match="a text model sees no pictures"):
        process(text_tokenizer(None), None, [row_of([picture()])], "{question}")


class PatchesAlone:
    """A processor that makes no tokens of a prompt, as Pix2Struct's."""

    chat_template = None
    image_token = ""

    def __call__(self, text: list[str], images: Any = None, **options: Any) -> Any:
        return {"flattened_patches": torch.zeros(len(text), 4)}


def test_a_model_that_no_question_reaches_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no tokens of a prompt, but only flattened_patches"):
        process(cast(Any, PatchesAlone()), None, [row_of([picture()])], "{question}")


def test_a_template_that_asks_for_the_day_is_told_the_same_one() -> None:
    day = "{{ strftime_now('%d %b %Y') }} {{ strftime_now(format=\"%Y-%m-%d\") }} "
    where_there_is_one = f"{{% if strftime_now is defined %}}{day}{{% endif %}}"
    prompt = render(text_tokenizer(where_there_is_one + STRING), None, QUESTION, 0)
    expected = f"{PROMPT_DATE:%d %b %Y} {PROMPT_DATE:%Y-%m-%d} user"
    assert prompt.startswith(expected)
    assert dated({"default": "{{ strftime_now('%Y') }}"}) == f"{{{{ '{PROMPT_DATE.year}' }}}}"
    assert PREDICTION_VERSION >= 4


def test_a_template_in_the_tokenizers_config_alone_is_used(
    checkpoints: Any, tmp_path: Path
) -> None:
    checkpoints.make_processor("llava").save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    config = tmp_path / "tokenizer_config.json"
    template = PARTS.replace("IMAGE", "<image>")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": template}))
    assert AutoProcessor.from_pretrained(tmp_path) is not None
    processor = load_processor("vlm", str(tmp_path))
    assert template_source(processor, None) == "tokenizer_config.json"
    assert render(processor, None, QUESTION, 1) == f"user: <image>{QUESTION} ASSISTANT:"
    assert template_source(processor, "{prompt}") == "model.prompt"
