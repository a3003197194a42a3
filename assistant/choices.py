"""What may be said instead of what was found: the values that each finding's setting takes, the likeliest first.

A value is offered where it can be right: metrics that score the task, columns that a table has, classes that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from assistant.competition import Answer, Finding, Labels
from assistant.questions import Question, is_number
from assistant.scoring import metrics_for
from assistant.tables import Table

__all__ = ["setting_of", "with_choices"]

OFFERED, ROWS = 60, 20_000  # values of a setting; rows whose cells are compared
TOPS = (1, 2, 3, 5, 10)


def with_choices(
    findings: Sequence[Finding],
    tables: Mapping[str, Table],
    labels: Labels | None = None,
    question: Question | None = None,
    answer: Answer | None = None,
) -> list[Finding]:
    """The findings, each with what says it and what says otherwise, as far as the reading got."""
    found = {finding.field: finding for finding in findings}
    template = found["template"].answer if "template" in found else "none"
    said = {"template": template, "labels": _said(labels), "positive": answer and answer.positive}
    offered: dict[str, list[str]] = {"template": [*_templates(tables, labels), "none"]}
    if labels is not None:
        said["id"] = labels.id_columns[0] if len(labels.id_columns) == 1 else ""
        offered["labels"] = _columns_as_labels(tables, labels)
        said["group"] = labels.group_column or "none"
        offered["group"] = [*_repeating(tables, labels), "none"]
    if question is not None:
        said["task"] = question.task
        offered["task"] = _tasks(question)
        offered["positive"] = question.classes
        offered["metric"] = metrics_for(question)
    if question is not None and answer is not None:
        said["value"] = answer.value
        offered["value"] = _values(question, answer)
        offered["top"] = [str(top) for top in TOPS if top <= len(question.classes)]
    return [
        finding.model_copy(
            update={
                "said": said.get(finding.field) or _plain(finding),
                "choices": _distinct(
                    [*(setting_of(finding.field, other) for other in finding.others), *offered.get(finding.field, [])],
                    said.get(finding.field) or _plain(finding),
                ),
            }
        )
        for finding in findings
    ]


def setting_of(field: str, other: str) -> str:
    """What `--set` has to be given for a runner-up, "" where it cannot be said in a word."""
    if field == "group":
        return other.partition(" of ")[0]
    if field != "labels":
        return other
    if other.startswith("the names of the pictures"):
        return "names"
    file, colon, rest = other.partition(": ")
    if not colon or "/<class>" in file:
        return "folders" if "/<class>" in other else ""
    column = rest.partition(" (")[0]
    return "" if "…" in column else f"{file}:{column}"


def _plain(finding: Finding) -> str:
    """An answer that is its own setting."""
    return finding.answer if finding.field in ("metric", "top", "positive") else ""


def _distinct(values: Iterable[str], but: str) -> list[str]:
    """Each once, without the answer itself and without what does not go on a line."""
    return [value for value in dict.fromkeys(values) if value and value != but and value.isprintable()][:OFFERED]


def _said(labels: Labels | None) -> str:
    if labels is None:
        return ""
    if labels.kind in ("folders", "names"):
        return labels.kind
    return f"{labels.file}:{','.join(labels.target_columns)}" if len(labels.target_columns) <= 4 else ""


def _templates(tables: Mapping[str, Table], labels: Labels | None) -> list[str]:
    return [
        name
        for name, table in tables.items()
        if len(table.columns) > 1 and table.pixels is None and (labels is None or name != labels.file)
    ]


def _columns_as_labels(tables: Mapping[str, Table], labels: Labels) -> list[str]:
    table = tables.get(str(labels.file))
    columns = table.columns if table is not None else []
    return [f"{labels.file}:{column}" for column in columns if column not in labels.id_columns and "," not in column]


def _repeating(tables: Mapping[str, Table], labels: Labels) -> list[str]:
    """The columns beside the labels whose cells repeat, as those of groups do."""
    table = tables.get(str(labels.file))
    if table is None:
        return []
    head = table.frame.head(ROWS)
    beside = [column for column in table.columns if column not in (*labels.target_columns, *labels.id_columns)]
    different = {column: len(set(head[column].tolist())) for column in beside[:OFFERED]}
    return [column for column, count in different.items() if 2 <= count < 0.9 * len(head)]


def _tasks(question: Question) -> list[str]:
    numbers = question.task == "regression" or "regression" in question.others
    numbers = numbers or (question.task == "single_label" and all(map(is_number, question.classes)))
    return [*question.others, "single_label", "multi_label", *(["regression"] if numbers else [])]


def _values(question: Question, answer: Answer) -> list[str]:
    if question.task == "regression":
        return ["number"]
    if len(answer.columns) > 1:
        return ["probability", "label"] if question.task == "multi_label" else ["probability"]
    if question.task == "multi_label":
        return ["tags", "ranked"]
    if len(question.classes) > 2:
        return ["label", "ranked"]
    return ["label", *(["probability"] if answer.template is not None else [])]
