"""Every image decoded once; what cannot be decoded is named."""

import os

import numpy as np
import pytest
from PIL import Image

from recipes import Images, events
from recipes.errors import Stopped, StorageError
from recipes.pixels import centre_square, decode, open_picture, open_pixels, usual_shape


@pytest.fixture
def decoded(tmp_path):
    """`decoded(sources, size, crop)`: pixels of these files or arrays (the first two are made up, to have two classes)."""

    def made(sources, size=16, crop=1.0, **more):
        blank = np.zeros((size, size, 3), np.uint8)
        test = {f"t{i}": source for i, source in enumerate(sources) if not isinstance(source, np.ndarray)}
        if test:
            images = Images.from_arrays([blank] * 4, "abab", valid=0.5)._with_test(list(test), list(test.values()))
        else:
            images = Images.from_arrays([blank] * 4, "abab", valid=0.5, test=list(sources))
        return decode(images, size, crop, tmp_path / "cache", **more)

    return made


def gradient(height, width):
    """A smooth picture in which every place has another colour."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * y / max(height - 1, 1), 255 * x / max(width - 1, 1), np.full_like(y, 90)], 2).astype(
        np.uint8
    )


# ---------------------------------------------------------------- one picture


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_by_its_exif_tag(tmp_path, write, orientation):
    upright = Image.fromarray(gradient(12, 20))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "a.png", stored, exif=exif)
    np.testing.assert_array_equal(np.asarray(open_picture(path)), gradient(12, 20))


def test_one_channel_is_copied_to_three(tmp_path, write):
    grey = gradient(8, 8)[..., 1]
    three = np.repeat(grey[..., None], 3, 2)
    path = write(tmp_path / "a.png", Image.fromarray(grey))
    for source in (path, grey, grey[..., None]):
        np.testing.assert_array_equal(np.asarray(open_picture(source)), three)
    bits = write(tmp_path / "b.png", Image.fromarray(grey > 127))
    np.testing.assert_array_equal(np.asarray(open_picture(bits)), 255 * (three > 127))


def test_alpha_is_dropped(tmp_path, write):
    colour = gradient(8, 8)
    alpha = np.dstack([colour, np.full((8, 8), 3, np.uint8)])
    for source in (alpha, write(tmp_path / "a.png", Image.fromarray(alpha))):
        np.testing.assert_array_equal(np.asarray(open_picture(source)), colour)
    grey = write(tmp_path / "la.png", Image.fromarray(colour[..., 1]).convert("LA"))
    np.testing.assert_array_equal(np.asarray(open_picture(grey)), np.repeat(colour[..., 1:2], 3, 2))


def test_palettes_with_and_without_transparency_are_converted(tmp_path, write):
    indexed = Image.fromarray(gradient(8, 8)).quantize(16)
    colours = np.asarray(indexed.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(open_picture(write(tmp_path / "a.gif", indexed))), colours)
    path = write(tmp_path / "b.png", indexed, transparency=0)
    np.testing.assert_array_equal(np.asarray(open_picture(path)), colours)


def test_cmyk_is_converted(tmp_path, write):
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = np.asarray(open_picture(write(tmp_path / "a.jpg", picture)))
    np.testing.assert_allclose(pixels.mean((0, 1)), [255, 0, 0], atol=4)


@pytest.mark.parametrize(("top", "name"), [(65535, "16 bits"), (4095, "12 bits"), (255, "8 bits")])
def test_deep_grey_values_are_scaled_to_eight_bits(tmp_path, write, top, name):
    values = np.linspace(0, top, 64).reshape(8, 8).astype(np.uint16)
    wanted = np.rint(values * (255 / top))
    for ending in ("png", "tif"):
        pixels = np.asarray(open_picture(write(tmp_path / f"a.{ending}", Image.fromarray(values))))
        assert pixels.shape == (8, 8, 3)
        np.testing.assert_array_equal(pixels[..., 0], wanted, err_msg=name)


def test_floats_up_to_one_are_shares_of_white(tmp_path, write):
    values = np.array([[0, 0.5], [1, np.nan]], np.float32)
    pixels = np.asarray(open_picture(write(tmp_path / "a.tif", Image.fromarray(values))))
    np.testing.assert_array_equal(pixels[..., 2], [[0, 128], [255, 0]])


def test_large_jpegs_come_smaller_but_never_below_what_is_needed(tmp_path, write):
    path = write(tmp_path / "a.jpg", gradient(400, 640), quality=95)
    assert open_picture(path).size == (640, 400)
    assert open_picture(path, 90).size == (160, 100)
    assert open_picture(path, 101).size == (320, 200)
    assert open_picture(path, 5000).size == (640, 400)


# ---------------------------------------------------------------- what cannot be decoded


def test_broken_files_are_named_with_their_reason(tmp_path, write, decoded):
    whole = write(tmp_path / "whole.jpg", gradient(40, 40)).read_bytes()
    cases = {
        "empty.jpg": (b"", "empty file"),
        "page.jpg": (b"<!DOCTYPE html><html>Sign in</html>", "not a picture: it begins with b'<!DOCTYPE ht'"),
        "half.jpg": (whole[: len(whole) // 2], "broken: "),
        "noise.png": (b"\x89PNG\r\n\x1a\n" + bytes(50), "not a picture|broken"),
    }
    for name, (content, _) in cases.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    sources = [tmp_path / name for name in (*cases, "gone.jpg", "folder.jpg", "whole.jpg")]
    pixels = decoded(sources)
    rows = {source.name: 4 + i for i, source in enumerate(sources)}
    for name, (_, reason) in {**cases, "gone.jpg": (b"", "no such file"), "folder.jpg": (b"", "broken: ")}.items():
        assert any(pixels.broken[rows[name]].startswith(part) for part in reason.split("|")), pixels.broken[rows[name]]
        assert "\n" not in pixels.broken[rows[name]]
    assert set(pixels.broken) == set(rows.values()) - {rows["whole.jpg"]}
    np.testing.assert_allclose(pixels.plain(np.array([rows["whole.jpg"]]))[0].mean((0, 1)), [127, 127, 90], atol=4)


def test_a_picture_too_large_to_hold_is_named(tmp_path, write, monkeypatch, decoded):
    monkeypatch.setattr("recipes.pixels.MAX_PIXELS", 99)
    path = write(tmp_path / "a.png", gradient(10, 10))
    assert decoded([path]).broken == {4: "too large: 10 × 10 pixels"}


# ---------------------------------------------------------------- all pictures


def test_a_square_of_the_right_size_is_stored_as_it_is(decoded):
    picture = gradient(16, 16)
    np.testing.assert_array_equal(decoded([picture]).plain(np.array([4]))[0], picture)


def test_the_plain_view_is_the_middle_of_the_shorter_sides_square(decoded):
    wide = gradient(16, 24)
    tall = wide.swapaxes(0, 1)
    pixels = decoded([wide, tall] * 4)
    assert pixels.array.shape == (12, 16, 24, 3), "portraits are stored turned"
    np.testing.assert_array_equal(pixels.turned, [False] * 4 + [False, True] * 4)
    np.testing.assert_array_equal(pixels.shape[4:], [[16, 24]] * 8)
    np.testing.assert_array_equal(pixels.plain(np.array([5, 4]))[1], wide[:, 4:20])
    np.testing.assert_array_equal(pixels.plain(np.array([5, 4]))[0], tall[4:20])


def test_a_crop_shows_that_share_of_the_shorter_side(decoded):
    picture = gradient(32, 32)
    pixels = decoded([picture], size=16, crop=0.5)
    assert pixels.array.shape[1:3] == (32, 32)
    np.testing.assert_array_equal(pixels.plain(np.array([4]))[0], picture[8:24, 8:24])


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (3, 400), (700, 40)])
def test_pictures_of_any_shape_fill_the_square(tmp_path, write, decoded, shape):
    picture = np.full((*shape, 3), (10, 200, 60), np.uint8)
    for pixels in (decoded([picture]), decoded([write(tmp_path / "a.png", picture)])):
        np.testing.assert_array_equal(pixels.plain(np.array([4]))[0], np.full((16, 16, 3), (10, 200, 60)))
    np.testing.assert_array_equal(centre_square(Image.fromarray(picture), 16, [(18, 36)])[0, 0], (10, 200, 60))


@pytest.mark.parametrize("shape", [(33, 50), (50, 33), (40, 91), (31, 31), (64, 37), (17, 300)])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_a_picture_alone_gives_the_plain_view_that_it_has_among_others(decoded, shape, crop):
    """What an exported model sees is what it was validated on, whatever shapes its neighbours had."""
    picture = gradient(*shape)
    for others in ([gradient(20, 20)] * 30, [gradient(20, 30)] * 30, [gradient(20, 60)] * 30):
        larger = decoded([picture, *others], size=24, crop=crop)
        smaller = decoded([picture, *others], size=16, crop=crop, larger=larger)
        for pixels in (larger, smaller):
            alone = centre_square(Image.fromarray(picture), pixels.size, pixels.scales)
            np.testing.assert_array_equal(alone, pixels.plain(np.array([4]))[0])


def test_a_smaller_size_is_made_from_the_larger_and_looks_the_same(tmp_path, write, decoded):
    paths = [write(tmp_path / "wide.png", gradient(64, 96)), write(tmp_path / "tall.png", gradient(90, 60))]
    told = []
    larger = decoded([*paths, tmp_path / "gone.png"], size=32)
    smaller = decoded([*paths, tmp_path / "gone.png"], size=16, larger=larger, report=told.append)
    straight = decoded([*paths, tmp_path / "gone.png"], size=16)
    assert {event.stage for event in told} == {"resize"}
    assert smaller.broken == larger.broken == {6: "no such file"}
    np.testing.assert_array_equal(smaller.turned, larger.turned)
    rows = np.array([4, 5])
    assert np.abs(smaller.plain(rows).astype(int) - straight.plain(rows)).max() <= 6
    assert smaller.key != straight.key


def test_images_are_decoded_once_and_again_when_a_file_changes(tmp_path, write, decoded, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "recipes.pixels.open_pixels", lambda source, short: opened.append(source) or open_pixels(source, short)
    )
    path = write(tmp_path / "a.png", gradient(16, 16))
    first = decoded([path])
    assert len(opened) == 5
    again = decoded([path])
    assert len(opened) == 5
    assert again.key == first.key
    write(path, np.full((16, 16, 3), 7, np.uint8))
    os.utime(path, ns=(1, 1))
    other = decoded([path])
    assert len(opened) == 10
    assert other.key != first.key
    assert (other.plain(np.array([4])) == 7).all()


def test_decoding_tells_how_far_it_is_and_stops_when_asked(tmp_path, decoded):
    told = []
    decoded([gradient(8, 8)] * 100, report=told.append)
    assert isinstance(told[-1], events.Batch)
    assert (told[-1].stage, told[-1].done, told[-1].total, told[-1].size) == ("decode", 104, 104, 16)
    with pytest.raises(Stopped):
        decoded([gradient(9, 9)], should_stop=lambda: True)


def test_a_cache_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    images = Images.from_arrays([gradient(8, 8)] * 4, "abab", valid=0.5)
    with pytest.raises(StorageError, match=r"a folder cannot be written: .*; choose another or free it"):
        decode(images, 8, 1.0, tmp_path / "file" / "below")


def test_the_usual_shape_is_the_median_side_and_what_nine_of_ten_fit_into(tmp_path):
    assert usual_shape([gradient(10, 10)] * 9 + [gradient(10, 40)]) == (10, 1.0 + round(0.3 * 24) / 24)
    assert usual_shape([gradient(10, 90)] * 10) == (10, 2.0)
    assert usual_shape([gradient(30, 20), gradient(20, 30)]) == (20, 1.5)
    assert usual_shape([tmp_path / "gone.png"]) == (0, 1.0)
