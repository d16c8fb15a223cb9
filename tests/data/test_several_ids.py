"""Series that several columns name together: read on every road, matched, and kept as columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.data.doctor import diagnose
from forecast.data.known import append_future, future_frame, read_known
from forecast.data.load import load_panel
from forecast.data.names import name_of
from forecast.data.panel import USUAL_ROLES, Columns, Panel
from forecast.data.per_series.keys import SeriesKey, as_ids, id_columns, ids_in
from forecast.data.per_series.subset import select_series
from forecast.data.read import Source, TableFormat
from forecast.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=12)
COLUMNS = Columns(id_col="store,item")


def table_of(keys: list[tuple[Any, ...]], **cells: Any) -> pd.DataFrame:
    """One series per key, with values that no two series share."""
    frames = []
    for number, (store, item) in enumerate(keys):
        values = 100 * number + np.arange(len(DAYS)) ** 2
        frames.append(pd.DataFrame({"store": store, "item": item, "ds": DAYS, "y": values}))
    return pd.concat(frames, ignore_index=True).assign(**cells)


def to_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def to_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "table.parquet", index=False)
    return folder / "table.parquet"


def to_excel(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_excel(folder / "table.xlsx", index=False)
    return folder / "table.xlsx"


def to_feather(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_feather(folder / "table.feather")
    return folder / "table.feather"


ROADS: dict[str, Callable[[pd.DataFrame, Path], Source]] = {
    "frame": lambda frame, _: frame,
    "index": lambda frame, _: frame.set_index(["store", "ds", "item"]),
    "categorical": lambda frame, _: frame.astype({"item": "category"}),
    "csv": to_csv,
    "parquet": to_parquet,
    "excel": to_excel,
    "feather": to_feather,
}

KEYS: dict[str, list[tuple[Any, ...]]] = {
    "numbers and words": [(1, "A"), (1, "B"), (2, "A"), (10, "A")],
    "the same joined": [("1", "23"), ("12", "3"), ("1,2", "3"), ("1", "2,3")],
    "leading zeros": [("001", "a"), ("01", "a"), ("1", "a")],
    "slashes and spaces": [("a/b", "c d"), ("a", "b/c d"), ("../..", "x  y")],
    "umlauts and quotes": [("Köln", '"q"'), ("köln", "東京")],
    "line breaks": [("a\nb", "c"), ("a", "b\nc")],
    "long": [("x" * 300, "y" * 300), ("x" * 300, "y" * 299 + "z")],
    "flags": [(True, 1), (False, 1)],
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", KEYS)
def test_every_pair_is_a_series_with_its_own_values(kind: str, road: str, tmp_path: Path) -> None:
    frame = table_of(KEYS[kind])
    source = ROADS[road](frame.sample(frac=1, random_state=3), tmp_path)
    panel = load_panel(source, COLUMNS)

    assert panel.num_series == len(KEYS[kind])
    for key, rows in frame.groupby(["store", "item"], sort=False):
        series = [name_of(known) for known in panel.series_ids].index(name_of(key))
        first, last = panel.offsets[series : series + 2]
        np.testing.assert_array_equal(panel.targets[first:last, 0], rows["y"])


def test_ids_keep_the_types_of_their_columns(tmp_path: Path) -> None:
    frame = table_of([(2, "01"), (10, "01"), (2, "1")])
    for road in ROADS.values():
        panel = load_panel(road(frame, tmp_path), COLUMNS)
        assert panel.series_ids.tolist() == [(2, "01"), (2, "1"), (10, "01")]
        assert all(type(store) is int for store, _ in panel.series_ids)
        back = pd.DataFrame(id_columns(panel.columns, panel.series_ids)).infer_objects()
        assert back.dtypes.tolist() == frame[["store", "item"]].dtypes.tolist()
        assert ids_in(back, panel.columns).tolist() == panel.series_ids.tolist()


def test_the_series_are_those_of_one_column_with_both_values() -> None:
    rng = np.random.default_rng(5)
    frame = table_of([(store, item) for store in range(12) for item in "abcdefg"])
    frame = frame[rng.random(len(frame)) < 0.9]
    joined = frame.assign(unique_id=frame["store"].map("{:02}/".format) + frame["item"])
    one = load_panel(joined, gaps="skip", freq="D")
    several = load_panel(frame, COLUMNS, gaps="skip", freq="D")

    assert [f"{s:02}/{i}" for s, i in several.series_ids] == one.series_ids.tolist()
    for name in ("offsets", "positions", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(several, name), getattr(one, name))


@pytest.mark.parametrize(
    "given", ["store,item", ["store", "item"], ("store", "item"), 'store,"item"', "store, item"]
)
def test_the_columns_are_listed_as_those_of_the_time(given: Any) -> None:
    assert Columns(id_col=given).id_cols == ("store", "item")


def test_a_column_with_a_comma_in_its_name_is_one_column() -> None:
    frame = table_of([(1, "A"), (2, "A")]).rename(columns={"store": "shop, no"})
    for given in ("shop, no", '"shop, no"', ["shop, no"]):
        panel = load_panel(frame, Columns(id_col=given))
        assert panel.columns.id_cols == ("shop, no",)
        assert panel.series_ids.tolist() == [1, 2]
        assert list(future_frame(panel, 2)) == ["shop, no", "ds"]
    both = Columns(id_col=["item", "shop, no"])
    assert load_panel(frame, both).series_ids.tolist() == [("A", 1), ("A", 2)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"id_col": "store,store"}, "each column once"),
        ({"id_col": "store,ds", "time_col": "ds"}, "time_col names 'ds'"),
        ({"id_col": "store,y", "target_cols": ("y",)}, "target_cols names 'y'"),
        ({"id_col": "store,item", "known_covariates": ("item",)}, "known_covariates names 'item'"),
    ],
)
def test_an_id_column_has_no_second_role(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Columns(**settings)


def test_a_missing_column_is_named_alone() -> None:
    frame = table_of([(1, "A"), (2, "B")])
    with pytest.raises(DataError, match=r"there is no column 'itme' \(did you mean 'item'\?\)"):
        load_panel(frame, Columns(id_col="store,itme"))


def test_a_missing_cell_is_named_with_its_column() -> None:
    frame = table_of([(1, "A"), (2, "B")])
    frame.loc[3, "item"] = None
    with pytest.raises(DataError, match="item is missing in 1 row: row 3"):
        load_panel(frame, COLUMNS)


def test_known_covariates_are_matched_by_both_columns_whatever_their_type() -> None:
    columns = Columns(id_col="store,item", known_covariates=("price",))
    panel = load_panel(table_of([(1, "23"), (12, "3")], price=1.0), columns)
    template = future_frame(panel, 3)
    assert list(template) == ["store", "item", "ds", "price"]
    assert template["store"].tolist() == [1] * 3 + [12] * 3

    prices = np.arange(6.0)
    for known in (
        template.assign(price=prices),
        template.assign(price=prices, store=template["store"].astype(str))[::-1],
    ):
        whole = append_future(panel, 3, read_known(panel, known, table_format=TableFormat()))
        new = np.concatenate([np.arange(12, 15), np.arange(27, 30)])
        assert whole.column("price")[new].tolist() == prices.tolist()

    other = template.assign(price=1.0, item="x")
    read = read_known(panel, other, table_format=TableFormat())
    with pytest.raises(DataError, match=r"first series \(1, '23'\) at .* the ids given are '1,x'"):
        append_future(panel, 3, read)


def test_one_of_the_columns_may_be_a_static_covariate() -> None:
    frame = table_of([(1, "B"), (2, "A"), (2, "B")])
    columns = Columns(
        id_col="store,item", static_covariates=("item", "store"), categorical=("item",)
    )
    panel = load_panel(frame, columns)
    assert panel.categories["item"] == ("A", "B")
    assert panel.static_values.tolist() == [[1, 1], [0, 2], [1, 2]]


def test_future_rows_belong_to_their_pair() -> None:
    frame = table_of([(1, "A"), (1, "B")], price=2.0)
    frame["y"] = frame["y"].astype(float)
    frame.loc[frame.index[-2:], "y"] = np.nan
    columns = Columns(id_col="store,item", known_covariates=("price",))
    panel = load_panel(frame, columns)
    assert panel.lengths.tolist() == [12, 10]
    assert panel.future is not None
    assert panel.future.series_ids.tolist() == [(1, "B")]
    assert select_series(panel, np.array([0])).future is None
    assert select_series(panel, np.array([1])).future is not None


def test_keys_come_back_from_json_lists() -> None:
    ids = as_ids([[1, "A"], (2, "B")])
    assert ids.shape == (2,)
    assert all(isinstance(key, SeriesKey) for key in ids)
    assert [str(key) for key in ids] == ["1,A", "2,B"]


def panel_of(frame: pd.DataFrame, id_col: str) -> Panel | None:
    return diagnose(frame, Columns(id_col=id_col)).panel


@pytest.mark.parametrize(
    ("given", "found"),
    [("store", "store,item"), ("item", "item,store"), ("unique_id", "item,store")],
)
def test_the_column_that_tells_rows_apart_is_proposed(given: str, found: str) -> None:
    frame = table_of([(store, item) for store in (1, 2, 3) for item in "ABCD"])
    frame = frame.assign(price=1.5, number=np.arange(len(frame)), note="", weekday=frame.ds.dt.day)
    if given != "unique_id":
        errors = diagnose(frame, Columns(id_col=given)).errors
    else:
        errors = diagnose(frame, USUAL_ROLES).errors
    assert [error.settings[0] for error in errors] == [{"data.id_col": found}]
    assert "tell" in errors[0].message
    assert panel_of(frame, found) is not None


def test_of_columns_that_do_the_same_the_one_with_fewer_values_is_proposed() -> None:
    frame = table_of([(store, item) for store in (1, 2, 3) for item in "AB"])
    frame["both"] = frame["store"].astype(str) + "/" + frame["item"]
    errors = diagnose(frame, Columns(id_col="item")).errors
    assert errors[0].settings[0] == {"data.id_col": "item,store"}


def test_the_column_is_found_where_rows_were_left_out(tmp_path: Path) -> None:
    path = to_csv(table_of([(1, "A"), (2, "A")]), tmp_path)
    lines = path.read_text().splitlines()
    lines.insert(5, ",,,")
    path.write_text("\n".join([*lines, ",,Total,99"]))
    assert diagnose(path, USUAL_ROLES).errors[0].settings[0] == {"data.id_col": "store"}

    frame = pd.read_csv(path, dtype=object)
    frame.to_excel(tmp_path / "table.xlsx", index=False)
    errors = diagnose(tmp_path / "table.xlsx", USUAL_ROLES).errors
    assert errors[0].settings[0] == {"data.id_col": "store"}


def test_no_column_is_proposed_where_none_tells_all_rows_apart() -> None:
    frame = table_of([(1, "A"), (2, "B")])
    once = pd.concat([frame, frame.iloc[:1]])
    errors = diagnose(once, Columns(id_col="store")).errors
    assert errors[0].settings[0] == {"data.aggregate": "mean"}
    numbered = table_of([(1, "A"), (1, "B")]).assign(item=np.arange(len(frame)))
    ways = diagnose(numbered, Columns(id_col="store")).errors[0].settings
    assert [way for way in ways if "data.id_col" in way] == []
