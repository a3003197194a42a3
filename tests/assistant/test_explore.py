"""What is said of images before training: every kind of file, breakage and twin, and a page that anyone may open."""

from __future__ import annotations

import io
import json
import re
import struct
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from assistant.duplicates import find_duplicates
from assistant.explore import Findings, explore, image_headers
from assistant.explore_advice import advice_on, facing, sizes_to_train
from assistant.fingerprints import content_hashes, look_at
from assistant.headers import read_header
from recipes import Images
from recipes.errors import ImagesError, Stopped

EVIL = '<script src="http://evil.example/x.js"></script>'


def scene(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A picture of its own: coarse colours with a little fine grain, as smooth as a photograph."""
    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(
        np.clip(np.asarray(coarse) + chance.normal(0, 4, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    )


def digit(seed: int, side: int = 64) -> Image.Image:
    """A white number on black, drawn at a place and in a size of its own."""
    chance = np.random.default_rng(seed)
    picture = Image.new("L", (side, side))
    place = (side * chance.uniform(0.2, 0.35), side * chance.uniform(0.1, 0.2))
    ImageDraw.Draw(picture).text(place, str(seed % 10), fill=255, font_size=side * chance.uniform(0.5, 0.65))
    return picture


def encoded(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x010F], made[0x0112] = "Camera", orientation
    return made


@pytest.fixture
def folder(tmp_path):
    """`folder(train={name: (picture or bytes, label)}, test={name: picture or bytes})` → Images."""

    def written(train: dict, test: dict | None = None, **options) -> Images:
        for part in ("train", "test"):
            (tmp_path / part).mkdir(exist_ok=True)
        for name, (content, _) in train.items():
            data = content if isinstance(content, bytes) else encoded(content, quality=92)
            (tmp_path / "train" / name).write_bytes(data)
        for name, content in (test or {}).items():
            (tmp_path / "test" / name).write_bytes(content if isinstance(content, bytes) else encoded(content))
        table = pd.DataFrame({"id": list(train), "label": [label for _, label in train.values()]})
        held = tmp_path / "test" if test else None
        return Images.from_csv(table, folder=tmp_path / "train", test=held, valid=0.25, **options)

    return written


def scenes(n: int, first: int = 0) -> dict:
    return {f"s{i}.jpg": (scene(first + i), "ab"[i % 2]) for i in range(n)}


def pairs(found: Findings, kind: str | None = None) -> set[tuple[str, str]]:
    table = found.duplicates if kind is None else found.duplicates[found.duplicates.kind == kind]
    return {tuple(sorted(pair)) for pair in zip(table.id_a, table.id_b)}


def row(found: Findings, name: str) -> pd.Series:
    return found.images[found.images.id == name].iloc[0]


# ---------------------------------------------------------------- headers

MODES = {"JPEG": ["L", "RGB", "CMYK"], "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], "WEBP": ["RGB", "RGBA"]}
MODES |= {"GIF": ["L", "P"], "BMP": ["1", "L", "RGB"], "TIFF": ["1", "L", "RGB", "RGBA", "CMYK", "I;16", "F"]}
KINDS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]


def plain(size: tuple[int, int], mode: str) -> Image.Image:
    pixels = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(pixels).convert(mode)


def by_pillow(path: Path) -> tuple:
    with Image.open(path) as picture:
        turn = picture.getexif().get(0x0112, 1)
        turn = turn if 1 <= turn <= 8 else 1
        return (*(picture.size if turn < 5 else picture.size[::-1]), picture.mode, picture.format, turn)


@given(
    kind=st.sampled_from(KINDS),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    turn=st.integers(0, 9),
    progressive=st.booleans(),
    cut=st.floats(0, 1),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what it finds cut off
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_header_says_what_pillow_says_and_never_raises_however_the_file_is_cut(
    tmp_path, kind, size, turn, progressive, cut
):
    options = {"exif": exif(turn)} if turn and kind[0] in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    if kind[0] == "JPEG":
        options["progressive"] = progressive
    if kind[0] == "WEBP":
        options["lossless"] = progressive
    data = encoded(plain(size, kind[1]), kind[0], **options)
    path = tmp_path / "picture"
    path.write_bytes(data)
    header = read_header(path)
    assert header.reason == ""
    assert header[:5] == by_pillow(path)
    assert header.bytes == len(data)
    path.write_bytes(data[: int(cut * len(data))])
    header = read_header(path)
    assert header.reason or header[:2] in (size, size[::-1])


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 "])
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_header_of_noise_never_raises(tmp_path, noise, beginning):
    path = tmp_path / "noise"
    path.write_bytes(beginning + noise)
    assert isinstance(read_header(path).reason, str)


def test_a_header_beyond_a_long_preview_is_found(tmp_path):
    camera = exif(6)
    camera[0x927C] = bytes(60_000)
    (tmp_path / "a.jpg").write_bytes(encoded(scene(1), exif=camera))
    assert read_header(tmp_path / "a.jpg")[:5] == (90, 120, "RGB", "JPEG", 6)


def test_odd_orientations_are_left_to_pillow(tmp_path):
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    data = encoded(scene(1))
    path = tmp_path / "xmp.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])
    assert read_header(path)[:5] == by_pillow(path) == (90, 120, "RGB", "JPEG", 8)


def test_headers_come_in_order_and_tell_how_far_they_are(tmp_path):
    for i in range(300):
        plain((i + 1, 3), "L").save(tmp_path / f"{i:03d}.png")
    told = []
    headers = image_headers(sorted(tmp_path.iterdir()), 3, told=lambda done, total: told.append((done, total)))
    assert headers.width.tolist() == list(range(1, 301))
    assert told[0] == (0, 300)
    assert told[-1] == (300, 300)


# ---------------------------------------------------------------- what cannot be used


def test_every_kind_of_breakage_is_named_with_its_reason(folder, tmp_path):
    whole = encoded(scene(50))
    broken = {
        "empty.jpg": (b"", "a"),
        "page.jpg": (b"\xef\xbb\xbf \n<!DOCTYPE html><html>not found</html>", "a"),
        "text.png": (b"version https://example/spec/v1 oid", "b"),
        "cut.jpg": (whole[: len(whole) * 2 // 3], "b"),
        "beheaded.jpg": (whole[:200], "b"),
        "cut.png": (encoded(scene(51), "PNG")[:9000], "a"),
        "cut.webp": (encoded(scene(52), "WEBP")[:500], "a"),
    }
    images = folder({**scenes(6), **broken, "gone.jpg": (scene(9), "a")}, {"t.jpg": scene(60), "u.jpg": b"\0" * 50})
    (tmp_path / "train" / "gone.jpg").unlink()
    found = explore(images, tmp_path / "out")
    reasons = dict(zip(found.broken.id, found.broken.reason))
    assert set(reasons) == {*broken, "gone.jpg", "u.jpg"}
    assert reasons["empty.jpg"] == "empty file"
    assert reasons["page.jpg"] == "a web page, not a picture"
    assert reasons["text.png"].startswith("not a picture: it begins with b'version")
    assert reasons["gone.jpg"] == "no such file"
    assert all(reasons[name].startswith("broken: ") for name in ("cut.jpg", "cut.png")), reasons
    assert found.figures["broken"] == {"train": 8, "test": 1}
    assert row(found, "s1.jpg").broken == ""
    assert not found.duplicates.size
    assert (tmp_path / "out" / "broken.png").is_file()
    assert any(line.startswith("Broken: 8 images of the training set") for line in found.advice)


def test_an_id_without_a_file_is_named(tmp_path, write):
    for i in range(6):
        write(tmp_path / "train" / f"{i}.png", scene(i))
    table = pd.DataFrame({"id": [*map(str, range(6)), "lost"], "label": list("abababa")})
    found = explore(Images.from_csv(table, folder=tmp_path / "train"), tmp_path / "out")
    assert found.broken.to_dict("records") == [{"id": "lost", "split": "train", "path": "", "reason": "no such file"}]


def test_every_colour_mode_is_read_and_counted(folder, tmp_path):
    kinds = [pair for pair in KINDS if pair[0] != "GIF"]
    train = {
        f"{mode.replace(';', '')}{i}.{kind.lower()}": (encoded(scene(i).convert(mode), kind), "ab"[i % 2])
        for i, (kind, mode) in enumerate(kinds)
        if mode != "I;16"
    }
    deep = Image.fromarray(np.asarray(scene(90).convert("L")).astype(np.uint16) * 257)
    train["deep.png"] = (encoded(deep, "PNG"), "a")
    found = explore(folder(train), tmp_path / "out")
    assert found.figures["broken"]["train"] == 0
    assert found.figures["modes"].keys() == {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"}
    assert row(found, "deep.png")[["mode", "format", "width", "height"]].tolist() == ["I;16", "PNG", 120, 90]
    assert found.images.perceptual_hash.str.len().eq(16).all()


def test_width_and_height_are_those_of_the_upright_picture(folder, tmp_path):
    turned = {f"e{turn}.jpg": (encoded(scene(turn), exif=exif(turn)), "ab"[turn % 2]) for turn in range(1, 9)}
    found = explore(folder(turned), tmp_path / "out")
    sizes = dict(zip(found.images.orientation, zip(found.images.width, found.images.height)))
    assert sizes == {**dict.fromkeys(range(1, 5), (120, 90)), **dict.fromkeys(range(5, 9), (90, 120))}
    assert found.figures["rotated"] == 7


# ---------------------------------------------------------------- duplicates


def test_copies_are_found_within_and_across_splits_and_others_are_not(folder, tmp_path):
    s = [scene(i, (160, 120)) for i in range(14)]
    train = {f"s{i}.jpg": (picture, "ab"[i % 2]) for i, picture in enumerate(s)}
    train |= {
        "exact0.jpg": (encoded(s[0], quality=92), "a"),
        "poor1.jpg": (encoded(s[1], quality=45), "b"),
        "small2.jpg": (s[2].resize((80, 60), Image.Resampling.BICUBIC), "a"),
        "bright3.jpg": (ImageEnhance.Brightness(s[3]).enhance(1.08), "b"),
        "png4.png": (encoded(Image.open(io.BytesIO(encoded(s[4], quality=92))), "PNG"), "a"),
        "other5.jpg": (encoded(s[5], quality=92), "a"),  # s5 is b
    }
    test = {
        "leak6.jpg": encoded(s[6], quality=92),
        "leak7.jpg": ImageEnhance.Brightness(s[7]).enhance(0.93),
        "new1.jpg": scene(101),
        "new2.jpg": scene(102),
        "new2again.webp": encoded(scene(102), "WEBP", quality=80),
    }
    found = explore(folder(train, test), tmp_path / "out")
    exact = {("exact0.jpg", "s0.jpg"), ("other5.jpg", "s5.jpg"), ("leak6.jpg", "s6.jpg")}
    near = {("poor1.jpg", "s1.jpg"), ("s2.jpg", "small2.jpg"), ("bright3.jpg", "s3.jpg"), ("png4.png", "s4.jpg")}
    assert pairs(found, "exact") == exact
    assert pairs(found, "near") == near | {("leak7.jpg", "s7.jpg"), ("new2.jpg", "new2again.webp")}
    assert found.duplicates.distance[found.duplicates.id_b == "png4.png"].tolist() == [0]
    twins = found.figures["duplicates"]
    assert (twins["exact_train"], twins["exact_across"], twins["near_across"], twins["near_test"]) == (2, 1, 1, 1)
    assert twins["test_images_in_train"] == 2
    assert {(pair.label_a, pair.label_b) for pair in found.conflicts().itertuples()} == {("b", "a")}
    assert set(found.leaks().id_b) == {"leak6.jpg", "leak7.jpg"}
    said = " ".join(found.advice)
    assert "2 images of the test set are also among the training images" in said
    assert "1 pair of training images show" in said
    assert "keep duplicates on one side" in said


def test_pictures_that_are_plain_or_alike_are_no_duplicates():
    chance = np.random.default_rng(0)
    flat = [np.full((40, 40), value, np.uint8) for value in range(0, 250, 10)]
    noise = [np.clip(chance.normal(128, 3, (64, 64)), 0, 255).astype(np.uint8) for _ in range(60)]
    grain = [chance.integers(0, 256, (64, 64), dtype=np.uint8) for _ in range(60)]
    digits = [np.asarray(digit(i)) for i in range(200)]
    ramps = [np.asarray(Image.linear_gradient("L").rotate(3 * i).crop((40, 40, 210, 210))) for i in range(20)]
    sources = [*flat, *noise, *grain, *digits, *ramps]
    found = of_arrays(sources)
    assert found[(found.kind == "near") & (found.row_a < 345)].to_dict("records") == []


def of_arrays(sources: list[np.ndarray]) -> pd.DataFrame:
    sizes = np.array([source.shape[1::-1] for source in sources])
    content = content_hashes(sources, np.array([source.nbytes for source in sources]))
    return find_duplicates(sources, sizes, content, look_at(sources))


def test_small_digits_match_their_copies_alone():
    from sklearn.datasets import load_digits

    drawn = np.clip(np.rint(load_digits().images[:600] * (255 / 16)), 0, 255).astype(np.uint8)
    sources = [np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in drawn]
    copies = [np.clip(one * 0.95, 0, 255).astype(np.uint8) for one in sources[:10]]
    found = of_arrays([*sources, *copies])
    assert [(pair.row_a, pair.row_b) for pair in found.sort_values("row_b").itertuples()] == [
        (i, 600 + i) for i in range(10)
    ]


def test_many_copies_are_one_cluster():
    picture = np.asarray(scene(3))
    found = of_arrays([picture, *[np.clip(picture.astype(int) + i % 7, 0, 255).astype(np.uint8) for i in range(80)]])
    assert len(found) == 80
    assert set(found.cluster) == {1}


# ---------------------------------------------------------------- tables, page, advice


def test_tables_and_page_are_written_and_tell_the_same(folder, tmp_path):
    out = tmp_path / "out"
    train = {f"s{i}.jpg": (scene(i), "a" if i % 5 else EVIL) for i in range(20)} | {"again.jpg": (scene(0), "a")}
    found = explore(
        folder(train, {"t.jpg": scene(70)}), out, title=f"Pets {EVIL}", groups=[f"g{i // 4}" for i in range(21)]
    )
    assert pd.read_parquet(out / "classes.parquet").to_dict("list")["images"] == [17, 4]
    assert pd.read_parquet(out / "images.parquet").equals(found.images)
    assert pd.read_parquet(out / "duplicates.parquet").id_b.tolist() == ["again.jpg"]
    for name in ("class_counts", "image_sizes", "aspect_ratios", "samples", "label_conflicts"):
        with Image.open(out / f"{name}.png") as picture:
            picture.load()
    assert not list(out.glob(".*"))
    page = (out / "explore.html").read_text()
    assert "<script" not in page
    assert "Traceback" not in page
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?!data:)(?:https?:)?//""", page)
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}
    assert "21 training and 1 test images of 2 classes; JPEG, all 120 × 90 pixels." in page
    assert "6 groups" in page
    told = json.loads(json.dumps(found.to_dict()))
    assert told["figures"]["groups"]["largest"] == 4
    assert told["advice"] == list(found.advice)
    assert told["classes"][0] == {"class": "a", "images": 17, "share": 17 / 21}


