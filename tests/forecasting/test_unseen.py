"""One value is one category or series on every road, and what training has not seen is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.cli import main
from forecast.data.read import Source
from forecast.experiment.settings import Experiment
from forecast.forecasting.artifact import load_artifact, save_artifact
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.unseen import RowsRead
from forecast.windows.index import WindowIndex

DAYS, LENGTH, HORIZON = 40, 8, 4
SETTINGS: dict[str, Any] = {
    "model": {
        "name": "bigru",
        "bidirectional": False,
        "decoder": "direct",
        "units": [4],
        "instance_norm": "none",
    },
    "windows": {"context_length": LENGTH, "horizon": HORIZON},
    "training": {"epochs": 1, "seed": 3},
    "evaluation": {"validation_size": 4, "test_size": 8},
    "data": {
        "past_covariates": ["wind", "state"],
        "known_covariates": ["promo", "price", "closed"],
        "static_covariates": ["area", "region"],
        "categorical": ["state", "promo", "region"],
    },
}


def history() -> pd.DataFrame:
    """Three daily series of growing amplitude, with covariates of every role and of types that
    roads change."""
    draw = np.random.default_rng(0)
    parts = []
    for place, series_id in enumerate([2, 10, 1]):
        step = np.arange(DAYS)
        one = pd.DataFrame(
            {"unique_id": series_id, "ds": pd.date_range("2024-01-01", periods=DAYS)}
        )
        one["wind"] = draw.normal(size=DAYS)
        one["state"] = step % 3
        one["promo"] = step % 4 == place
        one["price"] = 2 + 0.2 * np.sin(step)
        one["closed"] = 0
        one["area"] = 10.0 * place
        one["region"] = f"0{place}"
        one["y"] = place + (1 + step / 20) * np.sin(step) + one["promo"]
        parts.append(one)
    return pd.concat(parts, ignore_index=True)


def ahead(**changes: Any) -> pd.DataFrame:
    """The known covariates of the steps after `history`."""
    days = pd.date_range("2024-01-01", periods=DAYS + HORIZON)[-HORIZON:]
    frame = pd.DataFrame({"unique_id": np.repeat([2, 10, 1], HORIZON), "ds": np.tile(days, 3)})
    return frame.assign(
        **{"promo": [True, False, True] * HORIZON, "price": 2.0, "closed": 0, **changes}
    )


def text_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Ids and categories as text, as Python writes them."""
    names = [name for name in ("unique_id", "state", "promo", "region") if name in frame]
    return frame.astype(dict.fromkeys(names, str))


def on_road(road: str, frame: pd.DataFrame, folder: Path) -> Source:
    """A table in another form."""
    path = folder / f"table-{len(list(folder.iterdir()))}.{road}"
    match road:
        case "text":
            return text_of(frame)
        case "arrow":
            return pa.Table.from_pandas(frame)
        case "csv":
            frame.to_csv(path, index=False)
        case "CSV":  # as a spreadsheet writes it
            path = path.with_suffix(".csv")
            frame.replace({"promo": {True: "TRUE", False: "FALSE"}}).to_csv(path, index=False)
        case "parquet":
            text_of(frame).to_parquet(path)
        case _:
            return frame
    return path


ROADS = ("frame", "text", "csv", "CSV", "parquet", "arrow")


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    """A forecaster fitted on the frame."""
    return Forecaster(Experiment.model_validate(SETTINGS)).fit(history())


@pytest.fixture(scope="module")
def expected(fitted: Forecaster) -> np.ndarray:
    """The forecasts of the frame itself."""
    return fitted.predict(known=ahead()).values


@pytest.mark.parametrize("road", ROADS)
def test_forecasts_have_equal_bits_on_every_road(
    road: str, fitted: Forecaster, expected: np.ndarray, tmp_path: Path
) -> None:
    for known in ROADS:
        made = fitted.predict(
            on_road(road, history(), tmp_path), known=on_road(known, ahead(), tmp_path)
        )
        assert [str(one) for one in made.series_ids] == ["1", "2", "10"]
        assert made.values.tobytes() == expected.tobytes(), f"known covariates by {known}"
        assert made.notes == ()


@pytest.mark.parametrize("road", ["text", "CSV"])
@pytest.mark.proof
def test_models_fitted_on_other_roads_have_equal_bits(
    road: str, expected: np.ndarray, tmp_path: Path
) -> None:
    other = Forecaster(Experiment.model_validate(SETTINGS)).fit(on_road(road, history(), tmp_path))
    assert other.predict(history(), known=ahead()).values.tobytes() == expected.tobytes()


def test_the_end_of_a_history_belongs_to_the_series_of_training(
    fitted: Forecaster, expected: np.ndarray
) -> None:
    """A scale fitted on eight rows would be another."""
    end = text_of(history().groupby("unique_id").tail(LENGTH))
    assert fitted.predict(end, known=ahead()).values.tobytes() == expected.tobytes()


