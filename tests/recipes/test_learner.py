"""Fitting, freezing, resizing, predicting: on small pictures, for real."""

import json
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from recipes import Images, Learner, RecipeError, Stopped, chance, events, schedules, training
from recipes.activations import Activations
from recipes.errors import ImagesError, NetworkError, StorageError
from recipes.network import Network


def told(learner, kind):
    return [event for event in learner.told if isinstance(event, kind)]


def warned(learner):
    return [event.text for event in told(learner, events.Warned)]


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize(("arch", "size"), [("test_efficientnet", 16), ("test_resnet", 32), ("test_vit", 32)])
def test_cached_activations_equal_the_frozen_forward_pass(make_learner, arch, size):
    learner = make_learner(arch=arch, size=size)
    learner.prepare()
    network = learner.network
    for split in ("train", "valid", "test"):
        rows = getattr(learner.images, split).rows
        cached = learner.activations.of(rows)
        network.train()  # frozen: the body stays in evaluation mode
        with torch.no_grad():
            passed = network.features(learner.viewer.plain(rows))
        torch.testing.assert_close(cached, passed, atol=1e-5, rtol=1e-5)
        network.eval()
        with torch.no_grad():
            answers = network(learner.viewer.plain(rows)).softmax(1).numpy()
        np.testing.assert_allclose(learner.predict(split), answers, atol=1e-5)


@pytest.fixture
def passes(monkeypatch):
    """How many images went through a body, in order."""
    seen, features = [], Network.features
    monkeypatch.setattr(Network, "features", lambda self, batch: seen.append(len(batch)) or features(self, batch))
    return seen


def test_activations_are_computed_once_and_found_again_by_another_learner(make_learner, passes):
    learner = make_learner()
    learner.precompute = True
    learner.prepare()
    passes.clear()
    first = learner.predict("train")
    assert sum(passes) == 36, "train and valid together"
    learner.fit(1e-2, 2)
    learner.predict("valid")
    assert sum(passes) == 36
    assert sum(event.total for event in told(learner, events.Batch) if event.stage == "activations") == 36
    other = make_learner()
    other.precompute = True
    passes.clear()
    np.testing.assert_array_equal(other.predict("train"), first)
    assert passes == []


def test_activations_are_never_stale(make_learner, passes):
    learner = make_learner()
    before = learner.predict("valid")
    learner.unfreeze()
    learner.fit(1e-2)
    learner.freeze()
    direct = learner.network.eval()(learner.viewer.plain(learner.images.valid.rows)).softmax(1).detach().numpy()
    np.testing.assert_allclose(learner.predict("valid"), direct, atol=1e-5)
    assert np.abs(direct - before).max() > 1e-3
    for settings in ({"size": 24}, {"seed": 7}, {"precision": "bf16"}, {"crop": 0.5}):
        passes.clear()
        make_learner(**settings).predict("valid")
        assert 7 in passes, settings


def test_folds_share_the_activations_of_all_labelled_images(make_learner, images, passes):
    for number in range(3):
        learner = make_learner(images.fold(number, 3))
        learner.precompute = True
        learner.prepare()
        passes.clear()
        learner.fit(1e-2)
        assert sum(passes) == (36 if number == 0 else 0)


# ---------------------------------------------------------------- rates and what learns


@pytest.fixture
def recorded():
    """`recorded(learner)`: a list that gets each training batch's rates (one a layer group) and momentum."""

    def record(learner):
        rates = []

        def note(module, inputs):
            if torch.is_grad_enabled():
                groups = learner.optimizer.param_groups
                rates.append(({g["group"]: g["lr"] for g in groups}, groups[0]["betas"][0]))

        learner.network.head.register_forward_pre_hook(note)
        return rates

    return record


def test_every_batch_runs_at_the_schedules_rate_in_every_layer_group(make_learner, recorded):
    learner = make_learner(ratio=4.0)
    learner.unfreeze()
    rates = recorded(learner)
    epochs = learner.fit(1e-2, cycles=2, cycle_len=1, cycle_mult=2)
    factors = schedules.sgdr(learner.batches(), 2, 1, 2)
    assert learner.batches() == 4
    assert len(rates) == len(factors) == 12
    for group, rate in enumerate((1e-2 / 16, 1e-2 / 4, 1e-2)):
        np.testing.assert_allclose([batch[group] for batch, _ in rates], rate * factors, rtol=1e-12)
    np.testing.assert_allclose([epoch.lr for epoch in epochs], 1e-2 * factors[[3, 7, 11]])
    assert [(epoch.cycle, epoch.epoch, epoch.epochs) for epoch in epochs] == [(1, 1, 3), (2, 2, 3), (2, 3, 3)]


