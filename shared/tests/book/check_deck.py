"""Looks at every slide of the deck as an audience does, in a browser, and turns the slides as a presenter remote does."""

import json
import os
import re
from pathlib import Path

import pytest

from conftest import ROOT, check_stages, numbers

# DECK=/somewhere/else in the environment names another one.
DECK = Path(os.environ.get("DECK", ROOT / "target" / "deck" / "index.html"))
SEE = (Path(__file__).parent / "see_slide.js").read_text()
NOTES = (ROOT / "shared/book/src/talk-notes.md").read_text()
PARTS = re.findall(r"^\| \[(.+)\]\(#.+\) \| (\d+) \| 0:(\d\d) \| (\d+) \|$", NOTES, re.MULTILINE)


@pytest.fixture(scope="module")
def window(browser):
    """A window with the slides, as large as a slide. It writes down all that goes wrong, and every request."""
    assert DECK.exists(), f"{DECK} is not made: cargo x deck"
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    wrong = []
    context.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("request", lambda request: request.url.split("#")[0] == DECK.as_uri() or wrong.append(request.url))
    page = context.new_page()
    page.goto(DECK.as_uri())
    page.wrong = wrong
    yield page
    context.close()


@pytest.fixture(autouse=True)
def nothing_goes_wrong(window):
    yield
    assert not window.wrong


def turn(window, key):
    """The slide after a key, and whether it is another one than before."""
    before = window.evaluate("state.slide")
    window.keyboard.press(key)
    after = window.evaluate("state.slide")
    return after, after != before


@pytest.fixture(scope="module")
def slides(window):
    """Each slide as it looks in each of its states, from the first to the last, by the key of a remote."""
    window.keyboard.press("F5")
    slides, of = [], window.evaluate("slides.length")
    while True:
        window.evaluate("document.getAnimations().forEach(animation => animation.finish())")
        at = window.evaluate("state.slide")
        if at == len(slides):
            slides.append(window.evaluate(SEE) | {"states": []})
        slides[at]["states"].append(window.evaluate(SEE)["wrong"])
        assert len(slides[at]["states"]) < 30, "the key does not lead to the next slide"
        if at == of - 1:
            return slides
        window.keyboard.press("PageDown")


def test_that_no_slide_overflows_and_every_letter_can_be_read(slides):
    wrong = {number: slide["states"] for number, slide in enumerate(slides, 1) if any(slide["states"])}
    assert not wrong


def test_that_every_part_of_the_talk_has_slides_in_order(slides):
    parts = [slide["part"] for slide in slides]
    assert parts == sorted(parts) and set(parts) == set(range(len(PARTS)))
    for number, (title, *_) in enumerate(PARTS):
        of_part = [slide for slide in slides if slide["part"] == number]
        if title.startswith("Step"):
            assert title in of_part[0]["text"]
        section = NOTES.split(f"\n## {title}\n")[1].split("\n## ")[0]
        kinds = " ".join(slide["kind"] for slide in of_part)
        for item, kind in [("- **Say:**", "say"), ("- **Ask:**", "ask"), ("```console", "type")]:
            assert len(re.findall(rf"\b{kind}\b", kinds)) == section.count(item), (title, kind)
        assert ("- **Show:**" in section) == ("show" in kinds.split()), title


def test_that_a_remote_turns_back_too(window, slides):
    for number in range(len(slides) - 1, 0, -1):
        assert turn(window, "PageUp") == (number - 1, True)
    assert turn(window, "PageUp") == (0, False)


def test_that_the_screen_can_be_dark_and_framed(window):
    for key, what in [("b", "#curtain"), ("r", "#frame")]:
        window.keyboard.press(key)
        box = window.locator(what).bounding_box()
        assert box == {"x": 0, "y": 0, "width": 1280, "height": 720}, key
        window.keyboard.press(key)
        assert window.locator(what).is_hidden(), key


