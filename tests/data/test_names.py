"""One value has one name, whatever table it comes from and whatever else stands in its column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from forecast.data.known import append_future, future_frame, read_known
from forecast.data.load import load_panel
from forecast.data.names import as_numbers, name_of, nearest_name, sorted_names
from forecast.data.panel import Columns, Panel
from forecast.data.read import Source, TableFormat
from forecast.errors import DataError

SPELLINGS = {
    "true": [True, np.True_, "True", "TRUE", "true"],
    "1": [1, 1.0, np.int8(1), np.float32(1), Decimal(1), Decimal("1.00"), "1", "1.0"],
    "-3": [-3, -3.0, "-3", "-3.0"],
    "0": [0, -0.0, "0", "0.0"],
    "01": ["01"],
    "01.0": ["01.0"],
    "1.10": ["1.10"],
    "1.1": [1.1, np.float32(1.1), np.float16(1.1), Decimal("1.10"), "1.1"],
    "10000000000000000": [10**16, 1e16, "10000000000000000"],
    "2024-05-01": [
        dt.date(2024, 5, 1),
        dt.datetime(2024, 5, 1),
        pd.Timestamp("2024-05-01"),
        "2024-05-01",
        "2024-05-01 00:00",
        "2024-05-01T00:00:00.000",
    ],
    "2024-05-01 12:30:00": [
        dt.datetime(2024, 5, 1, 12, 30),
        "2024-05-01 12:30",
        "2024-05-01T12:30:00",
    ],
    "2024-05-01 12:30:00.5": [pd.Timestamp("2024-05-01 12:30:00.5"), "2024-05-01 12:30:00.500"],
    "Köln": ["Köln"],
    "köln": ["köln"],
    "Köln ": ["Köln "],
    "NA": ["NA"],
}


@pytest.mark.parametrize(("name", "values"), SPELLINGS.items())
def test_every_spelling_of_a_value_has_its_name(name: str, values: list[object]) -> None:
    assert [name_of(value) for value in values] == [name] * len(values)
    assert name_of(name) == name, "a name is its own name"


def test_whole_numbers_are_sorted_by_size_and_all_else_as_text() -> None:
    assert sorted_names(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert sorted_names(["10", "9", "a"]) == ["10", "9", "a"]
    assert sorted_names(["10", "9", "01"]) == ["01", "10", "9"]
    assert as_numbers(["10", "-1"]) == [10, -1]
    assert as_numbers(["10", "01"]) is None
    assert as_numbers([str(2**63)]) is None


def test_the_nearest_name_is_the_one_that_differs_in_spelling_only() -> None:
    assert nearest_name("1", ["11", "01", "10"]) == " (did you mean '01'?)"
    assert nearest_name(" PROMO", ["prom", "promo", "promos"]) == " (did you mean 'promo'?)"
    assert nearest_name("promot", ["abc", "promo"]) == " (did you mean 'promo'?)"


def test_a_name_that_is_given_too_is_not_meant():
    assert nearest_name("south", ["north"]) == " (did you mean 'north'?)"
    assert nearest_name("south", ["north"], used={"north"}) == ""
    assert nearest_name("soth", ["north", "south"], used={"north"}) == " (did you mean 'south'?)"
    assert nearest_name("North", ["north"], used={"north"}) == " (did you mean 'north'?)"
    assert nearest_name("xyz", ["abc", "promo"]) == ""


KINDS: dict[str, tuple[list[Any], list[str]]] = {
    "bools": ([True, False, True], ["true", "false", "true"]),
    "whole": ([2, 10, 1], ["2", "10", "1"]),
    "codes": (["01", "1", "010"], ["01", "1", "010"]),
    "umlauts": (["köln", "Köln", "Köln "], ["köln", "Köln", "Köln "]),
    "floats": ([0.5, 10.0, 2.25], ["0.5", "10", "2.25"]),
    "days": (
        [*pd.to_datetime(["2024-05-02", "2024-05-01", "2024-05-03"])],
        ["2024-05-02", "2024-05-01", "2024-05-03"],
    ),
    "versions": (["1.10", "1.1", "2.0"], ["1.10", "1.1", "2"]),
    "words": (["true", "TRUE", "unsure"], ["true", "true", "unsure"]),
}
"""Values in the type a frame has them in, and the names they must get."""

Road = Callable[[pd.DataFrame, Path], Source]


def _dictionaries(frame: pd.DataFrame) -> pa.Table:
    """An Arrow table whose columns of names are dictionaries."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for place, name in enumerate(table.column_names):
        if name not in ("ds", "y"):
            table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table


