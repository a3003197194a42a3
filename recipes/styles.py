"""How much the views of an image may differ: plain data, which forms and plans read without loading PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipes.errors import RecipeError

__all__ = ["PLAIN", "SIDE_ON", "STYLES", "TOP_DOWN", "Augmentation"]

STYLES = ("plain", "side_on", "top_down")


@dataclass(frozen=True)
class Augmentation:
    """How much the views of an image may differ."""

    style: str = field(
        default="side_on",
        metadata={
            "choices": STYLES,
            "help": "plain: no flips (digits, text). side_on: flipped left to right (ordinary photos). "
            "top_down: all eight flips and turns (satellite, microscope).",
        },
    )
    max_zoom: float = field(
        default=1.1, metadata={"min": 1.0, "max": 3.0, "help": "Largest enlargement of a random view."}
    )
    rotation: float = field(default=10.0, metadata={"min": 0.0, "max": 180.0, "help": "Largest rotation, degrees."})
    shift: float = field(
        default=0.0, metadata={"min": 0.0, "max": 0.5, "help": "Largest shift, as a share of the side."}
    )
    lighting: float = field(
        default=0.05, metadata={"min": 0.0, "max": 0.9, "help": "Largest change of brightness and of contrast."}
    )

    def __post_init__(self):
        if self.style not in STYLES:
            raise RecipeError(f"no such augmentation: {self.style!r}; there are {', '.join(STYLES)}")
        for name, spec in (
            (f, self.__dataclass_fields__[f].metadata) for f in ("max_zoom", "rotation", "shift", "lighting")
        ):
            if not spec["min"] <= getattr(self, name) <= spec["max"]:
                raise RecipeError(f"{name} is out of range: {getattr(self, name)}; give {spec['min']} to {spec['max']}")


PLAIN, SIDE_ON, TOP_DOWN = (Augmentation(style=style) for style in STYLES)
