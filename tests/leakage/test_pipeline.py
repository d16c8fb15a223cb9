"""Leak check of any pipeline: honest ones pass, leaky ones are caught with stage and column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from forecast.errors import ConfigError
from forecast.leakage.pipeline import CHANGES, Leak, LeakReport, check_no_leakage

Stages = dict[str, Any]
DAYS = 90
HORIZON = 3
CUTOFFS = [pd.Timestamp("2024-02-10"), pd.Timestamp("2024-03-01")]


def shops() -> pd.DataFrame:
    """Four shops, ninety days, a price that is planned ahead, weather that is not."""
    draw = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"shop {number}",
                "ds": pd.date_range("2024-01-01", periods=DAYS),
                "y": 10 * (number + 1) + draw.normal(size=DAYS).cumsum(),
                "rain": draw.normal(size=DAYS),
                "price": draw.integers(1, 4, size=DAYS),
                "sky": draw.choice(["sun", "cloud"], size=DAYS),
                "size": float(number),
            }
        )
        for number in range(4)
    ]
    return pd.concat(parts, ignore_index=True)


KNOWN = {"price": HORIZON, "size": None}


def check(
    pipeline: Callable[[pd.DataFrame, Any], Any], table: pd.DataFrame | None = None
) -> LeakReport:
    return check_no_leakage(
        pipeline, shops() if table is None else table, cutoffs=CUTOFFS, known=KNOWN
    )


def honest(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    """Lags, scaler, ridge, and forecasts with the prices of the horizon."""
    table = table.assign(
        lag=table.groupby("unique_id")["y"].shift(HORIZON), day=table["ds"].dt.day_of_week
    )
    inputs = ["lag", "price", "day", "size"]
    past = table[table["ds"] <= cutoff].dropna()
    ahead = table[(table["ds"] > cutoff) & (table["ds"] <= cutoff + pd.Timedelta(days=HORIZON))]
    scaler = StandardScaler().fit(past[inputs].to_numpy())
    model = Ridge().fit(scaler.transform(past[inputs].to_numpy()), past["y"])
    return {
        "scales": [scaler.mean_, scaler.scale_],
        "features": past[["unique_id", "ds", *inputs]],
        "forecast": model.predict(scaler.transform(ahead[inputs].to_numpy())),
    }


def test_an_honest_pipeline_passes() -> None:
    """Lags as long as the horizon, its prices, weekdays and sizes of later rows are allowed."""
    table = shops().assign(rain=1.0)  # complete, and never read
    report = check(honest, table)
    assert report.ok, report.text()
    # `dropna` looks at past rows alone and the lags reach no later one, so missing values are taken
    # too
    assert report.compared == dict.fromkeys(("scales", "features", "forecast"), 2 * len(CHANGES))
    assert report.refusals == ()
    assert "no stage depends on values after a cutoff (2 cutoffs: 2024-02-10" in report.text()


def scaler_of_everything(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    scaler = StandardScaler().fit(table[["y"]].to_numpy())
    past = table[table["ds"] <= cutoff]
    return {"scales": vars(scaler), "features": scaler.transform(past[["y"]].to_numpy())}


def seasonal_profile_of_all_rows(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    profile = table.groupby(table["ds"].dt.day_of_week)["y"].transform("mean")
    return {"profile": profile[table["ds"] <= cutoff]}


def centred_mean(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    smooth = table.groupby("unique_id")["y"].transform(
        lambda values: values.rolling(5, center=True, min_periods=1).mean()
    )
    past = table["ds"] <= cutoff
    return {
        "raw": table.loc[past, "y"],
        "smooth": smooth[past],
        "forecast": smooth[past].groupby(table["unique_id"]).last(),
    }


def lag_the_wrong_way(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    return {"lags": table.groupby("unique_id")["rain"].shift(-1)[table["ds"] <= cutoff]}


def unpurged_learning(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    """Rows up to the cutoff are learned from, with targets a horizon later."""
    target = table.groupby("unique_id")["y"].shift(-HORIZON)
    rows = table["ds"] <= cutoff
    model = Ridge().fit(table.loc[rows, ["rain", "size"]].to_numpy(), target[rows].fillna(0.0))
    return {"inputs": table.loc[rows, ["rain", "size"]], "model": [model.coef_, model.intercept_]}


def best_shops(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    """The two shops that will sell most."""
    chosen = table.groupby("unique_id")["y"].sum().nlargest(2).index
    past = table[(table["ds"] <= cutoff) & table["unique_id"].isin(chosen)]
    return {"series": sorted(chosen), "features": past[["ds", "y"]]}


def words_of_everything(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    coder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(
        table[["sky"]].astype(str)
    )
    return {
        "words": coder.categories_,
        "codes": coder.transform(table.loc[table["ds"] <= cutoff, ["sky"]].astype(str)),
    }


def penalty_by_later_errors(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    """The penalty that forecasts the test rows best."""
    past = table[table["ds"] <= cutoff]
    test = table[table["ds"] > cutoff].dropna(subset="y")
    models = [
        Ridge(alpha=alpha).fit(past[["price"]].to_numpy(), past["y"]) for alpha in (0.0, 1e3, 1e9)
    ]
    errors = [
        np.abs(model.predict(test[["size"]].to_numpy()) - test["y"]).mean() for model in models
    ]
    best = models[int(np.argmin(errors))]
    return {"features": past[["price"]], "forecast": best.predict(past[["price"]].to_numpy())}


def price_made_of_sales(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    """A covariate that is known ahead, but made of what is to be forecast."""
    table = table.assign(price=table["y"].where(table["y"] > 15, 15.0))
    ahead = table[(table["ds"] > cutoff) & (table["ds"] <= cutoff + pd.Timedelta(days=HORIZON))]
    return {"past": table.loc[table["ds"] <= cutoff, "price"], "known": ahead["price"]}


def components_of_everything(table: pd.DataFrame, cutoff: pd.Timestamp) -> Stages:
    both = table[["y", "rain"]].fillna(0.0).to_numpy()
    return {"components": PCA(1).fit(both).components_, "count": int((table["ds"] <= cutoff).sum())}


LEAKY = [
    (scaler_of_everything, "scales", ("y",)),
    (seasonal_profile_of_all_rows, "profile", ("y",)),
    (centred_mean, "smooth", ("y",)),
    (lag_the_wrong_way, "lags", ("rain",)),
    (unpurged_learning, "model", ("y",)),
    (best_shops, "series", ("y",)),
    (words_of_everything, "words", ("sky",)),
    (penalty_by_later_errors, "forecast", ("y",)),
    (price_made_of_sales, "known", ("y",)),
    (components_of_everything, "components", ("y", "rain")),
]


@pytest.mark.parametrize(
    ("pipeline", "stage", "columns"), LEAKY, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_leaky_pipeline_is_caught(pipeline: Any, stage: str, columns: tuple[str, ...]) -> None:
    report = check(pipeline)
    assert not report.ok
    assert (report.leaks[0].stage, report.leaks[0].columns) == (stage, columns), report.text()
    assert (
        f"first leak: stage {stage!r} depends on later values of {', '.join(map(repr, columns))}"
        in report.text()
    )


def test_stages_before_the_leak_are_not_blamed_and_those_after_it_are() -> None:
    assert [leak.stage for leak in check(centred_mean).leaks] == ["smooth", "forecast"]


def test_what_is_known_ahead_is_known_for_as_long_as_was_said() -> None:
    def reads(days: int) -> Any:
        def pipeline(table: pd.DataFrame, cutoff: pd.Timestamp) -> Any:
            return table.loc[table["ds"] <= cutoff + pd.Timedelta(days=days), "price"]

        return pipeline

    assert check(reads(HORIZON)).ok
    (leak,) = check(reads(HORIZON + 1)).leaks
    assert (leak.stage, leak.columns) == ("forecast", ("price",))
    assert not check_no_leakage(reads(1), shops(), cutoffs=CUTOFFS).ok, (
        "nothing is known ahead unless it is declared"
    )


def test_each_series_can_have_its_own_cutoff() -> None:
    table = shops().assign(ds=lambda table: table.groupby("unique_id").cumcount())
    ends = {f"shop {number}": 30 + 10 * number for number in range(3)}  # the fourth is known whole

    def up_to(table: pd.DataFrame, cutoff: dict[str, int]) -> Any:
        return table.loc[table["ds"] <= table["unique_id"].map(cutoff).fillna(DAYS), "y"]

    def one_too_many(table: pd.DataFrame, cutoff: dict[str, int]) -> Any:
        return up_to(table, cutoff | {"shop 1": cutoff["shop 1"] + 1})

    assert check_no_leakage(up_to, table, cutoffs=[ends]).ok
    report = check_no_leakage(one_too_many, table, cutoffs=[ends])
    assert report.cutoffs == ("30 to 50",)
    assert report.leaks[0].columns == ("y",)


def test_two_columns_that_leak_only_together_are_said_to() -> None:
    def pipeline(table: pd.DataFrame, cutoff: pd.Timestamp) -> bool:
        later = table[table["ds"] > cutoff]
        return bool((later["y"] > 1e5).all() and (later["rain"] > 1e5).all())

    (leak,) = check(pipeline).leaks
    assert (leak.changes, leak.columns) == (("+1e6",), ())
    assert "several columns together" in leak.sentence


def test_a_table_that_is_refused_is_told_and_not_held_against_the_pipeline() -> None:
    def strict(table: pd.DataFrame, cutoff: pd.Timestamp) -> Any:
        if table["y"].isna().any():
            raise ValueError("y holds\nNaN")
        return table.loc[table["ds"] <= cutoff, "y"]

    table = shops()
    report = check(strict, table)
    assert report.ok
    assert report.compared == {"forecast": 2 * (len(CHANGES) - 1)}
    assert report.refusals == (
        "the pipeline refused change 'missing' at 2 of 2 cutoffs: ValueError: y holds NaN",
    )
    assert report.refusals[0] in report.text()

    def stubborn(changed: pd.DataFrame, _: pd.Timestamp) -> Any:
        if not changed["y"].equals(table["y"]):
            raise ValueError("another table")
        return 1

    with pytest.raises(ConfigError, match=r"nothing could be compared: .*another table"):
        check(stubborn)


def test_a_pipeline_may_write_to_its_table_and_whole_numbers_stay_what_they_were() -> None:
    def untidy(table: pd.DataFrame, cutoff: pd.Timestamp) -> Any:
        assert table["price"].dtype == np.float64
        assert table.loc[table["ds"] <= cutoff, "price"].between(1, 3).all()
        table["y"] = table["y"].where(table["ds"] <= cutoff, 0.0)
        del table["rain"]
        return table["y"]

    table = shops()
    assert check(untidy, table.set_index(np.arange(len(table)) * 7)).ok
    pd.testing.assert_frame_equal(table, shops())


@pytest.mark.parametrize(
    "value",
    [-0.0, np.float32(0.0), 0, None, "0.0", [0.0], np.zeros(1), b"0", pd.NaT, pd.Series([0.0])],
)
def test_the_same_means_the_same_bits_and_types(value: Any) -> None:
    """Each differs from 0.0 and from nothing else of its own."""

    def pipeline(table: pd.DataFrame, cutoff: pd.Timestamp) -> Any:
        return {
            "one": value if (table.loc[table["ds"] > cutoff, "y"] == 1e6).all() else 0.0,
            "two": value,
        }

    report = check(pipeline)
    assert [(leak.stage, leak.changes) for leak in report.leaks] == [("one", ("+1e6",))]


def test_a_stage_that_comes_or_goes_with_later_values_leaks() -> None:
    def pipeline(table: pd.DataFrame, cutoff: pd.Timestamp) -> Any:
        is_large = (table.loc[table["ds"] > cutoff, "y"] > 1e5).all()
        return {"always": 1, ("large" if is_large else "small"): 1}

    assert {leak.stage for leak in check(pipeline).leaks} == {"large", "small"}


def test_usual_cutoffs_leave_half_three_tenths_and_a_tenth() -> None:
    seen = []
    check_no_leakage(lambda _, cutoff: seen.append(cutoff), shops())
    left = [(shops()["ds"] > cutoff).mean() for cutoff in dict.fromkeys(seen)]
    np.testing.assert_allclose(left, [0.5, 0.3, 0.1], atol=0.02)


def nothing(*_: Any) -> Any:
    return 1


@pytest.mark.parametrize(
    ("pipeline", "changes", "said"),
    [
        (nothing, {"cutoffs": []}, "nothing could be compared: there is no cutoff, or no stage"),
        (lambda *_: {}, {}, "nothing could be compared: there is no cutoff, or no stage"),
        (nothing, {"time_col": "date"}, "the table has no column 'date'"),
        (nothing, {"known": {"prices": 3}}, r"no column 'prices' \(did you mean 'price'\?\)"),
        (
            nothing,
            {"cutoffs": [pd.Timestamp("2025-01-01")]},
            "cutoff 2025-01-01 00:00:00 has no row after it",
        ),
        (
            nothing,
            {"cutoffs": [17]},
            r"cutoff '17' cannot be compared with the datetime64\[\w+\] stamps of 'ds'",
        ),
        (nothing, {"cutoffs": [{"a": 1}], "id_col": "shop"}, "the table has no column of ids"),
        (
            nothing,
            {"known": dict.fromkeys(["y", "rain", "price", "sky", "size"])},
            "every column .* known for ever",
        ),
        (
            lambda *_: {"noise": np.random.default_rng().normal()},
            {},
            "'noise' differs between two runs",
        ),
        (
            lambda *_: {"model": Ridge()},
            {},
            r"'model' contains a Ridge; expected .*such as vars\(scaler\)",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(
    pipeline: Any, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_no_leakage(pipeline, shops(), **{"cutoffs": CUTOFFS, **changes})
    assert "\n" not in str(caught.value)


def test_a_report_reads_as_a_table() -> None:
    leaks = (Leak("scales", "5", ("+1e6", "shuffled"), ("y", "wind")),)
    report = LeakReport(
        {"filled": 8, "scales": 8}, ("5", "9"), leaks, ("change 'missing' was refused",)
    )
    assert report.text().splitlines() == [
        "stage   compared  verdict",
        "filled         8  ok",
        "scales         8  leak: later values of y, wind (cutoff 5; changes +1e6, shuffled)",
        "note: change 'missing' was refused",
        "first leak: stage 'scales' depends on later values of 'y', 'wind' (2 cutoffs: 5, 9)",
    ]
