"""A real JupyterLab on loopback and a real browser looking at it, for the tests and for screenshots.

with serve(folder) as url, browser() as chromium:
    notebook = Notebook.open(chromium, url, "03_messages_on_trees.ipynb")
    notebook.run()
    notebook.move(control)
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # of the dev extra; plain pytest collects this folder without it
    from nbformat import NotebookNode
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONTROLS = [".bnt-slider input", ".bnt-choices"]  # ours, and those of ipywidgets:
CONTROLS += [".noUi-handle", ".widget-dropdown select", ".widget-toggle-buttons", ".widget-checkbox input"]
RUN_SECONDS = 300  # a whole lesson, on a busy machine
CHANGE_SECONDS = 60  # from a key press to the last picture it causes

# Render every cell, also those out of sight, and stay silent about news and updates.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
if hasattr(os, "geteuid") and os.geteuid() == 0:
    FLAGS.append("--no-sandbox")  # Chromium's sandbox refuses to run as root

# Run all cells once the kernel is there, and remember every error the kernel reports from now on: also one
# in a widget's callback, which appears in no cell.
RUN_ALL = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    window.kernelErrors = [];
    panel.sessionContext.iopubMessage.connect((_, message) => {
        if (message.header.msg_type === "error")
            window.kernelErrors.push(`${message.content.ename}: ${message.content.evalue}`);
        if (message.header.msg_type === "stream" && message.content.text.includes("Traceback (most recent"))
            window.kernelErrors.push(message.content.text);
    });
    await app.commands.execute("notebook:run-all-cells");
}"""
IDLE = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"

# What a learner sees in the outputs: pictures with their alt texts, and words, but not the controls.
SEEN = """() => [...document.querySelectorAll(".jp-Notebook .jp-OutputArea-output")].flatMap(area => {
    const copy = area.cloneNode(true);
    const controls = ".bnt-controls, .widget-slider, .widget-dropdown, .widget-toggle-buttons";
    copy.querySelectorAll(controls).forEach(node => node.remove());
    const pictures = [...copy.querySelectorAll("img")].map(img => img.alt + img.src);
    const drawings = [...copy.querySelectorAll("svg")].map(svg => svg.outerHTML);
    return [copy.textContent, ...pictures, ...drawings];
}).join("\\n")"""

CONTENT_END = """() => {
    document.querySelector(".jp-WindowedPanel-outer").scrollTop = 0;
    const cells = document.querySelectorAll(".jp-Notebook .jp-Cell");
    return Math.ceil(cells[cells.length - 1].getBoundingClientRect().bottom);
}"""


