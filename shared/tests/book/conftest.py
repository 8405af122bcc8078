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

import read_page

ROOT = Path(__file__).resolve().parents[3]
# BOOK=/somewhere/else in the environment names another one.
BOOK = Path(os.environ.get("BOOK", ROOT / "target" / "book"))
DESKTOP, TELEPHONE = 1280, 390
# The pages from Markdown; the others show code.
WRITTEN = re.compile("^(?!code/)")
# Files that mdBook makes besides the pages.
NO_PAGES = {"404.html", "toc.html"}

# All that is looked at in a page.
SEE = (Path(__file__).parent / "see.js").read_text()


def numbers(recording, row):
    """The numbers on the player's cards, in their order."""
    shown = [row["sought"]] if recording["source"] else []
    for stage, (demand, buffer, asked, holds) in zip(recording["stages"], row["counts"]):
        shown += [demand] * stage["is_asked"] + [buffer] * (stage["is_asked"] and not stage["asks"])
        shown += [asked, holds] * stage["asks"]
    return shown


def check_stages(recording, row, seen):
    """Compares a picture of stages with a row of the recording. Returns the arrows that are lit."""
    happens = {f"{by} {'asks' if is_ask else 'sends'} {to}" for by, to, is_ask, _ in row["arrows"]}
    lit = {arrow for arrows in seen["arrows"] for arrow in arrows}
    groups = {stage["name"]: stage["group"] for stage in recording["stages"]}
    within = {it for it in happens if (ends := re.split(" asks | sends ", it)) and groups.get(ends[0]) and groups.get(ends[0]) == groups.get(ends[1])}
    # Within a pipeline, which is one box there, no arrow is drawn.
    assert happens - within <= lit and not any(happens.isdisjoint(arrows) for arrows in seen["arrows"]), row
    shown = sorted(int(text) for texts in seen["counts"] for text in texts if text.isdigit())
    if not any(groups.values()):
        assert shown == sorted(numbers(recording, row)), row
    return lit


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
    """These pages as a window of this width shows them, by their paths."""
    seen = {}
    with chromium() as browser:
        page = new_page(browser, base, width)
        for path in paths:
            page.wrong.clear()
            page.goto(base + path)
            seen[path] = page.evaluate(SEE) | {"wrong": list(page.wrong)}
    return seen


def examples(pages):
    """Pages with code, two of each kind of file: the longest name and the longest text. And those of the longest paths."""
    code = [path for path in pages if not WRITTEN.match(path)]
    kind = lambda path: Path(path.removesuffix(".html")).suffix
    names = {kind(path): path for path in sorted(code, key=len)}
    texts = {kind(path): path for path in sorted(code, key=lambda path: len(pages[path]["text"]))}
    depths = {path.count("/"): path for path in sorted(code, key=len)}
    return {*names.values(), *texts.values(), *depths.values()}


@pytest.fixture(scope="session")
def pages(base):
    """Every page by its path, in the order of the links to the next page: those from Markdown, and some of the hundreds with
    code, as a wide window shows them, and the others as their files have them."""
    files = {file.relative_to(BOOK).as_posix() for file in BOOK.rglob("*.html")}
    read = {path: read_page.read(BOOK / path, base + path) for path in sorted(files - NO_PAGES)}
    looked_at = [path for path in read if WRITTEN.match(path) or path in examples(read)]
    count = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        shares = pool.starmap(look_at, [(looked_at[part::count], DESKTOP, base) for part in range(count)])
    for share in shares:
        for path, seen in share.items():
            if not WRITTEN.match(path):
                # Those that are only read must be seen as a browser sees them. It has the links of the sidebar, too.
                assert set(read[path]["links"]) <= set(seen["links"]), path
                assert [it for it in read[path] if it != "links" and read[path][it] != seen[it]] == [], path
            read[path] = seen
    pages, path, before = {}, "index.html", None
    while path:
        assert path not in pages, f"{before} leads back to {path}"
        pages[path] = read[path]
        before, path = path, (pages[path]["next"] or "").removeprefix(base)
    return pages


@pytest.fixture(scope="session")
def looked_at(pages):
    """The pages that a browser has shown."""
    return {path: page for path, page in pages.items() if "wrong" in page}


@pytest.fixture(scope="session")
def narrow(looked_at, base):
    """The same pages as a telephone shows them."""
    return look_at(looked_at, TELEPHONE, base)


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
