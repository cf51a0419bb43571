"""Take the pictures in docs/images from Dagster's web interface, showing the example.

Usage: make screenshots

Exports and materializes the example into a temporary DAGSTER_HOME, starts the web interface on
a free port, and photographs it with headless Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

try:
    from PIL import Image
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.remote.webdriver import WebDriver
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError as error:
    sys.exit(
        f"Cannot take screenshots: {error}. Install what they need with "
        "`.venv/dagster/bin/python -m pip install -e '.[dagster,screenshots]'`."
    )

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs/examples/nyc_flights"
IMAGES = ROOT / "docs/images"
JOB = "__default__"
TEST_SHARES = (0.35, 0.5, 0.65)
MONTHS = [f"2013-{month:02}" for month in range(1, 6)]
MONTHLY = """\
from dagster_kedro import KedroProject, build_definitions

project = KedroProject({folder!r}, python={python!r}, env="monthly", manifest_path={manifest!r})
defs = build_definitions(project)
"""
GROUPS = ("boosting", "data_processing", "inputs", "linear", "modelling", "reporting")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
)
WAIT_S = 60
SETTLE_S = 3.0
COLOURS = 256
MAX_BYTES = 300_000


def main() -> None:
    """Prepare the example, take every picture, and leave no process behind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kedro-python", type=Path, default=ROOT / ".venv/kedro/bin/python")
    options = parser.parse_args()
    browser, driver = _find_browser()

    with tempfile.TemporaryDirectory(prefix="kedro-pipes-screenshots-") as scratch:
        year = _environment(Path(scratch, "year"))
        _materialize(options.kedro_python, year)
        months = _environment(Path(scratch, "months"))
        monthly = _materialize_months(options.kedro_python, months, Path(scratch))
        with _browser(browser, driver, scratch) as page:
            with _web_interface(year, EXAMPLE / "definitions.py") as address:
                _take_pictures(address, page)
            with _web_interface(months, monthly) as address:
                _take_pictures_of_months(address, page)


def _environment(home: Path) -> dict[str, str]:
    """Return the variables of an instance of its own."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {**os.environ, "DAGSTER_HOME": str(home), "DO_NOT_TRACK": "1"}


def _find_browser() -> tuple[str, str]:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        missing = "Chromium" if browser is None else "chromedriver"
        sys.exit(
            f"Cannot take screenshots: {missing} is not installed. On Debian and Ubuntu: "
            "`apt-get install chromium chromium-driver`."
        )
    return browser, driver


def _materialize(kedro_python: Path, environment: dict[str, str]) -> None:
    print("Exporting the example", flush=True)
    _run([kedro_python, "-m", "kedro_pipes", "export"], environment)
    print("Materializing the example (about a minute)", flush=True)
    execute = [_program("dagster"), "job", "execute", "-f", "definitions.py", "-j"]
    _run([*execute, JOB], environment)
    print("Modelling it again with other splits (about a minute)", flush=True)
    for share in TEST_SHARES:
        config = Path(environment["DAGSTER_HOME"], f"share_{share}.json")
        parameters = {"split": {"test_share": share}}
        config.write_text(
            json.dumps({"resources": {"kedro": {"config": {"parameters": parameters}}}})
        )
        _run([*execute, "modelling", "-c", config], environment)


def _materialize_months(kedro_python: Path, environment: dict[str, str], scratch: Path) -> Path:
    """Materialize some months of the example's partitioned environment; return its definitions."""
    manifest, definitions = scratch / "manifest.json", scratch / "monthly.py"
    python = os.path.abspath(kedro_python)  # noqa: PTH100 - never resolved: it is an environment
    text = MONTHLY.format(folder=str(EXAMPLE), python=python, manifest=str(manifest))
    definitions.write_text(text)
    export = [kedro_python, "-m", "kedro_pipes", "export", "--env", "monthly", "-o", manifest]
    _run(export, environment)
    print("Materializing some months (about a minute)", flush=True)
    dagster = [_program("dagster"), "asset", "materialize", "-f", definitions, "--select"]
    for month in MONTHS:
        _run([*dagster, "departures_by_month", "--partition", month], environment)
    return definitions


