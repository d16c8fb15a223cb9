"""The model over segments agrees with a float64 NumPy version that takes one target and one segment
at a time."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from window_arrays import full_shape, random_inputs, shuffled, weights_of

from forecast.models import build_model
from forecast.models.segment_bigru import SegmentBiGRUConfig, build_segment_bigru, segment_length
from forecast.windows.index import WindowShape

COMBINATIONS = [
    SegmentBiGRUConfig(units=5, segment_length=2),
    SegmentBiGRUConfig(units=5, segment_length=3, channels="joint", decoder="recurrent"),
    SegmentBiGRUConfig(units=(6, 3), num_layers=2, segment_length=1, cell="lstm", attention="dot"),
    SegmentBiGRUConfig(
        units=4, segment_length=4, cell="rnn", attention="additive", instance_norm="standard"
    ),
    SegmentBiGRUConfig(
        units=4, segment_length=9, bidirectional=False, instance_norm="none", decoder="recurrent"
    ),
    SegmentBiGRUConfig(
        units=4, segment_length=2, cell="lstm", decoder="recurrent", channels="joint"
    ),
]


def settings_of(config: SegmentBiGRUConfig) -> str:
    return "-".join(str(value) for value in config.model_dump(exclude_defaults=True).values())


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("num_quantiles", [0, 4])
@pytest.mark.parametrize("config", COMBINATIONS, ids=settings_of)
def test_forecast_equals_reference_in_float64(
    config: SegmentBiGRUConfig, num_quantiles: int
) -> None:
    shape = full_shape(num_quantiles=num_quantiles)
    model, inputs = (
        shuffled(build_segment_bigru(config, shape)),
        random_inputs(shape, 3, dtype="float64"),
    )
    expected = reference.predict_segments(config, shape, inputs, weights_of(model))
    np.testing.assert_allclose(np.asarray(model(inputs)), expected, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("double")
def test_one_target_without_covariates() -> None:
    config, shape = (
        SegmentBiGRUConfig(units=3, segment_length=4),
        WindowShape(context_length=10, horizon=6),
    )
    model, inputs = (
        shuffled(build_segment_bigru(config, shape)),
        random_inputs(shape, 3, dtype="float64"),
    )
    expected = reference.predict_segments(config, shape, inputs, weights_of(model))
    np.testing.assert_allclose(np.asarray(model(inputs)), expected, rtol=0, atol=1e-12)


def test_targets_apart_do_not_read_each_other() -> None:
    """Each is forecast alike whatever the others do; read together it is not."""
    shape = WindowShape(context_length=10, horizon=4, num_targets=3, num_past=3)
    inputs = random_inputs(shape, 5)
    changed = {"past": inputs["past"].copy()}
    changed["past"][:, :, 1] *= -2.0
    for channels, alike in (("independent", True), ("joint", False)):
        model = build_model(SegmentBiGRUConfig(units=4, channels=channels), shape, seed=1)
        before, after = (np.asarray(model(one)) for one in (inputs, changed))
        assert np.array_equal(before[..., [0, 2]], after[..., [0, 2]]) == alike
        assert not np.array_equal(before[..., 1], after[..., 1])


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [(1, 1), (12, 12), (13, 13), (24, 24), (30, 15), (37, 19), (48, 24), (96, 24), (720, 24)],
)
def test_segments_cut_the_horizon_into_equal_parts(horizon: int, expected: int) -> None:
    shape = WindowShape(context_length=5, horizon=horizon)
    assert segment_length(SegmentBiGRUConfig(), shape) == expected
    assert segment_length(SegmentBiGRUConfig(segment_length=7), shape) == 7
