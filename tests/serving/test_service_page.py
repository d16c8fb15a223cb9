"""The page of the service in a real browser: upload, checks, forecast, download."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving.service import HORIZON, Service, running, save_model, table

from forecast.runs.use import predict_run

pytest.importorskip("selenium", reason="selenium is not installed: it is in the extra `test`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
    pytest.mark.skipif(
        DRIVER is None, reason="no chromedriver here: apt-get install chromium-driver"
    ),
]
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    save_model(made / "models" / "shop")
    save_model(made / "models" / "priced", known=["price"])
    frame = table()
    frame.to_csv(made / "sales.csv", index=False)
    frame.loc[3, "sales"] = None
    frame = frame.astype({"store": object})
    frame["sales"] = frame["sales"].astype(str).where(frame.index != 7, "<b>many</b>")
    frame.to_csv(made / "bad.csv", index=False)
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    models = folder / "models"
    with running(models / "shop", "--models", models, log=folder / "log.txt") as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service as Driver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    downloads = tmp_path_factory.mktemp("downloads")
    for option in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(option)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver(DRIVER))
    driver.downloads = downloads
    yield driver
    driver.quit()


def show(browser: Any, service: Service, *, width: int = 1100) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(f"http://{service.host}:{service.port}/")
    wait(lambda: browser.find_elements("css selector", "#model option"))


def wait(is_so: Any) -> Any:
    for _ in range(200):
        found = is_so()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def submit(browser: Any, rows: Path) -> None:
    browser.find_element("id", "rows").send_keys(str(rows))
    browser.find_element("id", "go").click()
    wait(lambda: browser.find_element("id", "go").is_enabled())


@pytest.mark.parametrize("width", [1100, 360])
def test_a_table_becomes_a_forecast_that_is_downloaded(
    browser: Any, service: Service, folder: Path, width: int
) -> None:
    browser.get_log("browser")
    show(browser, service, width=width)
    submit(browser, folder / "sales.csv")
    assert "no error" in browser.find_element("id", "verdict").text
    assert browser.find_element("id", "result").is_displayed()
    series = [option.text for option in browser.find_elements("css selector", "#series option")]
    assert series == ["s0", "s1", "s2"]
    points = "return document.querySelector('.ahead').getAttribute('points').split(' ').length"
    assert browser.execute_script(points) == HORIZON + 1  # from the last known value
    assert browser.find_elements("css selector", "polygon.band")
    sizes = "return [document.documentElement.scrollWidth, window.innerWidth]"
    wide, screen = browser.execute_script(sizes)
    assert wide <= screen

    path = browser.downloads / "forecast.csv"
    path.unlink(missing_ok=True)
    browser.find_element("id", "download").click()
    wait(path.is_file)
    expected = predict_run(folder / "models" / "shop", str(folder / "sales.csv")).frame()
    lines = path.read_text().splitlines()
    assert lines == expected.to_csv(index=False).splitlines()
    assert browser.get_log("browser") == []  # nothing is refused, missing or wrong


def test_errors_of_the_checks_are_shown_as_text(
    browser: Any, service: Service, folder: Path
) -> None:
    show(browser, service)
    submit(browser, folder / "bad.csv")
    assert "cannot be used" in browser.find_element("id", "verdict").text
    lines = [line.text for line in browser.find_elements("css selector", "#lines li")]
    assert any("<b>many</b>" in line for line in lines)
    assert not browser.find_elements("css selector", "#lines b")
    assert not browser.find_element("id", "result").is_displayed()


def test_marks_beside_the_chart_are_round(browser: Any, service: Service) -> None:
    show(browser, service)
    draw = random.Random(0)
    for _ in range(300):
        least = draw.uniform(-1, 1) * 10 ** draw.uniform(-6, 6)
        most = least + 10 ** draw.uniform(-3, 3) * abs(least)
        marks = browser.execute_script(f"return roundNumbers({least!r}, {most!r})")
        step = marks[1] - marks[0]
        assert 3 <= len(marks) <= 6, (least, most, marks)
        assert marks[0] <= least + 1e-9 * step
        assert marks[-1] >= most - 1e-9 * step
        first_digit = float(f"{step:.5e}".partition("e")[0])
        assert first_digit in (1, 2, 5)
        for mark in marks:
            assert abs(mark / step - round(mark / step)) < 1e-6


def test_a_model_with_known_covariates_asks_for_them(
    browser: Any, service: Service, folder: Path
) -> None:
    from selenium.webdriver.support.ui import Select

    show(browser, service)
    assert not browser.find_element("id", "known").is_displayed()
    Select(browser.find_element("id", "model")).select_by_value("priced")
    assert browser.find_element("id", "known").is_displayed()
    assert "price" in browser.find_element("id", "columns").text
    submit(browser, folder / "sales.csv")
    assert "No forecast was made" in browser.find_element("id", "verdict").text


def test_the_page_asks_for_the_token(browser: Any, folder: Path, tmp_path: Path) -> None:
    with running(
        folder / "models" / "shop",
        environment={"FORECAST_TOKEN": TOKEN},
        log=tmp_path / "log.txt",
    ) as service:
        browser.get(f"http://{service.host}:{service.port}/")
        field = wait(
            lambda: [
                found for found in browser.find_elements("id", "token") if found.is_displayed()
            ]
        )[0]
        field.send_keys(f"{TOKEN}\t")
        wait(lambda: browser.find_elements("css selector", "#model option"))
        submit(browser, folder / "sales.csv")
        assert browser.find_element("id", "result").is_displayed()
    browser.get_log("browser")