def test_forecasts_can_be_joined_with_the_table_they_come_from(fitted: Forecaster) -> None:
    for table, known in ((history(), text_of(ahead())), (text_of(history()), ahead())):
        made = fitted.predict(table, known=known).frame()
        assert (
            len(made.merge(table[["unique_id"]].drop_duplicates(), on="unique_id")) == 3 * HORIZON
        )


def test_names_of_earlier_models_are_understood(
    fitted: Forecaster, expected: np.ndarray, tmp_path: Path
) -> None:
    """Fitted on a file they have `True` among their categories; and no ranges, so nothing is said
    of numbers."""
    fitted.save(tmp_path / "model")
    artifact = load_artifact(tmp_path / "model")
    meta = {name: value for name, value in artifact.meta.items() if name != "ranges"}
    meta["vocabulary"] = {
        **meta["vocabulary"],
        "promo": ["False", "True"],
        "state": ["0.0", "1.0", "2.0"],
    }
    save_artifact(tmp_path / "model", replace(artifact, meta=meta))
    loaded = Forecaster.load(tmp_path / "model")
    made = loaded.predict(history(), known=ahead(price=200.0))
    assert made.notes == ()
    assert loaded.predict(history(), known=ahead()).values.tobytes() == expected.tobytes()


def notes_of(
    fitted: Forecaster, table: pd.DataFrame | None = None, **changes: Any
) -> tuple[str, ...]:
    """What is said of a forecast with other known covariates, which a saved model must say too."""
    return fitted.predict(table, known=ahead(**changes)).notes


UNLEARNED = "the model has not learned what that means"


def test_categories_that_training_has_not_seen_are_named_with_the_nearest(
    fitted: Forecaster,
) -> None:
    read = 3 * (LENGTH + HORIZON)
    assert notes_of(fitted, promo=["Tru", *[True] * 11]) == (
        "category 'Tru' (did you mean 'true'?) of 'promo' was not seen in training, "
        f"in 1 of {read} values: {UNLEARNED}",
    )
    assert notes_of(fitted, promo=1) == (
        f"category '1' of 'promo' was not seen in training, in 12 of {read} values; "
        f"training has seen 'false', 'true': {UNLEARNED}",
    )
    assert notes_of(fitted, promo=[*"abcdefg", *[True] * 5]) == (
        "7 categories of 'promo' were not seen in training: 'a', 'b', 'c', 'd', 'e' and 2 more, "
        f"in 7 of {read} values; training has seen 'false', 'true': {UNLEARNED}",
    )
    table = history()
    table["region"] = table["region"].astype(int)  # as pandas reads a file
    table.loc[DAYS - 1, "state"] = 7
    state, region = notes_of(fitted, table)
    assert state.startswith(
        f"category '7' of 'state' was not seen in training, in 1 of {3 * LENGTH} values; training"
    )
    assert region.startswith(
        "3 categories of 'region' were not seen in training: '0' (did you mean '00'?), '1' (did"
    )


def test_numbers_far_outside_training_are_named(fitted: Forecaster) -> None:
    (note,) = notes_of(fitted, price=[200.0, *[2.0] * 11])
    assert note == (
        "'price' lies far outside its training values (1.8 to 2.19812) "  # 2 + 0.2 sin 11, sin 14
        "in 1 of 36 values, first 200 in series 2: "
        "the forecast is an extrapolation; check the unit, or train again on recent rows"
    )
    assert len(notes_of(fitted, price=-200.0)) == 1
    low, high = 1.8, 2.2  # the rule of the targets: ten ranges
    assert (
        notes_of(fitted, price=high + 9.8 * (high - low))
        == notes_of(fitted, price=low - 9.8 * (high - low))
        == ()
    )
    assert len(notes_of(fitted, price=high + 10.2 * (high - low))) == 1
    assert notes_of(fitted, closed=[0] * 11 + [1]) == (
        "'closed' was 0 throughout training and differs in 1 of 36 values, first 1 in series 1: "
        "the model has not learned what it does",
    )
    wind, area = notes_of(fitted, history().assign(wind=1e3, area=-1e4))
    assert wind.startswith("'wind' lies far outside its training values (")
    assert f" in {3 * LENGTH} of {3 * LENGTH} values, first 1000 in series 1: " in wind
    assert area.startswith(
        "'area' lies far outside its training values (0 to 20) in 3 of 3 values, first -10000 in "
    )


def test_only_rows_that_are_read_count(fitted: Forecaster) -> None:
    table = history()
    last = table.groupby("unique_id").tail(LENGTH).index
    strange = {"wind": 1e3, "state": 9, "promo": "maybe", "price": 200.0, "closed": 1}
    for name, value in strange.items():
        before, inside = table.astype({name: object}), table.astype({name: object})
        before.loc[~table.index.isin(last), name] = value
        inside.loc[last[0], name] = value  # the first row of the first context
        assert notes_of(fitted, before) == ()
        assert len(notes_of(fitted, inside)) == 1
    third = ahead(promo=[True, True, "maybe", "maybe"] * 3)
    assert fitted.predict(known=third, horizon=2).notes == ()
    assert len(fitted.predict(known=third, horizon=3).notes) == 1


