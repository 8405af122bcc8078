"""Fixtures of the checks: the book, served on this machine, and everything that a browser sees of it."""

import contextlib
import functools
import multiprocessing
import os
import re
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
# The pages from Markdown; the others show code.
WRITTEN = re.compile("^(?!code/)")
# What mdBook makes besides the pages.
NO_PAGES = {"404.html", "toc.html"}

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


@contextlib.contextmanager
def chromium():
    # Where Debian has it; elsewhere, it is found by its name.
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    arguments = ["--disable-gpu", "--disable-quic", "--disable-component-update"]
    # No name resolves, so a request that would leave this machine fails, and the checks notice.
    arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=arguments, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()


def new_page(browser, base, width, **options):
    """A page for windows of a width, which writes down all that goes wrong in it."""
    page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
    page.wrong = []
    page.on("console", lambda said: said.type in ("error", "warning") and page.wrong.append(said.text))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    # The check goes to the next page before this one's icon is there.
    page.on("requestfailed", lambda request: "ABORTED" in request.failure or page.wrong.append(f"{request.url}: {request.failure}"))
    page.on("request", lambda request: request.url.startswith(base) or page.wrong.append(request.url))
    page.on("response", lambda response: response.status < 400 or page.wrong.append(f"{response.status} {response.url}"))
    return page


def look_at(paths, width, base):
    """What a window of this width shows of these pages, by their paths."""
    seen = {}
    with chromium() as browser:
        page = new_page(browser, base, width)
        for path in paths:
            page.wrong.clear()
            page.goto(base + path)
            seen[path] = page.evaluate(SEE) | {"wrong": list(page.wrong)}
    return seen


@pytest.fixture(scope="session")
def wide(base):
    """What a wide window shows of every page, by its path. They are hundreds, so several browsers share them."""
    files = {file.relative_to(BOOK).as_posix() for file in BOOK.rglob("*.html")}
    paths, count = sorted(files - NO_PAGES), os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        shares = pool.starmap(look_at, [(paths[part::count], DESKTOP, base) for part in range(count)])
    return {path: shown for share in shares for path, shown in share.items()}


@pytest.fixture(scope="session")
def pages(wide, base):
    """The same in the order of the links to the next page."""
    pages, path, before = {}, "index.html", None
    while path:
        assert path not in pages, f"{before} leads back to {path}"
        pages[path] = wide[path]
        before, path = path, (pages[path]["next"] or "").removeprefix(base)
    return pages


@pytest.fixture(scope="session")
def narrow(pages, base):
    """What a telephone shows. Pages with code differ in a box that scrolls by itself: the longest name of each folder will do."""
    code = [path for path in pages if not WRITTEN.match(path)]
    longest = {Path(path).parent: path for path in sorted(code, key=len)}
    return look_at([path for path in pages if WRITTEN.match(path) or path in longest.values()], TELEPHONE, base)


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def open_page(browser, base):
    return functools.partial(new_page, browser, base)


@pytest.fixture(scope="session")
def open_file(browser):
    """The same for the book's files, as they are opened without a server."""
    return functools.partial(new_page, browser, BOOK.as_uri() + "/")
