"""Made-up tables of many kinds, with the roles that their columns have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

DAYS = pd.date_range("2023-01-01", periods=60, freq="D")
HOURS = pd.date_range("2023-01-01", periods=120, freq="h")
MONTHS = pd.date_range("2015-01-01", periods=48, freq="MS")
ROWS = np.random.default_rng(7)


def measured(rows: int, mean: float = 100.0, digits: int = 2) -> np.ndarray:
    """Numbers around a mean, without order."""
    return np.round(mean * (1 + 0.2 * ROWS.standard_normal(rows)), digits)


def panel(days: pd.DatetimeIndex, **ids: list[object]) -> pd.DataFrame:
    """Every combination of ids on every day, sorted by id."""
    names = list(ids)
    index = pd.MultiIndex.from_product([*ids.values(), days], names=[*names, "date"])
    return index.to_frame(index=False)


@dataclass(frozen=True)
class RoleTable:
    """One table and its roles.

    Attributes:
        build: makes the frame, as it is written to a file.
        roles: expected roles, as in `Columns`; of a table that is asked about, those of the first
            proposal.
        asks: words of the question; empty where the roles are guessed.
    """

    build: Callable[[], pd.DataFrame]
    roles: dict[str, object] = field(default_factory=dict)
    asks: tuple[str, ...] = ()


def airline() -> pd.DataFrame:
    return pd.DataFrame(
        {"Month": MONTHS.strftime("%Y-%m"), "Passengers": measured(48, digits=0).astype(int)}
    )


def shops() -> pd.DataFrame:
    frame = panel(DAYS, store=["A", "B", "C"])
    return frame.assign(sales=measured(len(frame)))


def retail() -> pd.DataFrame:
    frame = panel(DAYS, store=[1, 2, 3], item=[1, 2])
    frame = frame[["date", "store", "item"]].sort_values(["date", "store"], ignore_index=True)
    return frame.assign(sales=ROWS.integers(0, 99, len(frame)))


def competition() -> pd.DataFrame:
    frame = panel(DAYS, store_nbr=[1, 2], family=["BREAD", "MILK", "EGGS"])
    frame = frame.sort_values("date", kind="stable", ignore_index=True)
    frame["sales"] = measured(len(frame))
    frame["onpromotion"] = ROWS.integers(0, 40, len(frame))
    frame.insert(0, "id", np.arange(3000888, 3000888 + len(frame)))
    return frame


def chain() -> pd.DataFrame:
    frame = panel(DAYS, Store=list(range(1, 8))).rename(columns={"date": "Date"})
    frame["Weekly_Sales"] = measured(len(frame), 1e6)
    frame["Holiday_Flag"] = (frame["Date"].dt.day < 3).astype(int)
    frame["Temperature"] = measured(len(frame), 60)
    frame["CPI"] = measured(len(frame), 210)
    return frame


def prices() -> pd.DataFrame:
    close = measured(60, 50)
    names = ("Open", "High", "Low", "Close", "Adj Close")
    table = {name: np.round(close * (1 + 0.01 * place), 2) for place, name in enumerate(names)}
    return pd.DataFrame({"Date": DAYS, **table, "Volume": ROWS.integers(10**6, 10**7, 60)})


def energy() -> pd.DataFrame:
    frame = pd.DataFrame({"Datetime": HOURS, "AEP_MW": measured(120, 15000, 0)})
    return pd.concat([frame, frame.iloc[[30]].assign(AEP_MW=1.0)], ignore_index=True)


def exported() -> pd.DataFrame:
    return pd.DataFrame({"": np.arange(1, 61), "date": DAYS, "value": measured(60)})


def indicators() -> pd.DataFrame:
    names = ("pce", "pop", "psavert", "uempmed", "unemploy")
    means = (5000, 250_000, 9, 8, 7000)
    table = {name: measured(48, mean) for name, mean in zip(names, means, strict=True)}
    return pd.DataFrame({"rownames": np.arange(1, 49), "date": MONTHS, **table})


def meters() -> pd.DataFrame:
    measurements = {f"MT_00{place}": measured(120) for place in range(1, 5)}
    return pd.DataFrame({"time": HOURS, **measurements})


def sensors() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "timestamp": HOURS,
            "humidity": measured(120, 60),
            "pressure": measured(120, 1013),
            "temperature": measured(120, 15),
        }
    )


def padded() -> pd.DataFrame:
    frame = panel(DAYS, plant=["007", "010", "100"])
    return frame.assign(output=measured(len(frame)))


def described() -> pd.DataFrame:
    frame = panel(DAYS, store=["A", "B", "C", "D"])
    frame["region"] = frame["store"].map({"A": "north", "B": "north", "C": "south", "D": "south"})
    frame["size"] = frame["store"].map({"A": 10, "B": 10, "C": 30, "D": 30})
    frame["note"] = "checked"
    frame["price"] = measured(len(frame), 5)
    frame["sales"] = measured(len(frame))
    return frame


def future() -> pd.DataFrame:
    frame = pd.DataFrame({"date": DAYS, "demand": measured(60), "price": measured(60, 5)})
    frame["weather"] = ROWS.choice(["sun", "rain"], 60)
    frame.loc[50:, "demand"] = np.nan
    return frame


def spanish() -> pd.DataFrame:
    stamps = HOURS.strftime("%Y-%m-%dT%H:%M:%SZ")
    local = (HOURS + pd.Timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S+0100")
    return pd.DataFrame({"utc_timestamp": stamps, "cet_timestamp": local, "load": measured(120)})


def metering() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Datum": HOURS.strftime("%d.%m.%Y"),
            "Uhrzeit": HOURS.strftime("%H:%M"),
            "kWh": measured(120),
        }
    )


def parts() -> pd.DataFrame:
    names = ("year", "month", "day", "hour")
    stamps = {name: getattr(HOURS, name) for name in names}
    return pd.DataFrame({**stamps, "pm2.5": measured(120)})


def calendar() -> pd.DataFrame:
    marks = {"weekday": DAYS.day_of_week, "holiday": 1 * (DAYS.day < 3)}
    return pd.DataFrame({"date": DAYS, **marks, "visits": measured(60)})


def yearly() -> pd.DataFrame:
    frame = pd.MultiIndex.from_product(
        [["Chad", "Peru", "Togo"], range(1990, 2020)], names=["Country", "Year"]
    ).to_frame(index=False)
    return frame.assign(Population=measured(len(frame), 1e6, 0))


def r_series() -> pd.DataFrame:
    time = np.round(1949 + np.arange(60) / 12, 5)
    return pd.DataFrame({"rownames": np.arange(1, 61), "time": time, "value": measured(60)})


def long_indicators() -> pd.DataFrame:
    frame = panel(MONTHS, variable=["pce", "pop"])
    frame["value"] = measured(len(frame))
    return frame.assign(value01=np.round(frame["value"] / frame["value"].max(), 6))


def shipped() -> pd.DataFrame:
    days = ROWS.integers(1, 9, 60)
    return pd.DataFrame(
        {
            "order_date": DAYS,
            "ship_date": DAYS + pd.to_timedelta(days, unit="D"),
            "amount": measured(60),
        }
    )


def counted() -> pd.DataFrame:
    return pd.DataFrame({"heart rate": measured(60, 80), "breath": measured(60, 14)})


def index_only() -> pd.DataFrame:
    return pd.DataFrame({"t": np.arange(60), "value": measured(60)})


def single_events() -> pd.DataFrame:
    stamps = np.repeat(DAYS, 4)
    return pd.DataFrame({"date": stamps, "amount": measured(240)})


def named_ids() -> pd.DataFrame:
    frame = panel(DAYS, shop_id=[11, 12, 13])
    frame["shop_name"] = frame["shop_id"].map({11: "north", 12: "south", 13: "east"})
    return frame.assign(revenue=measured(len(frame)))


def german() -> pd.DataFrame:
    umsatz = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in measured(60, 2000)]
    return pd.DataFrame({"Datum": DAYS.strftime("%d.%m.%Y"), "Umsatz": umsatz})


def with_comma() -> pd.DataFrame:
    return pd.DataFrame(
        {"order date": DAYS, "Sales, net": measured(60), "Tax, paid": measured(60, 7)}
    )


def one_flag() -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS, "is_open": DAYS.day_of_week < 6, "orders": measured(60)})


def free_text() -> pd.DataFrame:
    comments = [f"call {number} answered" for number in range(60)]
    return pd.DataFrame({"date": DAYS, "comment": comments, "calls": measured(60)})


def customers() -> pd.DataFrame:
    frame = panel(DAYS, customer_id=[9001, 9002, 9003, 9004])
    return frame.assign(spent=measured(len(frame)))


def tickers() -> pd.DataFrame:
    frame = panel(DAYS, symbol=["ABC", "XYZ"]).sort_values("date", ignore_index=True)
    frame["open"] = measured(len(frame), 50)
    return frame.assign(close=frame["open"] + 1.5, volume=ROWS.integers(1000, 9000, len(frame)))


def bicycles() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instant": np.arange(1, 61),
            "dteday": DAYS,
            "season": 1,
            "yr": 0,
            "mnth": DAYS.month,
            "holiday": 1 * (DAYS.day == 1),
            "weekday": DAYS.day_of_week,
            "temp": measured(60, 0.5, 6),
            "casual": ROWS.integers(0, 900, 60),
            "registered": ROWS.integers(0, 9000, 60),
            "cnt": ROWS.integers(0, 9900, 60),
        }
    )


def transformers() -> pd.DataFrame:
    names = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    return pd.DataFrame({"date": HOURS, **{name: measured(120, 5, 3) for name in names}})


def usual() -> pd.DataFrame:
    frame = panel(DAYS, unique_id=["a", "b"]).rename(columns={"date": "ds"})
    return frame.assign(y=measured(len(frame)), price=measured(len(frame), 5))


def half_usual() -> pd.DataFrame:
    return usual().rename(columns={"unique_id": "shop"})


def orders() -> pd.DataFrame:
    """Several orders on most days; a product is sold now and then."""
    days = DAYS[np.sort(ROWS.integers(0, 60, 400))]
    return pd.DataFrame(
        {
            "Ship Date": days + pd.to_timedelta(ROWS.integers(1, 9, 400), unit="D"),
            "Order Date": days,
            "Product ID": [f"P{number}" for number in ROWS.permutation(np.arange(400) % 150)],
            "Amount": measured(400),
        }
    )


def emissions() -> pd.DataFrame:
    frame = pd.MultiIndex.from_product(
        [np.arange(1950.0, 1990.0), ["Chad", "Peru", "Togo"]], names=["year", "country"]
    ).to_frame(index=False)
    return frame.assign(emissions=measured(len(frame), 3))


def weather_reports() -> pd.DataFrame:
    """Hours reported twice where the weather was of two kinds."""
    hours = HOURS.repeat(np.where(np.arange(120) % 6 == 0, 2, 1))
    words = np.array(["Clear", "Clouds", "Rain", "Mist", "Snow", "Haze", "Fog"])
    weather = words[ROWS.integers(0, 7, len(hours))]
    again = np.flatnonzero(hours[1:] == hours[:-1]) + 1
    weather[again] = words[(np.searchsorted(np.sort(words), weather[again - 1]) + 1) % 7]
    weather[again] = np.where(weather[again] == weather[again - 1], "Smoke", weather[again])
    return pd.DataFrame({"weather": weather, "hour": hours, "vehicles": measured(len(hours))})


def days_of_months() -> pd.DataFrame:
    days = pd.date_range("2023-05-01", periods=153, freq="D")
    return pd.DataFrame(
        {"": np.arange(1, 154), "Ozone": measured(153), "Month": days.month, "Day": days.day}
    )


def months_of_years() -> pd.DataFrame:
    """A number of the year that repeats, and marks of the months."""
    marks = {name: 1 * (MONTHS.month == month) for month, name in ((2, "feb"), (3, "mar"))}
    return pd.DataFrame({"year": MONTHS.year, "accidents": measured(48), **marks})


def ends_early() -> pd.DataFrame:
    frame = pd.DataFrame({"date": DAYS, "beef": measured(60), "pork": measured(60)})
    frame["veal"] = measured(60)
    frame.loc[55:, "veal"] = np.nan
    return frame


def with_lag() -> pd.DataFrame:
    frame = pd.DataFrame({"date": DAYS, "sales": measured(60), "price": measured(60)})
    return frame.assign(sales=frame["sales"].shift(1))


ROLE_TABLES: dict[str, RoleTable] = {
    "airline": RoleTable(airline, {"time_col": "Month", "target_cols": ("Passengers",)}),
    "shops": RoleTable(shops, {"id_col": "store", "time_col": "date", "target_cols": ("sales",)}),
    "retail": RoleTable(
        retail, {"id_col": "store,item", "time_col": "date", "target_cols": ("sales",)}
    ),
    "competition": RoleTable(
        competition,
        {"id_col": "store_nbr,family", "time_col": "date", "target_cols": ("sales",)},
        ("'sales', 'onpromotion'", "target"),
    ),
    "chain": RoleTable(
        chain,
        {"id_col": "Store", "time_col": "Date", "target_cols": ("Weekly_Sales",)},
        ("'Weekly_Sales'", "'Temperature'"),
    ),
    "prices": RoleTable(
        prices, {"time_col": "Date", "target_cols": ("Close",)}, ("'Open'", "'Volume'")
    ),
    "energy": RoleTable(energy, {"time_col": "Datetime", "target_cols": ("AEP_MW",)}),
    "exported": RoleTable(exported, {"time_col": "date", "target_cols": ("value",)}),
    "indicators": RoleTable(
        indicators, {"time_col": "date", "target_cols": ("unemploy",)}, ("'pce'", "'unemploy'")
    ),
    "meters": RoleTable(meters, {"time_col": "time"}, ("'MT_001'", "'MT_004'")),
    "sensors": RoleTable(
        sensors, {"time_col": "timestamp", "target_cols": ("temperature",)}, ("'humidity'",)
    ),
    "padded": RoleTable(
        padded, {"id_col": "plant", "time_col": "date", "target_cols": ("output",)}
    ),
    "described": RoleTable(
        described,
        {
            "id_col": "store",
            "time_col": "date",
            "target_cols": ("sales",),
            "static_covariates": ("region", "size"),
            "categorical": ("region",),
        },
        ("'price', 'sales'",),
    ),
    "future": RoleTable(
        future,
        {
            "time_col": "date",
            "target_cols": ("demand",),
            "known_covariates": ("price", "weather"),
            "categorical": ("weather",),
        },
        ("'demand', 'price'",),
    ),
    "spanish": RoleTable(spanish, {"time_col": "utc_timestamp", "target_cols": ("load",)}),
    "metering": RoleTable(metering, {"time_col": "Datum,Uhrzeit", "target_cols": ("kWh",)}),
    "parts": RoleTable(parts, {"time_col": "year,month,day,hour", "target_cols": ("pm2.5",)}),
    "calendar": RoleTable(calendar, {"time_col": "date", "target_cols": ("visits",)}),
    "yearly": RoleTable(
        yearly, {"id_col": "Country", "time_col": "Year", "target_cols": ("Population",)}
    ),
    "r_series": RoleTable(r_series, {"time_col": "time", "target_cols": ("value",)}),
    "long_indicators": RoleTable(
        long_indicators,
        {"id_col": "variable", "time_col": "date", "target_cols": ("value",)},
        ("'value', 'value01'",),
    ),
    "shipped": RoleTable(
        shipped,
        {"time_col": "order_date", "target_cols": ("amount",)},
        ("'order_date', 'ship_date'", "time"),
    ),
    "counted": RoleTable(
        counted, {"time_col": "none", "target_cols": ("heart rate",)}, ("no column contains",)
    ),
    "index_only": RoleTable(index_only, {"time_col": "t", "target_cols": ("value",)}),
    "single_events": RoleTable(single_events, {"time_col": "date", "target_cols": ("amount",)}),
    "named_ids": RoleTable(
        named_ids, {"id_col": "shop_id", "time_col": "date", "target_cols": ("revenue",)}
    ),
    "german": RoleTable(german, {"time_col": "Datum", "target_cols": ("Umsatz",)}),
    "with_comma": RoleTable(
        with_comma,
        {"time_col": "order date", "target_cols": ("Sales, net",)},
        ("'Sales, net', 'Tax, paid'",),
    ),
    "one_flag": RoleTable(one_flag, {"time_col": "date", "target_cols": ("orders",)}),
    "free_text": RoleTable(free_text, {"time_col": "date", "target_cols": ("calls",)}),
    "customers": RoleTable(
        customers, {"id_col": "customer_id", "time_col": "date", "target_cols": ("spent",)}
    ),
    "tickers": RoleTable(
        tickers, {"id_col": "symbol", "time_col": "date", "target_cols": ("close",)}, ("'open'",)
    ),
    "bicycles": RoleTable(
        bicycles, {"time_col": "dteday", "target_cols": ("cnt",)}, ("'registered'", "'temp'")
    ),
    "transformers": RoleTable(
        transformers, {"time_col": "date", "target_cols": ("OT",)}, ("'HUFL'", "'OT'")
    ),
    "usual": RoleTable(usual, {"id_col": "unique_id", "time_col": "ds", "target_cols": ("y",)}),
    "half_usual": RoleTable(
        half_usual, {"id_col": "shop", "time_col": "ds", "target_cols": ("y",)}
    ),
    "orders": RoleTable(
        orders,
        {"time_col": "Order Date", "target_cols": ("Amount",)},
        ("'Order Date', 'Ship Date'",),
    ),
    "emissions": RoleTable(
        emissions, {"id_col": "country", "time_col": "year", "target_cols": ("emissions",)}
    ),
    "weather_reports": RoleTable(
        weather_reports, {"time_col": "hour", "target_cols": ("vehicles",)}
    ),
    "days_of_months": RoleTable(
        days_of_months, {"time_col": "none", "target_cols": ("Ozone",)}, ("no column contains",)
    ),
    "months_of_years": RoleTable(
        months_of_years,
        {"time_col": "none", "target_cols": ("accidents",)},
        ("no column contains",),
    ),
    "ends_early": RoleTable(
        ends_early, {"time_col": "date", "target_cols": ("pork",)}, ("'beef', 'pork', 'veal'",)
    ),
    "with_lag": RoleTable(
        with_lag, {"time_col": "date", "target_cols": ("sales",)}, ("'sales', 'price'",)
    ),
}
