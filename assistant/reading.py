"""From a folder to a Competition, with reasons: where the labels and images are, what is asked, what the answer looks
like.

Nothing is decided by a competition's name: the template, the files and their columns say what they are. Every answer
is a `Finding` with its reason and the runners-up, and a setting overrules it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import scoring
from assistant.choices import with_choices
from assistant.competition import Answer, Competition, CompetitionError, Finding, Labels, MetricChoice
from assistant.grouping import SIDES, group_columns, two_sides
from assistant.inventory import Inventory, Pictures, take_stock
from assistant.labelling import Candidate, Expected, Rows, candidates, rows_of
from assistant.questions import Question, question_as, question_of
from assistant.refusals import refused, refused_ids, refused_labels, refused_without_pictures
from assistant.remarks import leaks, missing
from assistant.tables import Table, read_tables
from assistant.templates import Template, answer_of, classes_like_targets, expected_of, find_templates, positive_of
from assistant.translations import other_names
from assistant.unseen import unseen
from recipes.errors import few, nearest
from recipes.tasks import sorted_classes

__all__ = ["SETTINGS", "Reading", "read"]

SETTINGS = {
    "labels": "file of the labels, or folders, or names; with its column: train.csv:breed",
    "id": "column of the labels' ids",
    "target": "columns of the labels, parted by commas",
    "template": "file of the template",
    "task": "single_label, multi_label or regression",
    "value": "probability, label, tags, ranked or number",
    "positive": "the class that a single probability column stands for",
    "metric": "the score",
    "group": "column of the groups, or none",
    "top": "how many classes a ranked answer holds",
}
VALUES = ("probability", "label", "tags", "ranked", "number")


@dataclass
class Reading:
    """A folder's files, read once: what `read` decides from, and where the labelled rows come from."""

    stock: Inventory
    pictures: Pictures
    tables: dict[str, Table]
    broken: dict[str, str]
    given_back: list[str]

    @classmethod
    def of(cls, root: Path) -> Reading:
        """Reads the files of that folder. Raises CompetitionError."""
        try:
            stock = take_stock(root)
        except OSError as error:
            raise CompetitionError(
                f"the folder cannot be read: {root} ({error.strerror}); check its permissions"
            ) from None
        names = [name for name in (*stock.tables, *stock.documents) if name != "page.json"]
        tables, broken = read_tables(root, names[:500])
        pictures = Pictures(stock.readable)
        given_back = classes_like_targets(stock, find_templates(tables, pictures))
        if stock.give_back(given_back):
            pictures = Pictures(stock.readable)
        return cls(stock, pictures, tables, broken, given_back)


def read(folder: Path | str, settings: Mapping[str, str] | None = None) -> Competition:
    """What the competition in `folder` asks for; `settings` overrule what is found (see SETTINGS). Raises
    CompetitionError in one line."""
    root, given = Path(folder).resolve(), dict(settings or {})
    if not root.is_dir():
        raise CompetitionError(f"no such folder: {folder}; name one with pictures and their labels")
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise CompetitionError(f"the folder's path is not UTF-8: {str(root)!a}; rename it") from None
    for key in given:
        if key not in SETTINGS:
            raise CompetitionError(f"no such setting: {key}; there are {', '.join(SETTINGS)}")
    return _Reader(root, _page(root), Reading.of(root), given).competition()