def test_one_cycle_moves_rates_up_and_down_and_momentum_the_other_way(make_learner, recorded):
    learner = make_learner()
    learner.unfreeze()
    rates = recorded(learner)
    learner.fit_one_cycle(3, (1e-5, 1e-4, 1e-3))
    factors, momenta = schedules.one_cycle(12)
    for group, rate in enumerate((1e-5, 1e-4, 1e-3)):
        np.testing.assert_allclose([batch[group] for batch, _ in rates], rate * factors, rtol=1e-12)
    np.testing.assert_allclose([momentum for _, momentum in rates], momenta)


@pytest.mark.parametrize(("group", "moves"), [(-1, "001"), (-2, "011"), (0, "111")])
@pytest.mark.parametrize("precompute", [False, True])
def test_only_what_is_not_frozen_learns(make_learner, weights_of, group, moves, precompute):
    learner = make_learner()
    learner.precompute = precompute
    learner.freeze_to(group)
    before = weights_of(learner)
    learner.fit(1e-2)
    after = weights_of(learner)
    for names, moved in zip(learner.network.groups, moves):
        assert {torch.equal(before[name], after[name]) for name in names} == {moved == "0"}
    statistics = [name for name in after if name.startswith("backbone.") and name.endswith("running_mean")]
    changed = [name for name in statistics if not torch.equal(before[name], after[name])]
    assert len(changed) == {"001": 0, "111": len(statistics)}.get(moves, len(changed))
    if moves == "011":
        assert 0 < len(changed) < len(statistics)


def test_a_learner_starts_frozen(make_learner):
    assert make_learner().network.frozen_to == 2


def test_without_a_rate_the_sweeps_is_taken(make_learner, recorded):
    learner = make_learner()
    learner.rate = 0.004
    rates = recorded(learner)
    learner.fit()
    assert max(batch[2] for batch, _ in rates) < 0.004
    assert rates[1][0][2] == pytest.approx(0.004 * schedules.sgdr(4, 1)[1])


def test_targets_follow_their_images_and_smoothing_has_its_value(make_learner):
    """The training loss that is told, worked out again from the logits of each batch and the table's targets."""
    learner, kept = make_learner(smoothing=0.3), []
    learner.prepare()
    learner.network.head.register_forward_hook(
        lambda module, inputs, out: kept.append(out.detach().clone()) if torch.is_grad_enabled() else None
    )
    epoch = learner.fit(1e-2)[0]
    batches = training.batches_of(learner.images.train.rows, 8, learner.seed, 0, 0)
    assert [len(logits) for logits in kept] == [len(rows) for rows in batches]
    total = 0.0
    for logits, rows in zip(kept, batches):
        wanted = np.full((len(rows), 3), 0.1)
        wanted[np.arange(len(rows)), learner.images.targets[rows]] += 0.7
        total += -(wanted * logits.log_softmax(1).numpy()).sum()
    assert epoch.train_loss == pytest.approx(total / 29, rel=1e-5)


def test_validation_is_told_without_smoothing_and_equals_evaluate(make_learner):
    learner = make_learner(smoothing=0.3)
    epoch = learner.fit(1e-2)[0]
    loss, metrics = learner.evaluate()
    assert epoch.valid_loss == pytest.approx(loss, rel=1e-6)
    assert epoch.metrics == pytest.approx(metrics)
    answers, targets = learner.predict("valid"), learner.images.valid.targets
    assert metrics["accuracy"] == pytest.approx((answers.argmax(1) == targets).mean())
    assert loss == pytest.approx(-np.log(answers[np.arange(7), targets]).mean(), rel=1e-4)


# ---------------------------------------------------------------- chance


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(make_learner, weights_of, same):
    made = []
    for seed in (1, 1, 2):
        learner = make_learner(seed=seed)
        learner.fit(1e-2)
        learner.unfreeze()
        torch.manual_seed(len(made))  # what else draws from torch's generator does not matter
        learner.fit(1e-3)
        made.append((weights_of(learner), learner.predict()))
    assert same(made[0][0], made[1][0])
    np.testing.assert_array_equal(made[0][1], made[1][1])
    assert not same(made[0][0], made[2][0])