def test_that_a_dot_plays_what_is_marked_and_does_nothing_elsewhere(window, slides):
    for number in range(len(slides)):
        window.evaluate("slide => show(slide)", number)
        marked, has_player, plays = window.evaluate(
            "[getComputedStyle(slides[state.slide], '::after').content !== 'none', steps instanceof Moving, steps?.play !== undefined]"
        )
        assert marked == has_player, number + 1
        if not plays:
            window.keyboard.press(".")
            assert window.locator("#curtain").is_hidden(), number + 1
            assert window.evaluate("state.slide") == number


# The player on a slide: its row, the numbers on its cards, and the last lines of the log.
PLAYED = """() => {
    const all = selector => Array.from(slides[state.slide].querySelectorAll(selector));
    return {
        row: steps.player.row,
        plays: steps.player.isPlaying,
        lit: all("figure [data-row].now").map(it => Number(it.dataset.row)),
        numbers: all(".player-meter b").map(it => Number(it.textContent)),
        now: all(".player-log li.now").map(it => it.textContent),
    };
}"""


# A picture of stages: the arrows that are lit, and the numbers above the boxes.
STAGES = """() => {
    const all = selector => Array.from(slides[state.slide].querySelectorAll(selector));
    return {
        arrows: all("figure [data-arrows].now").map(it => it.dataset.arrows.split("|")),
        counts: all("figure .player-counts").map(it => it.textContent.trim().split(/\\s+/)),
        covered: all("figure .player-counts").filter(it => it.textContent.trim()).flatMap(it => {
            const box = it.getBoundingClientRect();
            return all("figure svg :is(text, path.head)").filter(other => {
                const { left, right, top, bottom } = other.getBoundingClientRect();
                return other !== it && left < box.right && box.left < right && top < box.bottom && box.top < bottom;
            }).map(other => `${it.textContent} and ${other.textContent || other.getAttribute("class")}`);
        }),
    };
}"""


def test_that_each_picture_of_time_plays_its_recording_on_its_slide(window, slides):
    pictures = window.evaluate("slides.map(slide => slide.querySelector('.time')?.id ?? null)")
    steps = [path.name[:6] for path in sorted(ROOT.glob("step0?_*"))]
    assert [it for it in pictures if it] == [f"{step}-time" for step in steps]
    for number, picture in enumerate(pictures):
        if not picture:
            continue
        recording = json.loads((ROOT / f"shared/pictures/{picture}.json").read_text())
        rows, lines = recording["rows"], [text for _, text in recording["said"]]
        window.evaluate("slide => show(slide)", number)
        window.keyboard.press(".")
        assert window.evaluate(PLAYED)["plays"], picture
        window.keyboard.press(".")
        for at, row in enumerate(rows):
            window.evaluate("document.getAnimations().forEach(animation => animation.finish())")
            it, before = window.evaluate(PLAYED), rows[at - 1]["said"] if at else 0
            assert (it["row"], it["plays"]) == (at, False), picture
            assert set(it["lit"]) <= {at}
            assert it["now"] == lines[before : row["said"]]
            assert it["numbers"] == numbers(recording, row)
            assert not window.evaluate(SEE)["wrong"], (picture, at)
            window.keyboard.press("PageDown")
        assert window.evaluate("[state.slide, slides[state.slide - 1].querySelector('.player.is-idle') !== null]") == [number + 1, True]


def test_that_a_picture_of_time_begins_with_its_server_and_shows_all_columns(window, slides):
    wider = []
    for number, picture in enumerate(window.evaluate("slides.map(slide => slide.querySelector('.time')?.id ?? null)")):
        if not picture:
            continue
        window.evaluate("slide => show(slide)", number)
        window.evaluate("() => { for (const it of document.getAnimations()) it.finish(); }")
        seen = lambda: window.evaluate("""() => {
            const slide = slides[state.slide];
            return Array.from(slide.querySelectorAll(".heads .head-text"), it => it.getBoundingClientRect())
                .map(it => it.left >= 0 && it.right <= 1280);
        }""")
        assert seen()[0], picture
        if not all(seen()):
            wider.append(picture)
            window.keyboard.press("PageDown")
            window.wait_for_function("steps.frame.scrollLeft >= steps.most.left - 1")
            window.wait_for_function("one('.heads', slides[state.slide]).scrollLeft >= steps.most.left - 1")
            assert seen()[-1], picture
    assert wider == ["step05-time", "step09-time"]


