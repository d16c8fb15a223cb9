"""The report in a real browser: silent, offline, usable by keyboard, and never wider than the
screen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reports import a_result, write_run

from forecast.runs.pictures import report_run

pytest.importorskip("selenium", reason="selenium is not installed: it is in the extra `test`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
    pytest.mark.skipif(
        DRIVER is None, reason="no chromedriver here: apt-get install chromium-driver"
    ),
]
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
RATIO = """
const light = (text) => {
  const [r, g, b] = text.match(/[\\d.]+/g).map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!colour.endsWith(", 0)")) return light(colour);
  }
  return 1;
};
const chosen = "h1,h2,p,li,dt,dd,td,th,b,summary,select,pre,figcaption,.tick";
return [...document.querySelectorAll(chosen)]
  .filter((one) => one.textContent.trim() && one.getClientRects().length)
  .map((one) => {
    const style = getComputedStyle(one);
    const colour = light(one.matches(".tick") ? style.fill : style.color);
    const ends = [colour, behind(one)].sort((a, b) => a - b);
    return [(ends[1] + 0.05) / (ends[0] + 0.05), one.tagName + ": " + one.textContent.slice(0, 30)];
  });
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for one in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_run(write_run(tmp_path_factory.mktemp("report") / "run", a_result(fan=True)))


def show(browser: Any, page: Path, *, width: int = 1000, scheme: str = "light") -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": media})
    browser.get(page.as_uri())


def visible(browser: Any) -> list[str]:
    script = (
        "return [...document.querySelectorAll('.choice')]"
        ".filter(o => o.offsetHeight).map(o => o.id)"
    )
    return list(browser.execute_script(script))


def test_it_says_nothing_on_the_console_and_asks_nothing_of_the_network(
    browser: Any, page: Path
) -> None:
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    show(browser, page)
    asked = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    sent = [one["params"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    urls = [
        one["request"]["url"] for one in sent if one["documentURL"] == page.as_uri()
    ]  # not of the browser's own page
    assert page.as_uri() in urls
    assert [url for url in urls if url != page.as_uri() and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


def test_the_policy_stops_what_is_not_its_own(browser: Any, page: Path) -> None:
    show(browser, page)
    script = (
        "const s = document.createElement('script'); "
        "s.text = 'window.stranger = 1'; document.body.append(s);"
    )
    browser.execute_script(script)
    assert browser.execute_script("return window.stranger") is None
    browser.get_log("browser")


def test_the_selector_changes_the_chart_by_keyboard(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, page)
    assert visible(browser) == ["series-0"]
    select = browser.find_element("id", "series")
    select.send_keys(Keys.ARROW_DOWN)
    assert visible(browser) == ["series-1"]
    select.send_keys(Keys.END)
    assert visible(browser) == ["series-4"]


def test_values_can_be_read_with_keys_and_pointer(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, page)
    plot = browser.find_element("css selector", "#series-0 .plot")
    words = browser.find_element("css selector", "#series-0 .reading")
    plot.send_keys(Keys.END)
    assert words.text.startswith("2024-03-02 01:00")
    assert "bigru" in words.text
    plot.send_keys(Keys.HOME)
    first = words.text
    assert first
    ActionChains(browser).move_to_element(plot).perform()
    assert words.text not in ("", first)


def test_focus_can_be_seen(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, page)
    reached = []
    for _ in range(4):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        style = (
            "const o = document.activeElement; return [o.tagName, getComputedStyle(o).outlineStyle]"
        )
        reached.append(browser.execute_script(style))
    assert all(outline == "solid" for _, outline in reached), reached
    assert "SELECT" in [name for name, _ in reached]


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_the_page_is_never_wider_than_the_screen(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(o => { o.open = true; })")
    inside, needed = browser.execute_script(
        "const o = document.documentElement; return [o.clientWidth, o.scrollWidth]"
    )
    assert width - 20 <= inside <= width
    assert needed <= inside


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_contrast(browser: Any, page: Path, scheme: str) -> None:
    show(browser, page, scheme=scheme)
    ratios = browser.execute_script(RATIO)
    assert len(ratios) > 80
    assert min(ratios)[0] >= 4.5, min(ratios)
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_it_prints_on_white_without_what_only_moves(browser: Any, page: Path) -> None:
    show(browser, page, scheme="dark")
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    script = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(script) == "rgb(255, 255, 255)"
    assert browser.execute_script("return document.querySelector('.reading').offsetHeight") == 0
    folded = (
        "return [...document.querySelectorAll('details pre, details dl')]"
        ".map(o => o.checkVisibility())"
    )
    assert browser.execute_script(folded) == [True, True], "paper cannot be unfolded"
    show(browser, page)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})
    assert browser.execute_script(folded) == [False, False]