def test_fitting_leaves_torchs_generator_alone(make_learner):
    learner = make_learner()
    state = torch.get_rng_state()
    learner.fit(1e-2)
    learner.lr_find(batches=12)
    learner.tta("test")
    assert torch.equal(torch.get_rng_state(), state)


def test_every_epoch_sees_other_views_of_every_image(make_learner, monkeypatch):
    learner, seen = make_learner(), []
    learner.prepare()
    drawn = learner.viewer.random
    monkeypatch.setattr(
        learner.viewer, "random", lambda rows, *more: seen.append((rows, drawn(rows, *more))) or seen[-1][1]
    )
    learner.fit(1e-2, 2)
    by_row = [{}, {}]
    for number, (rows, views) in enumerate(seen):
        by_row[number // 4].update(zip(rows.tolist(), views))
    assert set(by_row[0]) == set(by_row[1]) == set(learner.images.train.rows.tolist())
    assert not any(torch.equal(by_row[0][row], by_row[1][row]) for row in by_row[0])


# ---------------------------------------------------------------- until over-fitting


@pytest.fixture
def noisy(coloured):
    """Pictures whose labels say nothing: all that can be learned is over-fitting."""
    x, _ = coloured(40)
    return Images.from_arrays(x, np.random.default_rng(1).integers(0, 2, 40))


@pytest.mark.parametrize("metric_name", ["accuracy", "log_loss"])
def test_cycles_stop_after_one_without_a_better_score_and_the_best_weights_remain(
    make_learner, noisy, metric_name, same
):
    learner = make_learner(noisy, metric_name=metric_name)
    learner.unfreeze()
    epochs = learner.fit(1e-2, cycles=9, cycle_len=2, until_overfitting=True)
    cycles = told(learner, events.CycleEnded)
    assert [cycle.improved for cycle in cycles] == [True] * (len(cycles) - 1) + [False]
    assert [cycle.more for cycle in cycles] == [True] * (len(cycles) - 1) + [False]
    assert 2 <= len(cycles) < 9
    assert len(epochs) == 2 * len(cycles)

    sign = 1 if metric_name == "accuracy" else -1
    keys = [(sign * epoch.metrics[metric_name], -epoch.valid_loss) for epoch in epochs]
    best_so_far = [max(keys[: i + 1]) for i in range(len(keys))]
    assert [epoch.best for epoch in epochs] == [i == 0 or key > best_so_far[i - 1] for i, key in enumerate(keys)]
    for number, cycle in enumerate(cycles):
        before = best_so_far[2 * number - 1] if number else None
        assert cycle.improved == (before is None or best_so_far[2 * number + 1] > before)
        assert cycle.best_before == (pytest.approx(sign * before[0]) if before else None)
        assert cycle.score == pytest.approx(sign * best_so_far[2 * number + 1][0])
    loss, metrics = learner.evaluate()
    assert (sign * metrics[metric_name], -loss) == pytest.approx(max(keys), rel=1e-6)
    assert max(keys) != keys[-1]
    assert same(learner.network.state_dict(), learner.best[1])


def test_without_that_wish_the_last_weights_remain_and_all_cycles_run(make_learner, noisy):
    learner = make_learner(noisy)
    learner.unfreeze()
    epochs = learner.fit(1e-2, cycles=6)
    assert len(epochs) == 6
    assert learner.evaluate()[0] == pytest.approx(epochs[-1].valid_loss, rel=1e-6)
    learner.load_best()
    best = max(epochs, key=lambda epoch: (epoch.metrics["accuracy"], -epoch.valid_loss))
    assert best is not epochs[-1]
    assert learner.evaluate()[0] == pytest.approx(best.valid_loss, rel=1e-6)


@pytest.mark.parametrize("how", ["asked", "raised", "interrupted"])
def test_a_stop_in_the_middle_of_a_cycle_keeps_the_best_weights(make_learner, noisy, same, how):
    learner = make_learner(noisy)
    learner.unfreeze()
    stopping = []

    def report(event):
        learner.told.append(event)
        if isinstance(event, events.Epoch) and event.epoch == 4:
            stopping.append(event)

    def should_stop():
        if len(stopping) == 0:
            return False
        stopping.append(None)
        if len(stopping) == 4 and how != "asked":  # the third batch of the fifth epoch
            raise {"raised": Stopped, "interrupted": KeyboardInterrupt}[how]
        return len(stopping) == 4

    learner.should_stop = should_stop
    with pytest.raises(KeyboardInterrupt if how == "interrupted" else Stopped):
        learner.fit(1e-2, cycles=2, cycle_len=8, until_overfitting=True, report=report)
    learner.should_stop = lambda: False
    epochs = told(learner, events.Epoch)
    assert len(epochs) == 4
    best = max(epochs, key=lambda epoch: (epoch.metrics["accuracy"], -epoch.valid_loss))
    assert same(learner.network.state_dict(), learner.best[1])
    assert learner.evaluate()[0] == pytest.approx(best.valid_loss, rel=1e-6)


# ---------------------------------------------------------------- averages and precision


def test_the_average_of_weights_is_its_formula():
    network = nn.Linear(2, 1)
    average, wanted = training.Average(network, 0.5), network.weight.detach().clone()
    for number in range(1, 6):
        with torch.no_grad():
            network.weight.add_(number)
        average.update(network)
        decay = min(0.5, (1 + number) / (10 + number))
        wanted = wanted * decay + network.weight.detach() * (1 - decay)
    torch.testing.assert_close(average.tensors["weight"], wanted)


def test_averaged_weights_are_scored_and_are_what_remains(make_learner, weights_of):
    """The raw run beside it is the same batch for batch: the average follows it and does not lead it elsewhere."""
    raw, averaged = make_learner(), make_learner(ema=0.9)
    wanted = {}
    for learner in (raw, averaged):
        learner.unfreeze()
        epochs = learner.fit(1e-2, 2)
        wanted[learner] = (weights_of(learner), epochs)
    assert [e.train_loss for e in wanted[raw][1]] == [e.train_loss for e in wanted[averaged][1]]
    for name, tensor in wanted[averaged][0].items():
        if name in dict(raw.network.named_parameters()):
            assert not torch.equal(tensor, wanted[raw][0][name]), name
    assert averaged.evaluate()[0] == pytest.approx(wanted[averaged][1][-1].valid_loss, rel=1e-6)
    assert raw.evaluate()[0] != averaged.evaluate()[0]


def test_mixed_precision_runs_on_a_cpu_and_stays_near(make_learner):
    full, mixed = make_learner(), make_learner(precision="bf16")
    assert full.precision == "fp32"
    for learner in (full, mixed):
        learner.fit(1e-2)
        learner.unfreeze()
        learner.fit(1e-3)
        assert {tensor.dtype for tensor in learner.network.parameters()} == {torch.float32}
    answers = mixed.predict()
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, full.predict(), atol=0.1)
    assert not np.array_equal(answers, full.predict())


