"""The sum of the records of a search, beside a slow oracle; records at both sides of each bound."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import numpy as np
import pytest
from search.test_believed import GOOD, IDENTITY, OUTCOME, end, fold, start

from forecast.search.believed import StoredOutcome, check, check_order, check_record
from forecast.search.state import (
    BEST,
    COMPLETED,
    FAILED,
    PRUNED,
    RETRAINED,
    WRITTEN,
    FoldScore,
    Outcome,
    State,
    Task,
    by_fold,
    derived_seed,
    end_record,
    final_record,
    fold_record,
    missing_finals,
    search_record,
    start_record,
)

FINAL = {"event": "final", "name": "best", "result": {"a": 1}}


def with_value(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a record with another value at a place."""
    found = copy.deepcopy(record)
    *above, last = path.split("/")
    place = found
    for key in above:
        place = place[key]
    place[last] = value
    return found


BOUNDS: list[tuple[dict[str, Any], str, list[Any], list[Any]]] = [
    (IDENTITY, "format", [1], [2, 0, "1", None]),
    (IDENTITY, "identity", [{}, {"a": "b"}], [None, {"a": 1}]),
    (start(0), "number", [0, 999_999], [-1, 1_000_000, 0.0, True]),
    (start(0), "epochs", [None, 1, 2**31 - 1], [0, 2**31, 1.0]),
    (start(0), "limits", [[], [None, 1.5]], [None, ["1"], [True]]),
    (start(0), "values", [{}], [None, []]),
    (fold(0), "score/fold", [0, 9_999], [-1, 10_000]),
    (fold(0), "score/execution", [0, 9_999], [-1, 10_000]),
    (fold(0), "score/epochs", [0, 2**48 - 1], [-1, 2**48]),
    (fold(0), "score/parameters", [0, 2**48 - 1], [-1, 2**48]),
    (fold(0), "score/seconds", [0.0, 1e9], [-0.1, float("inf"), float("nan")]),
    (fold(0), "score/scores", [{"a": -1.0}], [{}, {"a": float("nan")}, {"a": None}]),
    (
        fold(0),
        "score/scores",
        [{str(number): 1.0 for number in range(1_000)}],
        [{str(number): 1.0 for number in range(1_001)}],
    ),
    (end(0), "status", [COMPLETED, PRUNED, FAILED], ["done", None]),
    (end(0), "reason", ["", "x" * 2_000, "ä b"], ["x" * 2_001, "a\nb", "\x1b[31m", None]),
    (FINAL, "name", ["", "x" * 100], ["x" * 101, 1]),
    (FINAL, "result", [{}], [None]),
    (FINAL, "event", [], ["else", None, "", "e" * 50]),
]


