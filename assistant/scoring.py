"""The competition's score: what its page says, else what its template lets one suppose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.competition import Answer, CompetitionError, MetricChoice
from assistant.questions import Question
from recipes.errors import RecipeError
from recipes.metric_names import named_metric
from recipes.metrics import METRICS, default_metrics, metric
from recipes.tasks import MultiLabel, Regression, SingleLabel, Task

__all__ = ["chosen", "hint", "metrics_for"]


def hint(page: Mapping[str, str]) -> str | None:
    """The page's score by our name, before the task is known."""
    for task in ("single_label", "multi_label", "regression"):
        found = _said(page, task, ordinal=True)
        if found is not None:
            return found[0]
    return None


def chosen(page: Mapping[str, str], answer: Answer, question: Question, wanted: str | None = None) -> MetricChoice:
    """The score and why; `wanted` is what somebody asked for. Raises CompetitionError where that does not fit."""
    task = _task(question)
    found = (wanted, "you said so") if wanted is not None else None
    if found is None:
        said = _said(page, question.task, question.classes, question.ordinal or None)
        found = (said[0], f"the page says {said[1]!r}") if said is not None else _usual(answer, question)
    try:
        made = metric(found[0], task)
    except RecipeError as error:
        if wanted is not None:
            raise CompetitionError(f"{error} (metric=)") from None
        found = _usual(answer, question)
        made = metric(found[0], task)
    return MetricChoice(name=made.name, direction="larger" if made.larger_is_better else "smaller", why=found[1])


def metrics_for(question: Question) -> list[str]:
    """The names of the metrics that score it, those that are reported anyway first."""
    task = _task(question)
    fitting = [made.name for made in METRICS.values() if made.fits(task)]
    return list(dict.fromkeys([*(made.name for made in default_metrics(task)), *fitting]))


def _said(
    page: Mapping[str, str], task: str, classes: Sequence[str] = (), ordinal: bool | None = None
) -> tuple[str, str] | None:
    """What the page names; where its short name leaves open which kind it is, its text tells."""
    short, text = (
        named_metric(page.get(key, ""), task, classes, ordinal=ordinal) for key in ("evaluationMetric", "evaluation")
    )
    if short and text and short[0][0] == text[0][0] == "f":
        return text
    return short or text


def _usual(answer: Answer, question: Question) -> tuple[str, str]:
    if question.task == "regression":
        name = "rmse" if len(question.classes) == 1 else "mcrmse"
        return name, "nothing names the score, and the labels are numbers"
    if answer.value == "ranked":
        return f"map@{answer.top}", f"nothing names the score, and {answer.top} classes are asked for in order"
    if answer.value == "probability":
        if question.task == "multi_label":
            return "auc", "nothing names the score, and the template asks for a probability a tag"
        return "log_loss", "nothing names the score, and the template asks for probabilities"
    if question.task == "multi_label":
        return "f1_micro", "nothing names the score, and the template asks for tags"
    return "accuracy", "nothing names the score, and the template asks for class names"


def _task(question: Question) -> Task:
    kinds = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}
    return kinds[question.task](tuple(question.classes))
