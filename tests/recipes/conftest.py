"""Small tables of images and learners with tiny networks."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

ARCH = "test_efficientnet"  # 100,000 parameters, with BatchNorm


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads of such small networks mostly wait for each other, the more so on cores that are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(coloured):
    """36 patches in three classes, 6 to predict."""
    from recipes import Images

    x, names = coloured(36)
    return Images.from_arrays(x, names, test=coloured(6, seed=1)[0])


@pytest.fixture
def make_learner(tmp_path, images):
    """`make_learner(images, **settings)`: a learner with a tiny network that keeps all events in `told`."""
    from recipes import Learner

    def made(table=None, **settings):
        told = []
        chosen = {"arch": ARCH, "size": 16, "weights": "none", "batch_size": 8, "device": "cpu", **settings}
        places = {"cache": tmp_path / "cache", "folder": tmp_path / "models"}
        learner = Learner(images if table is None else table, **{**places, "report": told.append, **chosen})
        learner.told = told
        return learner

    return made


@pytest.fixture
def weights_of():
    """`weights_of(learner)`: a copy of every tensor of its network."""

    def copied(learner):
        return {name: tensor.detach().clone() for name, tensor in learner.network.state_dict().items()}

    return copied


@pytest.fixture
def same():
    """`same(a, b)`: whether two dicts of tensors hold the same bits under the same names."""

    def compared(a, b):
        return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    return compared


@pytest.fixture
def a_competition(tmp_path, coloured, write):
    """`a_competition(n, ...)`: a folder with `labels.csv` (id, label), `train/*.png` and `test/*.png`."""

    def made(n=24, tests=3, side=16, labels=None, ids=None, suffix=".png", header=("id", "label")):
        x, names = coloured(n, side)
        ids = ids or [f"{i:03d}" for i in range(n)]
        labels = labels or names
        for name, picture in zip(ids, x):
            write(tmp_path / "train" / f"{name}{suffix}", picture)
        for number, picture in enumerate(coloured(tests, side, seed=1)[0]):
            write(tmp_path / "test" / f"t{number}{suffix}", picture)
        with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *([name, *np.atleast_1d(label)] for name, label in zip(ids, labels))])
        return tmp_path

    return made
