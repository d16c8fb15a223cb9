#!/usr/bin/env bash
# Makes .venv ready and runs the checks and the quick tests; fails at the end if any step failed.
# Further arguments go to pytest: scripts/test.sh tests/scores/test_metrics.py
# With the proofs of seconds, as in CI: scripts/test.sh -m "not slow"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python3 scripts/bootstrap.py --extras test

failed=""
step() { # step NAME COMMAND...
    local name=$1 start=$SECONDS verdict=ok
    shift
    echo "--- $name"
    "$@" || verdict=FAILED
    echo "--- $name: $verdict in $((SECONDS - start)) s"
    [ "$verdict" = ok ] || failed="$failed, $name"
}

step format .venv/bin/ruff format --check .
step lint .venv/bin/ruff check .
step style .venv/bin/python scripts/check_style.py
step types .venv/bin/mypy forecast
step imports .venv/bin/lint-imports
step tests .venv/bin/pytest --numprocesses 2 --dist loadfile "$@"

if [ -n "$failed" ]; then
    echo "failed: ${failed#, }" >&2
    exit 1
fi