@pytest.mark.parametrize(("record", "path", "good", "bad"), BOUNDS)
def test_records_within_their_bounds_have_their_form(
    record: dict[str, Any], path: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        check_record(with_value(record, path, value))
    for value in bad:
        with pytest.raises(ValueError, match=r"\S") as caught:
            check_record(with_value(record, path, value))
        assert "\n" not in str(caught.value)


def test_what_is_no_record_is_named() -> None:
    for record in (None, [], "text", 3):
        with pytest.raises(ValueError, match="it is no mapping"):
            check_record(record)
    with pytest.raises(ValueError, match=f"there is no event '{'e' * 40}'$"):
        check_record({"event": "e" * 41})
    with pytest.raises(ValueError, match=r"^score\.fold: "):
        check_record(with_value(fold(0), "score/fold", "x"))
    with pytest.raises(ValueError, match=r"^it: .*no score"):
        check(StoredOutcome, {**OUTCOME, "folds": []})


def test_outcomes_without_a_score_have_failed() -> None:
    assert Outcome.from_record({"status": FAILED, "reason": "", "folds": []}).folds == ()
    assert Outcome.from_record({**OUTCOME, "status": FAILED}).folds
    for status in (COMPLETED, PRUNED):
        with pytest.raises(ValueError, match=f"a trial that is {status} has no score"):
            Outcome.from_record({"status": status, "reason": "", "folds": []})


def in_order(places: list[tuple[int, int]]) -> bool:
    """Slow oracle: a walk that repeats some executions of each fold."""
    walks = {(0, 0)}
    if places and places[0] != (0, 0):
        return False
    for before, after in itertools.pairwise(places):
        walks = {(before[0], before[1] + 1), (before[0] + 1, 0)}
        if after not in walks:
            return False
    return True


def test_trainings_come_fold_by_fold() -> None:
    every = list(itertools.product(range(3), range(2)))
    for length in range(4):
        for places in itertools.product(every, repeat=length):
            if in_order(list(places)):
                check_order(places)
            else:
                with pytest.raises(ValueError, match="does not follow"):
                    check_order(places)


# ----------------------------------------------------------------------------- what a journal gives


def taken(records: list[Any]) -> tuple[State, list[str]]:
    state = State()
    return state, [state.take_stored(record) for record in records]


def test_a_trial_with_a_bad_record_counts_as_failed_and_the_rest_of_it_is_left_out() -> None:
    state, said = taken([*GOOD[:2], with_value(fold(0), "score/epochs", -1), fold(0), end(0)])
    assert [bool(text) for text in said] == [False, False, True, False, False]
    assert state.ends[0].status == FAILED
    assert "damaged (score.epochs" in state.ends[0].reason
    assert state.left_out == {0: state.ends[0].reason}
    assert state.folds[0] == []


@pytest.mark.parametrize("number", [-1, 2, 10**7, True, 0.0, "0", None])
def test_a_bad_record_of_no_trial_leaves_all_others(number: Any) -> None:
    """The next trial would be number 1."""
    state, said = taken([*GOOD[:4], with_value(start(1), "number", number)])
    assert said[-1]
    assert (list(state.tasks), list(state.ends), state.left_out) == ([0], [0], {})


def test_a_bad_start_of_the_next_trial_takes_its_number() -> None:
    state, said = taken([*GOOD[:4], {**start(1), "epochs": 0}, start(2)])
    assert said[-2]
    assert said[-1] == ""
    assert state.tasks[1] == Task(1, {}, {})
    assert list(state.tasks) == [0, 1, 2]
    assert 1 not in state.folds


@pytest.mark.parametrize("record", [None, 3, [1], "start"])
def test_records_that_are_none_are_left_out(record: Any) -> None:
    state, said = taken([*GOOD[:4], record])
    assert said[-1] == "it is no mapping"
    assert (list(state.ends), state.left_out) == ([0], {})


def test_ends_without_a_score_are_failures_alone() -> None:
    for status in (COMPLETED, PRUNED, FAILED):
        state, said = taken([IDENTITY, start(0), {**end(0), "status": status}])
        assert bool(said[-1]) == (status != FAILED)
        assert state.ends[0].status == FAILED
        assert bool(state.left_out) == (status != FAILED)


def test_searches_and_finals_belong_to_no_trial() -> None:
    state, said = taken([*GOOD, IDENTITY, FINAL])
    assert set(said) == {""}
    assert state.finals == {"best": {"a": 1}}
    assert state.identity == {"the data": "1"}


def test_records_come_back_as_they_went_in() -> None:
    task = Task(0, {"a": 1}, {"b": 2}, 7, (None, 0.5))
    scores = [FoldScore(0, 0, {"MAE": 2.0}, 3, 0.5, 9), FoldScore(1, 0, {"MAE": 4.0}, 3, 0.5, 9)]
    records = [
        search_record({"data": "1"}),
        start_record(task),
        *(fold_record(0, each) for each in scores),
        end_record(0, Outcome(PRUNED, "late")),
        final_record(BEST, {"MAE": 1.0}),
    ]
    state, said = taken([json.loads(json.dumps(record)) for record in records])
    assert set(said) == {""}
    assert state == State(
        identity={"data": "1"},
        tasks={0: task},
        folds={0: scores},
        ends={0: Outcome(PRUNED, "late", tuple(scores))},
        finals={BEST: {"MAE": 1.0}},
    )


def test_an_outcome_has_at_most_100_000_scores() -> None:
    one = OUTCOME["folds"][0]
    places = itertools.product(range(1001), range(100))  # (fold, execution), in order
    scores = [{**one, "fold": fold, "execution": execution} for fold, execution in places]
    check(StoredOutcome, {**OUTCOME, "folds": scores[:100_000]})
    with pytest.raises(ValueError, match="folds"):
        check(StoredOutcome, {**OUTCOME, "folds": scores[:100_001]})


# ------------------------------------------------------------------------------------------- scores


def state_of(trials: list[tuple[str, list[float]]]) -> State:
    """Return a state of trials by their end and the score of each fold."""
    state = State()
    for number, (status, values) in enumerate(trials):
        folds = tuple(FoldScore(k, 0, {"MAE": v}, 1, 1.0, 1) for k, v in enumerate(values))
        state.ends[number] = Outcome(status, "", folds)
    return state


def test_executions_are_averaged_before_folds() -> None:
    folds = [
        FoldScore(k, e, {"MAE": v}, 1, 1.0, 1) for k, e, v in ((1, 0, 9), (0, 0, 1), (0, 1, 3))
    ]
    assert by_fold(folds, "MAE") == [2.0, 9.0]


def test_the_best_is_the_earliest_of_the_lowest_completed() -> None:
    trials = [
        (FAILED, [0.0]),
        (PRUNED, [0.1]),
        (COMPLETED, [3.0, 1.0]),
        (COMPLETED, [1.0, 1.0]),
        (COMPLETED, [0.0, 2.0]),
        (COMPLETED, [5.0, 5.0]),
    ]
    state = state_of(trials)
    assert [state.score(number, "MAE") for number in range(7)] == [None, 0.1, 2, 1, 1, 5, None]
    assert state.best("MAE") == 3
    assert state_of(trials[:2]).best("MAE") is None
    assert state_of([(COMPLETED, [float("inf")])]).best("MAE") == 0
    state.ends[9] = state.ends.pop(3)  # the order of ends is not that of numbers
    state.ends = dict(reversed(state.ends.items()))
    assert state.best("MAE") == 4


@pytest.mark.parametrize("seed", range(20))
def test_limits_are_the_medians_of_means_so_far(seed: int) -> None:
    draw = np.random.default_rng(seed)
    trials = [
        (
            str(draw.choice([COMPLETED, PRUNED, FAILED])),
            list(draw.uniform(size=draw.integers(1, 5))),
        )
        for _ in range(draw.integers(0, 9))
    ]
    state = state_of(trials)
    decided = int(draw.integers(0, len(trials) + 1))
    found = state.limits(decided, 4, "MAE")
    for count, limit in enumerate(found, 1):
        means = [
            np.mean(values[:count])
            for status, values in trials[:decided]
            if status != FAILED and len(values) >= count
        ]
        if len(means) < 3:
            assert limit is None
        else:
            assert limit == pytest.approx(np.median(means), rel=1e-12)
    assert len(found) == 4


def test_trainings_after_the_trials_are_done_once() -> None:
    state = State()
    assert missing_finals(state, has_test_set=False) == [RETRAINED]
    assert missing_finals(state, has_test_set=True) == [RETRAINED, BEST, WRITTEN]
    state.finals[BEST] = {}
    assert missing_finals(state, has_test_set=True) == [RETRAINED, WRITTEN]


def test_seeds_differ_for_every_key() -> None:
    seeds = {derived_seed(*keys) for keys in itertools.product(range(5), range(20), ("a", "b"))}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert max(seeds) > 2**31