# ---------------------------------------------------------------- sizes


def test_resizing_keeps_the_weights_and_freezes_again(make_learner, weights_of, same):
    learner = make_learner()
    learner.unfreeze()
    learner.fit(1e-2, until_overfitting=True)
    before, small = weights_of(learner), learner.predict()
    learner.resize(32)
    assert learner.size == 32
    assert learner.network.frozen_to == 2
    assert same(weights_of(learner), before)
    assert learner.viewer.plain(np.array([0])).shape == (1, 3, 32, 32)
    large = learner.predict()
    assert np.abs(large - small).max() > 1e-4
    learner.fit(1e-2)
    assert told(learner, events.Epoch)[-1].size == 32
    learner.resize(16)
    assert learner.viewer.plain(np.array([0])).shape == (1, 3, 16, 16)


def test_resizing_goes_on_from_the_best_weights_of_the_size_before(make_learner, noisy, same):
    learner = make_learner(noisy)
    learner.unfreeze()
    learner.fit(1e-2, cycles=6)
    best = {name: tensor.clone() for name, tensor in learner.best[1].items()}
    assert not same(learner.network.state_dict(), best)
    learner.resize(24)
    assert same(learner.network.state_dict(), best)
    assert learner.best is None


def test_a_size_that_cannot_be_taken_leaves_everything_as_it_was(make_learner, weights_of, same):
    learner = make_learner(arch="test_vit", size=32)
    before = weights_of(learner)
    with pytest.raises(NetworkError, match=r"takes multiples of 16 px only .*: 40 asked for; use 32 or 48"):
        learner.resize(40)
    assert learner.size == 32
    assert same(weights_of(learner), before)
    with pytest.raises(NetworkError, match="40 asked for"):
        make_learner(arch="test_vit", size=40)


