"""What the facts about the images speak for: size, augmentation, validation, and what to mend before training."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LADDER", "advice_on", "facing", "sizes_to_train"]

LADDER = (32, 48, 64, 96, 128, 160, 192, 224, 299)
ENOUGH = 200  # pictures without which nothing is said about up and down
FOLDS, STIFF = 5, 0.3  # of the test of facing; the ridge, in units of the features' mean square
TOLD, SURE = 0.55, 0.62  # share of pictures told from their turned copies: that it can be done at all, and clearly


def facing(colours: np.ndarray) -> dict[str, float]:
    """How well pictures, uint8 (n, 16, 16, 3), are told from their turned copies by a linear rule learned on others:
    the share told rightly (0.5 is a guess) for upside_down, mirrored and quarter_turn; empty with too few pictures.

    The rule is a ridge regression on the difference of the two, so that neither brightness nor order helps it.
    """
    if len(colours) < ENOUGH:
        return {}
    small = colours.reshape(-1, 8, 2, 8, 2, 3).mean((2, 4)) / 255
    turned = {
        "upside_down": small[:, ::-1],
        "mirrored": small[:, :, ::-1],
        "quarter_turn": np.rot90(small, 1, (1, 2)),
    }
    return {name: round(_told_apart((small - copy).reshape(len(small), -1)), 4) for name, copy in turned.items()}


def _told_apart(difference: np.ndarray) -> float:
    lengths = np.linalg.norm(difference, axis=1, keepdims=True)
    rows = difference / np.maximum(lengths, 1e-6)
    fold, right = np.arange(len(rows)) % FOLDS, np.zeros(len(rows))
    for number in range(FOLDS):
        learn, ask = rows[fold != number], rows[fold == number]
        square = learn.T @ learn
        ridge = STIFF * max(float(np.trace(square)) / len(square), 1e-9) * np.eye(len(square))
        rule = np.linalg.solve(square + ridge, learn.sum(0))
        right[fold == number] = (np.sign(ask @ rule) + 1) / 2  # an undecided one is half right
    return float(right.mean())


def sizes_to_train(shorter: float) -> tuple[int, int]:
    """The image sizes to start and to end with, for pictures whose shorter side is so long as a rule."""
    fitting = [size for size in LADDER if size <= shorter * 1.05]
    end = max(fitting) if fitting else LADDER[0]
    if end == 299 and shorter < 600:
        end = 224
    below = [size for size in LADDER if size <= 0.6 * end and size >= 48]
    return (max(below) if below else end), end


def advice_on(figures: dict[str, Any]) -> tuple[str, ...]:
    """One plain sentence each, with its evidence, from the figures of `Findings`."""
    parts = [_size(figures), _augmentation(figures), _validation(figures), _imbalance(figures), *_to_mend(figures)]
    return tuple(part for part in parts if part)


def _size(figures: dict[str, Any]) -> str:
    sizes = figures["sizes"].get("train")
    if not sizes:
        return ""
    shorter, low = sizes["shorter"]["median"], sizes["shorter"]["low"]
    start, end = sizes_to_train(shorter)
    because = f"the shorter side of half of the training images is {shorter:,.0f} pixels or less"
    if sizes["shorter"]["min"] == sizes["shorter"]["max"]:
        because = f"the shorter side of every training image is {shorter:,.0f} pixels"
    if start == end:
        return f"Image size: train at {end} pixels from start to end, since {because}; enlarging them adds nothing."
    text = f"Image size: start with {start} pixels and end with {end}, since {because}"
    if end == 299:
        return f"{text}; 224 is enough for a first answer."
    if low < 0.6 * end:
        return f"{text}; one in twenty has less than {low:,.0f} and would be enlarged much, so look at those."
    if shorter >= 299 and end == 224:
        return f"{text}; 299 at the very end may add a little, at twice the time."
    return f"{text}; at larger sizes most of them would have to be enlarged."


def _augmentation(figures: dict[str, Any]) -> str:
    told, sizes = figures["facing"], figures["sizes"].get("train")
    if not sizes:
        return ""
    photos, tiny = figures["aspect"]["kinds"] > 20, figures["grey"] > 0.95 and sizes["shorter"]["median"] <= 64
    shapes = "images come in many shapes" if photos else "images have one shape or a few"
    if not told:
        if tiny:
            return "Augmentation: plain (no flips), a guess: the images are small and grey, as digits and letters are."
        few = f"fewer than {ENOUGH} images can be looked at"
        return f"Augmentation: side-on (flips left to right), a guess: {few}, and {shapes}."
    ways = {name: f"{max(share, 0.5):.0%}" for name, share in told.items()}
    up, side = max(told["upside_down"], told["quarter_turn"]), told["mirrored"]
    clear = 2 / np.sqrt(figures["facing_images"])  # four standard deviations of a coin's share
    up_told, side_told = up >= max(TOLD, 0.5 + clear), side >= max(TOLD, 0.5 + clear)
    rule = f"a simple rule tells {ways['upside_down']} of the images from their upside-down copies"
    mirror = f"{ways['mirrored']} from their mirrored ones (50% would be a guess)"
    if side >= SURE and side_told:
        sure = "quite sure" if tiny or side >= 0.75 else "fairly sure"
        kind = ", and they are small and grey, as digits and letters are" if tiny else ""
        return f"Augmentation: plain (no flips), {sure}: {rule} and {mirror}, so left and right differ{kind}."
    if tiny:
        return (
            f"Augmentation: plain (no flips), a guess: the images are small and grey, though {rule} and only {mirror}."
        )
    if up_told:
        sure = "quite sure" if up >= SURE and not side_told else "fairly sure"
        return f"Augmentation: side-on (flips left to right), {sure}: {rule}, and {mirror}; {shapes}."
    turned = f"{rule}, {mirror}, and {ways['quarter_turn']} from copies on their side"
    if photos:
        guess = f"Augmentation: side-on (flips left to right), a guess: {turned}, but {shapes}, as photographs do"
        return f"{guess}; try top-down, too."
    return f"Augmentation: top-down (all flips and turns), fairly sure: {turned}, so no side seems to be the top; {shapes}."


def _validation(figures: dict[str, Any]) -> str:
    groups, twins = figures["groups"], figures["duplicates"]
    stratified = "stratified by class" if figures["task"] == "single_label" else "stratified by target"
    if groups and groups["several"]:
        return (
            f"Validation: keep each group on one side of the split, since {groups['images_in_several']:,} images share their "
            f"group with others ({groups['count']:,} groups, the largest has {groups['largest']:,} images)."
        )
    if twins["train_images"] >= 0.01 * max(figures["train"], 1):
        return (
            f"Validation: keep duplicates on one side of the split (the cluster column of duplicates.parquet), since "
            f"{twins['train_images']:,} training images ({twins['train_images'] / figures['train']:.1%}) have a twin there; "
            f"else {stratified}."
        )
    few = f"only {twins['train_images']:,}" if twins["train_images"] else "none"
    none = (
        f"{few} of {figures['train']:,} training images {'have' if twins['train_images'] > 1 else 'has'} a twin there"
    )
    return f"Validation: a random share, {stratified}, is fair: {none}{'' if groups else ' and no groups were named'}."


def _imbalance(figures: dict[str, Any]) -> str:
    most, least = figures["largest_class"], figures["smallest_class"]
    if figures["task"] == "regression" or not most:
        return ""
    ratio = most["images"] / max(least["images"], 1)
    counts = f"{most['images']:,} images of {most['class']} and {least['images']:,} of {least['class']}"
    if figures["task"] == "multi_label":
        rare = figures["rare_classes"]
        return (
            f"Rare tags: {rare:,} have fewer than 20 images ({counts}); look at each tag's own score." if rare else ""
        )
    if ratio < 1.5:
        return ""
    always = f"always answering {most['class']} would be right {most['share']:.0%} of the time"
    if ratio < 5:
        return f"Imbalance: mild ({counts}), and {always}; compare accuracies with that, nothing else is needed."
    return (
        f"Imbalance: strong ({counts}), and {always}, so judge by the score of each class (macro F1 or the confusion "
        f"matrix), and show small classes more often if they are the ones that fail."
    )


def _to_mend(figures: dict[str, Any]) -> list[str]:
    twins, broken = figures["duplicates"], figures["broken"]
    found = []
    if twins["test_images_in_train"]:
        found.append(
            f"Leak: {_images(twins['test_images_in_train'])} of the test set {_are(twins['test_images_in_train'])} also among the "
            "training images, so a score on the test set flatters; their labels are known already."
        )
    if twins["conflicts"]:
        pairs = "1 pair" if twins["conflicts"] == 1 else f"{twins['conflicts']:,} pairs"
        found.append(
            f"Labels: {pairs} of training images show the same and have different labels, so at least one of the two may be wrong; "
            "look at them before training."
        )
    if broken["train"]:
        found.append(
            f"Broken: {_images(broken['train'])} of the training set cannot be used; they are set aside, or can be fetched again."
        )
    if broken["test"]:
        found.append(
            f"Broken: {_images(broken['test'])} of the test set cannot be seen and will be answered with the class frequencies; "
            "fetch the data again if there should be none."
        )
    return found


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