def test_what_an_earlier_look_drew_and_is_no_more_goes(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "broken.png").write_bytes(b"")
    explore(folder(scenes(6)), tmp_path / "out")
    assert not (tmp_path / "out" / "broken.png").exists()


def test_arrays_are_explored_like_files(tmp_path):
    x = [np.asarray(scene(i).convert("L" if i % 3 else "RGB")) for i in range(12)]
    images = Images.from_arrays([*x, x[1]], ["a", "b"] * 6 + ["a"], test=[x[2], np.asarray(scene(40))])
    found = explore(images, tmp_path / "out")
    assert found.figures["formats"] == {"array": 15}
    assert found.figures["duplicates"]["test_images_in_train"] == 1
    assert [(pair.id_a, pair.id_b, pair.label_a, pair.label_b) for pair in found.conflicts().itertuples()] == [
        ("1", "12", "b", "a")
    ]


@pytest.mark.parametrize(("labels", "task"), [("numbers", "regression"), ("tags", "multi_label")])
def test_numbers_and_tags_are_explored_too(tmp_path, labels, task):
    x = [np.asarray(scene(i)) for i in range(16)]
    y = np.linspace(1, 100, 16) if labels == "numbers" else np.array([[1, i % 2, i % 8 == 0] for i in range(16)])
    found = explore(Images.from_arrays([*x, x[3]], [*y, y[4]], task=task), tmp_path / "out")
    assert found.figures["task"] == task
    assert len(found.conflicts()) == 1
    counts = found.classes.images.tolist()
    assert sum(counts) == 17 if labels == "numbers" else counts == [17, 8, 2]
    assert "<h2>Classes</h2>" not in (tmp_path / "out" / "explore.html").read_text()