def _page(root: Path) -> dict[str, str]:
    try:
        if (root / "page.json").exists() and not (root / "page.json").is_file():
            raise OSError("it is no file")
        page = json.loads((root / "page.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CompetitionError(
            f"page.json cannot be read: {' '.join(str(error).split())}; mend it or take it away"
        ) from None
    whole = {str(key): str(value) for key, value in page.items()} if isinstance(page, dict) else {}
    return {key: value.encode("utf-8", "replace").decode() for key, value in whole.items()}


class _Reader:
    """One reading: each step decides one thing and writes down why."""

    def __init__(self, root: Path, page: dict[str, str], files: Reading, given: dict[str, str]):
        self.root, self.page, self.files, self.given = root, page, files, given
        self.tables, self.pictures = files.tables, files.pictures
        self.findings: list[Finding] = []
        self.warnings: list[str] = [
            f"{name} cannot be read as a table ({reason}): it is passed over"
            for name, reason in files.broken.items()
            if not name.endswith((".json", ".jsonl", ".ndjson"))
        ]
        self.warnings += files.stock.notes
        self.warnings += [f"{name}: {note}" for name, table in self.tables.items() for note in table.notes]

    def competition(self) -> Competition:
        """Everything, in order."""
        pixels = [table for table in self.tables.values() if table.pixels is not None]
        template = self._template()
        if not len(self.pictures) and not pixels:
            reason = self._refused(template, False) or refused_without_pictures(self.files.stock, self.tables)
            if reason is None:
                raise CompetitionError(
                    f"no images found: {self.root} holds no picture (.jpg, .png, .tif …); check the folder"
                )
            return self._unsupported(reason, template)
        expected = expected_of(template, self.tables)
        labels, found = self._labels(expected)
        fits = labels is not None and found.score >= 14
        reason = self._refused(template, fits)
        if reason is not None:
            return self._unsupported(reason, template)
        if labels is None:
            raise CompetitionError(
                f"no labels found: no table in {self.root.name} names its pictures, and there are no class folders"
                + "".join(f", and {name} is none ({why})" for name, why in [*self.files.broken.items()][:3])
                + "; put a CSV with ids and labels beside the pictures"
            )
        rows = rows_of(labels, self.pictures, self.tables, expected.ids)
        reason = refused_labels(rows.targets, labels.target_columns)
        if reason is not None:
            return self._unsupported(reason, template, labels)
        labels = labels.model_copy(update=self._groups(labels, rows) | {"given_back": self.files.given_back})
        hint = self.given.get("metric") or scoring.hint(self.page)
        question = self._question(rows, labels, template, hint)
        asked = unseen(template, labels, rows, self.pictures, self.tables)
        self.warnings += asked.notes
        reason = None
        if labels.kind != "pixels":
            reason = refused_ids(template, asked.missing, self.pictures.of("test"))
        if reason is not None:
            return self._unsupported(reason, template, labels, question)
        answer, reason = self._answer(template, question, labels, rows, hint)
        if reason is not None:
            return self._unsupported(reason, template, labels, question)
        metric = self._metric(answer, question)
        self.warnings += missing(rows, template, asked)
        self.warnings += leaks(self.tables.get(str(labels.file)), labels, expected, answer)
        source = labels.file or few(labels.families, 3)
        said = {
            "table": f"{source}: column {few(labels.target_columns, 8)}",
            "pixels": f"{source}: column {few(labels.target_columns, 8)}, with the pictures' pixels beside it",
            "folders": f"{source}/<class>: the name of each picture's folder",
            "names": f"{source}: a part of each picture's file name",
        }[labels.kind]
        return Competition(
            slug=str(self.page.get("ref") or self.root.name).rsplit("/", 1)[-1],
            title=str(self.page.get("title") or self.root.name),
            task=question.task,
            classes=question.classes,
            labels_from=said,
            train_images=sum(file is not None for file in rows.files),
            test_images=len(asked.ids),
            id_column=labels.id_columns[-1] if labels.id_columns else answer.id_column,
            target_columns=labels.target_columns,
            submission=answer,
            metric=metric,
            group_column=labels.group_column,
            warnings=self.warnings,
            folder=str(self.root),
            labels=labels.model_copy(update={"separator": question.separator}),
            ordinal=question.ordinal,
            test_ids=asked.ids,
            test_files=asked.files,
            test_table=asked.table,
            evidence=with_choices(self.findings, self.tables, labels, question, answer),
            sample=self.page.get("ref") == "recipe-assistant/sample",
        )

    def _refused(self, template: Template | None, labelled: bool) -> str | None:
        return refused(template, self.tables, self.files.stock, self.pictures, labelled, self.page)

    def _found(self, name: str, answer: str, why: str, others: Sequence[str] = (), also: str = "") -> None:
        given = [f"{key}={self.given[key]}" for key in (name, also) if key in self.given]
        why = f"you said so ({'; '.join(given)})" if given else why
        self.findings.append(Finding(field=name, answer=answer, why=why, others=list(others)[:4]))

    # ---------------------------------------------------------------- the template

    def _template(self) -> Template | None:
        found = find_templates(self.tables, self.pictures)
        wanted = self.given.get("template")
        if wanted == "none":
            found = []
        elif wanted is not None:
            named = [template for template in found if template.name == wanted]
            if not named and wanted in self.tables and len(self.tables[wanted].columns) > 1:
                table = self.tables[wanted]
                named = [Template(table, table.columns[0], table.columns[1:], [], 9, [])]
            if not named:
                like = nearest(wanted, self.tables) or list(self.tables)
                raise CompetitionError(f"no such table: {wanted} (template=); there are {few(like, 6)}")
            found = named + [template for template in found if template not in named]
        if not found:
            self._found("template", "none", "no table is called like one, or asks for the test pictures")
            self.warnings.append("there is no template: the submission will have the columns id and label")
            return None
        best = found[0]
        self._found("template", best.name, ", ".join(best.reasons), [template.name for template in found[1:]])
        return best

    # ---------------------------------------------------------------- the labels

    def _labels(self, expected: Expected) -> tuple[Labels | None, Candidate]:
        found = candidates(self.files.stock, self.pictures, self._label_tables(), expected)
        found = self._wanted(found)
        none = Candidate(Labels(kind="table"), 0.0)
        if not found or (found[0].score < 4 and "labels" not in self.given):
            return None, none
        best = found[0]
        others = [f"{other} ({'; '.join(other.reasons)})" for other in found[1:6] if str(other) != str(best)]
        self._found("labels", str(best), "; ".join(best.reasons), others, also="target")
        if best.labels.id_columns:
            beside = [c.labels.id_columns for c in found if c.labels.file == best.labels.file]
            ids = [columns[0] for columns in beside if len(columns) == 1 and columns != best.labels.id_columns]
            self._found("id", " / ".join(best.labels.id_columns), best.reasons[0], list(dict.fromkeys(ids)))
        return best.labels, best

    def _label_tables(self) -> dict[str, Table]:
        template = next((finding.answer for finding in self.findings if finding.field == "template"), None)
        return {name: table for name, table in self.tables.items() if name != template}

    def _wanted(self, found: list[Candidate]) -> list[Candidate]:
        """The candidates that fit what was said of labels, id and target."""
        file, _, column = self.given.get("labels", "").partition(":")
        columns = [c.strip() for c in (self.given.get("target") or column).split(",") if c.strip()]
        if not file and not columns and "id" not in self.given:
            return found
        chosen = found
        if file:
            kinds = {"folders": "folders", "names": "names"}
            chosen = [c for c in chosen if c.labels.file == file or c.labels.kind == kinds.get(file)]
        if "id" in self.given:
            chosen = [c for c in chosen if c.labels.id_columns == [self.given["id"]]]
        if columns and chosen:
            table = self.tables.get(str(chosen[0].labels.file))
            lacking = [c for c in columns if table is None or c not in table.columns]
            if lacking:
                there = table.columns if table else []
                raise CompetitionError(
                    f"no such column: {few(lacking)} (target=); there are {few(nearest(lacking[0], there) or there, 8)}"
                )
            labels = chosen[0].labels.model_copy(update={"target_columns": columns})
            chosen = [Candidate(labels, chosen[0].score, chosen[0].reasons)]
        if not chosen:
            said = ", ".join(f"{key}={self.given[key]}" for key in ("labels", "id", "target") if key in self.given)
            raise CompetitionError(
                f"no labels found there: {said}; there are {few([str(c) for c in found], 5) or 'none'}"
            )
        return chosen

    def _groups(self, labels: Labels, rows: Rows) -> dict[str, Any]:
        """The column of a table that says which pictures belong together."""
        wanted = self.given.get("group")
        if wanted == "none":
            self._found("group", "none", "")
            return {}
        found = group_columns(self.tables, labels, rows, wanted)
        if wanted not in (None, SIDES) and (not found or found[0].column != wanted):
            raise CompetitionError(f"no such group column: {wanted} (group=); name one whose cells repeat, or none")
        if wanted == SIDES or (not found and two_sides(rows)):
            self._found("group", SIDES, "each id has a side, and most come with both")
            return {"group_column": SIDES}
        if not found:
            self._found("group", "none", "no column names a patient, a place or the like that repeats")
            return {}
        best = found[0]
        others = [f"{other.column} of {other.file}" for other in found[1:]]
        self._found(
            "group", best.column, f"{best.file} has {best.count:,} different ones for {best.rows:,} rows", others
        )
        return {"group_column": best.column, "group_file": best.file}

    # ---------------------------------------------------------------- what is asked

    def _question(self, rows: Rows, labels: Labels, template: Template | None, hint: str | None) -> Question:
        if labels.kind in ("folders", "names"):
            kept = [(target[0],) for target in rows.targets]
            classes = sorted({target[0] for target in kept})
            question = Question("single_label", list(sorted_classes(classes)), why=f"{len(classes)} {labels.kind}")
        else:
            kept = [target for target, file in zip(rows.targets, rows.files) if file is not None] or rows.targets
            question = question_of(kept, labels.target_columns, template, hint)
        wanted = self.given.get("task")
        if wanted is not None and wanted != question.task:
            question = question_as(wanted, kept, labels.target_columns)
        self._found(
            "task",
            f"{question.task}, {len(question.classes)} {'columns' if question.task == 'regression' else 'classes'}",
            question.why,
            question.others,
        )
        return question

    def _answer(
        self, template: Template | None, question: Question, labels: Labels, rows: Rows, hint: str | None
    ) -> tuple[Answer, str | None]:
        numbers: list[float] = []
        if question.task == "regression":
            numbers = [float(cell) for target in rows.targets for cell in target if cell.strip()]
        positive = None
        if "positive" in self.given and self.given["positive"] not in question.classes:
            raise CompetitionError(
                f"no such class: {self.given['positive']} (positive=); there are {few(question.classes, 8) or 'none'}"
            )
        if question.task == "single_label" and len(question.classes) == 2 and template is not None:
            positive = positive_of(question.classes, template.columns[0], self.page)
            wanted = self.given.get("positive")
            if wanted is not None:
                positive = (wanted, "you said so")
        try:
            answer = answer_of(
                template,
                question.task,
                question.classes,
                labels.target_columns,
                hint,
                positive,
                question.separator or " ",
                numbers,
                list(other_names(question.classes, self.tables)),
            )
        except ValueError as error:
            reason = f"the template is not understood: {template.name if template else ''}: {error}"
            return Answer(template=None, id_column="", columns=[], value="label"), reason
        changes: dict[str, Any] = {}
        if "value" in self.given:
            if self.given["value"] not in VALUES:
                raise CompetitionError(
                    f"no such value: {self.given['value'][:40]} (value=); there are {', '.join(VALUES)}"
                )
            value = changes["value"] = self.given["value"]
            alone = value == "probability" and len(answer.columns) == 1 and positive is not None
            changes["positive"] = positive[0] if alone and positive else None
            changes["top"] = (answer.top or min(5, len(question.classes))) if value == "ranked" else None
        if "top" in self.given:
            if not re.fullmatch(r"[1-9][0-9]{0,3}", self.given["top"]):
                raise CompetitionError(f"no such number: {self.given['top'][:40]} (top=); give a whole one from 1 on")
            changes |= {"value": "ranked", "top": int(self.given["top"])}
        answer = Answer.model_validate(answer.model_dump() | changes)
        self._found("value", answer.value + (f" of {answer.positive!r}" if answer.positive else ""), answer.why)
        if positive is not None and (answer.positive or answer.spelled):
            self._found("positive", positive[0], positive[1])
        if answer.top is not None and answer.value == "ranked":
            self._found("top", str(answer.top), answer.why)
        return answer, None

    def _metric(self, answer: Answer, question: Question) -> MetricChoice:
        chosen = scoring.chosen(self.page, answer, question, self.given.get("metric"))
        self._found("metric", chosen.name, chosen.why)
        return chosen

    def _unsupported(
        self, reason: str, template: Template | None, labels: Labels | None = None, question: Question | None = None
    ) -> Competition:
        answer = Answer(template=None, id_column="", columns=[], value="label")
        if template is not None:
            answer = Answer(
                template=template.name, id_column=template.id_column, columns=template.columns, value="label"
            )
        return Competition(
            slug=str(self.page.get("ref") or self.root.name).rsplit("/", 1)[-1],
            title=str(self.page.get("title") or self.root.name),
            task=question.task if question else "single_label",
            classes=question.classes if question else [],
            labels_from="",
            train_images=0,
            test_images=0,
            id_column=answer.id_column,
            target_columns=labels.target_columns if labels else [],
            submission=answer,
            metric=MetricChoice(name="accuracy", direction="larger", why="it cannot be run"),
            warnings=self.warnings,
            unsupported=reason,
            folder=str(self.root),
            labels=labels or Labels(kind="table"),
            evidence=with_choices(self.findings, self.tables, labels, question),
        )
