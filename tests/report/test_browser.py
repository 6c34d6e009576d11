"""The page in a real browser: whole, quiet, offline, light and dark, on a desk, on a phone and on paper."""

import json
import shutil
from base64 import b64decode

import pytest
from pytest_robustness.report.html.page import render

from tests.report.examples import HOSTILE, gallery, report

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver is installed")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
PAGES = ("passing", "regressed", "compared", "one case", "crashed", "empty", "hostile")


@pytest.fixture(scope="module")
def pages(zoo, small, compared, tmp_path_factory):
    """The address of each page."""
    worse = {"vgg11/fgsm": 0.4, "vgg13_bn/pgd": 0.4}
    reports = {
        "passing": report(zoo),
        "regressed": report(zoo, worse, galleries=[gallery(case) for case in worse], failures=["vgg: +3 pp"]),
        "compared": compared,
        "one case": report(small, only=["vgg11/pgd"], galleries=[gallery("vgg11/pgd")]),
        "crashed": report(small, troubles={"vgg11/pgd": "crashed", "vgg11_bn/cw": "error"}),
        "empty": report(small, only=[]),
        "hostile": report(
            small,
            {"vgg11/fgsm": 0.4},
            title=HOSTILE + "w" * 300,
            notes=[HOSTILE, "w" * 300],
            troubles={"vgg11/cw": "error"},
            problems={"vgg11/cw": HOSTILE + "w" * 300},
            galleries=[gallery("vgg11/fgsm", label=HOSTILE + "w" * 300)],
        ),
    }
    folder = tmp_path_factory.mktemp("pages")
    addresses = {}
    for name, found in reports.items():
        path = folder / f"{name}.html"
        path.write_text(render(found), encoding="utf-8")
        addresses[name] = path.as_uri()
    return addresses


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser, address, width=1280, scheme="light"):
    """Loads a page; returns the addresses that were asked for."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    preference = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": preference})
    browser.get_log("performance")
    browser.get(address)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("name", PAGES)
def test_no_errors_no_requests_and_no_wider_than_its_window(browser, pages, name):
    for width in (1280, 390):
        asked = show(browser, pages[name], width)
        assert [url for url in asked if not url.startswith("data:")] == [pages[name].replace(" ", "%20")]
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script("return document.querySelectorAll('script').length") == 0
    assert browser.find_element("id", "verdict").is_displayed()


def test_the_sections_are_there_and_their_links_lead_to_them(browser, pages):
    show(browser, pages["regressed"])
    for section in ("failed", "worst", "grid", "families", "variants", "models", "protocol", "reproduce"):
        assert browser.find_element("id", section).is_displayed()
    links = browser.find_elements("css selector", "nav a")
    assert len(links) == 8
    for link in links:
        browser.execute_script("arguments[0].click()", link)
        target = browser.find_element("css selector", ":target")
        assert target.get_attribute("id") == link.get_attribute("href").rpartition("#")[2]
    broken = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") == 2 * 6 * 3


def test_bars_are_drawn_and_their_numbers_can_be_unfolded(browser, pages):
    show(browser, pages["passing"])
    chart = browser.find_element("css selector", "#families figure")
    bars = chart.find_elements("css selector", "rect[class^=f]")
    assert len(bars) == 24
    assert all(bar.size["height"] >= 0.5 for bar in bars)
    table = chart.find_element("tag name", "table")
    assert not table.is_displayed()
    browser.execute_script("arguments[0].click()", chart.find_element("tag name", "summary"))
    assert table.is_displayed()
    assert len(table.find_elements("tag name", "tr")) == 9


def luminance(colour):
    parts = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(browser, pages, scheme):
    show(browser, pages["regressed"], scheme=scheme)
    style = "const s = getComputedStyle(document.querySelector(arguments[0])); return [s[arguments[1]], s.color]"
    paper, ink = map(luminance, browser.execute_script(style, "body", "backgroundColor"))
    assert (paper > ink) == (scheme == "light")
    fill = luminance(browser.execute_script(style, "svg", "fill")[0])
    papers = {
        selector: luminance(browser.execute_script(style, selector, "backgroundColor")[0])
        for selector in (".verdict", ".card", "body")
    }
    inks = [ink, luminance(browser.execute_script(style, ".soft", "backgroundColor")[1]), fill]
    for behind in papers.values():
        for written in inks:
            assert (max(behind, written) + 0.05) / (min(behind, written) + 0.05) >= 4.5


def test_hostile_text_runs_nothing(browser, pages):
    show(browser, pages["hostile"])
    assert "<script>alert(1)</script>" in browser.find_element("tag name", "body").text
    assert "模型 עברית" in browser.find_element("tag name", "h1").text


def test_it_prints_whole_and_in_colour(browser, pages):
    show(browser, pages["regressed"], scheme="dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    style = "const s = getComputedStyle(document.querySelector(arguments[0])); return s[arguments[1]]"
    assert luminance(browser.execute_script(style, "body", "backgroundColor")) > 0.9
    assert browser.execute_script(style, "nav", "display") == "none"
    pdf = b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF-")