def test_groups_that_do_not_fit_are_refused(folder, tmp_path):
    with pytest.raises(ImagesError, match="2 groups for 6 images"):
        explore(folder(scenes(6)), tmp_path / "out", groups=["x", "y"])


def test_a_stop_is_heard_within_a_second(tmp_path):
    slow = [np.asarray(scene(1, (1500, 1200)))] * 600
    images, start = Images.from_arrays(slow, ["a", "b"] * 300), time.monotonic()
    with pytest.raises(Stopped):
        explore(images, tmp_path / "out", should_stop=lambda: time.monotonic() > start + 0.5)
    assert time.monotonic() - start < 5  # all of it takes longer


def test_progress_is_told(folder, tmp_path):
    told = []
    explore(folder(scenes(8)), tmp_path / "out", report=told.append)
    assert {event.stage for event in told} >= {"headers", "looks"}
    assert all(event.done <= event.total for event in told)


@pytest.mark.parametrize(
    ("shorter", "sizes"),
    [(500, (128, 224)), (1200, (160, 299)), (28, (32, 32)), (32, (32, 32)), (96, (48, 96)), (200, (96, 192))],
)
def test_sizes_follow_the_shorter_side(shorter, sizes):
    assert sizes_to_train(shorter) == sizes


def test_augmentation_follows_what_can_be_told_apart(tmp_path):
    chance = np.random.default_rng(0)
    cells = chance.integers(0, 256, (400, 16, 16, 3), dtype=np.uint8)
    sky = np.clip(cells * 0.6 + np.linspace(100, 0, 16)[:, None, None], 0, 255).astype(np.uint8)
    letters = np.clip(sky * 0.6 + np.linspace(90, 0, 16)[:, None], 0, 255).astype(np.uint8)
    figures = explore(Images.from_arrays(list(cells[:8]), list("abababab")), tmp_path / "out").figures
    for pictures, style in ((cells, "top-down"), (sky, "side-on"), (letters, "plain")):
        told = facing(pictures)
        said = advice_on({**figures, "facing": told, "facing_images": len(pictures)})
        assert any(line.startswith(f"Augmentation: {style}") for line in said), (style, told, said)
    assert facing(cells[:50]) == {}


def test_imbalance_is_told_in_numbers(folder, tmp_path):
    found = explore(
        folder({f"s{i}.jpg": (scene(i), "rare" if i < 3 else "usual") for i in range(30)}), tmp_path / "out"
    )
    line = next(line for line in found.advice if line.startswith("Imbalance"))
    assert "27 images of usual and 3 of rare" in line
    assert "90%" in line
