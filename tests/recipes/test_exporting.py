"""Weights in files, and models that predict without the images that they learned from."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from recipes import Images, RecipeError, load
from recipes.errors import ImagesError, NetworkError, StorageError


@pytest.fixture
def photos(tmp_path, write):
    """JPEGs, PNGs, portraits, landscapes, grey, 16-bit and turned by EXIF: 24 labelled, 8 to predict."""
    random, rows = np.random.default_rng(3), []
    shapes = [(30, 47), (47, 30), (33, 33), (61, 40), (25, 90), (120, 83), (200, 301), (18, 19)]
    for i in range(32):
        height, width = shapes[i % 8]
        small = Image.fromarray(random.integers(0, 256, (5, 5, 3)).astype(np.uint8))
        picture = small.resize((width, height), Image.Resampling.BICUBIC)
        name, options = f"{i:02d}{'.png' if i % 3 == 0 else '.jpg'}", {}
        if i % 8 == 1:
            picture = picture.convert("L")
        if i % 8 == 3 and i % 3:
            options["exif"] = Image.Exif()
            options["exif"][0x0112] = 6
        if i % 6 == 0:
            picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        rows.append(write(tmp_path / ("test" if i >= 24 else "train") / name, picture, **options))
    labels = "id,label\n" + "".join(f"{path.name},{'añil' if i % 2 else '赤'}\n" for i, path in enumerate(rows[:24]))
    (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("size", "crop"), [(16, 1.0), (24, 0.875)])
@pytest.mark.parametrize("arch", ["test_efficientnet", "test_vit"])
def test_an_exported_model_answers_as_the_learner_does(photos, make_learner, tmp_path, arch, size, crop):
    size = 32 if arch == "test_vit" else size
    images = Images.from_csv(photos / "labels.csv", folder="train", test="test")
    learner = make_learner(images, arch=arch, size=size, crop=crop)
    learner.unfreeze()
    learner.fit(1e-2, 1)
    model = load(learner.export(tmp_path / "model"))
    assert model.classes == ("añil", "赤")
    assert model.device.type == "cpu"
    paths = [images.sources[row] for row in images.test.rows]
    wanted = learner.predict("test")
    assert np.ptp(wanted) > 1e-3
    np.testing.assert_allclose(model.predict(paths), wanted, atol=1e-4)
    np.testing.assert_allclose(model.predict([str(path) for path in paths], batch_size=3), wanted, atol=1e-4)
    np.testing.assert_allclose(model.predict(str(paths[2])), wanted[2:3], atol=1e-4)
    valid = [images.sources[row] for row in images.valid.rows]
    np.testing.assert_allclose(model.predict(valid), learner.predict("valid"), atol=1e-4)


def test_a_model_exported_below_the_largest_size_answers_as_the_learner_does(photos, make_learner, tmp_path):
    images = Images.from_csv(photos / "labels.csv", folder="train", test="test")
    learner = make_learner(images, size=16, largest=40)
    learner.fit(1e-2, 1)
    paths = [images.sources[row] for row in images.test.rows]
    np.testing.assert_allclose(load(learner.export(tmp_path / "m")).predict(paths), learner.predict(), atol=1e-4)


def test_arrays_are_answered_too_and_the_best_classes_named(make_learner, images, tmp_path):
    learner = make_learner()
    learner.fit(1e-2, 3)
    model = load(learner.export(tmp_path / "model"))
    pictures = [images.sources[row] for row in images.test.rows]
    wanted = learner.predict()
    np.testing.assert_allclose(model.predict(pictures), wanted, atol=1e-4)
    top = model.top(pictures, k=2)
    assert [best[0][0] for best in top] == [images.classes[i] for i in wanted.argmax(1)]
    assert top[0][0][1] == pytest.approx(float(wanted[0].max()), abs=1e-4)
    assert all(first[1] >= second[1] for first, second in top)
    assert model.predict([]).shape == (0, 3)


@pytest.mark.parametrize("y", ["tags", "numbers"])
def test_models_of_tags_and_of_numbers_answer_in_their_own_units(make_learner, coloured, tmp_path, y):
    x, _ = coloured(24)
    marks = np.random.default_rng(0).integers(0, 2, (24, 2))
    images = Images.from_arrays(x, marks if y == "tags" else marks * 500.5 - 20, test=x[:4])
    assert images.task.name == ("multi_label" if y == "tags" else "regression")
    learner = make_learner(images)
    learner.fit(1e-2, 1)
    model = load(learner.export(tmp_path / "model"))
    np.testing.assert_allclose(model.predict(list(x[:4])), learner.predict(), rtol=1e-4, atol=1e-4)


def test_a_model_is_two_files_without_pickle_and_loads_in_another_process(make_learner, tmp_path, images):
    learner = make_learner()
    folder = learner.export(tmp_path / "model")
    assert sorted(os.listdir(folder)) == ["model.json", "model.safetensors"]
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert (about["arch"], about["size"], about["classes"]) == ("test_efficientnet", 16, ["blue", "green", "red"])
    Image.fromarray(images.sources[-1]).save(tmp_path / "a.png")
    script = "import sys, recipes; print(*recipes.load(sys.argv[1]).predict([sys.argv[2]])[0], file=sys.stderr)"
    script += "; print(*sys.modules)"
    call = [sys.executable, "-c", script, str(folder), str(tmp_path / "a.png")]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    np.testing.assert_allclose([float(p) for p in done.stderr.split()], learner.predict()[-1], atol=1e-4)
    loaded = set(done.stdout.split())
    assert "torch" in loaded
    assert not loaded & {"gradio", "kaggle", "kagglesdk", "assistant", "app"}, "predicting needs none of them"


def test_pictures_that_cannot_be_read_are_named(make_learner, tmp_path):
    model = load(make_learner().export(tmp_path / "model"))
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, why in (
        ("page.jpg", "not a picture: it begins with"),
        ("empty.png", "empty file"),
        ("gone.png", "no such file"),
    ):
        with pytest.raises(
            ImagesError, match=f"a picture cannot be read: .*{name}: {why}.*; leave it out or replace it"
        ):
            model.predict([tmp_path / name])
    with pytest.raises(ImagesError, match="a picture cannot be read: the array: "):
        model.predict([np.zeros((4, 4, 2))])


def test_a_folder_without_a_model_is_told_in_one_line(make_learner, tmp_path):
    with pytest.raises(NetworkError, match=r"no model here: .* has no readable model.json"):
        load(tmp_path)
    folder = make_learner().export(tmp_path / "model")
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    with pytest.raises(NetworkError, match=r"weights cannot be read: .*model.safetensors"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(NetworkError, match=r"no such weights: .*model.safetensors"):
        load(folder)
    (folder / "model.json").write_text(json.dumps({**about, "version": 99}))
    with pytest.raises(NetworkError, match="the model is of another version: 99"):
        load(folder)


# ---------------------------------------------------------------- weights


def test_saved_weights_come_back_bit_for_bit(make_learner, weights_of, same, images):
    learner = make_learner()
    learner.fit(1e-2)
    path = learner.save("16_lastlayer")
    assert path.name == "16_lastlayer.safetensors"
    saved, answers = weights_of(learner), learner.predict()
    learner.unfreeze()
    learner.fit(1e-2)
    assert not same(weights_of(learner), saved)
    learner.load("16_lastlayer")
    assert same(weights_of(learner), saved)
    np.testing.assert_allclose(learner.predict(), answers, atol=1e-6)
    other = make_learner(seed=7)
    other.load("16_lastlayer")
    np.testing.assert_allclose(other.predict(), answers, atol=1e-6)


def test_loaded_weights_are_those_that_the_next_size_starts_from(make_learner, weights_of, same):
    learner = make_learner()
    learner.save("begin")
    begin = weights_of(learner)
    learner.fit(1e-2, 2)
    learner.load("begin")
    learner.resize(24)
    assert same(weights_of(learner), begin)


def test_weights_that_are_not_there_or_fit_another_network_are_told_in_one_line(make_learner, weights_of, same):
    learner = make_learner()
    before = weights_of(learner)
    with pytest.raises(NetworkError, match=r"no such weights: .*nope.safetensors; save them first"):
        learner.load("nope")
    make_learner(arch="test_resnet").save("other")
    with pytest.raises(NetworkError, match="weights do not fit test_efficientnet") as error:
        learner.load("other")
    assert "\n" not in str(error.value)
    assert same(weights_of(learner), before), "nothing of the other network was taken over"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a\nb", "a\0"])
def test_names_that_are_no_file_names_are_refused(make_learner, name):
    with pytest.raises(RecipeError, match="not a file name"):
        make_learner().save(name)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(make_learner, tmp_path):
    (tmp_path / "file").write_text("")
    learner = make_learner(folder=tmp_path / "file" / "models")
    for call in (lambda: learner.save("a"), lambda: learner.export(tmp_path / "file" / "model")):
        with pytest.raises(StorageError, match=r"a folder cannot be written: .*file"):
            call()


def test_a_picture_that_was_opened_is_answered_as_its_file_is(make_learner, write, tmp_path):
    learner = make_learner()
    learner.prepare()
    model = load(learner.export(tmp_path / "model"))
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    soft = Image.fromarray(colours).resize((45, 30), Image.Resampling.BICUBIC)
    exif, grey = Image.Exif(), np.asarray(soft.convert("L")).astype(np.uint16) * 257
    exif[0x0112] = 6
    paths = [
        write(tmp_path / "turned.png", soft, exif=exif),
        write(tmp_path / "deep.png", Image.fromarray(grey)),
        write(tmp_path / "palette.png", soft.quantize(8), transparency=0),
    ]
    for path in paths:
        np.testing.assert_array_equal(model.predict([Image.open(path)]), model.predict([path]))
