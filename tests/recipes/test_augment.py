"""Random views of a whole batch, against independent computations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from recipes import PLAIN, SIDE_ON, TOP_DOWN, Augmentation, chance
from recipes.augment import Viewer
from recipes.errors import RecipeError
from recipes.pixels import Pixels

SIZE = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STILL = {"max_zoom": 1.0, "rotation": 0.0, "lighting": 0.0}


def viewer_of(pictures, size=SIZE):
    """A viewer of pictures whose shorter sides are all alike."""
    stored = [p.swapaxes(0, 1) if p.shape[0] > p.shape[1] else p for p in pictures]
    height, width = stored[0].shape[0], max(p.shape[1] for p in stored)
    array = np.zeros((len(stored), height, width, 3), np.uint8)
    for row, picture in zip(array, stored):
        row[:, : picture.shape[1]] = picture
    shape = np.array([p.shape[:2] for p in stored], np.int32)
    turned = np.array([p.shape[0] > p.shape[1] for p in pictures])
    pixels = Pixels(array, shape, turned, {}, size, "key", ((height, width),))
    return Viewer(pixels, MEAN, STD, torch.device("cpu"))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def seen(viewer, augmentation, rows=(0,), place=(0, 0), seed=1):
    """Views as pictures with values from 0 to 255, float64."""
    views = viewer.random(np.asarray(rows), augmentation, seed, *place)
    pictures = (views * viewer.std + viewer.mean) * 255
    return pictures.permute(0, 2, 3, 1).numpy().astype(np.float64)


# ---------------------------------------------------------------- the plain view


@pytest.mark.parametrize("shape", [(16, 16), (16, 29), (29, 16), (20, 33), (33, 20), (21, 21)])
def test_the_plain_view_shows_exactly_the_stored_pixels(shape):
    viewer = viewer_of([noise(*shape, seed=i) for i in range(3)])
    rows = np.array([2, 0, 1, 1])
    views = viewer.plain(rows)
    assert views.shape == (4, 3, SIZE, SIZE)
    assert views.dtype == torch.float32
    np.testing.assert_array_equal(viewer.shown(views), viewer.pixels.plain(rows))
    wanted = (viewer.pixels.plain(rows) / 255 - MEAN) / STD
    np.testing.assert_allclose(views.permute(0, 2, 3, 1).numpy(), wanted, atol=2e-6)


@pytest.mark.parametrize("shape", [(16, 16), (16, 29), (29, 16), (20, 33), (33, 20), (21, 21)])
def test_the_warp_that_gpus_take_gives_the_same_plain_view(shape):
    viewer = viewer_of([noise(*shape, seed=i) for i in range(3)])
    rows = np.array([2, 0, 1])
    plain = viewer.plain(rows)
    viewer.store = torch.from_numpy(viewer.pixels.array)
    torch.testing.assert_close(viewer.plain(rows), plain, atol=2e-4, rtol=0)


# ---------------------------------------------------------------- random views


def test_a_view_without_randomness_is_the_picture_itself():
    picture = noise(16, 16)
    view = seen(viewer_of([picture]), Augmentation("plain", **STILL))[0]
    np.testing.assert_allclose(view, picture, atol=0.02)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(16, 16), (24, 40), (40, 24), (24, 24)]),
    st.sampled_from(["plain", "side_on", "top_down"]),
    st.floats(1, 2),
    st.floats(0, 180),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.integers(0, 10**6),
)
def test_a_view_equals_its_affine_reference(shape, style, max_zoom, rotation, shift, lighting, seed):
    """The picture sampled bilinearly, mirrored at its borders, at places worked out from the same draws by hand."""
    picture = noise(*shape)
    augmentation = Augmentation(style, max_zoom, rotation, shift, lighting)
    view = seen(viewer_of([picture]), augmentation, place=(3, 4), seed=seed)[0]
    draw = chance.uniform(8, seed, 3, 4, np.array([0]))[0]
    height, width = shape
    short = min(shape)
    angle = np.deg2rad(rotation * (2 * draw[0] - 1))
    window = short / (1 + (max_zoom * short / SIZE - 1) * draw[1])
    count = {"plain": 1, "side_on": 2, "top_down": 8}[style]
    quarter, flipped = divmod(min(int(draw[2] * count), count - 1), 2)
    slack = [max(side - window, 0) / 2 + shift * SIZE for side in (width, height)]
    if height > width:  # draws belong to the stored axes: the longer one first
        slack.reverse()
    moves = [room * (2 * d - 1) for room, d in zip(slack, draw[3:5])]
    if height > width:
        moves.reverse()
    places = np.empty((2, SIZE, SIZE))
    for i in range(SIZE):
        for j in range(SIZE):
            x, y = j - (SIZE - 1) / 2, i - (SIZE - 1) / 2
            if flipped:
                x = -x
            for _ in range(quarter):
                x, y = -y, x
            x, y = (x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))
            places[1, i, j] = x * window / SIZE + width / 2 + moves[0] - 0.5
            places[0, i, j] = y * window / SIZE + height / 2 + moves[1] - 0.5
    wanted = np.stack(
        [map_coordinates(picture[..., c].astype(float), places, order=1, mode="mirror") for c in range(3)], 2
    )
    if lighting:
        brightness, contrast = lighting * (2 * draw[5:7] - 1)
        factor = 1 + contrast if contrast >= 0 else 1 / (1 - contrast)
        wanted = np.clip((wanted - wanted.mean()) * factor + wanted.mean() + 255 * brightness, 0, 255)
    np.testing.assert_allclose(view, wanted, atol=0.15)


def test_side_on_flips_left_to_right_and_nothing_else():
    picture = noise(16, 16)
    views = seen(viewer_of([picture] * 40), Augmentation("side_on", **STILL), range(40))
    kinds = [np.abs(views - wanted).max((1, 2, 3)) < 0.02 for wanted in (picture, picture[:, ::-1])]
    assert (kinds[0] | kinds[1]).all()
    assert 10 <= kinds[1].sum() <= 30


def test_top_down_yields_all_eight_and_nothing_else():
    picture = noise(16, 16)
    eight = [np.rot90(flip, turn) for turn in range(4) for flip in (picture, picture[:, ::-1])]
    views = seen(viewer_of([picture] * 80), Augmentation("top_down", **STILL), range(80))
    kinds = np.array([np.abs(views - wanted).max((1, 2, 3)) < 0.02 for wanted in eight])
    assert (kinds.sum(0) == 1).all()
    assert (kinds.sum(1) >= 3).all(), "each of the eight turns up"


def test_plain_never_flips():
    picture = noise(16, 16)
    views = seen(viewer_of([picture] * 20), Augmentation("plain", **STILL), range(20))
    np.testing.assert_allclose(views, np.broadcast_to(picture, views.shape), atol=0.02)


@pytest.mark.parametrize("shape", [(30, 16), (16, 30)], ids=["portrait", "landscape"])
def test_pictures_that_are_not_square_are_flipped_left_to_right_and_moved_along_their_longer_side(shape):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    across = np.repeat((x * 8)[..., None], 3, 2).astype(np.uint8)
    down = np.repeat((y * 8)[..., None], 3, 2).astype(np.uint8)
    augmentation = Augmentation("side_on", **STILL)
    along_x = np.diff(seen(viewer_of([across] * 30), augmentation, range(30))[..., 0], axis=2)
    along_y = np.diff(seen(viewer_of([down] * 30), augmentation, range(30))[..., 0], axis=1)
    assert {int(sign) for sign in np.sign(along_x.mean((1, 2)))} == {-1, 1}, "flipped left to right"
    np.testing.assert_allclose(along_y, 8, atol=0.05)
    first = seen(viewer_of([down if shape[0] > 16 else across] * 30), Augmentation("plain", **STILL), range(30))
    tops = first[:, 0, 0, 0] / 8
    assert tops.min() >= -0.01
    assert tops.max() <= 14.01
    assert np.ptp(tops) > 7, "the whole of the longer side is seen in turn"


def test_every_image_of_a_batch_is_drawn_differently_and_again_in_the_next_epoch():
    viewer = viewer_of([noise(24, 24)] * 12)
    views = seen(viewer, SIDE_ON, range(12), place=(0, 0))
    flat = views.reshape(12, -1)
    distances = np.abs(flat[:, None] - flat[None]).mean(2) + np.eye(12) * 99
    assert distances.min() > 1
    assert (np.abs(seen(viewer, SIDE_ON, range(12), place=(0, 1)) - views).mean((1, 2, 3)) > 1).all()
    assert (np.abs(seen(viewer, SIDE_ON, range(12), seed=2) - views).mean((1, 2, 3)) > 1).all()
    np.testing.assert_array_equal(seen(viewer, SIDE_ON, range(12), place=(0, 0)), views)


def test_a_views_draw_does_not_depend_on_its_neighbours():
    viewer = viewer_of([noise(20, 26, seed=i) for i in range(5)])
    together = viewer.random(np.arange(5), TOP_DOWN, 7, 1, 2)
    alone = viewer.random(np.array([3]), TOP_DOWN, 7, 1, 2)
    torch.testing.assert_close(together[3:4], alone, atol=1e-4, rtol=0)


def test_zoom_shows_at_least_the_share_that_it_says():
    """A picture whose brightness is its height: what a view spans tells its zoom."""
    ramp = np.repeat(np.repeat(np.linspace(0, 240, 32)[:, None, None], 32, 1), 3, 2).astype(np.uint8)
    views = seen(viewer_of([ramp] * 60), Augmentation("plain", 2.0, 0, lighting=0), range(60))
    spans = np.abs(views[:, -1, 0, 0] - views[:, 0, 0, 0]) / 240 * 31 * SIZE / (SIZE - 1)
    assert spans.min() >= 32 / (2 * 32 / SIZE) - 0.2
    assert spans.max() <= 32.2
    assert np.ptp(spans) > 15


def test_lighting_moves_brightness_within_its_range_and_never_leaves_black_and_white():
    grey = np.full((16, 16, 3), 120, np.uint8)
    views = seen(viewer_of([grey] * 60), Augmentation("plain", 1, 0, lighting=0.2), range(60))
    levels = views.mean((1, 2, 3))
    assert np.abs(levels - 120).max() <= 0.2 * 255 + 0.1
    assert np.ptp(levels) > 60
    extremes = seen(viewer_of([noise(16, 16)] * 20), Augmentation("plain", 1, 0, lighting=0.9), range(20))
    assert extremes.min() >= -0.01
    assert extremes.max() <= 255.01


def test_the_lectures_ranges_are_the_defaults():
    for made, style in ((PLAIN, "plain"), (SIDE_ON, "side_on"), (TOP_DOWN, "top_down")):
        assert made == Augmentation(style, max_zoom=1.1, rotation=10, shift=0, lighting=0.05)


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        ({"style": "upside_down"}, "no such augmentation: 'upside_down'; there are plain, side_on, top_down"),
        ({"max_zoom": 0.9}, "max_zoom is out of range: 0.9; give 1.0 to 3.0"),
        ({"rotation": -1}, "rotation is out of range: -1"),
        ({"shift": 0.6}, "shift is out of range"),
        ({"lighting": float("nan")}, "lighting is out of range: nan"),
    ],
)
def test_ranges_that_make_no_sense_are_told_in_one_line(settings_, says):
    with pytest.raises(RecipeError, match=says):
        Augmentation(**settings_)
