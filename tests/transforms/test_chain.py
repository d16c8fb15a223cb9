"""Chains: the inverse of any chain is the identity, fitted numbers survive, and later rows are
never looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import ConfigError, DataError, ShapeError
from forecast.transforms import TRANSFORMS, Chain, Difference, Rows, scaler_names


@dataclass(frozen=True)
class Spec:
    name: str
    scope: str = "per_series"
    lag: int = 1


scaler_specs = st.builds(
    Spec, st.sampled_from(sorted(scaler_names())), st.sampled_from(["per_series", "global"])
)
difference_specs = st.builds(Spec, st.just("difference"), lag=st.integers(1, 7))
tails = st.lists(scaler_specs | difference_specs, max_size=3)
chains = st.tuples(st.booleans(), tails).map(
    lambda pair: ([Spec("log1p")] if pair[0] else []) + pair[1]
)


def rows_of(*lengths: int) -> Rows:
    positions = np.concatenate([np.arange(n) for n in lengths]).astype(np.int64)
    return Rows(np.repeat(np.arange(len(lengths)), lengths), positions)


def positive(*lengths: int, targets: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = (sum(lengths), targets)
    return np.exp(rng.normal(size=size)) * 50 + 10 * np.sin(np.arange(size[0]) / 5)[:, None] + 20


@given(chains, st.integers(0, 30), st.integers(1, 15), st.integers(1, 2), st.integers(0, 9))
def test_inverse_of_any_chain_is_the_identity(specs, extra, horizon, targets, seed):
    lengths = (60, 75)
    rows, values = rows_of(*lengths), positive(*lengths, targets=targets, seed=seed)
    chain = Chain.fit(specs, values, rows, num_series=2)
    applied = chain.apply(values, rows)
    history = chain.lag + extra % 4
    starts = np.array([history + extra % (60 - horizon - history), 60 + history])
    forecast = np.stack([applied[s : s + horizon] for s in starts])
    before = np.stack([values[s - history : s] for s in starts])
    actual = np.stack([values[s : s + horizon] for s in starts])
    assert np.isfinite(forecast).all()
    back = chain.invert(forecast, series=np.array([0, 1]), history=before)
    np.testing.assert_allclose(back, actual, rtol=1e-9, atol=1e-9)


@given(chains, st.integers(20, 59))
def test_values_after_the_cutoff_change_no_bit_before_it(specs, cutoff):
    rows, values = rows_of(60), positive(60)
    train = Rows(rows.series[:cutoff], rows.positions[:cutoff])
    changed = values.copy()
    changed[cutoff:] = positive(60 - cutoff, seed=9) * 1000
    outputs = []
    for one in (values, changed):
        chain = Chain.fit(specs, one[:cutoff], train, num_series=1)
        outputs.append(chain.apply(one, rows)[:cutoff])
    np.testing.assert_array_equal(outputs[0], outputs[1])


@given(chains, st.integers(0, 5))
def test_state_brings_back_every_bit(specs, seed):
    rows, values = rows_of(40, 50), positive(40, 50, targets=2, seed=seed)
    chain = Chain.fit(specs, values, rows, num_series=2)
    again = Chain.from_state(
        specs, safetensors.numpy.load(safetensors.numpy.save(chain.to_state()))
    )
    assert [type(stage) for stage in again.stages] == [type(stage) for stage in chain.stages]
    np.testing.assert_array_equal(again.apply(values, rows), chain.apply(values, rows))
    assert again.lag == chain.lag == sum(spec.lag for spec in specs if spec.name == "difference")


def test_each_map_is_fitted_on_the_output_of_the_one_before():
    rows, values = rows_of(80), positive(80)
    chain = Chain.fit(
        [Spec("log1p"), Spec("difference", lag=4), Spec("standard")], values, rows, num_series=1
    )
    logarithm = np.log(1 + values[:, 0])
    steps = logarithm[4:] - logarithm[:-4]
    np.testing.assert_allclose(
        chain.apply(values, rows)[4:, 0], (steps - steps.mean()) / steps.std(), rtol=1e-10
    )
    assert np.isnan(chain.apply(values, rows)[:4]).all()


def test_no_map_at_all_changes_nothing():
    rows, values = rows_of(5), positive(5)
    chain = Chain.fit([], values, rows, num_series=1)
    assert chain.lag == 0
    np.testing.assert_array_equal(chain.apply(values, rows), values)
    out = chain.invert(
        values[None].astype(np.float32), series=np.array([0]), history=np.zeros((1, 0, 1))
    )
    assert out.dtype == np.float64


def test_new_series_get_their_own_scale_behind_a_shared_one():
    specs = [Spec("standard", "global"), Spec("robust"), Spec("min_max", "global")]
    trained = Chain.fit(specs, positive(40, 50), rows_of(40, 50), num_series=2)
    rows, values = rows_of(30, 40), positive(30, 40, seed=5) * 100
    fresh = Chain.fit(specs, values, rows, num_series=2, shared=trained)
    aligned = trained.align(np.array([-1, 0]), fresh)
    shared = trained.stages[0].apply(values, rows)
    own = shared[:30, 0]
    middle = (own - np.median(own)) / (np.percentile(own, 75) - np.percentile(own, 25))
    last = trained.stages[2]
    np.testing.assert_allclose(
        aligned.apply(values, rows)[:30, 0], (middle - last.centre) / last.scale, rtol=1e-10
    )
    as_trained = trained.apply(values, Rows(np.zeros(70, np.int64), rows.positions))[30:]
    np.testing.assert_array_equal(aligned.apply(values, rows)[30:], as_trained)


@pytest.mark.parametrize("early", sorted(TRANSFORMS))
def test_a_logarithm_after_another_map_is_refused(early):
    with pytest.raises(ConfigError, match=f"{early} before log1p, .*: put log1p first"):
        Chain.fit([Spec(early), Spec("log1p")], positive(9), rows_of(9), num_series=1)


def test_refusals_of_values_and_lengths():
    with pytest.raises(DataError, match="log1p needs values above -1; the smallest is -3"):
        Chain.fit([Spec("log1p")], np.array([[1.0], [-3.0]]), rows_of(2), num_series=1)
    chain = Chain((Difference(2), Difference(3)))
    with pytest.raises(ShapeError, match="history has 4 rows; the transforms need 5"):
        chain.invert(np.zeros((1, 2, 1)), series=np.array([0]), history=np.zeros((1, 4, 1)))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_map_of_the_table_keeps_the_contract(name):
    rows, values = rows_of(12, 9), positive(12, 9, targets=2)
    values[5, 0] = np.nan
    (stage,) = Chain.fit([Spec(name, lag=3)], values, rows, num_series=2).stages
    before = values.copy()
    applied = stage.apply(values, rows)
    np.testing.assert_array_equal(values, before, err_msg="the input was written to")
    assert np.isnan(applied[5, 0])
    assert not np.isnan(
        np.delete(applied, [*range(stage.lag), *range(12, 12 + stage.lag), 5, 8], axis=0)
    ).any()
    forecast = applied[-4:][None]
    back = stage.invert(forecast, series=np.array([1]), history=values[None, -4 - stage.lag : -4])
    np.testing.assert_allclose(back[0], values[-4:], rtol=1e-12)
    state = stage.to_state()
    np.testing.assert_array_equal(type(stage).from_state(state).apply(values, rows), applied)
    np.testing.assert_array_equal(stage.align(np.array([0, 1]), stage).apply(values, rows), applied)