def _written(ending: str) -> Road:
    def road(frame: pd.DataFrame, folder: Path) -> Path:
        path = folder / f"table{ending}"
        frame.to_parquet(path) if ending == ".parquet" else frame.to_csv(path, index=False)
        return path

    return road


def _arrow_file(frame: pd.DataFrame, folder: Path) -> Path:
    pyarrow.parquet.write_table(_dictionaries(frame), folder / "coded.parquet")
    return folder / "coded.parquet"


def _changed(change: Callable[[pd.Series], pd.Series]) -> Road:
    return lambda frame, _: frame.apply(
        lambda column: column if column.name in ("ds", "y") else change(column)
    )


ROADS: dict[str, Road] = {
    "frame": _changed(lambda column: column),
    "frame of objects": _changed(lambda column: column.astype(object)),
    "frame of text": _changed(lambda column: column.astype(str)),
    "frame of categories": _changed(lambda column: column.astype("category")),
    "nullable frame": _changed(lambda column: column.convert_dtypes()),
    "frame in Arrow": _changed(lambda column: column.convert_dtypes(dtype_backend="pyarrow")),
    "CSV": _written(".csv"),
    "compressed CSV": _written(".csv.gz"),
    "parquet": _written(".parquet"),
    "parquet of dictionaries": _arrow_file,
    "Arrow table": lambda frame, _: pa.Table.from_pandas(frame),
    "Arrow table of dictionaries": lambda frame, _: _dictionaries(frame),
}

DAYS = pd.date_range("2024-01-01", periods=6)


def series_of(ids: list[Any], **columns: list[Any]) -> pd.DataFrame:
    """Six days of each series; `static` has a value per series, other columns repeat theirs row
    after row."""
    frame = pd.DataFrame({"unique_id": np.repeat(ids, 6), "ds": np.tile(DAYS, len(ids))})
    for name, values in columns.items():
        frame[name] = np.repeat(values, 6) if name == "static" else np.resize(values, len(frame))
    return frame.assign(y=np.arange(float(len(frame))))


def words_of(panel: Panel, name: str) -> list[str]:
    """The category of every row, or of every series."""
    is_static = name in panel.columns.static_covariates
    codes = panel.static_values[:, 0] if is_static else panel.column(name)
    return [panel.categories[name][int(code)] for code in codes]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", KINDS)
def test_categories_have_the_same_names_on_every_road(kind: str, road: str, tmp_path: Path) -> None:
    values, names = KINDS[kind]
    columns = Columns(
        past_covariates=("past",),
        known_covariates=("known",),
        static_covariates=("static",),
        categorical=("past", "known", "static"),
    )
    frame = series_of(["a", "b", "c"], past=values, known=values, static=values)
    panel = load_panel(ROADS[road](frame, tmp_path), columns)
    assert words_of(panel, "past") == words_of(panel, "known") == names * 6
    assert words_of(panel, "static") == names
    assert panel.categories == dict.fromkeys(columns.categorical, tuple(sorted(set(names))))


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("bools", "words")])
def test_series_have_the_same_names_and_order_on_every_road(
    kind: str, road: str, tmp_path: Path
) -> None:
    values, names = KINDS[kind]
    panel = load_panel(ROADS[road](series_of(values), tmp_path))
    order = sorted(
        range(3), key=lambda place: int(names[place]) if kind == "whole" else names[place]
    )
    assert [name_of(one) for one in panel.series_ids] == [names[place] for place in order]
    assert panel.targets[::6, 0].tolist() == [6.0 * place for place in order]


