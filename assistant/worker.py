"""The process that carries out one run: `python -m assistant.worker FOLDER [PART]`, or `--stand-by` (see `standby`).

It alone writes into the run folder: it appends events, saves checkpoints, and writes the predictions, the submission,
the model and the report. A run has three parts: *images* (decode them, fetch the weights), *folds* (all that a GPU is
for: train and predict) and *answers* (submission and report). With a part named, the run is paused when that is over.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from assistant import standby
from assistant.competition import CompetitionError
from assistant.event_log import EventLog, seconds_spent
from assistant.launched import announce
from assistant.line import CPU, Turn, devices_of, person_of
from assistant.processes import give_way, started_at
from assistant.runs import Asked, Run, RunError
from assistant.settings import cache_folder
from assistant.stop_file import StopFile
from recipes import events, launcher
from recipes.errors import RecipeError, Stopped, one_line
from recipes.store import atomic_write

if TYPE_CHECKING:
    import numpy as np

    from recipes import Images, Learner, Recipe

__all__ = ["Worker", "carry_out", "main"]


def main(argv: list[str] | None = None) -> int:
    """Carries out the run in the folder named by the first argument, or the part of it that a second one names. All of it
    waits for its turn on the device, unless there is the argument `--at-once`. 0 when it is done, paused or was stopped,
    1 when it failed."""
    faulthandler.enable()
    give_way()
    words = argv or sys.argv[1:]
    name, *words = standby.told() if words == [standby.ARGUMENT] else words
    part = [word for word in words if word != "--at-once"]
    ended = carry_out(Path(name).resolve(), StopFile, *part, at_once="--at-once" in words)
    standby.loaded()  # Python cannot end in the middle of an import
    return 1 if ended is None or isinstance(ended, events.RunFailed) else 0


def carry_out(
    folder: Path, stop_of: Callable[[Path, EventLog], StopFile], part: str = "", at_once: bool = False
) -> events.Event | None:
    """Carries out all that is left of the run in `folder`, or the part that is named, until what `stop_of` makes says
    stop. Returns the event that it ended with; None where another worker has the run. All of it waits for its turn on the
    device, unless it is to train `at_once`; a part does not."""
    asked = Run(folder).asked()
    try:
        with FileLock(folder / ".lock", timeout=0):
            log = EventLog(folder / "events.jsonl")
            try:
                ended = _carried_out(folder, asked, log, stop_of, part, at_once)
                if not isinstance(ended, events.RunDone):
                    log(ended)
            finally:
                log.close()
    except Timeout:
        print(f"another worker has this run: {folder}", file=sys.stderr)  # noqa: T201 (the worker's log)
        return None
    return ended


def _carried_out(
    folder: Path,
    asked: Asked,
    log: EventLog,
    stop_of: Callable[[Path, EventLog], StopFile],
    part: str,
    at_once: bool,
) -> events.Event:
    """The event that it ends with."""
    resumed = (folder / "events.jsonl").stat().st_size > 0
    log(
        events.RunStarted(
            pid=os.getpid(),
            process_started=started_at(os.getpid()),
            device=asked.options.device,
            recipe=asked.options.recipe.replace("_", " "),
            versions=asked.versions,
            resumed=resumed,
        )
    )
    stop = stop_of(folder, log)
    turn = Turn(devices_of(asked.options.device), person_of(folder), log, lambda: _gives_up(stop, folder))
    try:
        if at_once and not part:
            turn.take_if_free()
        elif not part:
            _await(turn, stop, log)
        standby.loaded()
        if not part:
            announce(folder, asked.model_dump_json())
        if not part and not at_once:
            _await_by_name(turn, asked.options.device)
        return Worker(folder, asked, log, stop).run(part)
    except Stopped:
        return stop.ending()
    except Exception as error:
        with open(folder / "worker.log", "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        return events.RunFailed(error=_told(error))
    finally:
        turn.end()


def _await(turn: Turn, stop: StopFile, log: EventLog) -> None:
    """Waits for the device; what takes memory, PyTorch above all, is imported after that. Raises Stopped, StorageError."""
    try:
        turn.wait()
    except Stopped:
        if stop.keep_best:
            log(events.Warned(text="stopped before its turn came: there are no weights to keep yet"))
        raise


def _await_by_name(turn: Turn, device: str) -> None:
    """Waits for a GPU by the name that PyTorch has for it, too. Raises Stopped, RecipeError."""
    if turn.devices not in ((), (CPU,)):
        from recipes.device import chosen_device, identity

        name = identity(chosen_device(device))
        if name:
            turn.also(name)


def _gives_up(stop: StopFile, folder: Path) -> bool:
    """Whether a run that waits is to stop. One that has learned something and is to keep the best waits on: it needs the
    device to predict."""
    return stop.asked and not (stop.keep_best and any(folder.glob("checkpoints/*/*")))


class Worker:
    """One run, from images to report. Of several processes that carry it out, the first one writes."""

    def __init__(self, folder: Path, asked: Asked, log: Callable[[events.Event], None], stop: Any):
        self.folder, self.asked, self.options, self.log, self.stop = folder, asked, asked.options, log, stop
        self.competition = asked.competition
        self.start, self.before = time.monotonic(), seconds_spent(Run(folder).events())

    def run(self, part: str = "") -> events.Event:
        """What is left of the run, or of that part of it; the event that tells that it is over. Raises Stopped."""
        from assistant.image_table import image_table

        images = image_table(self.competition, self.options.valid, self.options.seed)
        if part == "images":
            self._ready(images)
            return events.RunPaused(during="the images", then="folds")
        folds = self._folds(images)
        if part == "folds" or launcher.place().rank:  # the first process writes the answers
            return events.RunPaused(during="the predictions", then="answers")
        return self._answers(images, folds)

    def _ready(self, images: Images) -> None:
        """Whatever needs no GPU before the training: weights fetched, images decoded at every size."""
        learner = self._learner(images, 0, device="cpu")
        learner.prepare()
        for size in self.options.sizes:
            learner.shelf.at(size, self.log, self.stop)

    def _folds(self, images: Images) -> list[dict[str, np.ndarray]]:
        """Every fold's predictions."""
        from assistant.planned import recipe_of
        from recipes import ranks

        self.ranks = ranks.of(self.options.device)
        self.ranks.when_ended(lambda line: self.log(events.RunFailed(error=line)))
        recipe, folds = recipe_of(self.options), []
        for fold in range(self.options.folds):
            part = images if self.options.folds == 1 else images.fold(fold, self.options.folds)
            predictions = self._fold(fold, part, recipe)
            if predictions is not None:
                folds.append(predictions)
            if all(self._wish()):
                break
        return folds

    def _wish(self) -> tuple[bool, bool]:
        """Whether a stop was asked for, and whether to keep the best: the same for all processes of the run."""
        asked, keep_best = self.ranks.same([self.stop.asked, self.stop.keep_best])
        return asked, keep_best

    def _answers(self, images: Images, folds: list[dict[str, np.ndarray]]) -> events.Event:
        """The submission, the scores and the report."""
        import numpy as np

        valid = {key: np.concatenate([fold[key] for fold in folds]) for key in ("rows", "plain", "tta")}
        test = np.stack([fold["test"] for fold in folds]).mean(0, dtype=np.float64).astype(np.float32)
        return self._finish(images, valid, test)

    def _fold(self, number: int, images: Images, recipe: Recipe) -> dict[str, np.ndarray] | None:
        """A fold's predictions: those of a checkpoint where the fold was done before, else trained for. None where a
        stop came before anything was learned, and another fold has been."""
        import numpy as np
        from safetensors.numpy import load_file, save

        folder = self.folder / "checkpoints" / f"fold-{number}"
        done = folder / "predictions.safetensors"
        if self.ranks.word(done.is_file()):
            return load_file(done) if self.ranks.first else {}
        learner = self._learner(images, number)
        if number == 0:
            self._advise(learner)
        try:
            recipe.run(learner, report=learner.reporter, checkpoints=folder)
        except Stopped:
            _, keep_best = self._wish()
            if keep_best and learner.best is None and number == 0:
                self.log(
                    events.Warned(text="stopped before the first epoch was over: there are no weights to keep yet")
                )
                self.stop.keep_best = False
                raise
            if not keep_best:
                raise
            if learner.best is None:
                return None
            learner.load_best()
        self.stop.finishing = True
        predictions = self._predictions(learner, folder / "passes")
        if number == 0:
            learner.export(self.folder / "model")
        if not self.stop.asked:
            self.stop.finishing = False
        if self.ranks.first:
            atomic_write(done, save({name: np.ascontiguousarray(array) for name, array in predictions.items()}))
            shutil.rmtree(folder / "passes", ignore_errors=True)
        return predictions

    def _advise(self, learner: Learner) -> None:
        """Tells of a precision that would be faster, where none was asked for."""
        from recipes.advice import BF16_PAYS
        from recipes.device import bf16_pays

        unasked = self.options.precision == "auto" and learner.precision == "fp32" and not self.competition.sample
        if unasked and bf16_pays(learner.network, learner.device):
            self.log(events.Advice(kind="precision", text=BF16_PAYS, numbers={}))

    def _learner(self, images: Images, fold: int, device: str | None = None) -> Learner:
        from recipes.augment import Augmentation
        from recipes.learner import Learner
        from recipes.network import WeightsUnreachable

        options = self.options

        def tell(event: events.Event) -> None:
            if isinstance(event, events.StepStarted):
                fields = {name: getattr(event, name) for name in ("t", "title", "words", "step", "of", "size")}
                event = events.StepStarted(**fields, fold=fold, folds=options.folds)
            self.log(event)

        def made(weights: str) -> Learner:
            return Learner(
                images,
                options.arch,
                options.sizes[0],
                weights,
                options.seed + fold,
                batch_size=options.batch_size,
                augmentation=Augmentation(options.augment, options.max_zoom),
                metric_name=self.competition.metric.name,
                smoothing=options.smoothing,
                ema=options.ema or None,
                ratio=options.ratio,
                largest=max(options.sizes),
                device=device or options.device,
                precision=options.precision,
                cache=cache_folder(),
                report=tell,
                should_stop=self.stop,
            )

        try:
            return made(options.weights)
        except WeightsUnreachable as error:
            if not self.competition.sample:
                raise
            tell(events.Warned(text=f"{error}. The sample goes on with random weights."))
            return made("none")

    def _predictions(self, learner: Learner, kept: Path) -> dict[str, np.ndarray]:
        """Rows, plain and TTA answers of the validation images, and the answers for the test images; passes that are
        through are kept in that folder."""
        from recipes import tta

        plain, mean = tta.answers(learner, "valid", self.options.tta, kept)
        test = tta.answers(learner, "test", self.options.tta, kept)[1] if len(learner.images.test) else plain[:0]
        return {"rows": learner.images.valid.rows, "plain": plain, "tta": mean, "test": test}

    def _finish(self, images: Images, valid: dict[str, np.ndarray], test: np.ndarray) -> events.Event:
        from assistant.image_table import answers_in_order
        from recipes.metrics import bootstrap, default_metrics, metric

        order = valid["rows"].argsort(kind="stable")
        rows = valid["rows"][order]
        targets, tta = images.targets[rows], valid["tta"][order]
        first = metric(self.competition.metric.name, images.task)
        metrics = (first, *(other for other in default_metrics(images.task) if other != first))
        answers = {"valid": valid["plain"][order], "valid_tta": tta}
        scores = {view: {made.name: made(targets, given) for made in metrics} for view, given in answers.items()}
        intervals = {view: {first.name: list(bootstrap(first, targets, given))} for view, given in answers.items()}
        valid_ids, labels = [images.ids[row] for row in rows], [images.label(row) for row in rows]
        self._write_answers("valid.csv", valid_ids, images.classes, tta, labels)
        if len(images.test):
            ids = list(images.test.ids)
            self._write_answers("test.csv", ids, images.classes, test)
            decision = self._decision(images, targets, tta, scores)
            self._write_submission(ids, answers_in_order(self.competition, images.classes, test), decision, scores)
        done = events.RunDone(
            seconds=self.before + time.monotonic() - self.start,
            scores=scores,
            intervals=intervals,
            kept_best=self.stop.asked and self.stop.keep_best,
        )
        self._write_report(images, done)
        self.log(done)
        return done

    def _decision(self, images: Images, targets: np.ndarray, tta: np.ndarray, scores: dict[str, dict[str, float]]):
        """What makes classes, tags or numbers of the answers, fitted on validation; tells how, and what it is worth."""
        from assistant.submission import decided_within, decision_of
        from recipes.decisions import cross_fitted

        decision = decision_of(self.competition, images.task, targets, tta)
        if decision is None:
            return None
        atomic_write(self.folder / "decision.json", json.dumps(decision.to_dict(), indent=1))
        if "fitted on" in decision.why:
            name = self.competition.metric.name
            within = decided_within(self.competition, targets)
            scores["valid_decided"] = {name: cross_fitted(name, images.task, targets, tta, **within)}
            self.log(events.Advice(kind="decision", text=f"the submission's cells: {decision.why}", numbers={}))
        return decision

    def _write_submission(
        self, ids: list[str], answers: np.ndarray, decision, scores: dict[str, dict[str, float]]
    ) -> None:
        from assistant import sample
        from assistant.submission import write_submission

        path = self.folder / "submission.csv"
        columns = write_submission(self.competition, ids, answers, path, decision)
        rows = len(self.competition.test_ids) or len(ids)
        self.log(events.SubmissionWritten(path=str(path), rows=rows, columns=columns))
        if self.competition.sample:
            scores["truth"] = sample.score(path)

    def _write_answers(
        self, name: str, ids: list[str], classes: tuple[str, ...], answers, targets: list[str] | None = None
    ) -> None:
        import pandas as pd

        columns = {"id": ids} | ({"target": targets} if targets is not None else {})
        numbers = pd.DataFrame(answers, columns=list(classes)).round(9)
        table = pd.concat([pd.DataFrame(columns, dtype=str), numbers], axis=1)
        atomic_write(self.folder / name, table.to_csv(index=False, lineterminator="\n", float_format="%.9f"))

    def _write_report(self, images: Images, done: events.RunDone) -> None:
        places = {name: source for name, source, split in zip(images.ids, images.sources, images.split) if split != 2}
        try:
            from assistant.report import write_report

            write_report(self.folder, places.get, done)
        except Exception as error:  # a picture of the results is not worth the results
            traceback.print_exc()
            self.log(
                events.Warned(
                    text=f"the report could not be written: {one_line(error)[:200]}; the results are not touched"
                )
            )


def _told(error: BaseException) -> str:
    """One line for the user; the traceback is in the worker's log."""
    if isinstance(error, (RecipeError, CompetitionError, RunError)):
        return one_line(error)
    from recipes.training import is_out_of_memory

    if is_out_of_memory(error):
        return f"out of memory: {one_line(error)[:160]}; take a smaller size, batch or architecture, then resume"
    if isinstance(error, OSError):
        return f"a file could not be read or written: {one_line(error)}; put that right, then resume"
    return f"the run broke off: {one_line(error)[:300]}; the details are in worker.log, resume goes on from the last checkpoint"


if __name__ == "__main__":
    sys.exit(main())
