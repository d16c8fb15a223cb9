"""Tables from a PostgreSQL server that the test starts: types, read-only, and the password."""

from __future__ import annotations

import math
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from data.database_rows import FILL, NUM_DAYS, QUERY, TYPES, same_forecasts, write_csv

from forecast.cli import main
from forecast.data.findings import BadTableError
from forecast.data.formats.database import Query

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="the driver is not installed")

PASSWORD = "s3cret/x@y:z"


def programs() -> Path:
    """The folder with the programs of a server; the test is skipped where there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    return folders[-1].parent


def other_user() -> str | None:
    """The user as whom the server runs, since it refuses root; None for that of the test."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("a PostgreSQL server does not run as root, and there is no user for it")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a server on this machine, which ends with the tests."""
    bin_folder = programs()
    user = other_user()
    folder = Path(tempfile.mkdtemp(prefix="forecast-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "password").write_text(PASSWORD)
    if user is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)

    def run(program: str, *words: str) -> None:
        done = subprocess.run(
            [bin_folder / program, "-D", folder / "data", *words],
            cwd=folder,
            user=user,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    run("initdb", "-N", "-U", "ann", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    log = str(folder / "log")
    # a server that keeps the output of the test open would never let it end
    run("pg_ctl", "-w", "-o", options, "-l", log, "start")
    try:
        yield f"postgresql://ann:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stored(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows in the database as a text file."""
    with dbapi.connect(address, autocommit=True) as link, link.cursor() as cursor:
        cursor.execute(TYPES.format(unsigned="NUMERIC(20, 0)"))  # there is no unsigned type
        series = {
            "series_i": "generate_series(0, 1) AS a(i)",
            "series_j": f"generate_series(0, {NUM_DAYS - 1}) AS b(j)",
        }
        cursor.execute(FILL.format(**series))
        cursor.execute(QUERY)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    return write_csv(tmp_path_factory.mktemp("rows") / "sales.csv", names, rows)


def test_a_query_gives_the_forecast_of_the_same_rows_as_text(address: str, stored: Path) -> None:
    assert same_forecasts(Query(QUERY, address), stored) == 3 * 3 * 2 * 3


def test_ids_of_every_type_are_read(address: str, stored: Path) -> None:
    assert stored.is_file()
    text = (
        "SELECT CAST('0b8f6a1e-4e0c-4a3e-9d4e-0000000000' || to_char(10 + store, 'FM00') AS uuid) "
        "AS id, day, sales FROM sales ORDER BY 1, 2"
    )
    rows = Query(text, address).rows
    assert rows.column("id").to_pylist()[0] == "0b8f6a1e-4e0c-4a3e-9d4e-000000000010"
    nothing = Query("SELECT CAST(NULL AS numeric) AS y, CAST('NaN' AS numeric) AS z", address).rows
    (y,) = nothing.column("y").to_pylist()
    (z,) = nothing.column("z").to_pylist()
    assert y is None
    assert math.isnan(z)


WRITES = (
    "DELETE FROM sales",
    "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
    "SELECT * FROM sales; DROP TABLE sales",
    "SELECT * INTO other FROM sales",
    "COPY sales TO '/tmp/forecast-copy.csv'",
    "SELECT nextval('numbers')",
    "SET TRANSACTION READ WRITE",
    "COMMIT",
)


@pytest.mark.parametrize("text", WRITES)
def test_what_writes_is_refused(address: str, stored: Path, text: str) -> None:
    assert stored.is_file()
    with dbapi.connect(address, autocommit=True) as link, link.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE IF NOT EXISTS numbers")
    with pytest.raises(BadTableError, match=r"^(the query is no|the database did not answer)"):
        _ = Query(text, address).rows
    count = Query("SELECT count(*) AS n FROM sales", address).rows.column("n").to_pylist()
    assert count == [2 * NUM_DAYS]
    known = Query("SELECT count(*) AS n FROM pg_tables WHERE tablename = 'other'", address)
    assert known.rows.column("n").to_pylist() == [0]


@pytest.mark.parametrize("kind", ["right", "wrong password", "wrong port", "no port", "named"])
def test_no_file_and_no_message_has_the_password(
    address: str,
    stored: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    assert stored.is_file()
    monkeypatch.chdir(tmp_path)
    host = address.rpartition("@")[2]
    port = host.partition(":")[2].partition("/")[0]
    secret = quote(PASSWORD, safe="")
    given = {
        "right": address,
        "wrong password": address.replace(secret, f"{secret}s"),
        "wrong port": address.replace(port, "1"),
        "no port": address.replace(port, "none"),
        "named": f"postgresql://{host}?user=ann&password={secret}",
    }[kind]
    options = ["--id=store", "--time=day", "--target=sales", "--horizon=3", "--debug"]
    linear = ["--set=ensemble.seeds=0", "--set=ensemble.linear=member", "--set=ensemble.simple=[]"]
    source = ["--query", QUERY, "--database", given, "--log", "log"]
    works = kind in ("right", "named")
    monkeypatch.setattr("forecast.runs.run.show_run", lambda *_: ([], []))
    assert main(["fit", *source, *options, *linear, "--out", "run"]) == (0 if works else 2)
    assert main(["check", *source, "--time=whole"]) == 2
    if works:
        assert main(["predict", "run", *source, "--output", "next.csv"]) == 0
        assert main(["fit", *source, *options, *linear, "--by=store", "--out", "segments"]) == 0
    said = "".join(capsys.readouterr())
    for path in tmp_path.rglob("*"):
        if path.is_file():
            said += path.read_bytes().decode("latin-1")
    assert "***" in said
    assert PASSWORD not in said
    assert secret not in said