def test_that_each_picture_of_stages_plays_the_recording_too(window, slides):
    pictures = window.evaluate("slides.map(slide => slide.querySelector('figure.stages:has(script)')?.id ?? null)")
    steps = [path.name[:6] for path in sorted(ROOT.glob("step0?_*"))]
    assert [it for it in pictures if it] == [f"{step}-stages" for step in steps]
    for number, picture in enumerate(pictures):
        if not picture:
            continue
        recording = json.loads((ROOT / f"shared/pictures/{picture.replace('stages', 'time')}.json").read_text())
        window.evaluate("slide => show(slide)", number)
        window.keyboard.press(".")
        window.keyboard.press(".")
        lit = set()
        for row in recording["rows"]:
            seen = window.evaluate(STAGES)
            assert not seen["covered"], (picture, seen["covered"])
            lit |= check_stages(recording, row, seen)
            assert not window.evaluate(SEE)["wrong"], (picture, row)
            window.keyboard.press("PageDown")
        assert len(lit) > 2
        assert window.evaluate("state.slide") == number + 1


def test_that_the_keys_of_a_remote_play_a_picture_and_still_turn_the_slide(window, slides):
    number = window.evaluate("slides.findIndex(slide => slide.querySelector('#step05-time'))")
    at = lambda: window.evaluate("[state.slide, steps?.player?.row ?? null]")
    window.evaluate("slide => show(slide)", number)
    for key, expected in [
        # Paused: from event to event, and back to before the first one.
        (".", [number, 0]), (".", [number, 0]), ("PageDown", [number, 1]), ("PageUp", [number, 0]), ("PageUp", [number, None]),
        # While it plays, they turn the slide.
        (".", [number, 0]), ("PageDown", [number + 1, None]), ("PageUp", [number, None]),
        # Escape shows the whole picture again.
        (".", [number, 0]), ("Escape", [number, None]), (".", [number, 0]), ("PageUp", [number - 1, None]),
    ]:
        window.keyboard.press(key)
        assert at() == expected, key
    window.evaluate("slide => show(slide)", number)
    # The screen can still be dark, and a picture plays no further below that.
    window.keyboard.press("b")
    assert window.locator("#curtain").is_visible()
    window.keyboard.press(".")
    assert window.locator("#curtain").is_hidden()
    assert at() == [number, None]


def test_that_a_slide_fits_into_any_window(window):
    for width, height in [(1920, 1080), (1024, 768), (800, 900)]:
        window.set_viewport_size({"width": width, "height": height})
        window.wait_for_function("width => document.querySelector('#deck').getBoundingClientRect().width <= width", arg=width)
        box = window.locator("#deck").bounding_box()
        assert box["width"] == pytest.approx(min(width, height * 16 / 9), abs=1)
        assert box["x"] == pytest.approx(width - box["x"] - box["width"], abs=1)
    window.set_viewport_size({"width": 1280, "height": 720})


