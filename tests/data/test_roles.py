"""Roles that nobody gave: guessed with a note, or asked about with proposals that work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.role_tables import DAYS, ROLE_TABLES, RoleTable, measured

from forecast.data.doctor import diagnose
from forecast.data.findings import Finding, FindingLog
from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.data.roles.settle import settle_columns
from forecast.errors import DataError

GUESSED = {name: table for name, table in ROLE_TABLES.items() if not table.asks}
ASKED = {name: table for name, table in ROLE_TABLES.items() if table.asks}
FAULTS = (
    "single_events",
    "shipped",
    "energy",
    "r_series",
    "german",
    "competition",
    "retail",
    "orders",
    "weather_reports",
    "ends_early",
    "with_lag",
)
"""Tables with a fault besides their roles, or whose id takes several columns."""


def settled(source: object, columns: Columns = Columns()) -> tuple[Columns, list[Finding]]:
    log = FindingLog(strict=False)
    return settle_columns(source, columns, TableFormat(), log)[0], log.findings


def source_of(table: RoleTable, kind: str, folder: Path) -> object:
    frame = table.build()
    if kind == "frame":
        return frame
    path = folder / f"table.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
@pytest.mark.parametrize("name", GUESSED)
def test_roles_without_a_doubt_are_guessed(name, kind, tmp_path):
    table = GUESSED[name]
    columns, findings = settled(source_of(table, kind, tmp_path))
    assert {role: getattr(columns, role) for role in table.roles} == table.roles
    assert columns == replace_roles(USUAL_ROLES, table.roles)
    notes = [finding.code for finding in findings]
    assert notes == ([] if name == "usual" else ["guessed_roles"])


@pytest.mark.parametrize("kind", ["csv", "frame"])
@pytest.mark.parametrize("name", ASKED)
def test_a_doubt_is_asked_about(name, kind, tmp_path):
    table = ASKED[name]
    source = source_of(table, kind, tmp_path)
    columns, (finding,) = settled(source)
    assert finding.code == "undecided_roles"
    for word in table.asks:
        assert word in finding.message
    proposal = proposed(finding)
    assert {role: proposal.get(role) for role in table.roles if role in proposal} == {
        role: value for role, value in table.roles.items() if role in proposal
    }
    assert proposal.get("layout") == "wide" or set(proposal) == set(table.roles)
    assert columns.time_col == table.roles["time_col"]
    with pytest.raises(DataError, match=r"could be the|no column contains timestamps"):
        load_panel(source)


@pytest.mark.parametrize("name", [name for name in ASKED if name not in FAULTS])
def test_every_proposal_reads_the_table(name):
    frame = ASKED[name].build()
    (finding,) = settled(frame)[1]
    assert len({str(settings) for settings in finding.settings}) == len(finding.settings)
    for change in finding.settings:
        settings = {path.removeprefix("data."): value for path, value in change.items()}
        table_format = TableFormat(layout=settings.pop("layout", "long"))
        loaded = load_panel(frame, Columns(**settings), table_format=table_format)
        assert loaded.num_rows > 0
        again = diagnose(frame, Columns(**settings), table_format=table_format)
        assert "roles" not in " ".join(finding.code for finding in again.findings)


@pytest.mark.parametrize("name", [name for name in GUESSED if name not in FAULTS])
def test_the_guess_is_what_the_settings_of_its_note_give(name):
    frame = GUESSED[name].build()
    notes = [found for found in settled(frame)[1] if found.code == "guessed_roles"]
    explicit = {}
    for note in notes:
        explicit = proposed(note)
    guessed = load_panel(frame)
    given = load_panel(frame, Columns(**explicit))
    assert guessed.columns == given.columns
    assert np.array_equal(guessed.values, given.values)
    assert guessed.series_ids.tolist() == given.series_ids.tolist()
    for note in guessed.notes:
        assert "_col" not in note  # the command line prints the notes too
    assert [note for note in guessed.notes if "(guessed)" not in note] == list(given.notes)


def proposed(finding: Finding) -> dict[str, object]:
    return {
        path.removeprefix("data."): tuple(value) if isinstance(value, list) else value
        for path, value in finding.settings[0].items()
    }


def replace_roles(columns: Columns, roles: dict[str, object]) -> Columns:
    return columns.model_copy(update=roles)


def test_numbers_that_could_be_hours_or_ids_are_asked_about():
    stamps = pd.date_range("2023-01-01", periods=240, freq="h")
    frame = pd.DataFrame({"date": stamps.normalize(), "HE": stamps.hour + 1, "mw": measured(240)})
    (finding,) = settled(frame)[1]
    assert "'date,HE', 'date'" in finding.message
    joined, single = finding.settings
    assert joined["data.time_col"] == "date,HE"
    assert single["data.id_col"] == "HE"
    columns = Columns(time_col="date,HE", target_cols=("mw",))
    assert load_panel(frame, columns).freq.alias == "h"


def test_an_index_of_dates_keeps_its_name():
    frame = ROLE_TABLES["shops"].build()
    for index in ("date", ["store", "date"]):
        columns = settled(frame.set_index(index))[0]
        assert columns == Columns(id_col="store", time_col="date", target_cols=("sales",))


@pytest.mark.parametrize("given", [("Sales", " net"), ("Sales, net",)])
def test_a_comma_may_belong_to_a_name(given):
    frame = ROLE_TABLES["with_comma"].build()
    columns = settled(frame, Columns(target_cols=given, past_covariates=("Tax", " paid")))[0]
    assert columns.target_cols == ("Sales, net",)
    assert columns.past_covariates == ("Tax, paid",)
    with pytest.raises(DataError, match="there is no column 'Sales'"):
        settled(frame, Columns(target_cols=("Sales", " gross")))


def test_a_column_of_dates_without_a_name(tmp_path):
    frame = ROLE_TABLES["exported"].build()[["value"]].set_index(DAYS)
    path = tmp_path / "a.csv"
    frame.to_csv(path)
    for columns in (Columns(), Columns(time_col="")):
        panel = load_panel(path, columns)
        assert panel.columns.time_col == ""
        assert panel.timestamps[0] == DAYS[0]


def test_rows_are_counted_in_each_series():
    frame = ROLE_TABLES["shops"].build().drop(columns="date").iloc[:-10]
    panel = load_panel(frame, Columns(id_col="store", time_col="none"))
    assert panel.freq.is_integer
    assert panel.lengths.tolist() == [60, 60, 50]
    for series in range(3):
        part = slice(panel.offsets[series], panel.offsets[series + 1])
        assert panel.timestamps[part].tolist() == list(range(panel.lengths[series]))
    wide = frame.head(60).assign(other=1.5)[["sales", "other"]]
    counted = load_panel(wide, Columns(time_col="none"), table_format=TableFormat(layout="wide"))
    assert counted.series_ids.tolist() == ["other", "sales"]


def test_roles_that_are_given_are_not_guessed_otherwise():
    frame = ROLE_TABLES["described"].build()
    columns = settled(frame, Columns(target_cols=("price",), known_covariates=("sales",)))[0]
    assert columns.id_col == "store"
    assert columns.target_cols == ("price",)
    with pytest.raises(DataError, match="there is no column 'shop'"):
        settled(frame, Columns(id_col="shop"))
    with pytest.raises(DataError, match="no column contains numbers to forecast: 'name'"):
        settled(pd.DataFrame({"date": DAYS, "name": ["x", "y"] * 30}))


def test_rows_in_any_order_have_the_same_roles():
    frame = ROLE_TABLES["retail"].build()
    shuffled = frame.sample(frac=1, random_state=3)
    assert settled(shuffled)[0] == settled(frame)[0]


def test_a_name_that_is_no_id_does_not_part_a_single_series():
    """Months that are told by a word as well, and a label of the season."""
    frame = pd.DataFrame(
        {"day": DAYS, "season": np.where(DAYS.month < 2, "cold", "mild"), "visits": measured(60)}
    )
    columns = settled(frame)[0]
    assert columns == Columns(time_col="day", target_cols=("visits",)).with_usual_names()


def doubled(tmp_path: Path, kind: str, names: list[str]) -> object:
    """A table of days and three columns of numbers, with these names."""
    frame = pd.DataFrame({0: DAYS, 1: measured(60), 2: measured(60), 3: measured(60)})
    frame.columns = names
    if kind == "frame":
        return frame
    path = tmp_path / f"table.{kind}"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "frame"])
def test_a_name_that_two_columns_have_is_left_out(kind, tmp_path):
    source = doubled(tmp_path, kind, ["date", "note", "note", "sales"])
    panel = load_panel(source)
    assert panel.columns.target_cols == ("sales",)
    assert "columns without a role are ignored: 'note', 'note'" in panel.notes
    for role in ("target_cols", "past_covariates", "static_covariates"):
        with pytest.raises(DataError, match="column 'note' occurs twice"):
            load_panel(source, Columns(**{"target_cols": ("sales",), role: ("note",)}))


@pytest.mark.parametrize("kind", ["csv", "frame"])
@pytest.mark.parametrize(
    ("names", "twice"),
    [
        (["date", "date", "note", "sales"], "date"),
        (["ds", "y", "y", "sales"], "y"),
        (["day", "sales", "sales", "sales"], "sales"),
    ],
)
def test_a_name_that_two_columns_have_has_no_role(names, twice, kind, tmp_path):
    with pytest.raises(DataError, match=f"column '{twice}' occurs twice"):
        load_panel(doubled(tmp_path, kind, names))


def test_an_index_of_years_without_a_name(tmp_path):
    frame = pd.DataFrame({"value": measured(60)}, index=range(1901, 1961))
    path = tmp_path / "a.csv"
    frame.to_csv(path)
    panel = load_panel(path)
    assert panel.columns.time_col == ""
    assert panel.timestamps[0] == 1901
    frame.set_axis(range(60)).to_csv(path)
    with pytest.raises(DataError, match="no column contains timestamps"):
        load_panel(path)


def test_years_are_the_time_in_whatever_order_the_rows_are():
    frame = pd.MultiIndex.from_product([range(1, 21), (80, 90)], names=["city", "year"])
    frame = frame.to_frame(index=False).assign(rent=measured(40))
    columns = settled(frame)[0]
    assert (columns.id_col, columns.time_col) == ("city", "year")
    lone = settled(frame.drop(columns="city"))[0]
    assert lone.time_col == "none"
