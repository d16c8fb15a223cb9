"""Rows of one timestamp become one row, compared with `groupby` of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import DataError

WAYS = ("sum", "mean", "last", "first", "max", "min")
COLUMNS = Columns(
    past_covariates=("price", "kind"),
    known_covariates=("promo",),
    static_covariates=("size",),
    categorical=("kind",),
)


def events(*, missing: float = 0.0, shuffled: bool = True, seed: int = 0) -> pd.DataFrame:
    """Sales of three shops: on every day from none to four of them."""
    random = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=40)
    parts = []
    for number, shop in enumerate("abc"):
        stamps = np.repeat(days.to_numpy(), random.integers(1, 5, len(days)))
        part = pd.DataFrame({"unique_id": shop, "ds": stamps})
        part["y"] = random.normal(10, 3, len(part))
        part["price"] = random.normal(2, 1, len(part))
        part["promo"] = random.integers(0, 2, len(part)) * 1.0
        part["kind"] = random.choice(["new", "old"], len(part))
        part["size"] = 10.0 * number
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    for name in ("y", "price"):
        table.loc[random.random(len(table)) < missing, name] = np.nan
    if shuffled:
        table = table.sample(frac=1, random_state=seed)
    return table.reset_index(drop=True)


@pytest.mark.parametrize("missing", [0.0, 0.4], ids=["whole", "with missing cells"])
@pytest.mark.parametrize("how", WAYS)
def test_cells_are_joined_as_by_pandas(how: str, missing: float) -> None:
    table = events(missing=missing)
    panel = load_panel(
        table, COLUMNS, table_format=TableFormat(aggregate=how), allow_missing=missing > 0
    )
    groups = table.groupby(["unique_id", "ds"], sort=True)
    options = {"min_count": 1} if how == "sum" else {}
    expected = getattr(groups["y"], how)(**options)
    of_covariates = "mean" if how == "sum" else how
    np.testing.assert_allclose(panel.column("y"), expected.to_numpy())
    for name in ("price", "promo"):
        np.testing.assert_allclose(panel.column(name), getattr(groups[name], of_covariates)())
    words = np.array(panel.categories["kind"])[panel.column("kind").astype(int)]
    kinds = groups["kind"].first() if how == "first" else groups["kind"].last()
    assert words.tolist() == kinds.tolist()
    assert panel.static_values[:, 0].tolist() == [0.0, 10.0, 20.0]
    ids = np.repeat(panel.series_ids, panel.lengths)
    assert list(zip(ids, pd.DatetimeIndex(panel.timestamps), strict=True)) == list(expected.index)


@pytest.mark.parametrize("target", ["y", "kind", "promo"])
def test_rows_are_counted_whatever_their_target_is(target: str) -> None:
    table = events()
    table[target] = table[target].astype(object).where(np.arange(len(table)) % 5 > 0, None)
    last = table["ds"] >= "2024-02-01"  # rows of the future are those after the last target
    table = pd.concat([table[~last], table[last].dropna()])
    columns = Columns(target_cols=(target,))
    panel = load_panel(table, columns, table_format=TableFormat(aggregate="count"), gaps="skip")
    expected = table.groupby(["unique_id", "ds"])[target].count()
    assert panel.targets[:, 0].tolist() == expected.tolist()


def test_an_index_of_whole_numbers_is_joined_too() -> None:
    table = pd.DataFrame({"ds": [1, 1, 2, 3, 3, 3, 4], "y": np.arange(7.0)})
    panel = load_panel(table, table_format=TableFormat(aggregate="sum"))
    assert panel.timestamps.tolist() == [1, 2, 3, 4]
    assert panel.targets[:, 0].tolist() == [1.0, 2.0, 12.0, 6.0]


def test_what_is_joined_is_said() -> None:
    panel = load_panel(events(), table_format=TableFormat(aggregate="sum"))
    note = next(note for note in panel.notes if "are joined" in note)
    assert "rows with the timestamp of an earlier row: series 'a', row" in note
    assert "(aggregate: sum)" in note


def test_nothing_is_said_where_nothing_is_joined() -> None:
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=9), "y": np.arange(9.0)})
    assert load_panel(table, table_format=TableFormat(aggregate="sum")).notes == ()


def test_a_static_covariate_that_differs_in_joined_rows_is_refused() -> None:
    table = events(shuffled=False)
    table.loc[0, "size"] = 99.0
    with pytest.raises(DataError, match="'size' changes within a series"):
        load_panel(table, COLUMNS, table_format=TableFormat(aggregate="mean"))


def test_future_rows_are_joined_too() -> None:
    table = events()
    ahead = table["ds"] >= "2024-02-03"
    table.loc[ahead, "y"] = np.nan
    columns = Columns(known_covariates=("promo",))
    panel = load_panel(table, columns, table_format=TableFormat(aggregate="sum"))
    assert panel.future is not None
    expected = table[ahead].groupby(["unique_id", "ds"])["promo"].mean()
    np.testing.assert_allclose(panel.future.column("promo"), expected)


@pytest.mark.parametrize("how", WAYS)
def test_every_way_removes_the_finding(how: str) -> None:
    table = events(shuffled=False)
    finding = diagnose(table, COLUMNS).errors[0]
    assert finding.code == "duplicate_stamps"
    assert diagnose(table, COLUMNS, table_format=TableFormat(aggregate=how)).errors == ()


def test_constants_are_those_of_the_steps() -> None:
    table = events().assign(y=1.0)
    codes = [
        each.code for each in diagnose(table, table_format=TableFormat(aggregate="sum")).findings
    ]
    assert "constant" not in codes
    codes = [
        each.code for each in diagnose(table, table_format=TableFormat(aggregate="mean")).findings
    ]
    assert "constant" in codes