@contextmanager
def serve(folder: Path, *, dark: bool = False, home: Path | None = None, app: str = "jupyterlab") -> Iterator[str]:
    """JupyterLab (or ``app="notebook"``) over `folder`; yields its address, ends it afterwards.

    home: where the user's settings and data are, what notebooks are trusted among them; None: a new place each time.
    """
    settings = SETTINGS | ({"apputils-extension/themes": {"theme": "JupyterLab Dark"}} if dark else {})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with nullcontext(home) if home else TemporaryDirectory(prefix="bnt-lab-") as own:
        for name, values in settings.items():
            path = Path(own, "settings", "@jupyterlab", f"{name}.jupyterlab-settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        environment = os.environ | {
            "JUPYTERLAB_SETTINGS_DIR": f"{own}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{own}/workspaces",
            "JUPYTER_CONFIG_DIR": f"{own}/config",
            "JUPYTER_DATA_DIR": f"{own}/data",
            "JUPYTER_RUNTIME_DIR": f"{own}/runtime",
            "IPYTHONDIR": f"{own}/ipython",
        }
        command = [sys.executable, "-m", app, "--no-browser", "--ip=127.0.0.1", "--allow-root"]
        command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
        command += [
            "--IdentityProvider.token=",
            "--ServerApp.password=",
            "--ServerApp.disable_check_xsrf=True",
        ]
        name = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}[app]
        command += [f"--{name}.expose_app_in_browser=True", f"--{name}.extension_manager=readonly"]
        log = Path(own, "log")
        with log.open("w") as stream:
            server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            url = f"http://127.0.0.1:{port}"
            _await_answer(url, server, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_answer(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{url}/api", timeout=5).close()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}") from error
            time.sleep(0.2)


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Notebook:
    """One notebook open in a page of its own, in a fresh workspace."""

    page: Page

    @classmethod
    def open(cls, chromium: Browser, url: str, name: str, width: int = 1200, height: int = 900) -> Notebook:
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(CHANGE_SECONDS * 1000)
        workspace = f"{Path(name).stem}-{time.monotonic_ns()}"
        page.goto(f"{url}/lab/workspaces/{workspace}/tree/{name}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        return cls(page)

    def run(self) -> None:
        """Run all cells, wait until the kernel and the widgets rest."""
        self.page.set_default_timeout(RUN_SECONDS * 1000)
        self.page.evaluate(RUN_ALL)
        self.page.set_default_timeout(CHANGE_SECONDS * 1000)
        self.rest()

    def rest(self) -> str:
        """Wait until the kernel is idle and what is seen stays the same for half a second; return it."""
        deadline = time.monotonic() + CHANGE_SECONDS
        seen, since = None, time.monotonic()
        while time.monotonic() - since < 0.5:
            self.page.wait_for_function(IDLE)
            now = self.page.evaluate(SEEN)
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() > deadline:
                raise AssertionError(f"the page was not at rest after {CHANGE_SECONDS} s")
            self.page.wait_for_timeout(100)
        return str(seen)

    def errors(self) -> list[str]:
        """Errors that the kernel reported, or that an output shows, since the run began."""
        shown = self.page.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts()
        broken = self.page.get_by_text("Error displaying widget").all_inner_texts()
        return self.page.evaluate("() => window.kernelErrors") + shown + broken

    def controls(self) -> list[Locator]:
        """Every slider handle, dropdown, group of toggle buttons and checkbox that can be used, in page order."""
        found = self.page.locator(", ".join(f".jp-OutputArea {kind}" for kind in CONTROLS))
        return [control for control in found.all() if control.is_enabled() and control.is_visible()]

    def move(self, control: Locator) -> None:
        """Change a control, a slider by keyboard; AssertionError unless both it and an output change."""
        self.rest()  # an output that is still being drawn takes its controls along
        control.scroll_into_view_if_needed()
        seen, state = self.rest(), _state(control)
        for key in ("ArrowRight", "ArrowLeft"):  # a slider at its end moves only the other way
            _change(control, key)
            self.page.wait_for_timeout(200)
            if _state(control) != state:
                break
        assert _state(control) != state, f"the control stays at {state}"
        deadline = time.monotonic() + CHANGE_SECONDS
        while self.page.evaluate(SEEN) == seen:
            assert time.monotonic() < deadline, f"moving the control from {state} changed no output"
            self.page.wait_for_timeout(100)
        assert self.rest().count("data:image") >= seen.count("data:image"), "a picture vanished"

    def screenshots(self, path: Path, most: int = 1800) -> list[Path]:
        """The whole notebook as PNG: `path`, then path-2.png and so on when taller than `most` pixels."""
        width = self.page.viewport_size["width"]
        for _ in range(2):  # a taller window may lay out anew
            height = min(self.page.evaluate(CONTENT_END) + 60, 16_000)
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.wait_for_timeout(300)
        path.parent.mkdir(parents=True, exist_ok=True)
        paths = []
        for part, top in enumerate(range(0, height, most), start=1):
            paths.append(path if part == 1 else path.with_stem(f"{path.stem}-{part}"))
            clip = {"x": 0, "y": top, "width": width, "height": min(most, height - top)}
            self.page.screenshot(path=paths[-1], clip=clip)
        return paths

    def close(self) -> None:
        self.page.evaluate(SHUT_DOWN)
        self.page.close()


# What tells one state of a control from another: of a slider's handle, dropdown, toggle buttons, checkbox.
STATE = """node => node.getAttribute("aria-valuetext") ?? node.querySelector(".mod-active")?.innerText
    ?? node.querySelector("input:checked")?.getAttribute("aria-label")
    ?? (node.type === "checkbox" ? String(node.checked) : node.value)"""


def _state(control: Locator) -> str:
    return str(control.evaluate(STATE))


def _change(control: Locator, key: str) -> None:
    tag = control.evaluate("node => node.tagName")
    if tag == "SELECT":  # not by keyboard: the notebook's command mode takes the arrow keys first
        chosen = control.evaluate("node => node.selectedIndex")
        control.select_option(index=0 if chosen else 1)
    elif control.locator(".bnt-choice").count():
        control.locator("input:checked").press(key)  # where Tab leads, and what the lessons say to press
    elif tag == "INPUT" and control.get_attribute("type") == "checkbox":
        control.press("Space")
    elif control.locator("button").count():
        control.locator("button:not(.mod-active)").first.press("Enter")
    else:
        control.press(key)


# What axe-core finds in parts of a page: rule, impact, and the first place, of all that is serious or worse.
AXE = """async (inside) => {
    const found = await axe.run({ include: inside.map((one) => [one]) }, { resultTypes: ["violations"] });
    const grave = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
    const first = ({ nodes: [node] }) => `${node.html.slice(0, 200)} ${node.failureSummary}`;
    return grave.map((v) => `${v.id} (${v.impact}), ${v.nodes.length} times: ${first(v)}`);
}"""


def serious(page: Page, axe: str, inside: list[str]) -> list[str]:
    """Serious and critical violations that axe-core (its source) finds in the elements of these selectors."""
    page.evaluate(axe)
    present = [selector for selector in inside if page.locator(selector).count()]
    return list(page.evaluate(AXE, present))


TOO_WIDE = "() => [...document.querySelectorAll('.bnt-live')].some(e => e.scrollWidth > e.clientWidth + 1)"


@contextmanager
def on_a_phone(chromium: Browser, notebook: NotebookNode, path: Path, *, dark: bool) -> Iterator[Page]:
    """The notebook, executed and written to ``path`` as HTML, on a narrow screen without a network or a kernel.

    In the end nothing may be wider than the screen, and no script may have failed.
    """
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    NotebookClient(notebook, kernel_name="python3").execute()
    path.write_text(HTMLExporter(theme="dark" if dark else "light").from_notebook_node(notebook)[0])
    context = chromium.new_context(viewport={"width": 390, "height": 800}, offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    yield page
    assert not page.evaluate(TOO_WIDE), "wider than a phone"
    assert errors == []
    context.close()