@pytest.mark.parametrize("road", ROADS)
def test_missing_categories_are_missing_on_every_road(road: str, tmp_path: Path) -> None:
    columns = Columns(past_covariates=("whole", "word"), categorical=("whole", "word"))
    if road == "frame of text":
        pytest.skip("a missing cell becomes the word 'nan' there")
    frame = series_of(["a"], whole=[1, None, 2], word=["x", None, "x"])
    panel = load_panel(ROADS[road](frame, tmp_path), columns, allow_missing=True)
    assert panel.categories == {"whole": ("1", "2"), "word": ("x",)}
    assert panel.column("whole").tolist() == pytest.approx([0, np.nan, 1] * 2, nan_ok=True)
    assert panel.column("word").tolist() == pytest.approx([0, np.nan, 0] * 2, nan_ok=True)


@pytest.mark.parametrize("one", ROADS)
@pytest.mark.parametrize(
    "other", ["frame", "CSV", "parquet", "frame of text", "Arrow table of dictionaries"]
)
@pytest.mark.parametrize("kind", ["bools", "whole", "codes", "floats", "days"])
def test_known_covariates_of_one_road_belong_to_a_history_of_another(
    kind: str, one: str, other: str, tmp_path: Path
) -> None:
    values, names = KINDS[kind]
    ids = [1, 2] if kind in ("bools", "floats") else values
    columns = Columns(known_covariates=("known",), categorical=("known",))
    panel = load_panel(ROADS[one](series_of(ids, known=values), tmp_path), columns)
    ahead = series_of(ids, known=values[::-1]).assign(
        ds=np.tile(DAYS + pd.Timedelta(days=6), len(ids))
    )
    known = read_known(
        panel, ROADS[other](ahead.drop(columns="y"), tmp_path), table_format=TableFormat()
    )
    longer = append_future(panel, 6, known)
    future = np.concatenate([np.arange(6, 12) + 12 * place for place in range(len(ids))])
    assert [words_of(longer, "known")[row] for row in future] == names[::-1] * (2 * len(ids))
    assert len(longer.categories["known"]) == len(set(names)), "no word is new"


def test_a_single_value_has_the_name_it_has_beside_others() -> None:
    """Types are not guessed from what else stands in the column: a forecast may be asked for one
    series."""
    for ids in (["01", "2", "10"], ["a", "1", "2"], ["1.0", "2.5"], ["True", "maybe"]):
        together = {name_of(one) for one in load_panel(series_of(ids)).series_ids}
        alone = {name_of(load_panel(series_of([one])).series_ids[0]) for one in ids}
        assert together == alone


def test_ids_are_shown_as_the_table_has_them(tmp_path: Path) -> None:
    shown = {
        road: load_panel(ROADS[road](series_of([10, 9]), tmp_path)).series_ids.tolist()
        for road in ROADS
    }
    assert shown.pop("frame of text") == ["9", "10"]
    assert set(map(tuple, shown.values())) == {(9, 10)}
    assert load_panel(series_of([9.0, 10.0])).series_ids.tolist() == [9, 10]
    assert load_panel(series_of([9, 10])).series_ids.tolist() == [9, 10]
    assert load_panel(series_of(["9", "10"])).series_ids.tolist() == ["9", "10"]
    assert load_panel(series_of(["9.0", "x"])).series_ids.tolist() == ["9.0", "x"]
    assert load_panel(series_of([2**63 + 1])).series_ids.tolist() == [2**63 + 1]
    assert load_panel(series_of([0.5, 1.0])).series_ids.tolist() == ["0.5", "1"]
    wide = pd.DataFrame({"ds": DAYS, "10": [3, 1, 4, 1, 5, 9], "9": [2, 7, 1, 8, 2, 8]})
    assert load_panel(wide, table_format=TableFormat(layout="wide")).series_ids.tolist() == [
        "9",
        "10",
    ]


