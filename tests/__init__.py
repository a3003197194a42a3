"""Tests, and what several of them know."""

EIGHT_TITLES = [
    "Enable data augmentation, and precompute",
    "Find the learning rate",
    "Train the last layer from precomputed activations",
    "Train the last layer with data augmentation",
    "Unfreeze all layers",
    "Set earlier layers to lower learning rates",
    "Find the learning rate",
    "Train the full network until over-fitting",
]
