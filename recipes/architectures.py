"""Networks to begin with, small first, and what each costs: parameters and multiply-adds, counted from timm's own
networks. `python -m recipes.architectures` counts them anew.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "Architecture", "counted"]


@dataclass(frozen=True)
class Architecture:
    """A timm network without its classifier: millions of parameters, and billions of multiply-adds for one image of
    `size` pixels."""

    name: str
    parameters: float
    multiply_adds: float
    words: str
    size: int = 224


ARCHITECTURES = (
    Architecture("mobilenetv2_100", 2.2, 0.3, "light, for a laptop without a GPU"),
    Architecture("efficientnet_b0", 4.0, 0.38, "light, and more exact than its size suggests"),
    Architecture("resnet18", 11.2, 1.81, "small and quick on a GPU"),
    Architecture("resnet34", 21.3, 3.66, "the lecture's first network; takes any size"),
    Architecture("resnet50", 23.5, 4.09, "a good deal better than resnet34 on many classes"),
    Architecture("resnext50_32x4d", 23.0, 4.23, "the lecture's network for dog breeds"),
    Architecture("convnext_tiny", 27.8, 4.45, "modern convolutions; best on a GPU"),
    Architecture("swin_tiny_patch4_window7_224", 27.5, 4.49, "attention in windows; takes 224 px only"),
    Architecture("vit_small_patch16_224", 21.7, 4.6, "attention; takes multiples of 16 px"),
    Architecture("convnext_small", 49.5, 8.68, "for large data and a GPU"),
)


def counted(name: str, size: int = 224) -> tuple[float, float]:
    """Millions of parameters and billions of multiply-adds of a network's body, with nothing computed: its tensors have
    shapes alone."""
    import timm
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        made = timm.create_model(name, num_classes=0).eval()
        picture = torch.zeros(1, 3, size, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made(picture)
    parameters = sum(parameter.numel() for parameter in made.parameters())
    return round(parameters / 1e6, 1), round(counter.get_total_flops() / 2e9, 2)


if __name__ == "__main__":
    for known in ARCHITECTURES:
        print(known.name, *counted(known.name, known.size))  # noqa: T201 (a table to copy from)