def test_images_are_decoded_once_at_the_largest_size(tmp_path, write, coloured, make_learner):
    x, names = coloured(12, side=40)
    paths = [write(tmp_path / "train" / name / f"{i}.png", picture) for i, (picture, name) in enumerate(zip(x, names))]
    learner = make_learner(Images.from_folders(tmp_path, valid=0.25), largest=32)
    learner.predict("valid")
    for path in paths:
        path.unlink()
    assert learner.predict("train").shape == (9, 3)
    learner.resize(32)
    assert learner.predict("train").shape == (9, 3), "no file is opened a second time"
    stages = {event.stage: event.total for event in told(learner, events.Batch)}
    assert (stages["decode"], stages["resize"]) == (12, 12)


def test_files_that_break_before_a_larger_size_is_decoded_are_set_aside(tmp_path, write, coloured, make_learner):
    """Black squares are nothing to learn from."""
    x, names = coloured(12, side=64)
    paths = [write(tmp_path / "train" / name / f"{i}.png", x[i]) for i, name in enumerate(names)]
    learner = make_learner(Images.from_folders(tmp_path, valid=0.25))
    learner.predict("train")
    row = int(learner.images.train.rows[0])
    gone = next(path for path in paths if path.samefile(learner.images.sources[row]))
    gone.unlink()
    learner.resize(32)
    assert learner.predict("train").shape == (8, 3)
    assert list(learner.images.set_aside.values()) == ["no such file"]
    assert warned(learner) == [f"1 image is set aside: {learner.images.ids[row]} (no such file)"]


# ---------------------------------------------------------------- memory


class Hungry:
    """A body that runs out of memory above so many images."""

    def __init__(self, learner, limit):
        self.features, self.limit, self.passed = learner.network.features, limit, []
        learner.network.features = self

    def __call__(self, batch):
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {len(batch)} GiB\nand more lines")
        self.passed.append(len(batch))
        return self.features(batch)


def without_batchnorm(learner):
    """The head without what depends on who else is in the batch."""
    head = learner.network.head
    head[0], head[4] = nn.Identity(), nn.Identity()
    head[1].p = head[5].p = 0.0
    learner.network.groups[2] = [f"head.{name}" for name, _ in head.named_parameters()]


@pytest.mark.parametrize("limit", [16, 7, 3])
def test_a_batch_that_memory_cannot_hold_is_cut_to_the_same_gradient(make_learner, limit):
    gradients = []
    for hungry in (False, True):
        learner = make_learner(arch="test_vit", size=32, batch_size=64)
        without_batchnorm(learner)
        learner.unfreeze()
        learner.prepare()
        body = Hungry(learner, limit if hungry else 99)
        epoch = learner.fit(1e-9)[0]
        gradients.append({name: p.grad for name, p in learner.network.named_parameters()})
        gradients[-1]["loss"] = torch.tensor(epoch.train_loss)
    assert max(body.passed) <= limit
    assert sum(body.passed) >= 29
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(
            gradients[1][name], gradient, atol=2e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    texts = warned(learner)
    assert texts
    assert all(text.startswith("out of memory: batches of 64 now go through in ") for text in texts)


def test_a_head_that_learns_alone_sees_the_whole_batch_however_the_body_is_cut(make_learner, weights_of):
    weights = []
    for hungry in (False, True):
        learner = make_learner(batch_size=16)
        learner.prepare()
        if hungry:
            Hungry(learner, 4)
            learner.parts = 4  # as after the batch for which memory ran out
        learner.fit(1e-2)
        weights.append(weights_of(learner))
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-5, rtol=1e-4)


def test_passes_that_are_cut_cut_no_training(make_learner):
    learner = make_learner(batch_size=4)
    learner.prepare()
    Hungry(learner, 4)
    learner.pass_size = lambda: 16
    learner.predict("test")
    assert (learner.parts, learner.parts_of_passes > 1) == (1, True)


def test_predictions_and_activations_are_cut_to_the_same_answers(make_learner):
    plain, hungry = make_learner(), make_learner(cache=plain_cache(make_learner))
    wanted = plain.predict("train"), plain.tta("test")
    hungry.prepare()
    Hungry(hungry, 3)
    np.testing.assert_allclose(hungry.predict("train"), wanted[0], atol=1e-5)
    np.testing.assert_allclose(hungry.tta("test"), wanted[1], atol=1e-5)
    assert len(warned(hungry)) == len(set(warned(hungry))), "each cut is told once"


