"""Load a checkpoint's processor, which turns texts and pictures into a model's inputs; or its tokenizer."""

from typing import Any, ClassVar

from transformers import AutoProcessor, AutoTokenizer, processing_utils
from transformers.models.auto import video_processing_auto
from transformers.utils import is_torchvision_available
from transformers.video_processing_utils import VideoProcessorMixin

from blocksieve.models.molmo import MolmoProcessor


class NoVideos(VideoProcessorMixin):  # type: ignore[misc]
    """Takes the place of a processor's part for videos where torchvision, which that part needs, is not installed."""

    model_input_names: ClassVar[list[str]] = []
    num_frames = fps = None

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> "NoVideos":
        """As AutoVideoProcessor is called; whatever a checkpoint says about videos is left aside."""
        return cls()


def do_without_torchvision() -> None:
    """Let processors load without torchvision, which is needed for videos only; blocksieve shows models pictures."""
    if not is_torchvision_available():
        video_processing_auto.AutoVideoProcessor = NoVideos
        processing_utils.transformers_module.VideoProcessorMixin = VideoProcessorMixin


def load_processor(kind: str, location: str, **options: Any) -> Any:
    """The processor of a VLM or the tokenizer of a text model (`kind`)."""
    do_without_torchvision()
    processor = (AutoProcessor if kind == "vlm" else AutoTokenizer).from_pretrained(
        location, **options
    )
    return MolmoProcessor(processor) if hasattr(processor, "process") else processor
