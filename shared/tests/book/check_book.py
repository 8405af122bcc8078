"""Looks at every page of the book as a reader does, in a browser."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from urllib.parse import urldefrag

import pytest

from conftest import BOOK, DESKTOP, NO_PAGES, ROOT, SEE, TELEPHONE, WRITTEN

# For waits whose end something else decides. Nothing takes as long when all is well.
DEADLINE = 120
THEMES = ["light", "rust", "coal", "navy", "ayu"]


def wrong(pages, what):
    """The pages with faults, and the faults."""
    return {path: seen for path, page in pages.items() if (seen := what(page))}


def test_that_the_browser_has_nothing_to_complain_of(looked_at):
    assert not wrong(looked_at, lambda page: page["wrong"])


def test_that_next_and_previous_walk_through_all_pages(pages, base):
    files = {file.relative_to(BOOK).as_posix() for file in BOOK.rglob("*.html")}
    assert files - set(pages) == NO_PAGES
    before = [None, *pages]
    previous = [page["previous"] and page["previous"].removeprefix(base) for page in pages.values()]
    assert previous == before[:-1]


def test_that_the_pages_are_in_the_order_of_the_sidebar(pages, looked_at, base):
    order = [base + path for path in pages]
    for path, page in looked_at.items():
        assert page["sidebar"] == order, path


def test_that_the_sidebar_shows_each_page_where_it_is(looked_at):
    for path, page in looked_at.items():
        depth = path.removeprefix("code/").removesuffix("/index.html").count("/") + 1
        assert page["depth"] == (depth if path.startswith("code/") else 1), path


def test_that_every_link_leads_somewhere(pages, base):
    known = {base + path: set(page["ids"]) for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for link in page["links"]:
            target, fragment = urldefrag(link)
            if link.startswith(base):
                if target not in known or (fragment and fragment not in known[target]):
                    broken.append((path, link.removeprefix(base)))
            elif not link.startswith("https://"):
                broken.append((path, link))
    assert not broken


def test_that_each_lesson_leads_to_its_code(pages, base):
    for step in sorted(ROOT.glob("step0?_*")):
        links = pages[f"{step.name}/index.html"]["links"]
        for file in step.glob("src/*.rs"):
            path = file.relative_to(ROOT).as_posix()
            assert f"code/{path}.html" in pages
        assert any(link.startswith(f"{base}code/{step.name}/src/") for link in links)


def test_that_code_is_shown_as_it_is(pages):
    for path, page in pages.items():
        if path.startswith("code/") and not path.endswith("/index.html"):
            file = path.removeprefix("code/").removesuffix(".html")
            assert (ROOT / file).read_text() in page["text"].replace("\u00a0", " "), path


def test_that_pages_have_a_title_and_one_heading(pages):
    assert not wrong(pages, lambda page: len(page["headings"]) != 1 and page["headings"])
    assert not wrong(pages, lambda page: page["lang"] != "en" or len(page["description"]) < 50)
    titles = {page["title"] for page in pages.values()}
    assert "" not in titles and len(titles) == len(pages)


def test_that_code_is_highlighted(pages, looked_at):
    assert not wrong(looked_at, lambda page: page["plain"])
    languages = {language for page in looked_at.values() for language in page["languages"]}
    assert languages >= {"rust", "console", "toml", "json", "yaml"}
    assert languages == {language for page in pages.values() for language in page["languages"]}
    # The playground is in the network.
    assert not wrong(looked_at, lambda page: page["runnable"])


def test_that_all_pictures_of_the_readmes_are_shown(looked_at):
    assert not wrong(looked_at, lambda page: [image for image in page["images"] if not image["shown"]])
    readmes = [*ROOT.glob("*.md"), *ROOT.glob("step*/README.md"), *ROOT.glob("shared/*.md"), *ROOT.glob("shared/stage/*.md"), *ROOT.glob("shared/examples/*/README.md"), *ROOT.glob("deploy/*.md")]
    named = sorted(name for readme in readmes for name in re.findall(r"!\[[^]]*\]\([^)]*?([\w-]+)\.svg\)", readme.read_text()))
    assert named, "no README has a picture"
    assert sorted(picture for page in looked_at.values() for picture in page["pictures"]) == named


def test_that_no_page_is_too_wide_for_a_wide_screen(looked_at):
    assert not wrong(looked_at, lambda page: page["tooWide"])


def test_that_no_page_is_too_wide_for_a_telephone(narrow):
    assert not wrong(narrow, lambda page: page["tooWide"] or page["wrong"])


# The lines above and below a picture, and whether a picture that scrolls says so.
LINES = """figure => {
    const frame = figure.getBoundingClientRect();
    const lines = Array.from(figure.querySelectorAll("text:is(.title, [x='16'])"));
    const hint = getComputedStyle(figure, "::after").content;
    return {
        whole: lines.every(it => it.getBoundingClientRect().left >= frame.left && it.getBoundingClientRect().right <= frame.right + 1),
        isWider: figure.scrollWidth > figure.clientWidth + 1,
        says: hint !== "none",
        isCut: frame.left < 0 || frame.right > innerWidth,
    };
}"""

# A picture that is opened alone.
ALONE = """() => {
    const page = document.scrollingElement, text = document.querySelector("svg text");
    const matrix = text.getScreenCTM();
    return {
        scrolls: (page.scrollWidth > innerWidth + 1) + (page.scrollHeight > innerHeight + 1),
        letters: parseFloat(getComputedStyle(text).fontSize) * Math.hypot(matrix.a, matrix.b),
        begins: text.getBoundingClientRect().left >= 0 && text.getBoundingClientRect().top >= 0
            && text.getBoundingClientRect().right <= innerWidth && text.getBoundingClientRect().bottom <= innerHeight,
        paper: [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.querySelector(".paper")).fill],
    };
}"""


def check_alone(page, figure):
    """Opens a picture alone, and checks that it can be read."""
    with page.expect_popup() as opened:
        figure.press("Enter")
    alone = opened.value
    alone.wait_for_load_state()
    seen, name = alone.evaluate(ALONE), alone.title()
    assert seen["scrolls"] <= 1 and seen["begins"], (name, seen)
    # The first letters are those of the title, which are larger: the others have at least 8 pixels.
    assert seen["letters"] > 8 * 18 / 15, (name, seen)
    assert seen["paper"][0] == seen["paper"][1] == figure.locator(".paper").evaluate("it => getComputedStyle(it).fill"), name
    alone.close()


@pytest.mark.parametrize("width", [TELEPHONE, DESKTOP])
def test_that_each_picture_can_be_read_in_the_page_and_alone(looked_at, open_page, base, width):
    page, wider = open_page(width, color_scheme="dark"), 0
    # A wide screen has room for all but the widest.
    step_9 = "step09_concurrent_processing/index.html"
    pages = looked_at if width == TELEPHONE else [step_9]
    for path in [path for path in pages if looked_at[path]["pictures"]]:
        page.goto(base + path)
        for figure in page.locator("figure.picture").all():
            name = figure.locator("svg").get_attribute("id")
            seen = figure.evaluate(LINES)
            assert seen["whole"] and seen["says"] == seen["isWider"] and not seen["isCut"], (name, seen)
            wider += seen["isWider"]
            check_alone(page, figure)
    # The highest picture, that of one pipeline.
    page.goto(base + step_9)
    page.locator(".player-what-if select").first.select_option("1")
    check_alone(page, page.locator("figure.picture:has(> script)"))
    assert wider > 0 if width == TELEPHONE else wider == 0
    assert not page.wrong


def test_that_a_telephone_shows_all_of_a_recording(open_page, base):
    page = open_page(TELEPHONE)
    for step in sorted(ROOT.glob("step0?_*")):
        page.goto(f"{base}{step.name}/index.html")
        for figure in page.locator("figure.cast").all():
            figure.locator("button").click()
            screen = figure.locator(".screen").evaluate("it => [it.scrollWidth, it.clientWidth, parseFloat(getComputedStyle(it).fontSize)]")
            assert screen[0] <= screen[1] and screen[2] > 7.5, (step.name, screen)
    assert not page.wrong


def test_that_folded_parts_can_be_unfolded(pages, open_page, base):
    telephone = open_page(TELEPHONE)
    for path in filter(WRITTEN.match, pages):
        telephone.goto(base + path)
        for summary in telephone.locator("main details > summary").all():
            summary.click()
        assert telephone.locator("main details:not([open])").count() == 0, path
        assert not telephone.evaluate(SEE)["tooWide"], path


def test_that_typed_answers_are_compared_when_the_real_ones_are_unfolded(open_page, base):
    page = open_page(DESKTOP)
    page.goto(base + "step05_multiple_consumers/index.html")
    # Those of the numbered questions, not one for each proposal to try.
    fields, verdicts = page.locator(".answer-field"), page.locator(".answer-verdict")
    assert fields.count() == verdicts.count() == 2
    fields.nth(0).fill("10, 20 and 30")
    fields.nth(1).fill("15")
    assert not verdicts.nth(0).is_visible()
    page.locator("main details > summary").first.click()
    page.wait_for_function("document.querySelector('.answer-verdict.is-right')")
    assert "right" in verdicts.nth(0).inner_text()
    assert verdicts.nth(1).get_attribute("class") == "answer-verdict is-wrong"
    assert "You said 15" in verdicts.nth(1).inner_text()
    fields.nth(1).fill("fourteen, no: 14")
    assert verdicts.nth(1).get_attribute("class") == "answer-verdict is-wrong"
    fields.nth(1).fill("14")
    assert verdicts.nth(1).get_attribute("class") == "answer-verdict is-right"
    page.reload()
    assert fields.nth(0).input_value() == "10, 20 and 30"
    assert not verdicts.nth(0).is_visible()
    assert not page.wrong


def test_that_every_number_in_bold_is_what_its_field_asks_for(pages, open_page, base):
    page, compared = open_page(DESKTOP), 0
    for path in [path for path, seen in pages.items() if "before-you-run-it" in seen["ids"]]:
        page.goto(base + path)
        for answer in page.locator("main details:has(.answer-verdict)").all():
            answer.locator("summary").click()
        for field in page.locator(".answer-field").all():
            field.fill("1000")
            field.evaluate("""field => {
                const bold = field.closest("main").querySelectorAll(".answer-verdict.is-wrong ~ strong, .answer-verdict.is-wrong ~ p strong");
                if (bold.length) { field.value = bold[0].textContent; field.dispatchEvent(new Event("input")); }
            }""")
        assert page.locator(".answer-verdict.is-wrong").count() == 0, path
        compared += page.locator(".answer-verdict.is-right").count()
    assert compared >= 8


def test_that_words_are_shown_beside_the_answer_for_the_reader_to_compare(open_page, base):
    page = open_page(TELEPHONE)
    page.goto(base + "step01_basic_pipeline/index.html")
    page.locator(".answer-field").focus()
    page.keyboard.type("the server")
    # Elsewhere this key turns the page.
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    verdict = page.locator(".answer-verdict")
    verdict.wait_for()
    assert verdict.inner_text() == "You said: the server"
    assert verdict.get_attribute("class") == "answer-verdict"
    assert "step01" in page.url
    assert not page.evaluate(SEE)["tooWide"]
    assert not page.wrong


def test_that_answers_can_be_typed_where_the_browser_keeps_nothing(open_page, base):
    page = open_page(DESKTOP)
    page.add_init_script("""Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("denied", "SecurityError"); } })""")
    page.goto(base + "step08_download_and_process/index.html")
    page.locator(".answer-field").first.fill("two")
    page.keyboard.press("Enter")
    page.locator(".answer-verdict.is-right").first.wait_for()
    assert not page.wrong


def test_that_without_javascript_answers_are_folded_as_on_github(browser, base):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(base + "step05_multiple_consumers/index.html")
    assert page.locator(".answer-field").count() == 0
    page.locator("main details > summary").first.click()
    assert page.get_by_text("each ask adds to the unmet demand").is_visible()


def test_that_a_theme_changes_the_colours_of_page_and_pictures(looked_at, open_page, base):
    page = open_page(DESKTOP)
    path = next(path for path, seen in looked_at.items() if seen["pictures"])
    page.goto(base + path)
    seen = {}
    for theme in THEMES:
        if not page.is_visible("#mdbook-theme-list"):
            page.click("#mdbook-theme-toggle")
        page.click(f"#mdbook-theme-{theme}")
        page.wait_for_function("theme => document.documentElement.classList.contains(theme)", arg=theme)
        seen[theme] = page.evaluate("""() => ({
            page: getComputedStyle(document.querySelector(".page-wrapper")).backgroundColor,
            ink: getComputedStyle(document.querySelector("figure.picture text")).fill,
            paper: getComputedStyle(document.querySelector("figure.picture .paper")).fill,
        })""")
        # The picture has the page's colour, in each theme.
        assert seen[theme]["paper"] == seen[theme]["page"], theme
    assert len({seen[theme]["page"] for theme in THEMES}) == len(THEMES)
    assert seen["light"]["ink"] != seen["navy"]["ink"]
    assert not page.wrong


# The screen of a recording after each of its events.
SCREENS = """text => {
    const figure = document.createElement("figure");
    const script = figure.appendChild(document.createElement("script"));
    [script.type, script.textContent] = ["text/x-asciicast", text];
    const cast = new Cast(figure), screens = [];
    while (!cast.isOver) {
        const { at, kind, data } = cast.events[cast.next_event];
        cast.step();
        cast.draw();
        screens.push({ kind, data, text: cast.screen.textContent });
    }
    return screens;
}"""
CASTS = sorted(ROOT.glob("shared/casts/*.cast"))


def test_that_each_step_plays_its_recordings(open_page, base):
    page, played = open_page(DESKTOP), set()
    # The recording's waits take no time here.
    page.clock.install()
    for path in sorted(f"{step.name}/index.html" for step in ROOT.glob("step0?_*")):
        page.goto(base + path)
        for figure in page.locator("figure.cast").all():
            text = figure.locator("script").text_content().strip()
            name = next(cast.stem for cast in CASTS if cast.read_text().strip() == text)
            played.add(name)
            button, stops = figure.locator("button"), 0
            button.click()
            while "Again" not in button.inner_text():
                page.clock.run_for(20_000)
                if "Go on" in button.inner_text():
                    assert figure.locator(".mark").count() == 1, name
                    stops += 1
                    button.click()
            assert stops == text.count(',"m",'), name
            recorded = [json.loads(line) for line in text.splitlines()[1:]]
            if not name.endswith("watch"):
                assert recorded[-1][2].strip()[-40:] in figure.locator(".screen").inner_text(), name
            assert not page.evaluate(SEE)["tooWide"], name
    assert played == {cast.stem for cast in CASTS if not cast.stem.endswith("check")}
    assert not page.wrong


def test_that_a_recording_shows_what_it_stops_at(open_page, base):
    page = open_page(DESKTOP)
    page.goto(f"{base}step05_multiple_consumers/index.html")
    for cast in CASTS:
        before = ""
        for screen in page.evaluate(SCREENS, cast.read_text()):
            assert screen["kind"] != "m" or screen["data"] in before, (cast.name, screen["data"], before)
            before = screen["text"]


def test_that_the_watch_shows_the_last_ask_and_the_last_events(open_page, base):
    sentence = "The numbers at ▲ and ▼ are those of the last ask and the last events; asks that come within one second are added up."
    assert sentence in " ".join((ROOT / "step05_multiple_consumers/README.md").read_text().split())
    page = open_page(DESKTOP)
    page.goto(f"{base}step05_multiple_consumers/index.html")
    screens = page.evaluate(SCREENS, (ROOT / "shared/casts/step05-watch.cast").read_text())
    # The last one of each second.
    by_clock = {screen["text"].split("\n")[0].split()[-1]: screen["text"] for screen in screens}
    first, later, last = (by_clock[f"0:{clock}"] for clock in ("00:01", "01:24", "01:30"))
    assert sorted(re.findall(r"▲ asks (\d+)", first)) == ["10", "10", "10", "30"]
    assert "sent       24 " in later and re.findall(r"▼ (\d+)", later) == ["2"] * 4
    assert re.findall(r"▲ asks (\d+)", last) == ["10"] * 4


def test_that_search_finds_a_word_and_leads_to_it(open_page, base):
    page = open_page(DESKTOP)
    page.goto(base)
    page.keyboard.press("/")
    page.keyboard.type("visibility")
    results = page.locator("#mdbook-searchresults li a")
    results.first.wait_for()
    # Search is for prose. With the code, it would find little else.
    found = results.evaluate_all("links => links.map(link => link.href)")
    assert not [link for link in found if link.startswith(base + "code/")]
    results.first.click()
    page.wait_for_url(re.compile("highlight=visibility"))
    mark = page.locator("main mark").first
    mark.wait_for()
    assert mark.inner_text().lower() == "visibility"
    assert not page.wrong


def test_that_one_command_serves_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["cargo", "x", "book", "--serve", "--port", str(port)]
    # In a group of its own, which is ended as Ctrl-C does.
    serving = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            assert serving.poll() is None, f"{command} has ended"
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=DEADLINE).read()
                break
            except ConnectionError:
                pass
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionError):
                    raise
            assert time.monotonic() < deadline, "nobody serves it"
            time.sleep(0.1)
        assert b"<title>Begin here - Palleto, in Rust</title>" in page
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        try:
            serving.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(serving.pid, signal.SIGKILL)
