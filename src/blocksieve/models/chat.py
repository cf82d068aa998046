"""Write the prompt that a model continues: by the checkpoint's chat template, or a plain one.

Imports neither torch nor transformers.
"""

import json
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from blocksieve.errors import ModelError, name_and_first_line

if TYPE_CHECKING:
    from blocksieve.models.processor import Processor

PROMPT_DATE = date(2026, 1, 1)
"""What chat templates that ask for the day are told, so that it never decides an answer."""

# A chat template's call for the day, with its format as a literal.
DATE_CALL = re.compile(r"""\bstrftime_now\(\s*(?:format\s*=\s*)?(["'])(.*?)\1\s*\)""")
# Any other use of it; to ask whether it exists does no harm.
OTHER_DATE_USE = re.compile(r"\bstrftime_now\b(?!\s+is\s+(?:not\s+)?defined)")
# Where transformers looks for a chat template, the first that has one counts.
TEMPLATE_FILES = (
    "chat_template.jinja",
    "chat_template.json",
    "processor_config.json",
    "tokenizer_config.json",
)
Content: TypeAlias = str | list[dict[str, str]]
"""A message's content: its text, or parts of it."""


def render(processor: "Processor", template: str | None, text: str, num_images: int) -> str:
    """Return what a model is given to continue: the prompt `text`, with its images before it.

    By the chat template of the processor, as one user turn; or by a plain `template` with {images}
    and {prompt}, the config's `model.prompt`. Without either, the images and the bare prompt.
    ModelError if the chat template fails, or `text` does not occur in what is written.
    """
    if uses_chat_template(processor, template):
        return _chat_prompt(processor, text, num_images)
    plain = "{images}{prompt}" if template is None else template
    image_token = getattr(processor, "image_token", "")
    with_images = plain.replace("{images}", image_token * num_images)
    # The prompt last: it may hold {images} itself.
    prompt = with_images.replace("{prompt}", text)
    if text not in prompt:
        raise ModelError(
            f"config: model.prompt: {template!r} leaves the question out; write {{prompt}} into it"
        )
    return prompt


def uses_chat_template(processor: "Processor", template: str | None) -> bool:
    """Whether prompts go through the processor's chat template."""
    if template is not None:
        return False
    return getattr(processor, "chat_template", None) is not None


def takes_text_alone(processor: "Processor") -> bool:
    """Whether this is a tokenizer, which takes no pictures."""
    return not hasattr(processor, "tokenizer") and hasattr(processor, "bos_token")


def template_source(processor: "Processor", template: str | None) -> str:
    """Return where prompts come from: a file of the checkpoint, `model.prompt`, or nowhere."""
    if template is not None:
        return "model.prompt"
    if not uses_chat_template(processor, template):
        return "no chat template"
    tokenizer = getattr(processor, "tokenizer", processor)
    folder = Path(getattr(tokenizer, "name_or_path", ""))
    for name in TEMPLATE_FILES:
        file = folder / name
        if not file.is_file():
            continue
        if file.suffix == ".jinja" or "chat_template" in json.loads(file.read_text("utf-8")):
            return name
    return "chat template"


def has_special_tokens(processor: "Processor", template: str | None, prompts: list[str]) -> bool:
    """Whether prompts hold their special tokens already, so that the tokenizer must add none.

    As in transformers: a tokenizer's `apply_chat_template` never adds any, a processor's does
    unless the prompt begins with BOS. ModelError if only some of the prompts do.
    """
    if takes_text_alone(processor) and uses_chat_template(processor, template):
        return True
    tokenizer = getattr(processor, "tokenizer", processor)
    bos_token = getattr(tokenizer, "bos_token", None)
    if not bos_token:
        return False
    begins = {prompt.startswith(bos_token) for prompt in prompts}
    if len(begins) > 1:
        source = template_source(processor, template)
        raise ModelError(
            f"{source} of the checkpoint: it writes {bos_token} before some prompts only; "
            "mend it, or set model.prompt"
        )
    return begins == {True}


def _chat_prompt(processor: "Processor", text: str, num_images: int) -> str:
    """Return one user turn, its content as the template wants it: as parts or as a text."""
    parts = [{"type": "image"}] * num_images
    parts.append({"type": "text", "text": text})
    contents: list[Content] = [parts]
    if num_images == 0 and takes_text_alone(processor):
        contents = [text, parts]
    elif num_images == 0:
        contents = [parts, text]
    fault = f"the question {text[:60]!r} does not occur in the prompt that it writes"
    for content in contents:
        try:
            prompt = _apply(processor, content)
        except ModelError:
            raise
        except Exception as error:  # whatever a template does
            fault = name_and_first_line(error)
            continue
        if text.strip() in prompt and not _writes_out_parts(prompt, parts):
            return prompt
    source = template_source(processor, None)
    raise ModelError(
        f"{source} of the checkpoint, its chat template: {fault}; "
        "mend that file, or set model.prompt to a template of your own"
    )


def _writes_out_parts(prompt: str, parts: list[dict[str, str]]) -> bool:
    """Whether a template took parts for a text, so that their dictionaries stand in the prompt."""
    return str(parts) in prompt or json.dumps(parts, ensure_ascii=False) in prompt


def _apply(processor: "Processor", content: Content) -> str:
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=dated(processor.chat_template),
        tokenize=False,
        add_generation_prompt=True,
    )
    return str(prompt)


def dated(chat_template: str | dict[str, str]) -> str | None:
    """Return a chat template with PROMPT_DATE in place of its calls for the day.

    Of several templates the default one; None leaves the choice, or the error, to transformers.
    """
    if isinstance(chat_template, dict):
        default = chat_template.get("default")
        return None if default is None else dated(default)
    fixed = DATE_CALL.sub(lambda call: repr(PROMPT_DATE.strftime(call[2])), chat_template)
    if OTHER_DATE_USE.search(fixed):
        raise ModelError(
            "the checkpoint's chat template asks for the day in a format that it computes; "
            "write the format into the call of strftime_now, or set model.prompt"
        )
    return fixed
