"""What becomes of tables that break or silently fool forecasting packages."""

from __future__ import annotations

import numpy as np
import pytest
from data.bad_tables import BAD_TABLES, BadTable, clean

from forecast.data.doctor import diagnose
from forecast.data.load import load_panel
from forecast.errors import ConfigError, DataError

CASES = [(number, table) for number, tables in BAD_TABLES.items() for table in tables]
REFUSED = [
    pytest.param(table, id=f"{number}-{table.name}") for number, table in CASES if table.words
]
ACCEPTED = [
    pytest.param(table, id=f"{number}-{table.name}") for number, table in CASES if not table.words
]


def assert_says(message: str, words: tuple[str, ...]) -> None:
    assert "\n" not in message
    for word in words:
        assert word.lower() in message.lower(), f"{word!r} is not in {message!r}"


@pytest.mark.parametrize("table", REFUSED)
def test_refused_with_a_message_that_says_what_to_do(table: BadTable, tmp_path):
    source = table.source(tmp_path)
    with pytest.raises((DataError, ConfigError)) as caught:
        load_panel(source, table.columns, table_format=table.table_format, freq=table.freq)
    assert_says(str(caught.value), table.words)


@pytest.mark.parametrize("table", [case for case in REFUSED if case.values[0].survives_csv])
def test_refused_as_a_file_too(table: BadTable, tmp_path):
    path = table.file(tmp_path)
    with pytest.raises((DataError, ConfigError)) as caught:
        load_panel(path, table.columns, table_format=table.table_format, freq=table.freq)
    assert_says(str(caught.value), table.file_words)


@pytest.mark.parametrize("table", [case for case in REFUSED if not case.id.startswith("29-")])
def test_doctor_reports_what_load_refuses(table: BadTable, tmp_path):
    source = table.source(tmp_path)
    diagnosis = diagnose(source, table.columns, table_format=table.table_format, freq=table.freq)
    with pytest.raises(DataError) as caught:
        load_panel(source, table.columns, table_format=table.table_format, freq=table.freq)
    assert diagnosis.panel is None
    assert diagnosis.errors[0].sentence == str(caught.value)
    assert diagnosis.errors[0].message in diagnosis.text()
    assert diagnosis.errors[0].instruction() in diagnosis.text()


@pytest.mark.parametrize("table", ACCEPTED)
def test_accepted_with_the_values_that_were_given(table: BadTable, tmp_path):
    source = table.source(tmp_path)
    panel = load_panel(source, table.columns, table_format=table.table_format, freq=table.freq)
    assert_says(" ".join(panel.notes), table.notes)
    assert panel.num_series == 1
    assert np.array_equal(np.diff(panel.positions), np.ones(panel.num_rows - 1))
    given = table.build()
    if not isinstance(given, bytes):
        expected = given.sort_values("ds")["y"].astype(float).dropna().to_numpy()
        if not table.table_format.time_format:
            assert np.array_equal(panel.targets[:, 0], expected)
    else:
        assert panel.num_rows == len(clean())
        assert np.allclose(panel.targets[1:, 0], clean()["y"][1:], rtol=1e-14)
