"""Code that comes with the Molmo2 checkpoint of the tests.

Its image processor, whose own needs torchvision.
"""

from typing import Any

import torch
from transformers.models.molmo2.image_processing_molmo2 import Molmo2ImageProcessor


class Molmo2Pictures(Molmo2ImageProcessor):
    """The processor of transformers, its two calls of torchvision written in torch."""

    def resize(self, image: torch.Tensor, size: Any, **kwargs: Any) -> torch.Tensor:
        """Bilinear, without smoothing."""
        return torch.nn.functional.interpolate(
            image, (size.height, size.width), mode="bilinear", align_corners=False
        )

    def normalize(self, image: torch.Tensor, mean: Any, std: Any, **kwargs: Any) -> torch.Tensor:
        """By channel."""
        mean, std = (
            torch.as_tensor(values, dtype=image.dtype)[:, None, None] for values in (mean, std)
        )
        return (image - mean) / std