def test_that_the_speaker_sees_notes_and_time_and_can_turn_the_slides(window, slides):
    window.keyboard.press("Home")
    with window.expect_popup() as opened:
        window.keyboard.press("n")
    notes = opened.value
    notes.set_viewport_size({"width": 1180, "height": 760})
    shown = notes.locator("#notes article:not([hidden])")
    notes.wait_for_selector("#next .slide")
    notes.keyboard.press("ArrowRight")
    window.wait_for_function("state.slide === 1")
    for part, (title, _, start, _) in enumerate(PARTS):
        first = next(number for number, slide in enumerate(slides) if slide["part"] == part)
        window.evaluate("slide => show(slide)", first)
        notes.wait_for_function("slide => state.slide === slide", arg=first)
        assert shown.locator("h2").inner_text() == title
        # A part's first slide shows a picture, or is made from a line of the notes.
        assert shown.locator("li.is-now").count() == (0 if "opening" in slides[first]["kind"] or part == 0 else 1)
    # The pictures and the recordings are there, too, not only the text above them.
    for selector, inside in [(".with-picture", "figure svg"), (".type:has(figure)", ".screen div")]:
        number = window.evaluate("selector => slides.findIndex(slide => slide.matches(selector))", selector)
        window.evaluate("slide => show(slide)", number)
        notes.wait_for_function("slide => state.slide === slide", arg=number)
        frame, shown_there = notes.locator("#now > div").bounding_box(), notes.locator(f"#now {inside}").first.bounding_box()
        assert frame["y"] < shown_there["y"] < frame["y"] + frame["height"] / 2, selector
    window.evaluate("show(slides.length - 1)")
    notes.wait_for_function("state.slide === slides.length - 1")
    # The last part begins now, by the plan, and then it has a minute.
    notes.keyboard.press("t")
    notes.wait_for_function(f"state.start !== null && Date.now() - state.start >= {60_000 * int(start)}")
    notes.wait_for_function("/^(1:00|0:5\\d)$/.test(document.querySelector('#left').textContent)")
    assert notes.evaluate("document.querySelector('#elapsed').textContent").endswith("of 33:00")
    notes.keyboard.press("s")
    notes.wait_for_function("document.querySelector('#elapsed').textContent.endsWith('of 25:00')")
    notes.keyboard.press("s")
    notes.wait_for_function("document.querySelector('#elapsed').textContent.endsWith('of 33:00')")
    tooWide = notes.evaluate("document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight")
    assert not tooWide
    notes.close()


def test_that_a_short_talk_leaves_out_what_the_notes_say(window, slides):
    window.keyboard.press("Home")
    window.keyboard.press("s")
    shown = []
    while not shown or window.evaluate("state.slide") != shown[-1]:
        shown.append(window.evaluate("state.slide"))
        while window.evaluate("state.slide") == shown[-1] and shown[-1] < len(slides) - 1:
            window.keyboard.press("PageDown")
    window.keyboard.press("s")
    cut = [title for title, minutes, _, short in PARTS if minutes != short]
    for number, slide in enumerate(slides):
        is_left_out = "if-there-is-time" in slide["kind"] and PARTS[slide["part"]][0] in cut
        assert (number in shown) != is_left_out, (number + 1, slide["kind"])
    step3 = [slides[number]["kind"] for number in shown if PARTS[slides[number]["part"]][0].startswith("Step 3")]
    assert [kind.split()[1] for kind in step3] == ["opening", "say"]


def test_that_the_talk_leaves_time_for_questions():
    sections = re.findall(r"^## (.+)\n\n(\d+) minutes?\.", NOTES, re.MULTILINE)
    assert [(name, minutes) for name, minutes, *_ in PARTS] == sections
    starts = [sum(int(minutes) for _, minutes, *_ in PARTS[:part]) for part in range(len(PARTS) + 1)]
    assert [int(start) for _, _, start, _ in PARTS] == starts[:-1]
    # Of 40 minutes: 5 are for questions, and 2 to set up. In a short talk, 25 are left.
    assert starts[-1] == 33
    assert sum(int(short) for *_, short in PARTS) == 25
    assert all(int(short) <= int(minutes) for _, minutes, _, short in PARTS)
    assert re.search(r"^\| Questions \| 5 \| 0:33 \| 5 \|$", NOTES, re.MULTILINE)
