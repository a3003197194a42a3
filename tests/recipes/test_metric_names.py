"""Which metric a text asks for."""

import pytest

from recipes.metric_names import named_metric
from recipes.metrics import METRICS, metric
from recipes.tasks import MultiLabel, Regression, SingleLabel

TASKS = {
    "one": ("single_label", ("a", "b", "c", "d", "e", "f")),
    "two": ("single_label", ("a", "b")),
    "grades": ("single_label", ("0", "1", "2", "3", "4")),
    "tags": ("multi_label", ("a", "b", "c")),
    "number": ("regression", ("x",)),
    "numbers": ("regression", ("x", "y")),
}


def asked(text, task):
    found = named_metric(text, *TASKS[task])
    return found and found[0]


@pytest.mark.parametrize(
    ("text", "task", "name"),
    [
        ("Categorization Accuracy", "one", "accuracy"),
        ("Accuracy Score", "one", "accuracy"),
        ("CategorizationAccuracy", "two", "accuracy"),
        ("Multiclass Loss", "one", "log_loss"),
        ("MulticlassLossOld", "one", "log_loss"),
        ("Multi Class Log Loss", "one", "log_loss"),
        ("Log Loss", "two", "log_loss"),
        ("LogLoss", "tags", "log_loss"),
        ("Mean Columnwise Log Loss", "tags", "log_loss"),
        ("AUC", "two", "auc"),
        ("Roc Auc Score", "two", "auc"),
        ("Area Under Receiver Operating Characteristic Curve", "two", "auc"),
        ("Mean Columnwise AUC", "one", "auc"),
        ("MCAUC: mean column-wise ROC AUC", "tags", "auc"),
        ("QuadraticWeightedKappa", "grades", "kappa"),
        ("Quadratic Weighted Kappa", "number", "kappa"),
        ("Mean F-Score", "tags", "f1_samples"),
        ("MeanFScore", "one", "f1_micro"),
        ("MeanFScoreBeta", "tags", "f2"),
        ("F_{Beta} Score", "tags", "f2"),
        ("F_{Beta} Score", "two", "f1"),
        ("F2", "tags", "f2"),
        ("F1 Score", "two", "f1"),
        ("F1Score", "one", "f1_macro"),
        ("F1 Score Micro", "tags", "f1_micro"),
        ("F1 Score (micro)", "tags", "f1_micro"),
        ("Micro-averaged F1-Score", "one", "f1_micro"),
        ("Macro F1 Score", "one", "f1_macro"),
        ("Macro F-Score", "two", "f1_macro"),
        ("MAP@{K}", "one", "map@5"),
        ("MAP@K with K=3", "one", "map@3"),
        ("Mean Average Precision @ 5", "one", "map@5"),
        ("MAP@12", "tags", "map@12"),
        ("cmAP macro average precision", "tags", "average_precision"),
        ("Root Mean Squared Error", "number", "rmse"),
        ("RootMeanSquaredError", "number", "rmse"),
        ("RMSE", "numbers", "rmse"),
        ("Mean Squared Error", "number", "rmse"),
        ("RMSLE", "number", "rmsle"),
        ("Root Mean Squared Logarithmic Error", "number", "rmsle"),
        ("Mean Absolute Error", "number", "mae"),
        ("MCRMSE", "numbers", "mcrmse"),
        ("Mean Columnwise Root Mean Squared Error", "numbers", "mcrmse"),
        ("R2 Score", "number", "r2"),
        ("R^2", "number", "r2"),
        ("Matthews correlation coefficient", "two", "matthews"),
        ("Matthew's Correlation Coefficient", "two", "matthews"),
        ("Balanced accuracy", "one", "balanced_accuracy"),
        ("Balanced Multiclass Accuracy", "one", "balanced_accuracy"),
        ("Error rate", "one", "top_1_error"),
        ("top-1 error", "one", "top_1_error"),
        ("misclassification", "one", "top_1_error"),
        ("Top-5 classification error", "one", "top_5_error"),
        ("Top 3 Accuracy", "one", "top_3_accuracy"),
    ],
)
def test_a_metrics_name_is_recognised(text, task, name):
    assert asked(text, task) == name
    kinds = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}
    kind, classes = TASKS[task]
    made = metric(name, kinds[kind](classes))
    assert made.name == name