def plain_cache(make_learner):
    """A cache that no other learner has filled."""
    return make_learner().cache.with_name("another")


def test_a_run_goes_on_after_memory_ran_out(make_learner):
    learner = make_learner()
    learner.prepare()
    Hungry(learner, 4)
    learner.unfreeze()
    epochs = learner.fit(1e-2, 2)
    assert len(epochs) == 2
    assert all(np.isfinite(epoch.train_loss) for epoch in epochs)
    assert warned(learner) == ["out of memory: batches of 8 now go through in 2 parts, which is slower"]


def test_a_cut_that_was_needed_once_is_kept_and_told_once(make_learner):
    """Validation's smaller batches need fewer parts; that must not undo what training needs."""
    learner = make_learner(batch_size=64)
    learner.unfreeze()
    learner.prepare()
    Hungry(learner, 3)
    learner.fit(1e-3, 3)
    assert len(warned(learner)) == len(set(warned(learner))) == 4


@pytest.mark.parametrize("what", ["fit", "predict"])
def test_when_nothing_fits_into_memory_that_is_told_in_one_line(make_learner, weights_of, same, what):
    learner = make_learner()
    learner.prepare()
    learner.unfreeze()
    before = weights_of(learner)
    Hungry(learner, 0)
    with pytest.raises(RecipeError, match=r"out of memory: .*; take a smaller size or architecture") as error:
        learner.fit(1e-2) if what == "fit" else learner.predict()
    assert "\n" not in str(error.value)
    assert same(weights_of(learner), before)


def test_other_errors_are_not_taken_for_a_lack_of_memory(make_learner):
    learner = make_learner()
    learner.prepare()
    learner.unfreeze()
    learner.network.features = lambda batch: batch @ torch.zeros(3, 3)
    with pytest.raises(RuntimeError, match=r"mat|size"):
        learner.fit(1e-2)
    assert warned(learner) == []


# ---------------------------------------------------------------- pictures that are not as they should be


@pytest.fixture
def damaged(a_competition):
    """24 labelled and 3 test images; an empty file, a broken one and a web page among each of them."""
    root = a_competition(24, tests=5)
    for folder, names in (("train", ("003", "004", "005")), ("test", ("t0", "t2", "t4"))):
        empty, broken, page = (root / folder / f"{name}.png" for name in names)
        empty.write_bytes(b"")
        broken.write_bytes(broken.read_bytes()[:150])
        page.write_text("<!DOCTYPE html><title>Sign in</title>")
    return root


def test_broken_pictures_are_set_aside_and_named_and_test_ones_get_the_prior(damaged, make_learner):
    images = Images.from_csv(damaged / "labels.csv", folder="train", suffix=".png", test="test")
    learner = make_learner(images)
    learner.fit(1e-2)
    assert set(learner.images.set_aside) == {"003", "004", "005"}
    assert learner.images.set_aside["003"] == "empty file"
    assert learner.images.set_aside["005"].startswith("not a picture: it begins with b'<!DOCTYPE")
    assert set(learner.images.missing) == {"t0", "t2", "t4"}
    assert len(learner.images.train) + len(learner.images.valid) == 21
    ready = told(learner, events.ImagesReady)
    assert len(ready) == 1
    assert (ready[0].set_aside, ready[0].missing) == (learner.images.set_aside, learner.images.missing)
    assert json.dumps(ready[0].to_dict())
    texts = " | ".join(warned(learner))
    assert "3 images are set aside: 003 (empty file), 004 (broken: " in texts
    assert "3 images are answered unseen" in texts

    prior = np.bincount(learner.images.train.targets, minlength=3) / len(learner.images.train)
    for answers in (learner.predict(), learner.tta()):
        assert answers.shape == (5, 3)
        np.testing.assert_allclose(answers[[0, 2, 4]], [prior] * 3, atol=1e-3)
        assert np.abs(answers[[1, 3]] - prior).max() > 1e-3
    assert images.set_aside == {}, "the table that was given is unchanged"


def test_when_all_test_pictures_are_broken_all_get_the_prior(damaged, make_learner):
    for path in (damaged / "test").glob("*.png"):
        path.write_bytes(b"")
    images = Images.from_csv(damaged / "labels.csv", folder="train", suffix=".png", test="test")
    answers = make_learner(images).predict()
    assert answers.shape == (5, 3)
    assert len(np.unique(answers, axis=0)) == 1


