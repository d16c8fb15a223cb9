"""Tables from DuckDB: the forecast of the same rows in a text file, read only, no password told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from data.database_rows import FILL, NUM_DAYS, QUERY, TYPES, same_forecasts, write_csv

from forecast.cli import main
from forecast.cli.database_options import typed_words
from forecast.data.findings import BadTableError
from forecast.data.formats import database as module
from forecast.data.formats.database import Query, without_password

duckdb = pytest.importorskip("duckdb")

LINEAR = ["--set=ensemble.seeds=0", "--set=ensemble.linear=member", "--set=ensemble.simple=[]"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sales.duckdb` and the same rows in `sales.csv` and `sales.parquet`."""
    folder = tmp_path_factory.mktemp("database")
    with duckdb.connect(str(folder / "sales.duckdb")) as link:
        link.execute("SET TimeZone = 'Europe/Berlin'")
        link.execute(TYPES.format(unsigned="UBIGINT"))
        series = {"series_i": "range(2) AS a(i)", "series_j": f"range({NUM_DAYS}) AS b(j)"}
        link.execute(FILL.format(**series))
        link.execute(f"COPY ({QUERY}) TO '{folder / 'sales.parquet'}'")
        cursor = link.execute(QUERY)
        names = [column[0] for column in cursor.description]
        write_csv(folder / "sales.csv", names, cursor.fetchall())
    return folder


def test_a_query_gives_the_forecast_of_the_same_rows_as_text(stored: Path) -> None:
    query = Query(QUERY, str(stored / "sales.duckdb"))
    assert same_forecasts(query, stored / "sales.csv") == 3 * 3 * 2 * 3


def test_numbers_are_those_nearest_to_the_decimals() -> None:
    text = ["123456789012.123456789012", "0.1", "-0.000000000001", "99999999999.999999999999"]
    cells = ", ".join(f"(CAST('{number}' AS DECIMAL(30, 12)))" for number in text)
    rows = Query(f"SELECT * FROM (VALUES {cells}) AS t(y)").rows
    assert rows.column("y").to_pylist() == [float(number) for number in text]
    whole = Query("SELECT sum(range) AS y FROM range(5)").rows  # of type HUGEINT
    assert whole.column("y").to_pylist() == [10]
    assert str(whole.schema.field("y").type) == "int64"