PLANET = """<p>Submissions will be evaluated based on their <b>mean (F_{2}) score</b>. The F score, commonly used in information
retrieval, measures accuracy using the precision <em>p</em> and recall <em>r</em>.</p><p>The mean F2 score is formed by
averaging the individual F2 scores for each row in the test set.</p>"""
WHALES = """Submissions are evaluated according to the Mean Average Precision @ 5 (MAP@5):
$$MAP@5 = \\frac{1}{U} \\sum_{u=1}^{U} \\sum_{k=1}^{min(n,5)} P(k) \\times rel(k)$$ where P(k) is the precision at cutoff k."""
CATS = """### Evaluation
Submissions are scored on the **log loss**:
$$\\textrm{LogLoss} = - \\frac{1}{n} \\sum ...$$ A smaller log loss is better. To reach a good accuracy is another matter."""
PLANTS = """Submissions are evaluated on mean column-wise ROC AUC. In other words, the score is the average of the individual
AUCs of each predicted column."""
APTOS = """Submissions are scored based on the [quadratic weighted kappa](https://en.wikipedia.org/wiki/Cohen%27s_kappa), which
measures the agreement between two ratings. In the event of ties, accuracy counts."""
WILD = """<h2>Metric</h2>\n<p>Submissions will be evaluated based on their macro F1 score - i.e. F1 will be calculated for each
class of animal (including "empty" if no animal is present), and the submission's final score will be the unweighted mean of all
class F1 scores.</p>"""
PETS = """Submissions are scored on the root mean squared error. RMSE is defined as: $$\\textrm{RMSE} = \\sqrt{...}$$"""
SEEDLINGS = """Submissions are evaluated on MeanFScore, which at Kaggle is actually a micro-averaged F1-score. Given
positive/negative rates for each class <em>k</em>, the resulting score is computed this way."""
PADDY = """The evaluation metric for this competition is Categorization Accuracy, the percentage of images predicted right."""
ASIDES = """We hope for accurate models. Unlike the log loss of last year, submissions are evaluated on the area under the ROC
curve between the predicted probability and the observed target."""
WORDS = """The accuracy of your predictions will be measured with the multi-class logarithmic loss."""
DRIVERS = """Submissions are evaluated using the multi-class logarithmic loss. Each image has been labeled with one true class."""
FURNITURE = (
    """For each image, an algorithm will produce 1 label. The metric is the misclassification rate: 0 if right."""
)
LATER = """The metric for this competition:\n\n**MAP@3**, as in others before."""


@pytest.mark.parametrize(
    ("text", "task", "name"),
    [
        (PLANET, "tags", "f2"),
        (WHALES, "one", "map@5"),
        (CATS, "two", "log_loss"),
        (PLANTS, "one", "auc"),
        (APTOS, "grades", "kappa"),
        (APTOS, "number", "kappa"),
        (WILD, "one", "f1_macro"),
        (PETS, "number", "rmse"),
        (SEEDLINGS, "one", "f1_micro"),
        (PADDY, "one", "accuracy"),
        (ASIDES, "two", "auc"),
        (WORDS, "one", "log_loss"),
        (DRIVERS, "one", "log_loss"),
        (FURNITURE, "one", "top_1_error"),
        (LATER, "one", "map@3"),
    ],
)
def test_a_page_in_prose_says_its_metric(text, task, name):
    assert asked(text, task) == name


def test_the_words_that_said_so_come_along():
    assert named_metric(PLANTS, *TASKS["one"]) == ("auc", "mean column-wise ROC AUC")


@pytest.mark.parametrize(
    "text", ["", "Custom metric", "Postprocessor Kernel", "The best idea wins a prize.", "<p></p>"]
)
@pytest.mark.parametrize("task", TASKS)
def test_what_names_no_metric_gives_none(text, task):
    assert asked(text, task) is None


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Quadratic Weighted Kappa", "one"),
        ("Log Loss", "number"),
        ("RMSE", "one"),
        ("Label-ranking average precision", "tags"),
        ("Global Average Precision (GAP@20)", "one"),
        ("mean average precision at different intersection over union (IoU) thresholds", "tags"),
        ("partial area under the ROC curve (pAUC)", "two"),
        ("mean absolute percentage error", "number"),
    ],
)
def test_a_metric_that_does_not_fit_or_is_another_is_not_taken(text, task):
    assert asked(text, task) is None


def test_every_metric_is_found_by_its_own_name():
    for made in METRICS.values():
        classes = ("0", "1") if made.classes else ("0", "1", "2")
        text = made.name.replace("_", " ")
        text = {"kappa": "quadratic kappa", "matthews": "Matthews correlation"}.get(text, text)
        found = named_metric(text, made.tasks[0], classes)
        assert found is not None, made.name
        assert found[0] == made.name
