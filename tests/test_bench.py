"""The benches run, on little data, and tell what they have measured."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assistant.image_table import image_table
from assistant.reading import read
from bench import drawing, ledger, limits, results, scale, versus_fastai
from bench.gpu import covered
from bench.memory import Memory
from bench.plans import scores

ROOT = Path(__file__).parent.parent
TINY = ["--arch", "test_resnet", "--size", "32"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    drawing.competition(folder, 80, workers=1)
    return folder


def bench(name: str, *words: object) -> str:
    """What a bench prints; its own error where it fails."""
    command = [sys.executable, str(ROOT / "bench" / f"{name}.py"), *map(str, words)]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # so little work is not worth a second thread
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=alone)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(path: Path, part: str) -> dict[str, dict]:
    """The rows of a part by what was measured; none may have failed."""
    rows = ledger.read([path])
    assert [row for row in rows if "error" in row] == []
    assert rows[0]["machine"]["cores"] == ledger.cores()
    return {row["what"]: row for row in rows if row.get("part") == part}


def test_drawn_photographs_are_each_different_and_the_same_each_time():
    first, second = (np.asarray(drawing.photograph(number, 3)) for number in (0, 1))
    assert first.shape == (375, 500, 3)
    assert np.array_equal(first, np.asarray(drawing.photograph(0, 3)))
    assert np.abs(first.astype(int) - second).mean() > 10


def test_drawn_photographs_are_a_competition_with_a_quarter_to_be_answered_for(photographs):
    found = read(photographs)
    images = image_table(found)
    assert (found.task, found.test_images, found.unsupported) == ("single_label", 20, None)
    assert set(images.classes) <= set(drawing.CLASSES)
    assert len(images.train) + len(images.valid) == 60


def test_linked_photographs_are_as_many_as_asked_for(photographs, tmp_path):
    drawing.linked(tmp_path / "more", photographs, 150)
    assert len(list((tmp_path / "more" / "train").iterdir())) == 150
    assert len((tmp_path / "more" / "labels.csv").read_text().splitlines()) == 151


def test_the_gpu_bench_runs_every_part_also_without_a_gpu(tmp_path):
    out = tmp_path / "gpu.jsonl"
    small = [
        *TINY,
        "--device",
        "cpu",
        "--images",
        80,
        "--batch",
        16,
        "--batches",
        "16,32",
        "--tta",
        1,
        "--seconds",
        0.02,
    ]
    told = bench("gpu", *small, "--no-compile", "--out", out, "--more", "--recipe", "one_cycle")
    run = rows_of(out, "run")
    assert run["images ready"]["images_per_second"] > 0
    assert run["whole network, middle epoch"]["share"] > 0
    assert rows_of(out, "limits")["decode"]["by"].endswith(f"{ledger.cores()} threads") or "processes" in told
    assert rows_of(out, "command")["JPEG files to submission, whole process"]["rows"] == 20
    assert rows_of(out, "variants")["as it is"]["ratio"] == 1
    assert set(rows_of(out, "batches")) == {"batches of 16", "batches of 32"}
    assert rows_of(out, "profile")["window"]["seconds"] > 0
    assert "### command" in results.page(ledger.read([out]))


def test_the_gpu_bench_says_that_it_was_not_run_where_there_is_no_gpu(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    command = [sys.executable, str(ROOT / "bench" / "gpu.py"), "--out", str(tmp_path / "gpu.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "not run: there is no CUDA device here; --device cpu tries the script itself"


def test_limits_and_the_shares_that_a_run_reaches_are_told_stage_by_stage(photographs, tmp_path):
    out = tmp_path / "limits.jsonl"
    told = bench("limits", photographs, *TINY, "--rounds", 1, "--seconds", 0.02, "--epochs", "2,1,1", "--out", out)
    found, run = rows_of(out, "limits"), rows_of(out, "run")
    ways = [row["images_per_second"] for what, row in found.items() if what.startswith("decode alone")]
    assert found["decode"]["images_per_second"] == max(ways)
    ready = run["images ready"]
    assert ready["share"] == pytest.approx(80 / found["decode"]["images_per_second"] / ready["seconds"])
    assert "| head on activations |" in told.replace("limit: ", "")


def test_scale_tells_seconds_a_thousand_images_and_memory(tmp_path):
    out = tmp_path / "scale.jsonl"
    tiny = ["--arch", "test_resnet", "--size", 32, "--folds-arch", "test_resnet", "--folds-size", 32]
    bench("scale", *tiny, "--images", 24, "--folds", 2, "--out", out)
    images, folds = rows_of(out, "images")["24"], rows_of(out, "folds")["2"]
    assert images["stages"]["images ready"] > 0
    assert images["pss_gigabytes"] >= images["anonymous_gigabytes"] > 0.05
    assert f"| {1000 * images['stages']['head'] / 24:.2f} |" in scale.tables(ledger.read([out]))
    assert 0 < folds["stages"]["sweep, head and answers"] < folds["seconds"]


def test_folds_are_held_against_one():
    def row(count: int, seconds: float) -> dict:
        more = {"anonymous_gigabytes": 0.5, "stages": {"import": 2.0}}
        return {"part": "folds", "what": str(count), "count": count, "seconds": seconds, **more}

    assert scale.tables([row(1, 12), row(5, 17)]).splitlines()[-1] == "| 5 | 17.0 | 15.0 | 1.50 | 0.50 |"


@pytest.mark.skipif(
    importlib.util.find_spec("fastai") is None, reason="fastai is not installed (uv sync --group bench)"
)
def test_both_contenders_follow_the_same_plan(photographs, tmp_path):
    out = tmp_path / "versus.jsonl"
    small = ["--batch", 16, "--seeds", "3", "--sweeps", "12,12", "--epochs", "1,1,1", "--tta", 1, "--first", 40]
    told = bench("versus_fastai", photographs, *TINY, *small, "--out", out)
    runs = rows_of(out, "versus")
    assert set(runs) == {"fastai", "recipes"}
    assert runs["fastai"]["images"] == runs["recipes"]["images"]
    assert set(runs["fastai"]["stages"]) == set(versus_fastai.STAGES) - {"activations"}
    assert set(runs["recipes"]["stages"]) == set(versus_fastai.STAGES)
    for run in runs.values():
        assert sum(run["stages"].values()) <= run["seconds"]
        assert run["pss_gigabytes"] >= run["anonymous_gigabytes"] > 0.1
    assert bench("versus_fastai", "--table", out).strip() in told


def test_the_table_divides_means_over_runs_by_ours():
    def run(what: str, seconds: float, accuracy: float) -> dict:
        kept = {"stages": {"TTA": seconds / 2}, "images": {"TTA": 100}, "scores": {"accuracy": accuracy}}
        kept |= {"seed": 1, "rates": [1e-3, 2e-4]}
        return {"part": "versus", "what": what, "seconds": seconds, "pss_gigabytes": 1.0, **kept}

    rows = [run("fastai", 90, 0.9), run("fastai", 110, 0.8), run("recipes", 20, 0.95)]
    lines = versus_fastai.table(rows).splitlines()
    assert "| **total**, s | 100.0 | 20.0 | 5.0 |" in lines
    assert "| least to most, s | 90.0 to 110.0 | 20.0 to 20.0 |  |" in lines
    assert "| accuracy | 0.8500 | 0.9500 |  |" in lines
    assert "| rate that sweep 2 found | 2.0e-04 2.0e-04 | 2.0e-04 |  |" in lines
    assert versus_fastai.table([]) == "no runs yet"


def test_results_say_what_was_not_measured_and_what_failed():
    page = results.page([])
    assert page.count("Not measured yet") == len(results.BENCHES)
    about = {"bench": "gpu", "time": 0, "asked": {"images": 5}, "versions": {"torch": "2"}}
    machine = {"cores": 2, "processor": "p", "memory": "1 GiB", "system": "Linux"}
    rows = [about | {"machine": machine}, {"part": "run", "what": "failed", "error": "ValueError: no"}]
    page = results.page(rows)
    assert "Not measured: run, failed (ValueError: no)." in page
    assert "2 cores of p; 1 GiB; Linux; torch 2; 01 January 1970. Asked: images 5." in page


def test_a_line_that_was_cut_short_loses_only_itself(tmp_path):
    kept = ledger.Ledger("trial", tmp_path / "rows.jsonl", {})
    kept.row("part", "what", seconds=1.5)
    with open(tmp_path / "rows.jsonl", "a") as file:
        file.write('{"part": "pa')
    rows = ledger.read([tmp_path / "rows.jsonl"])
    assert rows[1:] == [{"part": "part", "what": "what", "seconds": 1.5}]
    assert ledger.Ledger("trial", tmp_path / "rows.jsonl", {}).number("part", "what", "seconds") == 1.5


def test_a_part_that_fails_is_told_in_a_line(tmp_path, capsys):
    kept = ledger.Ledger("trial", None, {})
    kept.attempt("part", lambda: json.loads("{"))
    assert "JSONDecodeError: Expecting property name" in capsys.readouterr().out
    assert kept.rows[-1]["what"] == "failed"


def test_time_in_which_kernels_ran_counts_overlaps_once():
    ran = [{"ts": 0, "dur": 10}, {"ts": 5, "dur": 2}, {"ts": 8, "dur": 6}, {"ts": 20, "dur": 1}]
    assert covered(ran) == 15


def test_memory_of_children_counts():
    hold = "x = bytearray(300_000_000); input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], stdin=sys.stdin)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    watch = Memory(process.pid, every=0.05)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.communicate(b"\n")
    assert 0.3 < watch.end()["anonymous_gigabytes"] < 0.5


def test_scores_are_accuracy_and_log_loss():
    accuracy, loss = scores([[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]], [0, 1, 1])
    assert accuracy == pytest.approx(2 / 3)
    assert loss == pytest.approx(-np.log([0.8, 0.6, 0.1]).mean())


def test_a_limit_is_images_over_seconds():
    import time

    assert 150 < limits.rate(lambda: time.sleep(0.05), 10, 0.2, warm=1) <= 200
