#!/usr/bin/env bash
# Makes .venv ready and trains the default model on an embedded data set; leaves a run folder.
# Further arguments go to `forecast fit`, for example: scripts/demo.sh --set training.epochs=2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python3 scripts/bootstrap.py
exec .venv/bin/python -m forecast fit --config configs/demo.yaml "$@"