def test_commands_read_a_query(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ["--query", QUERY, "--database", str(stored / "sales.duckdb")]
    files = ["--query", f"FROM '{stored / 'sales.parquet'}' ORDER BY store, day"]
    roles = ["--id=store", "--time=day", "--target=sales", "--horizon=3", *LINEAR]
    for number, source in enumerate(([str(stored / "sales.csv")], database, files)):
        assert main(["check", *source, *roles]) == 0
        run = str(tmp_path / f"run{number}")
        assert main(["fit", *source, *roles, "--out", run]) == 0
        output = str(tmp_path / f"{number}.csv")
        assert main(["predict", run, *source, "--output", output]) == 0
    assert "reading the rows of the query" in capsys.readouterr().out
    first, *others = ((tmp_path / f"{number}.csv").read_bytes() for number in range(3))
    assert others == [first, first]
    fingerprints = [
        json.loads((tmp_path / f"run{number}" / "data.json").read_text())["fingerprint"]
        for number in range(3)
    ]
    assert len(set(fingerprints)) == 1
    assert main(["predict", str(tmp_path / "run1")]) == 2
    assert "was trained on a table in memory" in capsys.readouterr().err


def test_models_of_segments_read_a_query(stored: Path, tmp_path: Path) -> None:
    source = ["--query", QUERY, "--database", str(stored / "sales.duckdb")]
    roles = ["--id=store", "--time=day", "--target=sales", "--horizon=3", *LINEAR]
    out = str(tmp_path / "out")
    assert main(["fit", *source, *roles, "--by=store", "--out", out]) == 0
    assert main(["predict", out, *source, "--output", str(tmp_path / "a.csv")]) == 0
    csv = str(stored / "sales.csv")
    assert main(["predict", out, csv, "--output", str(tmp_path / "b.csv")]) == 0
    first = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(first, pd.read_csv(tmp_path / "b.csv"), check_exact=True)


WRITES = (
    "INSERT INTO sales SELECT * FROM sales",
    "DELETE FROM sales RETURNING *",
    "CREATE TABLE other AS SELECT 1",
    "DROP TABLE sales",
    "COPY sales TO '{folder}/copy.csv'",
    "ATTACH '{folder}/other.db'",
    "SELECT 1; DROP TABLE sales",
    "SET threads = 1",
    "",
)


@pytest.mark.parametrize("text", WRITES)
@pytest.mark.parametrize("has_file", [True, False])
def test_what_writes_is_refused(stored: Path, tmp_path: Path, text: str, has_file: bool) -> None:
    path = stored / "sales.duckdb"
    before = path.read_bytes()
    with pytest.raises(BadTableError, match="a database is only read here"):
        _ = Query(text.format(folder=tmp_path), str(path) if has_file else None).rows
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_opened_to_read_only(stored: Path) -> None:
    with duckdb.connect(str(stored / "sales.duckdb"), read_only=True):
        # a second reader is let in, which a writer would not be
        rows = Query("SELECT count(*) AS n FROM sales", str(stored / "sales.duckdb")).rows
    assert rows.column("n").to_pylist() == [2 * NUM_DAYS]


def test_what_is_refused_is_refused_in_one_line(
    stored: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(stored / "sales.duckdb")
    csv = str(stored / "sales.csv")
    no = str(tmp_path / "no.duckdb")
    query = ["--query", "SELECT * FROM sales"]
    refused: dict[tuple[str, ...], str] = {
        (*query, "--database", no): "there is no database",
        (*query, "--database", csv): "the database did not answer the query",
        (*query, "--database", "mysql://ann:pw@db/x"): "'mysql://ann:***@db/x'",
        ("--query", "SELECT * FROM nowhere", "--database", path): "nowhere",
        ("--query", "SELECT", "--database", path): "the database did not answer the query",
        (csv, *query): "--query takes the place of the table",
        (csv, "--database", path): "--database is read with --query alone",
        (csv, "--parts=x"): "is not read with --parts",
    }
    for words, expected in refused.items():
        command = "predict" if words[-1] == "--parts=x" else "fit"
        arguments = [command, *(["run"] if command == "predict" else []), *words]
        assert main(arguments) == 2, words
        error = capsys.readouterr().err
        assert expected in error, error
        assert error.count("\n") == 1, error
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert main(["check", *query, "--database", path]) == 2
    assert "pip install 'bigru-forecast[database]'" in capsys.readouterr().err
    assert not (tmp_path / "no.duckdb").exists()


ADDRESSES = {
    "postgresql://ann:s3cret@db/x": "postgresql://ann:***@db/x",
    "postgresql://ann:s3c@ret/@db:1/x?a=b": "postgresql://ann:***@db:1/x?a=b",
    "postgresql://db/x?user=ann&password=s3cret&a=b": "postgresql://db/x?user=ann&password=***&a=b",
    "postgresql://ann@db/x": "postgresql://ann@db/x",
    "--database=postgres://ann:s3cret@db": "--database=postgres://ann:***@db",
    "SELECT ':' || '@'": "SELECT ':' || '@'",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_passwords_are_hidden(address: str) -> None:
    assert without_password(address) == ADDRESSES[address]
    assert typed_words(["fit", address]) == ["fit", ADDRESSES[address]]
    assert "s3c" not in repr(Query("SELECT 1", address))


def test_no_file_and_no_message_has_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the driver repeats the address, and with a traceback."""
    pytest.importorskip("adbc_driver_postgresql")
    monkeypatch.chdir(tmp_path)
    for password in ("s3cret", "s3cret%2Fx", "s3cret@x"):
        for port in ("1", "none"):
            address = f"postgresql://ann:{password}@127.0.0.1:{port}/x"
            words = ["fit", "--query", "SELECT 1", "--database", address, "--log", "log", "--debug"]
            assert main(words) == 2
    said = "".join(capsys.readouterr()) + (tmp_path / "log").read_text()
    assert "postgresql://ann:***@127.0.0.1" in said
    assert "s3cret" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_nobody_loads_a_database_unasked() -> None:
    import subprocess

    code = "import sys, forecast; forecast.load_panel; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"duckdb", "adbc_driver_postgresql"} & set(done.stdout.split())
