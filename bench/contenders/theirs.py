"""The eight steps in fastai 2, timed by stage: a process that bench/versus_fastai.py starts.

fastai's defaults wherever the plan says nothing: optimizer, momentum, weight decay, head, number of loader workers,
BatchNorm that goes on learning in a frozen body. fastai 2 has no cached activations: what `precompute=True` was is a
frozen body on images that are not augmented. Layer groups are those of `recipes`, since for a timm network fastai knows
only body and head. Images come as in fastai's book (presizing): a square of size / .875 from the loader, brought to
`size` by the batch's augmentation.
"""

from __future__ import annotations

import warnings
from typing import Any

from bench import plans

warnings.filterwarnings("ignore")


def main() -> None:
    """Follows the plan."""
    plan, folder, clock = plans.read()
    import numpy as np
    import pandas as pd
    from fastai.callback.schedule import fit_sgdr, lr_find  # noqa: F401 (methods that importing adds to Learner)
    from fastai.callback.tracker import SaveModelCallback
    from fastai.torch_core import set_seed
    from fastai.vision.all import accuracy, params, vision_learner

    clock("import")
    set_seed(plan["seed"])
    head, augmented, cycles = plan["epochs"]
    plain, views = loaders(plan, False), loaders(plan, True)

    def three_groups(model: Any) -> list:
        parameters = {f"backbone.{name}": parameter for name, parameter in model[0].model.named_parameters()}
        early, late = ([parameters[name] for name in names] for names in plan["groups"][:2])
        return [early, late, params(model[1])]

    weights = {"pretrained_cfg_overlay": {"file": plan["weights"]}} if plan["weights"] else {}
    learn = vision_learner(
        plain,
        plan["arch"],
        pretrained=bool(plan["weights"]),
        splitter=three_groups,
        metrics=accuracy,
        path=folder,
        **weights,
    )
    learn.freeze()
    clock("images and network ready")
    with learn.no_bar(), learn.no_logging():
        rate = float(learn.lr_find(num_it=plan["sweeps"][0], show_plot=False).valley)
        rates = [rate]
        clock("sweep 1")
        learn.fit_sgdr(1, head, rate)
        clock("head")
        learn.dls = views
        for _ in range(augmented):  # cycle_mult=1: fit_sgdr divides by cycle_mult - 1
            learn.fit_sgdr(1, 1, rate)
        clock("head with augmentation")
        learn.unfreeze()
        rate = float(learn.lr_find(num_it=plan["sweeps"][1], show_plot=False).valley)
        rates.append(rate)
        clock("sweep 2")
        best = SaveModelCallback(monitor="accuracy", comp=np.greater)
        learn.fit_sgdr(cycles, 1, slice(rate / 100, rate), cycle_mult=2, cbs=best)
        clock("whole network")
        valid, targets = learn.tta(ds_idx=1, n=plan["tta"])
        test, _ = learn.tta(dl=learn.dls.test_dl(plan["test"]), n=plan["tta"])
        clock("TTA")
        names = [path.rsplit("/", 1)[1].rpartition(".")[0] for path in plan["test"]]
        table = pd.DataFrame(np.asarray(test), columns=list(learn.dls.vocab))
        table.insert(0, "id", names)
        table.to_csv(folder / "submission.csv", index=False)
        clock("submission")
        answers, _ = learn.get_preds(ds_idx=1)
    plans.finished(plan, folder, clock, [np.asarray(answers), np.asarray(valid)], np.asarray(targets), rates)


def loaders(plan: dict[str, Any], augmented: bool) -> Any:
    """fastai's loaders of the plan's split, with its own augmentation or with none."""
    import pandas as pd
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, aug_transforms

    rows = [(path, label, False) for path, label in plan["train"]]
    rows += [(path, label, True) for path, label in plan["valid"]]
    table = pd.DataFrame(rows, columns=["name", "label", "is_valid"])
    size, batch = plan["size"], [Normalize.from_stats(plan["mean"], plan["std"])]
    if augmented:
        batch = [*aug_transforms(size=size, max_warp=0.0, max_lighting=0.05), *batch]
    return ImageDataLoaders.from_df(
        table,
        path="/",
        valid_col="is_valid",
        bs=plan["batch"],
        item_tfms=Resize(round(size / 0.875) if augmented else size),
        batch_tfms=batch,
    )


if __name__ == "__main__":
    main()
