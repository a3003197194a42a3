"""The eight steps in `recipes`, timed by stage: a process that bench/versus_fastai.py starts."""

from __future__ import annotations

from bench import plans


def main() -> None:
    """Follows the plan. All cycles of the last step are run, as fastai does, though the recipe may stop earlier."""
    plan, folder, clock = plans.read()
    import pandas as pd
    import timm  # noqa: F401 (so that it counts as an import)
    import torch  # noqa: F401

    from recipes import EIGHT_STEPS, Learner, tta

    clock("import")
    head, augmented, cycles = plan["epochs"]
    recipe = EIGHT_STEPS.changed(epochs=head, cycles=augmented)
    enable, sweep, train_head, train_augmented, unfreeze, lower, again, _ = recipe.steps
    images = plans.table_of(plan)
    learner = Learner(
        images,
        plan["arch"],
        plan["size"],
        plan["weights"] or "none",
        plan["seed"],
        batch_size=plan["batch"],
        cache=folder / "cache",
        report=lambda event: None,
    )
    learner.prepare()
    clock("images and network ready")
    enable.run(learner)
    clock("activations")
    learner.rate = learner.lr_find(batches=plan["sweeps"][0], pick=sweep.pick).suggestion
    rates = [learner.rate]
    clock("sweep 1")
    train_head.run(learner)
    clock("head")
    train_augmented.run(learner)
    clock("head with augmentation")
    unfreeze.run(learner)
    lower.run(learner)
    learner.rate = learner.lr_find(batches=plan["sweeps"][1], pick=again.pick).suggestion
    rates.append(learner.rate)
    clock("sweep 2")
    learner.fit(cycles=cycles, cycle_len=1, cycle_mult=2)
    learner.load_best()
    clock("whole network")
    passes = tta.passes(learner, "valid", plan["tta"])
    test = learner.tta("test", plan["tta"])
    clock("TTA")
    table = pd.DataFrame(test, columns=list(learner.images.classes))
    table.insert(0, "id", list(learner.images.test.ids))
    table.to_csv(folder / "submission.csv", index=False)
    clock("submission")
    targets = learner.images.targets[learner.images.valid.rows]
    plans.finished(plan, folder, clock, [passes[0], passes.mean(0)], targets, rates)


if __name__ == "__main__":
    main()
