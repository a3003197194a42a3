"""What somebody should know of a folder before a run: what is missing, and which columns would give the answer away."""

from __future__ import annotations

from assistant.competition import Answer, Labels
from assistant.evidence import Expected, Rows
from assistant.tables import Table
from assistant.templates import Template
from assistant.unseen import Unseen
from recipes.errors import few

__all__ = ["leaks", "missing"]


def missing(rows: Rows, template: Template | None, asked: Unseen) -> list[str]:
    """Words about labels without a picture, pictures without a label, and ids to answer for without a picture."""
    said = []
    lacking = [name for name, file in zip(rows.ids, rows.files) if file is None]
    if lacking:
        said.append(
            f"{len(lacking):,} of {len(rows.ids):,} labels have no picture ({few(lacking)}): they are set aside"
        )
    unlabelled = sum(not any(cell.strip() for cell in target) for target in rows.targets)
    if unlabelled:
        said.append(f"{unlabelled:,} {'rows have' if unlabelled > 1 else 'row has'} no label, or several: set aside")
    if template is None:
        return said
    unseen = asked.missing
    if unseen:
        said.append(
            f"{len(unseen):,} ids of {template.name} have no picture ({few(unseen)}): they are answered by class frequency"
        )
    seen = len(asked.ids) - len(unseen)
    if 0 < seen <= 10 < len(rows.ids):
        said.append(
            f"only {seen} test pictures are here: this may be a competition for notebooks, where the others are seen at scoring"
        )
    return said


def leaks(table: Table | None, labels: Labels, expected: Expected, answer: Answer) -> list[str]:
    """Words about columns of the labels' table that the test pictures do not have."""
    if table is None or not expected.at_test:
        return []
    known = {*labels.target_columns, *labels.id_columns, labels.group_column, labels.split_column, answer.id_column}
    only = [column for column in table.columns if column not in known and column not in expected.at_test]
    if not only:
        return []
    return [f"columns that the test pictures do not have would tell the answer: {few(only)}; they are not looked at"]
