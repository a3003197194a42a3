"""JPEGs that are decoded without Pillow look as they look with it, and what is odd is told as Pillow tells it."""

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from recipes.jpeg import orientation_of, plain_jpeg
from recipes.pixels import MAX_PIXELS, centre_square, fitted, open_picture, open_pixels

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # how what is upright is stored


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Soft light, edges of all directions, thin lines and fine noise."""
    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y, r = chance.integers(0, width), chance.integers(0, height), chance.integers(2, max(3, width // 8))
        colour = tuple(chance.integers(0, 256, 3).tolist())
        draw.ellipse((x - r, y - r, x + r, y + r // 2), fill=colour)
        draw.line((x, y, x + 3 * r, y - 2 * r), fill=colour[::-1], width=1 + int(r) // 8)
    noisy = np.asarray(picture).astype(int) + chance.integers(-10, 11, (height, width, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def exact(path: Path, height: int, width: int) -> np.ndarray:
    """Decoded whole, and scaled in floats."""
    with Image.open(path) as stored:
        picture = ImageOps.exif_transpose(stored).convert("RGB")
    bands = [band.convert("F").resize((width, height), Image.Resampling.BICUBIC) for band in picture.split()]
    return np.stack([np.asarray(band).clip(0, 255) for band in bands], 2)


def by_pillow(path: Path, height: int, width: int) -> np.ndarray:
    """Decoded at a DCT scale by Pillow, and scaled by it."""
    with Image.open(path) as stored:
        scale = min(height, width) / min(stored.size)
        stored.draft(None, (int(np.ceil(stored.width * scale)), int(np.ceil(stored.height * scale))))
        picture = ImageOps.exif_transpose(stored).convert("RGB")
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(float) - wanted).mean())


@pytest.fixture
def without(monkeypatch):
    """`without(function)`: what the function gives where libjpeg-turbo is reached through Pillow alone."""

    def called(function):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "simplejpeg", None)
            return function()

    return called


# ---------------------------------------------------------------- what is seen


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("sides", [(501, 375), (375, 500), (263, 263), (1024, 771)])
@pytest.mark.parametrize("times", [1, 1.3, 1.99, 2, 3.1, 4.5, 8])
def test_pixels_are_as_near_to_the_exact_ones_as_pillow_s(tmp_path, write, mode, sides, times):
    path = write(tmp_path / "a.jpg", photograph(*sides).convert(mode), quality=88)
    short = int(min(sides) / times)
    assert plain_jpeg(path, short, MAX_PIXELS) is not None
    found = fitted(open_pixels(path, short), short, 10_000)
    height, width = found.shape[:2]
    assert min(height, width) == short
    assert abs(max(height, width) - max(sides) * short / min(sides)) < 2
    wanted = exact(path, height, width)
    assert error(found, wanted) <= error(by_pillow(path, height, width), wanted) + 0.05
    assert error(found, wanted) < (0.5 if times < 2 else 6)  # grey levels; DCT scales from 2 on


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_is_upright_by_its_exif_tag(tmp_path, write, orientation, mode):
    upright = photograph(401, 302).convert(mode)
    stored = upright.transpose(TURNS[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "a.jpg", stored, exif=exif, quality=95)
    assert plain_jpeg(path, 140, MAX_PIXELS) is not None
    assert open_picture(path).size == (401, 302)
    assert error(np.asarray(open_picture(path)), np.asarray(upright.convert("RGB"), float)) < 5
    found = fitted(open_pixels(path, 140), 140, 10_000)
    wanted = exact(path, *found.shape[:2])
    assert error(found, wanted) <= error(by_pillow(path, *found.shape[:2]), wanted) + 0.05


@pytest.mark.parametrize("sides", [(900, 100), (100, 900), (333, 100), (40, 3000), (9, 4)])
@pytest.mark.parametrize("short", [32, 64])
def test_far_ends_are_cut_to_within_half_a_pixel(sides, short):
    picture = photograph(*sides)
    made = fitted(np.asarray(picture), short, 2 * short)
    if sides[1] > sides[0]:
        picture, made = picture.transpose(Image.Transpose.TRANSPOSE), made.swapaxes(0, 1)
    assert made.shape == (short, 2 * short, 3)
    one = picture.height / short  # a pixel of what is made
    cut = (picture.width - 2 * short * one) / 2

    def moved(by: float) -> np.ndarray:
        box = (max(0, cut + by * one), 0, min(picture.width, picture.width - cut + by * one), picture.height)
        return np.asarray(picture.resize((2 * short, short), Image.Resampling.BICUBIC, box=box))

    assert error(made, moved(0)) <= max(error(moved(0.5), moved(0)), error(moved(-0.5), moved(0))) + 0.5


@pytest.mark.parametrize("sides", [(400, 300), (300, 400), (1500, 1300)])
@pytest.mark.parametrize("form", ["jpg", "png"])
def test_a_picture_opened_first_gives_the_square_that_its_file_gives(tmp_path, write, sides, form):
    path = write(tmp_path / f"a.{form}", photograph(*sides))
    scales = [(64, 96), (32, 48)]
    given = centre_square(open_picture(path, 64), 32, scales)
    np.testing.assert_array_equal(given, centre_square(open_pixels(path, 64), 32, scales))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
@pytest.mark.parametrize("short", [None, 301, 150, 75, 20])
def test_without_the_fast_decoder_pixels_are_the_same(tmp_path, write, without, mode, options, short):
    path = write(tmp_path / "a.jpg", photograph(400, 302).convert(mode), **options)
    fast = np.asarray(open_picture(path, short))
    assert plain_jpeg(path, short, MAX_PIXELS) is not None
    np.testing.assert_array_equal(fast, without(lambda: np.asarray(open_picture(path, short))))


# ---------------------------------------------------------------- what is odd


def told(path: Path, short: int | None) -> np.ndarray | str:
    try:
        return np.asarray(open_picture(path, short))
    except Exception as error:
        return str(error)


def agree(first: np.ndarray | str, second: np.ndarray | str) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return isinstance(first, str) and isinstance(second, str) and first == second
    return first.shape == second.shape and np.array_equal(first, second)


def test_cut_and_damaged_files_are_told_as_pillow_tells_them(tmp_path, without):
    path, chance = tmp_path / "a.jpg", np.random.default_rng(5)
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        made = io.BytesIO()
        photograph(96, 72).save(made, "JPEG", **options)
        whole = made.getvalue()
        cases = [whole[:length] for length in (*range(1, len(whole), 97), *range(len(whole) - 40, len(whole)))]
        for _ in range(150):
            damaged = bytearray(whole)
            for at in chance.integers(2, len(whole), chance.integers(1, 4)):
                damaged[at] = chance.integers(256)
            cases.append(bytes(damaged))
        for number, case in enumerate(cases):
            path.write_bytes(case)
            for short in (None, 20):
                found, wanted = told(path, short), without(lambda short=short: told(path, short))
                assert agree(found, wanted), (options, number, short, found, wanted)


def test_odd_jpegs_are_left_to_pillow(tmp_path, write, without):
    picture = photograph(120, 90)
    odd = {
        "cmyk": write(tmp_path / "cmyk.jpg", picture.convert("CMYK")),
        "stored as RGB": write(tmp_path / "rgb.jpg", picture, keep_rgb=True),
        "png": write(tmp_path / "png.jpg", picture, format="PNG"),
        "bomb": write(tmp_path / "bomb.jpg", picture),
    }
    for name, path in odd.items():
        assert plain_jpeg(path, 30, 120 * 90 - 1 if name == "bomb" else MAX_PIXELS) is None, name
        assert agree(told(path, 30), without(lambda path=path: told(path, 30)))
    two = write(tmp_path / "two.jpg", picture, format="MPO", save_all=True, append_images=[picture])
    assert plain_jpeg(two, 30, MAX_PIXELS) is None
    assert open_picture(two, 30).size == (120, 90)
    assert plain_jpeg(tmp_path / "gone.jpg", 30, MAX_PIXELS) is None


@pytest.mark.parametrize("kernel", ["", "default"])
@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_forked_processes_scale_after_the_parent_used_all_its_threads(tmp_path, kernel):
    """A parent's thread pool is not there in a forked process: entering it would never end. `default` is the kernel of
    processors without AVX2, which does enter one."""
    code = """
        import os, sys
        from pathlib import Path
        import numpy as np, torch
        from recipes import Images
        from recipes.pixels import decode

        torch.set_num_threads(4)
        (torch.rand(900, 900) @ torch.rand(900, 900)).exp().sum()
        torch.rand(4_000_000).exp().sum()
        threads = len(os.listdir("/proc/self/task"))
        x = np.random.default_rng(0).integers(0, 256, (300, 200, 300, 3), np.uint8)
        images = Images.from_arrays(x, ["a", "b"] * 150, valid=0.5)
        made = [decode(images, 64, 1.0, Path(sys.argv[1], str(n)), workers=n).array for n in (2, 4)]
        assert np.array_equal(*made) and made[0].any()
        larger = decode(images, 64, 1.0, Path(sys.argv[1], "4"), workers=4)
        assert decode(images, 32, 1.0, Path(sys.argv[1], "4"), workers=4, larger=larger).array.any()
        assert torch.get_num_threads() == 4
        print("done")
    """
    environment = {**os.environ, **({"ATEN_CPU_CAPABILITY": kernel} if kernel else {})}
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_damaged_exif_data_cost_no_picture(tmp_path, mode):
    stored = Image.new(mode, (40, 30), tuple([90] * len(mode)))
    path = tmp_path / "a.jpg"
    stored.save(path, dpi=(72, 72), exif=b"Exif\0\0this is no TIFF header", quality=95)
    assert orientation_of(Image.open(path)) == 1
    assert open_picture(path).size == (40, 30)
    assert open_pixels(path, 10).shape[2] == 3
