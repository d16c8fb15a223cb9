"""What all tests share: a quiet TensorFlow, figures without a screen, repeatable hypotheses, the
data beside us."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Read when TensorFlow and matplotlib are imported, here and in the processes that tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MPLBACKEND"] = "Agg"

# Deadlines fail on a busy machine and random examples fail on somebody else's change.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def only_scores_of_the_package() -> Iterator[None]:
    """Metrics that a test entered into the table of scores are gone after it."""
    yield
    from forecast.scores.own_metrics import forget_metrics

    forget_metrics()


def pytest_collection_finish() -> None:
    """Exempt what is imported by now from garbage collections, and make these rarer.

    TensorFlow's imports are a million objects, which every collection would visit; together
    collections took a tenth of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that need it are skipped where it is
    absent."""
    folder = Path(os.environ.get("FORECAST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(
            f"no real data at {folder.name!r} beside the repository: set FORECAST_DATA to its "
            f"folder"
        )
    return folder
