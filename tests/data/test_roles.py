"""Roles that nobody gave: guessed with a note, or asked about with proposals that work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.role_tables import ROLE_TABLES, RoleTable

from forecast.data.doctor import diagnose
from forecast.data.findings import Finding, FindingLog
from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.data.roles.settle import settle_columns
from forecast.errors import DataError

GUESSED = {name: table for name, table in ROLE_TABLES.items() if not table.asks}
ASKED = {name: table for name, table in ROLE_TABLES.items() if table.asks}
FAULTS = ("single_events", "shipped", "energy", "r_series", "german", "competition", "retail")
"""Tables with a fault besides their roles, or whose id takes several columns."""


def settled(source: object, columns: Columns = Columns()) -> tuple[Columns, list[Finding]]:
    log = FindingLog(strict=False)
    return settle_columns(source, columns, TableFormat(), log), log.findings


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
    assert [note for note in guessed.notes if "(guessed)" not in note] == list(given.notes)


def proposed(finding: Finding) -> dict[str, object]:
    return {
        path.removeprefix("data."): tuple(value) if isinstance(value, list) else value
        for path, value in finding.settings[0].items()
    }


def replace_roles(columns: Columns, roles: dict[str, object]) -> Columns:
    return columns.model_copy(update=roles)
