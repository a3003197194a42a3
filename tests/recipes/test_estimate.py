"""The estimate of a run's time and memory holds against the run itself, and costs nothing the second time."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from recipes import EIGHT_STEPS, Images, Stopped, events, progressive
from recipes.architectures import ARCHITECTURES, counted
from recipes.errors import NetworkError
from recipes.estimate import estimate
from recipes.planning import Counts, plan
from recipes.speed import Decoding, Speed, decoding, measured

SPEED = Speed(
    arch="resnet34",
    size=64,
    batch_size=10,
    device="cpu",
    threads=2,
    batch=10,
    whole=1.0,
    views=0.1,
    head=0.01,
    plain=0.2,
    checkpoint=2.0,
    build=0.0,
    peak=10**9,
    limit=10**10,
    largest=80,
)


def speed_of(tmp_path, **changes) -> Speed:
    asked = {"arch": "test_resnet", "size": 32, "batch_size": 16, "device": "cpu", "precision": "auto"}
    return measured(**(asked | {"cache": tmp_path / "cache"} | changes))


def test_the_time_that_a_run_takes_is_within_a_factor_of_two_and_a_half_of_the_estimate(
    make_learner, coloured, tmp_path
):
    x, names = coloured(240, side=48)
    images = Images.from_arrays(x, names, test=coloured(20, side=48)[0])
    recipe = progressive(EIGHT_STEPS.changed(max_cycles=2), (32, 48))
    speeds = {size: speed_of(tmp_path, size=size, seconds=1.5) for size in (32, 48)}
    told = estimate(plan(recipe, Counts.of(images), 16), speeds, decoding(images.sources, (32, 48)))

    learner = make_learner(images, arch="test_resnet", size=32, batch_size=16, largest=48)
    recipe.run(learner, checkpoints=tmp_path / "checkpoints")
    real = sum(event.seconds for event in learner.told if isinstance(event, events.StepEnded))
    steps = [part for part in told.parts if part.step]
    middle = (sum(part.low for part in steps) * sum(part.high for part in steps)) ** 0.5
    assert 1 / 2.5 < middle / real < 2.5, f"estimated {middle:.2f} s, took {real:.2f} s"
    assert told.low < told.high
    assert told.longest.high == max(part.high for part in told.parts)


def test_what_was_measured_once_is_read_the_second_time(tmp_path):
    first = speed_of(tmp_path)
    start = time.monotonic()
    assert speed_of(tmp_path) == first
    assert time.monotonic() - start < 0.1
    assert (first.arch, first.size, first.batch_size, first.device) == ("test_resnet", 32, 16, "cpu")
    assert 0 < first.plain < first.whole
    assert first.head < first.whole
    assert len(list((tmp_path / "cache" / "speeds").iterdir())) == 1
    speed_of(tmp_path, batch_size=8)
    assert len(list((tmp_path / "cache" / "speeds").iterdir())) == 2, "another batch is measured on its own"


def test_a_damaged_file_of_measurements_is_measured_anew(tmp_path):
    speed_of(tmp_path)
    (place,) = (tmp_path / "cache" / "speeds").iterdir()
    place.write_text('{"arch": "test_res')
    assert speed_of(tmp_path).whole > 0


def test_a_batch_that_no_memory_holds_is_told_with_the_largest_that_fits(tmp_path):
    speed = speed_of(tmp_path, size=256, batch_size=4096 * 64, seconds=0.5)
    assert speed.peak > psutil.virtual_memory().total
    assert 2 <= speed.largest < speed.batch_size
    told = estimate(
        plan(EIGHT_STEPS, Counts(300, 60), speed.batch_size, size=256), {256: speed}, Decoding(24, 0.01, 1e5)
    )
    assert not told.fits
    assert told.largest_batch == speed.largest
    each = (speed.peak - speed_of(tmp_path, size=256, batch_size=64, seconds=0.5).peak) / (speed.batch_size - 64)
    assert speed.largest * each < speed.limit, "the largest batch does fit"


def test_a_stop_is_obeyed_while_it_measures(tmp_path):
    with pytest.raises(Stopped):
        speed_of(tmp_path, should_stop=lambda: True)
    assert not (tmp_path / "cache" / "speeds").exists()


def test_an_unknown_network_is_told_in_one_line(tmp_path):
    with pytest.raises(NetworkError, match=r"^unknown architecture: 'resnet43'; did you mean"):
        speed_of(tmp_path, arch="resnet43")


def test_the_parts_add_up_from_the_plans_passes():
    planned = plan(EIGHT_STEPS, Counts(train=100, valid=20, test=50), 10, size=64, tta=4)
    told = estimate(planned, {64: SPEED}, Decoding(24, 0.5, 1000.0), start=3.0)
    parts = {part.step: part for part in told.parts if part.step}
    # seven epochs at most and three at least: 100 images learn, 20 validate, and a checkpoint each and in the end
    assert parts[8].high == pytest.approx(1.4 * (700 * 1.0 + 140 * 0.2 + 8 * 2.0))
    assert parts[8].low == pytest.approx(0.75 * (300 * 1.0 + 60 * 0.2 + 4 * 2.0))
    assert parts[4].high == pytest.approx(1.4 * (300 * (0.1 + 0.01) + 4 * 1.0))
    assert told.parts[0].high == pytest.approx(1.4 * (3.0 + 170 * 0.5))
    assert told.parts[-1].high == pytest.approx(1.4 * (3.0 + (20 + 5 * 70) * 0.2))
    assert told.longest.step == 8
    assert told.disk == 170_000
    assert told.fits
    assert told.high == pytest.approx(sum(part.high for part in told.parts))


def test_folds_repeat_all_but_the_decoding_and_with_given_weights_the_activations():
    once = plan(EIGHT_STEPS, Counts(100, 20, 50), 10, size=64)
    thrice, some = replace(once, folds=3), Decoding(24, 0.5, 1000.0)
    one, kept, anew = (
        estimate(planned, {64: SPEED}, some, kept=kept)
        for planned, kept in ((once, True), (thrice, True), (thrice, False))
    )
    assert one.parts[0] == kept.parts[0]
    assert kept.parts[8].high == pytest.approx(3 * one.parts[8].high)
    assert anew.parts[1].high == pytest.approx(3 * one.parts[1].high)
    assert kept.parts[1].high < anew.parts[1].high


def test_decoding_is_measured_on_the_images_themselves(tmp_path, write, coloured):
    files = [write(tmp_path / f"{number}.jpg", coloured(1, 200, number)[0][0]) for number in range(30)]
    (tmp_path / "0.jpg").write_bytes(b"not a picture")
    found = decoding(files, (32, 64))
    assert found.images == 24
    assert 0 < found.seconds < 1
    short, small = round(64 / 0.875), round(32 / 0.875)
    assert found.stored == 3 * (short**2 + small**2)
    assert decoding([np.zeros((40, 40, 3), np.uint8)], (32,)).stored == 3 * 32 * 32


@pytest.mark.parametrize("known", ARCHITECTURES, ids=lambda known: known.name)
def test_what_an_architecture_costs_is_what_timm_says(known):
    assert counted(known.name, known.size) == (known.parameters, known.multiply_adds)