def test_spellings_of_one_id_are_one_series_and_that_is_said() -> None:
    later = series_of(["1.0"]).assign(ds=DAYS + pd.Timedelta(days=6))
    panel = load_panel(pd.concat([series_of(["1", "2"]), later]))
    assert panel.series_ids.tolist() == ["1", "2"]
    assert panel.lengths.tolist() == [12, 6]
    assert "unique_id names 1 series in more than one spelling: '1', '1.0'" in panel.notes
    with pytest.raises(DataError, match="2024-01-01"):
        load_panel(series_of(["1", "1.0"]))


TWINS = {
    "an accent of its own": ("Caf\u00e9", "Cafe\u0301"),
    "a space at the end": ("Store 1", "Store 1 "),
    "two spaces": ("Store 1", "Store  1"),
    "a space without a break": ("Store 1", "Store\u00a01"),
    "no width": ("Store", "Sto\u200bre"),
    "a mark of the order of bytes": ("Store", "\ufeffStore"),
    "the sign for angstrom": ("\u00c5", "\u212b"),
}


@pytest.mark.parametrize("twins", TWINS)
def test_ids_that_look_alike_are_different_series_and_that_is_said(twins: str) -> None:
    one, other = TWINS[twins]
    panel = load_panel(series_of([one, other, "Store 2"]))
    assert panel.num_series == 3
    (note,) = [note for note in panel.notes if "look alike" in note]
    assert ascii(one) in note
    assert ascii(other) in note
    assert "Store 2" not in note


def test_ids_that_look_different_are_not_spoken_of() -> None:
    names = ["A", "a", "B-1", "B_1", "B 1", "m2", "m\u00b2", "\u00e9", "e", "\u4e2d"]
    panel = load_panel(series_of(names))
    assert panel.num_series == len(names)
    assert not [note for note in panel.notes if "look alike" in note]


def test_ids_may_be_numbers_on_every_road(tmp_path: Path) -> None:
    columns = Columns(static_covariates=("unique_id",))
    for road in ROADS.values():
        assert load_panel(road(series_of([10, 9]), tmp_path), columns).static_values[
            :, 0
        ].tolist() == [9.0, 10.0]


def test_rows_that_other_ids_have_are_missed_with_the_nearest_id() -> None:
    columns = Columns(known_covariates=("known",))
    panel = load_panel(series_of(["01", "02"], known=[1.0]), columns)
    known = future_frame(panel, 3).assign(known=1.0)
    read = read_known(
        panel, known.assign(unique_id=known["unique_id"].astype(int)), table_format=TableFormat()
    )
    with pytest.raises(
        DataError,
        match=r"first series '01' at .*; the ids given are '1', '2' \(did you mean '1'\?\)",
    ):
        append_future(panel, 3, read)


@pytest.mark.parametrize(
    "value", [b"a", dt.time(12), pd.Timedelta("1h"), pd.Timestamp("2024-05-01", tz="UTC")]
)
def test_values_that_are_no_names_are_refused(value: object) -> None:
    frame = series_of(["a"]).assign(known=pd.Series([value] * 6))
    for given in (frame, frame.astype({"known": "category"})):
        with pytest.raises(
            DataError, match=r"'known' contains .* values\. Cast it to text or whole numbers"
        ):
            load_panel(given, Columns(known_covariates=("known",), categorical=("known",)))


def test_tables_that_are_none_are_refused() -> None:
    frame = series_of(["a"])
    for given in (frame.to_dict("list"), 3, b"table.csv"):
        with pytest.raises(
            DataError, match=f"the table is of type {type(given).__name__}. Expected a pandas frame"
        ):
            load_panel(given)  # type: ignore[arg-type]
