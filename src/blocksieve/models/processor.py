"""Load a checkpoint's processor, which turns texts and pictures into inputs; or its tokenizer."""

from typing import ClassVar, Literal, TypeAlias

from transformers import (
    AutoProcessor,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    processing_utils,
)
from transformers.models.auto import video_processing_auto
from transformers.utils import is_torchvision_available
from transformers.video_processing_utils import VideoProcessorMixin

from blocksieve.models.molmo import MolmoProcessor

# What turns prompts into inputs; MolmoProcessor stands in for a ProcessorMixin.
Processor: TypeAlias = ProcessorMixin | PreTrainedTokenizerBase


class NoVideos(VideoProcessorMixin):  # type: ignore[misc]
    """Takes the place of a processor's part for videos where torchvision is not installed."""

    model_input_names: ClassVar[list[str]] = []
    num_frames = fps = None

    @classmethod
    def from_pretrained(cls, *args: object, **kwargs: object) -> "NoVideos":
        """Return an empty part, whatever the checkpoint says of videos."""
        return cls()


def do_without_torchvision() -> None:
    """Let processors load without torchvision, which only their part for videos needs.

    The processor of a model that takes videos loads that part with the rest, and transformers puts
    a class that raises ImportError in its place where torchvision is missing. The two assignments
    replace the class that loads the part, and the class that it is checked against. They hold for
    all of the process: every processor loaded later has an empty part for videos. That costs
    nothing here, because blocksieve shows models pictures.
    """
    if not is_torchvision_available():
        video_processing_auto.AutoVideoProcessor = NoVideos
        processing_utils.transformers_module.VideoProcessorMixin = VideoProcessorMixin


def load_processor(kind: Literal["vlm", "text"], location: str, **options: str | bool) -> Processor:
    """Return the processor of a VLM, or the tokenizer of a text model."""
    do_without_torchvision()
    auto = AutoProcessor if kind == "vlm" else AutoTokenizer
    processor = auto.from_pretrained(location, **options)
    tokenizer = getattr(processor, "tokenizer", processor)
    set_pad_token(tokenizer)
    # Only Molmo's takes samples through `process` in place of a call.
    if hasattr(processor, "process"):
        return MolmoProcessor(processor)
    if processor.chat_template is None:
        # Some checkpoints keep the template in the tokenizer's config alone.
        processor.chat_template = tokenizer.chat_template
    return processor


def set_pad_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """Choose a token to fill rows up with where the checkpoint names none.

    Which one does not matter, since the attention mask hides it.
    """
    if tokenizer.pad_token_id is not None:
        return
    first_token = tokenizer.convert_ids_to_tokens(0)
    tokenizer.pad_token = (
        tokenizer.eos_token or tokenizer.bos_token or tokenizer.unk_token or first_token
    )
