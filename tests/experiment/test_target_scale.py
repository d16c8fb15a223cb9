"""Windows on which the scale of the targets is decided."""

from __future__ import annotations

import numpy as np
import pytest
from panels import panel_of

from forecast.experiment.target_scale import every_so_many
from forecast.windows.index import index_windows


@pytest.mark.parametrize("number", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("stride", [1, 3])
def test_every_so_many_windows_of_each_run_are_read(number: int, stride: int) -> None:
    gappy = [*range(20), *range(30, 47)]
    panel = panel_of([range(25), gappy, range(8)])
    index = index_windows(panel, 4, 3, stride=stride)
    series, first = index.locate(np.arange(len(index)))
    runs = np.searchsorted(index.run_ends, np.arange(len(index)), side="right")
    kept = [np.flatnonzero(runs == run)[:: max(number, 1)] for run in np.unique(runs)]
    chosen = np.concatenate(kept)
    thinned = every_so_many(index, number)
    found_series, found_first = thinned.locate(np.arange(len(thinned)))
    np.testing.assert_array_equal(found_first, first[chosen])
    np.testing.assert_array_equal(found_series, series[chosen])