def test_later_steps_count_too() -> None:
    settings = {**SETTINGS, "data": {"known_covariates": ["promo"], "categorical": ["promo"]}}
    forecaster = Forecaster(Experiment.model_validate(settings)).fit(history())
    known = forecaster.make_future_frame(horizon=9).assign(promo=[*[True] * 8, "maybe"] * 3)
    assert forecaster.predict(known=known, horizon=8).notes == ()
    assert (
        "'maybe' of 'promo' was not seen in training, in 3 of 51 values"
        in (forecaster.predict(known=known, horizon=9).notes[0])
    )


def test_missing_cells_are_nothing_new(tmp_path: Path) -> None:
    data = {**SETTINGS["data"], "missing": "mask"}
    table = history()
    table.loc[::7, ["wind", "state"]] = np.nan
    forecaster = Forecaster(Experiment.model_validate({**SETTINGS, "data": data})).fit(table)
    assert forecaster.predict(known=ahead()).notes == ()
    forecaster.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").predict(table, known=ahead()).notes == ()


def test_series_that_training_has_not_seen_are_named_with_the_nearest(fitted: Forecaster) -> None:
    table, known = history(), ahead()
    renamed = table["unique_id"].map({2: "2", 10: "010", 1: "x"})
    end = table.assign(unique_id=renamed).groupby("unique_id").tail(LENGTH)
    known = known.assign(unique_id=known["unique_id"].map({2: "2", 10: "010", 1: "x"}))
    assert fitted.predict(end, known=known).notes[0] == (
        "2 series were not seen in training: '010' (did you mean '10'?), 'x'; "
        "their scales come from the rows given (8 each)"
    )
    one = end[end["unique_id"] == "x"]
    assert fitted.predict(one, known=known).notes[0] == (
        "1 series was not seen in training: 'x'; its scale comes from the 8 rows given"
    )


def test_a_scale_that_all_series_share_is_no_scale_of_a_new_one() -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != "data"}
    settings["transforms"] = {"target": [{"name": "standard", "scope": "global"}]}
    forecaster = Forecaster(Experiment.model_validate(settings)).fit(history())
    made = forecaster.predict(history().assign(unique_id="x").head(DAYS))
    assert made.notes == ("1 series was not seen in training: 'x'",)


def test_saved_models_say_the_same(fitted: Forecaster, tmp_path: Path) -> None:
    changes = {"promo": "Tru", "price": 200.0, "closed": 1}
    table = history().assign(unique_id=lambda frame: frame["unique_id"] + 100, area=1e6)
    known = ahead(**changes).assign(unique_id=lambda frame: frame["unique_id"] + 100)
    notes = fitted.predict(table, known=known).notes
    assert len(notes) == 5
    fitted.save(tmp_path / "model")
    assert Forecaster.load(tmp_path / "model").predict(table, known=known).notes == notes


def test_the_command_line_says_it_on_standard_error(
    fitted: Forecaster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted.save(tmp_path / "model")
    history().to_csv(tmp_path / "history.csv", index=False)
    ahead(promo="Tru").to_csv(tmp_path / "known.csv", index=False)
    table, known = str(tmp_path / "history.csv"), f"--known={tmp_path / 'known.csv'}"
    assert main(["predict", str(tmp_path / "model"), table, known]) == 0
    out, err = capsys.readouterr()
    assert "Tru" not in out
    assert "note: category 'Tru' (did you mean 'true'?) of 'promo' was not seen in training" in err


def test_an_evaluation_says_it_too(
    fitted: Forecaster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fitted.evaluate().notes == ()
    later = history().astype({"promo": object})
    later["ds"] += pd.Timedelta(days=DAYS)
    later.loc[DAYS - 1, ["promo", "price"]] = ["maybe", 200.0]
    later.loc[later["unique_id"] == 10, "unique_id"] = 11
    later = pd.concat([history(), later])
    series, promo, price = fitted.evaluate(later).notes
    assert series == "1 series was not seen in training: '11'"
    assert promo.startswith("category 'maybe' of 'promo' was not seen in training, in 1 of ")
    assert price.startswith("'price' lies far outside its training values")
    fitted.save(tmp_path / "model")
    later.to_csv(tmp_path / "later.csv", index=False)
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "later.csv")]) == 0
    assert f"Note: {promo}." in capsys.readouterr().out


def test_rows_of_many_windows_are_those_of_each() -> None:
    index = WindowIndex(3, 2, 4, np.array([0, 1]), np.array([1, 20]), np.array([2, 5]))
    first = index.locate(np.arange(5))[1]
    rows = RowsRead.of(index, 40)
    assert rows.context.tolist() == sorted({*index.context_rows(first).ravel().tolist()})
    assert rows.ahead.tolist() == sorted({*index.horizon_rows(first).ravel().tolist()})
