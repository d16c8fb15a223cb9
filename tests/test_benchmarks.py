"""The benchmarks' own arithmetic: ratios, operations, the work that is compared; and that they
run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_importable() -> Iterator[None]:
    added = [str(FOLDER), str(FOLDER / "contenders")]
    sys.path[:0] = added
    yield
    sys.path[:] = [path for path in sys.path if path not in added]


def load(name: str) -> Any:
    """A module of the benchmarks."""
    return import_module(name)


times = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=9)


@given(noise=times, true_ratio=st.floats(0.1, 10.0))
def test_noise_that_both_meet_in_a_round_leaves_the_ratio_alone(
    noise: list[float], true_ratio: float
) -> None:
    found = load("rounds").ratio([true_ratio * one for one in noise], noise)
    assert [found.of_medians, found.least, found.median, found.most] == pytest.approx(
        [true_ratio] * 4
    )


def test_a_ratio_by_hand() -> None:
    found = load("rounds").ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0])
    assert (found.of_medians, found.least, found.median, found.most) == (4 / 3, 1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
        load("rounds").ratio([1.0, 2.0], [1.0])


def test_turns_come_in_every_order_of_the_circle() -> None:
    seen: list[str] = []
    found = load("rounds").take_turns(
        ["a", "b", "c"], 4, lambda name: seen.append(name) or len(seen)
    )
    assert "".join(seen) == "abc" + "bca" + "cab" + "abc"
    assert found == {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]}


def burn(seconds: float) -> dict[str, Any]:
    """Keep this process busy; the answer says how long."""
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
    return {"cpu_seconds": time.process_time() - start}


@pytest.mark.skipif(
    not Path("/proc/stat").exists(), reason="only Linux counts the time of all programs there"
)
def test_others_are_seen_and_oneself_is_not() -> None:
    """Work that is not owned up to is that of others."""
    onlooker = load("machine").Onlooker()
    own = burn(0.5)["cpu_seconds"]
    assert onlooker.others(0.0) - onlooker.others(own) == pytest.approx(
        own / (time.perf_counter() - onlooker.start), rel=0.1
    )
    assert onlooker.others(0.0) >= 0.4 / (time.perf_counter() - onlooker.start)


def test_the_calmest_turn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, noise = load("rounds"), iter([0.9, 0.3, 0.05, 0.0])
    monkeypatch.setattr(rounds.machine.Onlooker, "others", lambda *_: next(noise))
    numbers = iter(range(9))
    assert rounds.in_peace(lambda: {"cpu_seconds": 0.0, "number": next(numbers)})["number"] == 2
    noise = iter([0.9, 0.3, 0.4, 0.5])
    assert rounds.in_peace(lambda: {"cpu_seconds": 0.0, "number": next(numbers)})["others"] == 0.3
    assert next(numbers) == 3 + rounds.TRIES


def operations_of_graph(function: Any, *arguments: Any) -> int:
    """Multiplications and additions of all matrix products that the outputs of a TensorFlow
    function depend on."""
    graph = function.get_concrete_function(*arguments).graph
    wanted, seen, total = [one.op for one in graph.outputs] + graph.control_outputs, set(), 0
    while wanted:
        node = wanted.pop()
        if node.name in seen:
            continue
        seen.add(node.name)
        wanted += [one.op for one in node.inputs] + list(node.control_inputs)
        if node.type in ("MatMul", "BatchMatMulV2"):
            inner = node.inputs[0].shape[-2 if node.get_attr("transpose_a") else -1]
            total += 2 * inner * int(np.prod(node.outputs[0].shape))
    return total


@pytest.mark.parametrize("case", [(4, 3, 2, 5), (3, 4, 1, 2)])
def test_operations_are_those_of_the_graph_keras_makes(case: tuple[int, int, int, int]) -> None:
    """Stock layers unrolled, so that every product stands in the graph, the gradients' among
    them."""
    import keras
    import tensorflow as tf

    batch, steps, features, units = case
    inputs = outputs = keras.Input((steps, features), batch_size=batch)
    for _ in range(2):
        layer = keras.layers.GRU(units, return_sequences=True, unroll=True)
        outputs = keras.layers.Bidirectional(layer)(outputs)
    model = keras.Model(
        inputs, keras.layers.Dense(1)(outputs)
    )  # at every step, so that no product is left out
    compiled = load("step_keras").compile_steps(model, "stock", xla=False)
    data = tf.zeros((batch, steps, features)), tf.zeros((batch, steps, 1))
    dense = 2 * batch * 2 * units * (steps - 1)  # the steps that are not the last
    operations = load("operations")
    assert (
        operations_of_graph(compiled["forward"], *data)
        == operations.forward_operations(case) + dense
    )
    assert (
        operations_of_graph(compiled["train"], *data)
        == operations.train_operations(case) + 3 * dense
    )


def test_the_floor_is_a_time() -> None:
    """100 GFLOP/s take 1 ms for 1e8 operations."""
    operations = load("operations")
    case = (64, 96, 7, 64)
    assert operations.floor_milliseconds(case, "train", 100.0) == pytest.approx(
        operations.train_operations(case) / 1e8
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("import wire\nwire.serve(lambda request: 1 / 0)", "ZeroDivisionError: division by zero"),
        ("import wire\nwire.serve(lambda request: open('{folder}/none'))", "directory: 'none'"),
    ],
)
def test_a_contender_that_fails_says_why(script: str, said: str, tmp_path: Path) -> None:
    rounds = load("rounds")
    path = tmp_path / "contender.py"
    path.write_text(f"import sys; sys.path.insert(0, {str(FOLDER / 'contenders')!r})\n{script}")
    path.write_text(path.read_text().replace("{folder}", str(rounds.ROOT)))
    with (
        rounds.start(rounds.Contender("it", str(path))) as worker,
        pytest.raises(rounds.ContenderError) as caught,
    ):
        worker.ask({})
    assert str(caught.value).endswith(said)


def test_what_a_library_prints_is_not_an_answer(tmp_path: Path) -> None:
    rounds = load("rounds")
    path = tmp_path / "contender.py"
    path.write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER / 'contenders')!r})\nimport wire\n"
        "def answer(request):\n    print('hello')\n    return {'twice': 2 * "
        "request['number']}\nwire.serve(answer)"
    )
    with rounds.start(rounds.Contender("it", str(path))) as worker:
        assert [worker.ask({"number": number})["twice"] for number in (1, 2)] == [2, 4]


def test_windows_of_an_epoch_are_those_this_package_trains_on(tmp_path: Path) -> None:
    """The number all contenders are held to, against the package's index and against windows cut
    one by one."""
    from forecast.experiment.prepare import prepare

    fits, fitting, panel = load("fits"), load("fitting"), load("panel")
    setting = fits.QUICK
    table = fits.write_table(setting, tmp_path / "table.csv")
    task = fitting.Task(**setting.task(table, tmp_path, seed=0))
    prepared = prepare(load("fit_ours").experiment(task, default_network=False), table)
    scaled = panel.read_scaled(task)
    contexts, targets = panel.windows(scaled.values[:, : -task.held_out], task)
    assert (
        setting.windows
        == task.train_windows(setting.series, setting.length)
        == len(prepared.training)
    )
    assert len(contexts) == setting.windows
    assert len(prepared.validation) == setting.series * (task.held_out - task.horizon + 1)
    order = np.arange(setting.windows)
    inputs, wanted = prepared.training.batch(order)
    np.testing.assert_allclose(contexts, inputs["past"], atol=1e-6)
    np.testing.assert_allclose(targets, wanted, atol=1e-6)


def test_scales_are_undone(tmp_path: Path) -> None:
    fits, fitting, panel = load("fits"), load("fitting"), load("panel")
    table = fits.write_table(fits.QUICK, tmp_path / "table.csv")
    scaled = panel.read_scaled(fitting.Task(**fits.QUICK.task(table, tmp_path, seed=0)))
    frame = pd.read_csv(table)
    back = scaled.invert(scaled.apply(frame))
    np.testing.assert_allclose(back.ravel(), frame["y"], rtol=1e-6)
    train = scaled.values[:, : -fits.QUICK.held_out]
    np.testing.assert_allclose(train.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(1), 1, atol=1e-6)


def test_no_forecast_can_have_a_smaller_loss() -> None:
    """The best forecast made by hand on long series: all of the expectation, and what is left of
    the noise."""
    fits = load("fit_setting")
    setting = fits.Setting(series=4, length=20_000, held_out=9_000, horizon=3)
    expected, noise = fits.make_series(setting)
    deviation = (expected + noise)[:, : -2 * setting.held_out].std(1, keepdims=True)
    errors = []
    for ahead in range(1, setting.horizon + 1):
        missed = noise[:, ahead:] - 0.6**ahead * noise[:, :-ahead]
        errors.append(np.mean((missed / deviation) ** 2))
    assert fits.least_loss(setting) == pytest.approx(np.mean(errors), rel=0.03)


def fit_found(**changes: Any) -> dict[str, Any]:
    """One fit as a contender answers it."""
    fits = load("fits")
    found = {
        "import": 2.0,
        "fit": 9.0,
        "whole": 12.0,
        "latency": 3.0,
        "peak_mb": 700.0,
        "imported_mb": 500.0,
        "mae": 1.0,
        "others": 0.0,
    }
    found |= {"epochs": [4.0, 6.0, 7.0, 9.0], "losses": [0.5, 0.04, 0.05, 0.03], "weights": 10}
    return {**found, "versions": {"it": "1.0"}, "windows": [fits.Setting().windows] * 4, **changes}


def test_a_fit_is_summed_up() -> None:
    fits = load("fits")
    found = fits.summary(fits.Setting(loss=0.05), [fit_found()])
    assert found["epoch"] == [2.0]
    assert found["first_epoch"] == [4.0]
    assert found["to_loss"] == [8.0]
    assert found["windows_per_second"] == [fits.Setting().windows / 2]
    assert fits.summary(fits.Setting(loss=0.01), [fit_found()])["to_loss"] == [None]


@pytest.mark.parametrize("change", [-1, 64])
def test_a_fit_with_less_or_more_work_is_refused(change: int) -> None:
    fits = load("fits")
    windows = [fits.Setting().windows, fits.Setting().windows + change]
    with pytest.raises(ValueError, match=f"expected {fits.Setting().windows}"):
        fits.summary(fits.Setting(), [fit_found(windows=windows)])


def steps_found() -> dict[str, Any]:
    """Results of the steps as they are stored, ours twice as fast as Keras; PyTorch did not run."""
    steps, rounds, rows = load("steps"), load("rounds"), []
    for threads in (2, 1):
        for name, case in {**steps.CASES, **steps.sweep_cases()}.items():
            for mode in steps.MODES:
                ours = [case[0] * 0.5, case[0] * 0.7, case[0] * 0.6]
                measured = {"keras": [2 * one for one in ours], "ours": ours}
                row = {
                    "case": name,
                    "sizes": case,
                    "threads": threads,
                    "mode": mode,
                    "floor": case[0] / 10,
                }
                row |= {"milliseconds": measured, "ratios": rounds.ratios(measured, "ours")}
                row |= {"others": {name: [0.0, 0.5] for name in measured}}
                rows.append({**row, "failed": {"torch": "no such thing"}})
    facts = {
        "machine": load("machine").describe(),
        "versions": {"keras": {"keras": "3"}},
        "rates": {"1": 100.0},
    }
    return {**facts, "rounds": 3, "seconds": 0.5, "rows": rows}


def test_the_report_shows_what_was_measured(tmp_path: Path) -> None:
    report, fits, steps = load("write_page"), load("fits"), load("steps")
    found = steps_found()
    contenders = {
        "ours": fits.summary(fits.Setting(), [fit_found()] * 3),
        "darts": fits.summary(
            fits.Setting(), [fit_found(whole=36.0, losses=[0.5, 0.4, 0.3, 0.2])] * 3
        ),
        "tfts": {"error": "no such thing"},
    }
    setting = {"loss": 0.06, "least_loss": 0.03, "windows": 1}
    stored = {
        "steps": {**found, "rows": [row for row in found["rows"] if row["case"] in steps.CASES]},
        "sweep": {
            **found,
            "rows": [row for row in found["rows"] if row["case"] not in steps.CASES],
        },
        "fits": {
            **found,
            "setting": setting,
            "contenders": contenders,
            "ratios": fits.compare(contenders),
        },
    }
    for name, result in stored.items():
        load("rounds").write_json(tmp_path / f"{name}.json", result)
    places = "\n".join(f"<!-- {name} -->\nold\n<!-- end of {name} -->" for name in stored)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{places}\nafter\n")
    report.write_report(tmp_path, page)
    report.write_report(tmp_path, page)
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert (
        "| A: 64, 96, 7, 64 | 2, wall | train | 6.4 | 38.4 | 6 | 76.8; **2x** (2, 2, 2) |" in text
    )
    assert "| to validation loss 0.06, s | 8 | - |" in text
    assert "| whole fit: theirs / ours | 1 | **3x** (3, 3, 3) |" in text
    assert "Other programs kept 0.25 cores busy in the median turn, at most 0.5." in text
    assert "tfts `rnn` did not run: `no such thing`" in text
    assert {path.stem for path in (tmp_path / "pictures").glob("*.png")} == {
        "steps",
        "sweep_train",
        "sweep_forward",
        "fits",
    }


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for 'steps'"):
        load("write_page").replace_between("nothing here", "steps", "text")


def test_the_readme_has_a_place_for_every_result() -> None:
    report = load("write_page")
    page = (FOLDER / "README.md").read_text()
    for name in (*report.SECTIONS, *report.PRINTED):
        assert report.replace_between(page, name, "text") != page


def test_results_are_rounded_and_free_of_folders(tmp_path: Path) -> None:
    rounds = load("rounds")
    rounds.write_json(
        tmp_path / "a" / "b.json", {"x": [1.23456789, 3, "text"], "y": {"z": 0.000012345678}}
    )
    assert json.loads((tmp_path / "a" / "b.json").read_text()) == {
        "x": [1.2346, 3, "text"],
        "y": {"z": 1.2346e-05},
    }
    assert rounds.without_folders(f"in {rounds.ROOT}/forecast/x.py") == "in forecast/x.py"


@pytest.mark.slow
def test_stock_keras_runs_with_and_without_xla() -> None:
    """End to end, and both learn the same: the losses after two steps of the same seed agree."""
    steps, rounds = load("steps"), load("rounds")
    names = ("keras", "keras_xla")
    result = steps.run(steps.QUICK, names, (2,), steps.Turns(rounds=2, seconds=0.02))
    assert [row["mode"] for row in result["rows"]] == list(steps.MODES)
    assert all(
        set(row["milliseconds"]) == set(names) and not row["failed"] for row in result["rows"]
    )
    contenders = {name: steps.CONTENDERS[name] for name in names}
    with rounds.start_all(contenders) as workers:
        losses = []
        for worker in workers.values():
            worker.ask({"do": "prepare", "case": steps.QUICK["tiny"], "mode": "train"})
            losses.append(worker.ask({"do": "block", "seconds": 0.0})["last"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_model_of_cores_by_hand() -> None:
    cores = load("cores")
    pieces = {"loops": 22.0, "fixed": 2.0, "rest": 3.0}
    found = [cores.modelled(pieces, 4, count) for count in (1, 2, 3, 4, 8, 16)]
    # 8 shards of 2.5 ms, in 8, 4, 3, 2, 1 and 1 turns; the fixed part runs on two cores at most
    assert found == pytest.approx([25.0, 14.0, 11.5, 9.0, 6.5, 6.5])
    assert [cores.num_shards(batch) for batch in (1, 16, 17, 64, 100, 128, 512, 4096)] == [
        *(1, 1, 2, 4, 7, 8, 8, 8)
    ]
