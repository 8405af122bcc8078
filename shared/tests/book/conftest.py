"""Fixtures of the checks: the book, served on this machine, and everything that a browser sees of it."""

import functools
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[3]
# BOOK=/somewhere/else in the environment names another one.
BOOK = Path(os.environ.get("BOOK", ROOT / "target" / "book"))
DESKTOP, TELEPHONE = 1280, 390

# All that is looked at in a page.
SEE = (Path(__file__).parent / "see.js").read_text()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def base():
    """Where the book is served."""
    assert (BOOK / "index.html").exists(), f"{BOOK} is not built: cargo x book"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=BOOK))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    # Where Debian has it; elsewhere, it is found by its name.
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    arguments = ["--disable-gpu", "--disable-quic", "--disable-component-update"]
    # No name resolves, so a request that would leave this machine fails, and the checks notice.
    arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=arguments, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def open_page(browser, base):
    """Opens a page for windows of a width, which writes down all that goes wrong in it."""
    contexts = []

    def opened(width):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda said: said.type in ("error", "warning") and page.wrong.append(said.text))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        # The check goes to the next page before this one's icon is there.
        page.on("requestfailed", lambda request: "ABORTED" in request.failure or page.wrong.append(f"{request.url}: {request.failure}"))
        page.on("request", lambda request: request.url.startswith(base) or page.wrong.append(request.url))
        page.on("response", lambda response: response.status < 400 or page.wrong.append(f"{response.status} {response.url}"))
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def desktop(open_page):
    return open_page(DESKTOP)


@pytest.fixture(scope="session")
def telephone(open_page):
    return open_page(TELEPHONE)


@pytest.fixture(scope="session")
def pages(desktop, base):
    """The contents of each page on a wide screen, by its path, in the order of the links to the next page."""
    seen, url, before = {}, base + "index.html", None
    while url:
        path = url.removeprefix(base)
        assert path not in seen, f"{before} leads back to {path}"
        desktop.wrong.clear()
        desktop.goto(url)
        seen[path] = desktop.evaluate(SEE) | {"wrong": list(desktop.wrong)}
        before, url = path, seen[path]["next"]
    return seen