def test_when_all_labelled_pictures_are_broken_the_reasons_are_told(damaged, make_learner):
    for path in (damaged / "train").glob("*.png"):
        path.write_bytes(b"")
    images = Images.from_csv(damaged / "labels.csv", folder="train", suffix=".png")
    learner = make_learner(images)
    for call in (learner.fit, learner.lr_find, learner.predict, learner.evaluate):
        with pytest.raises(
            ImagesError, match=r"too few images: 0 to train and 0 to validate \(24 set aside: empty file\)"
        ):
            call()


def test_a_class_with_a_single_image_trains_with_a_warning(make_learner, coloured):
    x, names = coloured(21)
    learner = make_learner(Images.from_arrays(x, [*names[:20], "violet"]))
    learner.fit(1e-2)
    assert "violet" in learner.images.classes
    assert "a single image in class violet: it trains, but no validation image can tell how well" in warned(learner)
    assert learner.predict("valid").shape == (4, 4)


@pytest.mark.parametrize("labels", [list("abb"), list("aabbc"), list("aabbcc"), list("aab") * 3])
@pytest.mark.parametrize("batch_size", [2, 3, 64])
def test_a_handful_of_images_trains(make_learner, coloured, labels, batch_size):
    x, _ = coloured(len(labels))
    learner = make_learner(Images.from_arrays(x, labels, test=x[:1]), batch_size=batch_size)
    learner.fit(1e-2)
    learner.unfreeze()
    learner.lr_find(batches=12)
    epoch = learner.fit(1e-2)[0]
    assert np.isfinite([epoch.train_loss, epoch.valid_loss]).all()
    assert learner.predict().sum() == pytest.approx(1, abs=1e-5)


def test_one_training_image_is_too_few_and_told_so(coloured):
    x, _ = coloured(2)
    with pytest.raises(
        ImagesError, match="too few images: 1 to train and 1 to validate; at least two and one are needed"
    ):
        Images.from_arrays(x, [[0.5], [1.5]])


def test_pictures_of_all_shapes_train_together(make_learner, coloured):
    random = np.random.default_rng(0)
    shapes = [(1, 1), (1, 500), (500, 1), (2, 3), (33, 7), (64, 64)]
    x = [random.integers(0, 256, (*shapes[i % 6], 3)).astype(np.uint8) for i in range(24)]
    learner = make_learner(Images.from_arrays(x, list("ab") * 12, test=x[:6]), largest=24)
    learner.fit(1e-2)
    learner.unfreeze()
    learner.fit(1e-2)
    assert np.isfinite(learner.tta()).all()
    assert learner.images.set_aside == {}


def test_no_test_images_give_no_rows(make_learner, coloured):
    x, names = coloured(12)
    learner = make_learner(Images.from_arrays(x, names))
    assert learner.predict("test").shape == (0, 3)
    assert learner.tta("test").shape == (0, 3)


# ---------------------------------------------------------------- when it goes wrong