def _run(command: list[Path | str], environment: dict[str, str]) -> None:
    finished = subprocess.run(
        command,
        cwd=EXAMPLE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        print(finished.stdout[-5000:], file=sys.stderr)
        sys.exit(f"Cannot prepare the example: `{' '.join(map(str, command))}` failed.")


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


@contextlib.contextmanager
def _web_interface(environment: dict[str, str], definitions: Path) -> Iterator[str]:
    """Yield the address of Dagster's web interface, running in a process group of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [_program("dagster-webserver"), "-f", str(definitions)]
    log = Path(environment["DAGSTER_HOME"], "webserver.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            cwd=EXAMPLE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        _end_group(process)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()  # noqa: S310 - our own
            return
        time.sleep(0.5)
    sys.exit(f"Cannot reach Dagster's web interface. It wrote:\n{log.read_text()[-5000:]}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _browser(browser: str, driver: str, scratch: str) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in (*BROWSER_OPTIONS, f"--user-data-dir={Path(scratch, 'browser')}"):
        options.add_argument(option)
    page = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield page
    finally:
        page.quit()


def _prepare(address: str, page: WebDriver) -> None:
    _ask(address, "mutation { setNuxSeen }")  # or a newsletter covers every page
    page.get(f"{address}/overview")
    page.execute_script("localStorage.setItem('dagster-nav-collapsed', 'true')")


def _take_pictures_of_months(address: str, page: WebDriver) -> None:
    _prepare(address, page)
    _resize(page, 1600, 760)
    _open(page, f"{address}/assets/departures_by_month?view=partitions", "Materialized (5)")
    _save(page, "partitions.png")
    _resize(page, 1600, 420)
    _open(page, f"{address}/automation", "new_tables")
    _save(page, "automation.png")
    _resize(page, 1600, 900)
    _open(page, f"{address}/locations/monthly.py/jobs/modelling/playground", "max_leaf_nodes")
    _save(page, "launchpad.png")


def _take_pictures(address: str, page: WebDriver) -> None:
    _prepare(address, page)
    runs = _ask(address, "{ runsOrError { ... on Runs { results { runId } } } }")
    run_id = runs["runsOrError"]["results"][-1]["runId"]  # the newest comes first

    _resize(page, 1600, 1340)
    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS), safe="")
    _open(page, f"{address}/asset-groups?expanded={expanded}", "delay_report")
    _fit_graph(page)
    _save(page, "asset-graph.png")

    _resize(page, 1600, 900)
    _open(page, f"{address}/assets/boosting/model", "kedro/process_id")
    _save(page, "asset.png")

    _resize(page, 1600, 1340)
    _open(page, f"{address}/assets/linear/metrics", "metrics/")
    page.find_element(By.XPATH, "//button[contains(., 'Plots')]").click()
    time.sleep(SETTLE_S)
    first = page.find_element(By.XPATH, "//*[starts-with(text(), 'metrics/')]")
    page.execute_script("arguments[0].scrollIntoView()", first)
    time.sleep(SETTLE_S)
    _save(page, "metrics.png")

    _resize(page, 1600, 900)
    _open(page, f"{address}/runs/{run_id}?logs={quote('] finished in')}", "[write_report] finished")
    _save(page, "run.png")


def _ask(address: str, query: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 - our own server
        data: dict[str, Any] = json.load(answer)["data"]
    return data


def _resize(page: WebDriver, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _open(page: WebDriver, address: str, awaited: str) -> None:
    """Open a page and wait until it shows a text, and has come to rest."""
    page.get(address)
    WebDriverWait(page, WAIT_S).until(lambda _: awaited in page.page_source)
    time.sleep(SETTLE_S)


def _fit_graph(page: WebDriver) -> None:
    """Hide the list beside the graph, and fit the graph into the room by a double click."""
    page.find_element(By.XPATH, "//input[@placeholder='Jump to…']/following::button[1]").click()
    time.sleep(1)
    ActionChains(page).move_by_offset(150, 1150).double_click().perform()
    time.sleep(SETTLE_S)


def _save(page: WebDriver, name: str) -> None:
    image = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
    path = IMAGES / name
    IMAGES.mkdir(parents=True, exist_ok=True)
    image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    size = path.stat().st_size
    print(f"Wrote {path.relative_to(ROOT)}: {image.width}x{image.height}, {size:,} bytes")
    if size > MAX_BYTES:
        sys.exit(f"'{path}' is larger than {MAX_BYTES:,} bytes: lower COLOURS or its size.")


if __name__ == "__main__":
    main()
