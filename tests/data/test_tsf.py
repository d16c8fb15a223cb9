"""Files of the Monash archive, compared with frames written out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.errors import DataError

HEAD = """# Dataset Information
# Of two shops.
@relation Shops
@attribute series_name string
@attribute start_timestamp date
@attribute floor numeric
@frequency {frequency}
@horizon 3
@missing false
@equallength false
@data
"""
STARTS = {"T1": "2020-01-01 06-00-00", "T2": "2021-01-01 00-00-00"}
VALUES = {"T1": [1.5, 2, 3.25, 5, 8], "T2": [7, 6, 4, 2, 1, 0.5]}
STEPS = {
    "10_minutes": "10min",
    "half_hourly": "30min",
    "hourly": "h",
    "daily": "D",
    "weekly": "7D",
    "monthly": pd.DateOffset(months=1),
    "quarterly": pd.DateOffset(months=3),
    "yearly": pd.DateOffset(years=1),
}


def write(path, frequency, starts=STARTS, head=HEAD):
    lines = [
        f"{name}:{start}:{floor}:{','.join(map(str, VALUES[name]))}"
        for floor, (name, start) in enumerate(starts.items())
    ]
    path.write_text(head.format(frequency=frequency) + "\n".join(lines) + "\n")
    return path


def frame(step, starts=STARTS):
    parts = []
    for floor, (name, start) in enumerate(starts.items()):
        first = pd.to_datetime(start, format="%Y-%m-%d %H-%M-%S")
        stamps = [first + number * pd.tseries.frequencies.to_offset(step) for number in range(6)]
        if isinstance(step, pd.DateOffset) and not isinstance(step, pd.tseries.offsets.Tick):
            stamps = [first + pd.DateOffset(months=number * months(step)) for number in range(6)]
        values = VALUES[name]
        parts.append(
            pd.DataFrame(
                {"unique_id": name, "ds": stamps[: len(values)], "y": values, "floor": floor}
            )
        )
    return pd.concat(parts, ignore_index=True)


def months(step):
    return step.kwds.get("months", 12 * step.kwds.get("years", 0))


@pytest.mark.parametrize("frequency", STEPS)
def test_a_file_equals_its_long_frame(frequency, tmp_path):
    starts = dict.fromkeys(STARTS, "2020-01-01 00-00-00")
    columns = Columns(static_covariates=("floor",))
    panel = load_panel(write(tmp_path / "a.tsf", frequency, starts), columns)
    other = load_panel(frame(STEPS[frequency], starts), columns)
    assert list(panel.series_ids) == ["T1", "T2"]
    assert panel.freq == other.freq
    assert np.array_equal(panel.timestamps, other.timestamps)
    assert np.array_equal(panel.values, other.values)
    assert np.array_equal(panel.static_values, other.static_values)
    assert panel.notes[0] == (
        f"a.tsf: y are its values, ds is {frequency} from 'start_timestamp' on, unique_id is "
        f"'series_name'"
    )


def test_series_may_begin_at_any_hour_and_month_end(tmp_path):
    starts = {"T1": "2020-01-31 00-00-00", "T2": "2020-03-31 00-00-00"}
    panel = load_panel(write(tmp_path / "a.tsf", "monthly", starts))
    first = panel.timestamps[:5].astype("datetime64[D]").astype(str).tolist()
    assert first == ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"]
    assert panel.freq.alias == "ME"
    starts = {"T1": "2020-02-29 00-00-00", "T2": "2020-05-31 00-00-00"}
    panel = load_panel(write(tmp_path / "a.tsf", "quarterly", starts), gaps="skip")
    ends = panel.timestamps.astype("datetime64[D]").astype(str).tolist()
    assert ends[:3] == ["2020-02-29", "2020-05-31", "2020-08-31"]
    starts = {"T1": "2020-01-01 06-00-00", "T2": "2020-01-03 06-00-00"}
    assert load_panel(write(tmp_path / "b.tsf", "daily", starts)).num_rows == 11


def test_without_a_start_the_steps_are_counted(tmp_path):
    lines = ["@attribute series_name string", "@data", "a:1,2,3", "b:5,?,7,8"]
    (tmp_path / "a.tsf").write_text("\n".join(lines))
    panel = load_panel(tmp_path / "a.tsf", allow_missing=True)
    assert panel.timestamps.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert np.array_equal(panel.values[:, 0], [1, 2, 3, 5, np.nan, 7, 8], equal_nan=True)
    assert "ds counts the steps of each series from 0" in panel.notes[0]
    with pytest.raises(DataError, match="y is missing in 1 of 7 rows: series 'b', row 4"):
        load_panel(tmp_path / "a.tsf")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("@data", "", "line 12 of a.tsf .*expected a tag such as @attribute"),
        ("floor numeric", "floor colour", "line 6 of a.tsf .*string, numeric or date"),
        ("T2:", "T2:x:", "line 13 of a.tsf .*it has 4 attributes, 3 are declared"),
        ("3.25", "many", "line 12 of a.tsf .*'many'"),
        ("2021-01-01", "01.01.2021", "line 13 of a.tsf"),
        ("daily", "fortnightly", "the frequency of a.tsf is 'fortnightly'. Expected one of"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(old, new, words, tmp_path):
    path = write(tmp_path / "a.tsf", "daily")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=words) as caught:
        load_panel(path)
    assert "\n" not in str(caught.value)


def test_no_series_and_several_targets(tmp_path):
    (tmp_path / "a.tsf").write_text("@attribute series_name string\n@data\n")
    with pytest.raises(DataError, match="header but no rows"):
        load_panel(tmp_path / "a.tsf")
    with pytest.raises(DataError, match=r"there are targets 'a', 'b'. Name one target"):
        load_panel(write(tmp_path / "a.tsf", "daily"), Columns(target_cols=("a", "b")))