def test_a_rate_that_explodes_ends_the_fit_with_advice_and_finite_weights(make_learner):
    learner = make_learner()
    learner.fit(1e-2)
    learner.unfreeze()
    epochs = learner.fit((1e12, 1e12, 1e12), cycles=6)
    assert len(epochs) < 6
    assert told(learner, events.Advice)[-1].kind == "rate_too_high"
    assert all(torch.isfinite(p).all() for p in learner.network.parameters())
    assert np.isfinite(learner.predict()).all()
    for event in learner.told:
        json.dumps(event.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"arch": "resnet43"}, "unknown architecture: 'resnet43'; did you mean resnet34"),
        ({"batch_size": 1}, "the batch is too small: 1"),
        ({"device": "cuda:77"}, "no such device: 'cuda:77'"),
        ({"device": "toaster"}, "no such device: 'toaster'"),
        ({"precision": "fp8"}, "no such precision: 'fp8'; there are auto, fp32 and bf16"),
        ({"metric_name": "f2"}, "f2 does not score single_label; take accuracy or log_loss"),
        ({"metric_name": "fame"}, "no such metric: 'fame'"),
        ({"crop": 0.0}, "the crop is out of range: 0.0"),
        ({"crop": "all"}, "the crop is out of range: 'all'"),
        ({"weights": "nope.safetensors"}, "no such weights: nope.safetensors"),
        ({"ratio": 0}, "ratio"),
        ({"smoothing": 2}, "smoothing"),
        ({"ema": 2.0}, "ema|average"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_settings_that_cannot_be_are_told_in_one_line(make_learner, settings, says):
    with pytest.raises(RecipeError, match=says) as error:
        make_learner(**settings)
    assert "\n" not in str(error.value)


def test_a_cache_that_cannot_be_written_is_told_before_training(make_learner, tmp_path):
    (tmp_path / "file").write_text("")
    learner = make_learner(cache=tmp_path / "file" / "cache")
    with pytest.raises(StorageError, match="a folder cannot be written: "):
        learner.fit(1e-2)


def test_the_metric_that_is_asked_for_comes_first_and_picks_the_best(make_learner):
    learner = make_learner(metric_name="log_loss")
    epochs = learner.fit(1e-2, 3)
    assert list(epochs[0].metrics) == ["log_loss", "accuracy"]
    assert [e.best for e in epochs] == [
        i == 0 or e.metrics["log_loss"] < min(f.metrics["log_loss"] for f in epochs[:i]) for i, e in enumerate(epochs)
    ]


def test_a_split_without_labels_cannot_be_scored(make_learner):
    with pytest.raises(RecipeError, match="test"):
        make_learner().evaluate("test")


# ---------------------------------------------------------------- telling


def test_events_say_how_far_training_is(make_learner):
    learner = make_learner()
    epochs = learner.fit(1e-2, 2)
    assert told(learner, events.Epoch) == epochs
    last = [event for event in told(learner, events.Batch) if event.stage == "train"][-1]
    assert last.done == last.total
    assert (last.epoch, last.size) == (2, 16)
    assert last.lr == pytest.approx(1e-2 * schedules.sgdr(4, 2)[-1])


def test_a_call_reports_to_its_own_listener_and_the_learners_hears_the_rest(make_learner):
    learner, own = make_learner(), []
    learner.prepare()
    learner.told.clear()
    learner.fit(1e-2, report=own.append)
    assert learner.told == []
    assert any(isinstance(event, events.Epoch) for event in own)
    learner.lr_find(batches=12)
    assert told(learner, events.Sweep)
    with pytest.raises(ZeroDivisionError):
        learner.fit(1e-2, report=lambda event: 1 / 0)
    assert learner.reporter == learner.told.append


def test_what_a_learner_does_is_shown_nowhere_when_nobody_looks(images, tmp_path, capsys):
    learner = Learner(images, "test_efficientnet", 16, "none", cache=tmp_path, device="cpu")
    learner.fit(1e-2)
    assert capsys.readouterr() == ("", "")


def test_a_preview_shows_views_as_they_would_train(make_learner, images):
    learner = make_learner()
    shown = learner.preview(3, n=5)
    assert shown.shape == (5, 16, 16, 3)
    assert shown.dtype == np.uint8
    assert len({view.tobytes() for view in shown}) == 5
    np.testing.assert_allclose(shown.mean((1, 2)), np.tile(images.sources[3].mean((0, 1)), (5, 1)), atol=25)
    np.testing.assert_array_equal(learner.preview(3, n=5), shown)


def test_the_parts_of_activations_are_read_by_row(make_learner):
    learner = make_learner()
    learner.prepare()
    assert isinstance(learner.activations, Activations)
    rows = learner.images.train.rows
    shuffled = chance.order(rows, 1)
    together = learner.activations.of(rows)
    for row, activations in zip(shuffled, learner.activations.of(shuffled)):
        assert torch.equal(activations, together[int(np.searchsorted(rows, row))])


def test_a_metric_that_is_undefined_for_the_validation_images_leaves_the_choice_to_the_loss(make_learner, coloured):
    x, _ = coloured(40)
    names = ["a"] * 30 + ["b"] * 10  # none of the second class validates
    learner = make_learner(Images.from_arrays(x, names, valid=[str(row) for row in range(8)]), metric_name="auc")
    epochs = learner.fit(0.05, cycles=3, until_overfitting=True)
    assert not any(np.isfinite(epoch.metrics["auc"]) for epoch in epochs)
    assert learner.best is not None
    assert -learner.best[0][1] == min(epoch.valid_loss for epoch in epochs)


def test_a_learner_that_nobody_has_any_more_is_freed_at_once(make_learner):
    learner = make_learner()
    learner.precompute = True
    learner.fit(0.01)
    learner.tta("test", n=1)
    gone = weakref.ref(learner)
    del learner
    assert gone() is None
