"""Objects of Python that are hardly tables: read as they are meant, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from forecast import Columns, load_panel
from forecast.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=40)
NUMBERS = np.arange(40) * 1.5
HALF = pd.Series(["\udcff"] * 40, dtype=object)
LISTS = pa.array([[1]] * 40)


class Broken:
    """An object whose rows cannot be had."""

    def __arrow_c_stream__(self, *_: object) -> object:
        raise RuntimeError("no rows today")


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"ds": DAYS, "y": NUMBERS} | columns)


def arrow(**columns: Any) -> pa.Table:
    return pa.table({"ds": pa.array(DAYS), "y": pa.array(NUMBERS)} | columns)


def bytes_as_text() -> pa.Array:
    """Return texts that are no UTF-8, as a careless writer leaves them."""
    offsets = pa.py_buffer(np.arange(41, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), 40, [None, offsets, pa.py_buffer(b"\xff" * 40)])


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a class": (lambda: pd.DataFrame, "is of type type"),
    "a stream that breaks": (Broken, "of type Broken, which is no table.*no rows today"),
    "a number of 401 digits": (lambda: [10**400] * 40, "a number that float64 does not reach"),
    "a target of 5001 digits": (lambda: frame(y=[10**5000] + [1] * 39), "of 5001 digits"),
    "infinite decimals": (lambda: frame(y=[Decimal("inf")] * 40), "y is infinite in 40 rows"),
    "true among numbers": (lambda: frame(y=[True, 3] * 20), "'True', which is not a number"),
    "long doubles": (lambda: np.full(40, np.longdouble(10) ** 400), "y is infinite"),
    "lists as ids": (lambda: frame(unique_id=[["a"]] * 40), "contains list"),
    "coded lists": (
        lambda: arrow(y=pa.DictionaryArray.from_arrays(pa.array([0] * 40), LISTS[:1])),
        "contains list",
    ),
    "half a character in ids": (lambda: frame(unique_id=HALF), "'unique_id' contains half of a"),
    "half a character in dates": (lambda: frame(ds=HALF), "'ds' contains half of a"),
    "half a character in numbers": (lambda: frame(y=HALF), "'y' contains half of a"),
    "a zone that is none": (
        lambda: arrow(ds=pa.array(range(40), pa.timestamp("s", "Mars/Olympus"))),
        "ds contains timestamps whose tz is 'Mars/Olympus'",
    ),
    "an index beyond a sign": (
        lambda: arrow(ds=pa.array([2**64 - 1 - row for row in range(40)], pa.uint64())),
        "more than 64 bits reach",
    ),
    "an index at the last number": (
        lambda: frame(ds=2**63 - 1 - np.arange(40)),
        "more than 64 bits reach",
    ),
    "an index at the first number": (
        lambda: frame(ds=np.arange(-(2**63), 40 - 2**63)),
        "more than 64 bits reach",
    ),
    "an index from end to end": (
        lambda: frame(ds=np.linspace(-9e18, 9e18, 40).astype(np.int64)),
        "more than 64 bits reach",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_object_is_refused_in_a_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(DataError, match=words) as refused:
        load_panel(make())
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


READ: dict[str, Callable[[], object]] = {
    "other byte order": lambda: frame(y=NUMBERS.astype(">f8")),
    "dates in other byte order": lambda: arrow(ds=DAYS.to_numpy().astype(">M8[s]").astype("M8[s]")),
    "long doubles": lambda: frame(y=NUMBERS.astype(np.longdouble)),
    "uneven chunks": lambda: pa.table(
        {
            "ds": pa.chunked_array([DAYS[:10], DAYS[10:]]),
            "y": pa.chunked_array([NUMBERS[:3], NUMBERS[3:3], NUMBERS[3:]]),
        }
    ),
    "a code that stands for nothing": lambda: arrow(
        story=pa.DictionaryArray.from_arrays(pa.array([0, 1] * 20), pa.array(["a", None]))
    ),
}


@pytest.mark.parametrize("name", READ)
def test_an_object_is_read_as_it_is_meant(name: str) -> None:
    panel = load_panel(READ[name](), Columns(static_covariates=()))
    assert np.array_equal(panel.values[:, 0], NUMBERS)
    assert np.array_equal(panel.timestamps, DAYS.to_numpy().astype("datetime64[ns]"))


@pytest.mark.parametrize("role", ["unique_id", "ds", "y"])
@pytest.mark.parametrize("ending", ["object", ".parquet", ".feather"])
def test_texts_that_are_none_are_told(role: str, ending: str, tmp_path: Path) -> None:
    table = arrow(**{role: bytes_as_text()})
    source: object = table
    if ending != "object":
        source = tmp_path / f"a{ending}"
        write = pa.parquet.write_table if ending == ".parquet" else pa.feather.write_feather
        write(table, source)
    with pytest.raises(DataError, match=f"column '{role}' is damaged .*texts in UTF-8"):
        load_panel(source)


@pytest.mark.parametrize("given", [{"id_col": "ds"}, {"static_covariates": ("ds",)}])
def test_a_column_with_a_role_is_not_guessed_to_have_another(given: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no column contains timestamps"):
        load_panel(frame(), Columns(**given))


@pytest.mark.parametrize("given", [{"id_col": "y"}, {"static_covariates": ("y",)}])
def test_an_id_is_not_the_target(given: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no column contains numbers to forecast"):
        load_panel(frame(), Columns(**given))
