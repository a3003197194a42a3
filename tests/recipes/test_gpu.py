"""On an NVIDIA GPU: recorded steps train like those that are carried out one by one."""

import numpy as np
import pytest
import torch

from recipes import EIGHT_STEPS, Images, Learner, replay
from recipes.errors import Stopped

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    y = np.repeat(["dark", "light"], 200)
    x = draw.integers(0, 160, (400, 40, 40, 3)) + np.where(y == "light", 90, 0)[:, None, None, None]
    return Images.from_arrays(x.astype(np.uint8), y, test=x[:50].astype(np.uint8))


def learner_of(images, cache, **settings) -> Learner:
    settings = {"batch_size": 32, "device": "cuda", "report": lambda event: None} | settings
    return Learner(images, "test_resnet", 32, "none", cache=cache, **settings)


def weights(learner: Learner) -> torch.Tensor:
    return torch.cat([tensor.float().flatten() for tensor in learner.network.state_dict().values()])


@pytest.mark.parametrize("frozen_to", [0, -1])
def test_a_recorded_step_does_what_the_step_does(images, tmp_path, monkeypatch, frozen_to):
    made = {}
    for way in ("recorded", "carried out"):
        monkeypatch.setattr(replay, "WARM", 3 if way == "recorded" else 10**9)
        learner = learner_of(images, tmp_path, precision="fp32")
        learner.freeze_to(frozen_to)
        learner.fit(1e-3, cycles=2)
        made[way] = weights(learner)
    begun = weights(learner_of(images, tmp_path, precision="fp32"))
    moved = (made["carried out"] - begun).norm()
    assert (made["recorded"] - made["carried out"]).norm() < 0.02 * moved


def test_steps_are_recorded_once_for_each_size_of_a_batch(images, tmp_path, monkeypatch):
    recorded, record = [], replay.Replay._record
    monkeypatch.setattr(
        replay.Replay, "_record", lambda self, *given: recorded.append(given[0].shape) or record(self, *given)
    )
    learner = learner_of(images, tmp_path)
    learner.unfreeze()
    learner.fit(1e-3, cycles=4)
    assert len(recorded) == len(set(recorded)) <= 2


def test_a_batch_whose_loss_is_not_finite_changes_no_weight(images, tmp_path):
    learner = learner_of(images, tmp_path)
    learner.unfreeze()
    learner.fit(1e-3, cycles=1)
    before = weights(learner)
    with torch.no_grad():
        learner.network.head[-1].bias.fill_(float("nan"))
    learner.fit(1e-3, cycles=1)
    assert torch.equal(weights(learner), before)


def test_a_network_that_cannot_be_recorded_trains_all_the_same(images, tmp_path, monkeypatch):
    learner = learner_of(images, tmp_path)
    learner.unfreeze()
    features = learner.network.features
    monkeypatch.setattr(learner.network, "features", lambda batch: features(batch) * float(batch.mean().item() < 1e9))
    before = weights(learner)
    learner.fit(1e-3, cycles=2)
    assert not torch.equal(weights(learner), before)


def test_the_whole_recipe_runs_and_resumes(images, tmp_path):
    learner = learner_of(images, tmp_path / "cache")
    learner.should_stop = lambda: learner.step == 8
    with pytest.raises(Stopped):
        EIGHT_STEPS.run(learner, checkpoints=tmp_path / "checkpoints")
    again = learner_of(images, tmp_path / "cache")
    result = EIGHT_STEPS.run(again, checkpoints=tmp_path / "checkpoints")
    assert result.metrics["accuracy"] > 0.9
    assert again.tta("test", n=2).shape == (50, 2)
