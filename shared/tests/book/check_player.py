"""Plays the recordings in the book, from its files, and compares the player with the recordings."""

import itertools
import json

import pytest

from conftest import BOOK, DESKTOP, ROOT, SEE, TELEPHONE, check_stages, numbers

# The recordings by the pages that show them.
RECORDINGS = {
    page.relative_to(BOOK).as_posix(): json.loads(recording.read_text())
    for recording in sorted(ROOT.glob("shared/pictures/*-time.json"))
    for page in BOOK.glob("**/index.html")
    if f'id="{recording.stem}"' in page.read_text()
}
STEP_5 = "step05_multiple_consumers/index.html"
STEP_9 = "step09_concurrent_processing/index.html"

# The player of a page, and the element that it is.
TIME = ".player:has(> figure > script)"
PLAYER = "document.querySelector('figure.picture:has(> script)').player"
# The state of the player.
SHOWN = """player => {
    const all = (selector, from) => Array.from((from ?? player.element).querySelectorAll(selector));
    const lit = all("svg [data-row].now");
    const band = player.element.querySelector(".player-band");
    const veil = player.element.querySelector(".player-veil");
    return {
        row: player.row,
        clock: player.element.querySelector(".player-clock").value,
        y: Number(band.getAttribute("y")) + 23,
        veiled: [Number(veil.getAttribute("y")), Number(veil.getAttribute("height"))],
        drawn: all(`svg [data-row="${player.row}"]`).length > 0,
        lit: lit.map(it => Number(it.dataset.row)),
        arrows: lit.flatMap(it => all("path:is(.ask, .event):not(.head)", it)).map(it => it.classList.contains("ask")),
        labels: lit.flatMap(it => all("text:is(.ask, .event)", it)).map(it => it.textContent),
        running: all("svg [data-from].now").map(it => [it.dataset.from, it.dataset.to ?? null]),
        stretches: all("svg [data-from]").map(it => [it.dataset.from, it.dataset.to ?? null]),
        numbers: all(".player-meter b").map(it => Number(it.textContent)),
        said: all(".player-log li:not([hidden])").map(it => it.textContent),
        now: all(".player-log li.now").map(it => it.textContent),
        tokens: all(".player-tokens circle").filter(it => it.style.display !== "none").length,
    };
}"""


@pytest.fixture(scope="session")
def desktop(open_file):
    return open_file(DESKTOP)


def opened(page, path, time=False):
    """The player of a page. If it is given the time, time passes only by `run_for`."""
    page.wrong.clear()
    if time:
        page.clock.install()
    page.goto((BOOK / path).as_uri())
    if time:
        page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    return page.evaluate_handle(PLAYER)


def test_that_each_picture_of_time_can_be_played():
    assert len(RECORDINGS) == len(list(ROOT.glob("shared/pictures/*-time.svg"))) >= 10


@pytest.mark.parametrize("path", RECORDINGS)
def test_that_what_is_shown_is_what_the_recording_says(desktop, path):
    recording, player = RECORDINGS[path], opened(desktop, path)
    rows, lines = recording["rows"], [text for _, text in recording["said"]]
    shown = player.evaluate(f"player => player.recording.rows.map((_, row) => (player.go(row), ({SHOWN})(player)))")
    assert any(it["drawn"] for it in shown)
    for number, (row, it) in enumerate(zip(rows, shown, strict=True)):
        assert it["row"] == number
        assert it["clock"] == f"{row['at'] / 10:.1f} s"
        assert it["y"] == row["y"]
        assert set(it["lit"]) == ({number} if it["drawn"] else set())
        if it["drawn"]:
            assert it["arrows"] == [is_ask for *_, is_ask, _ in row["arrows"]]
            assert it["labels"] == [label for *_, label in row["arrows"]]
        runs = [[first, end] for first, end in it["stretches"] if int(first) <= number and (end is None or number < int(end))]
        assert it["running"] == runs
        assert it["numbers"] == numbers(recording, row)
        before = rows[number - 1]["said"] if number else 0
        assert it["said"] == lines[: row["said"]]
        assert it["now"] == lines[before : row["said"]]
        # The rows that are still to come are under the veil, and no earlier one.
        end = recording["end"] + 18
        assert it["veiled"] == ([end, 0] if row is rows[-1] else [row["y"] + 10, end - row["y"] - 10])
    assert not desktop.wrong


# A picture of stages: the arrows that are lit, and the numbers above the boxes.
STAGES = """player => {
    const all = selector => Array.from(player.element.querySelectorAll(selector));
    return {
        arrows: all("[data-arrows].now").map(it => it.dataset.arrows.split("|")),
        counts: all(".player-counts").map(it => it.textContent.trim().split(/\\s+/)),
        said: all(".player-log li:not([hidden])").length,
    };
}"""


@pytest.mark.parametrize("path", RECORDINGS)
def test_that_the_picture_of_the_stages_shows_the_same(desktop, path):
    recording = RECORDINGS[path]
    opened(desktop, path)
    player = desktop.evaluate_handle(f"document.getElementById('{recording['picture']}-stages').closest('figure').player")
    shown = player.evaluate(f"player => player.recording.rows.map((_, row) => (player.go(row), ({STAGES})(player)))")
    lit = set()
    for row, it in zip(recording["rows"], shown, strict=True):
        lit |= check_stages(recording, row, it)
        assert it["said"] == row["said"]
    # Each arrow of a stage is lit at some time.
    arrows = {arrow for all in desktop.evaluate("[...document.querySelectorAll('[data-arrows]')].map(it => it.dataset.arrows.split('|'))") for arrow in all}
    groups = {stage["name"]: stage["group"] for stage in recording["stages"]}
    assert lit == arrows or any(groups.values())
    # Without the player, it is as it was.
    player.evaluate("player => player.leave()")
    assert player.evaluate(STAGES) == {"arrows": [], "counts": [[""]] * len(it["counts"]), "said": it["said"]}
    assert not desktop.wrong


@pytest.mark.parametrize("path", [STEP_5, STEP_9, "shared/examples/scraper/index.html"])
def test_that_it_plays_to_the_end(open_file, path):
    page, rows = open_file(DESKTOP), RECORDINGS[path]["rows"]
    player = opened(page, path, time=True)
    page.locator(f"{TIME} .player-speed").select_option("4")
    page.locator(f"{TIME} .player-play").click()
    seen = []
    while player.evaluate("player => player.isPlaying"):
        assert len(seen) < 1000
        page.clock.run_for(250)
        it = player.evaluate(SHOWN)
        seen.append(it["row"])
        # Nothing else is lit on the way to the next row.
        assert set(it["lit"]) <= {it["row"]}
        assert rows[it["row"]]["y"] <= it["y"] <= rows[min(it["row"] + 1, len(rows) - 1)]["y"]
    assert seen == sorted(seen) and seen[-1] == len(rows) - 1
    assert not page.wrong
    # Once more from the beginning.
    page.locator(f"{TIME} .player-play").click()
    assert player.evaluate("player => player.row") == 0
    page.context.close()


def test_that_a_moment_shows_the_last_row_that_is_not_after_it(desktop):
    player, rows = opened(desktop, STEP_5), RECORDINGS[STEP_5]["rows"]
    for time in (0, 3, 25, 25.5, 86, 1000):
        expected = max(number for number, row in enumerate(rows) if row["at"] <= time * 10)
        assert player.evaluate("(player, time) => (player.seek(time), player.row)", time) == expected


def test_that_keys_and_a_presenters_remote_do_all_of_it(open_file):
    page = open_file(DESKTOP)
    player = opened(page, STEP_5, time=True)
    row = lambda: player.evaluate("player => player.row")
    plays = lambda: player.evaluate("player => player.isPlaying")
    last = len(RECORDINGS[STEP_5]["rows"]) - 1
    page.locator("figure.picture:has(> script)").focus()
    assert row() is None
    for key, expected in [("PageDown", 0), ("ArrowRight", 1), ("ArrowDown", 2), ("PageUp", 1), ("ArrowLeft", 0), ("ArrowUp", 0), ("End", last), ("Home", 0)]:
        page.keyboard.press(key)
        assert row() == expected, key
    for key in (" ", "."):
        page.keyboard.press(key)
        assert plays(), key
        page.clock.run_for(2000)
        assert row() > 0
        page.keyboard.press(key)
        assert not plays(), key
        page.keyboard.press("Home")
    page.keyboard.press("+")
    assert page.locator(f"{TIME} .player-speed").input_value() == "2"
    # A slider would have the arrows for itself.
    page.locator(f"{TIME} .player-range").focus()
    page.keyboard.press("ArrowRight")
    assert row() == 1
    # Space presses the focused button, and does not start the player.
    page.locator(f"{TIME} .player-next").focus()
    page.keyboard.press(" ")
    assert row() == 2 and not plays()
    page.keyboard.press("Escape")
    assert row() is None
    # mdBook would turn the page with some of these.
    assert page.url == (BOOK / STEP_5).as_uri()
    assert not page.wrong
    page.context.close()


@pytest.mark.parametrize("width", [DESKTOP, TELEPHONE])
def test_that_nothing_is_too_wide_while_it_plays(open_file, width):
    page = open_file(width)
    for path in (STEP_5, STEP_9):
        player = opened(page, path)
        player.evaluate("player => player.go(8)")
        assert not page.evaluate(SEE)["tooWide"]
        outside = "([...document.querySelectorAll('.player-panel *')].filter(it => it.getBoundingClientRect().right > innerWidth + 1).length)"
        assert page.evaluate(outside) == 0
        # The present row stays in sight, above the controls.
        page.wait_for_function("""() => {
            const band = document.querySelector(".player-band").getBoundingClientRect();
            return band.top >= 0 && band.bottom <= document.querySelector(".player:has(> figure > script) .player-bar").getBoundingClientRect().top;
        }""")
    assert not page.wrong
    page.context.close()


def test_that_nothing_moves_for_those_who_want_no_motion(open_file):
    page, rows = open_file(DESKTOP, reduced_motion="reduce"), RECORDINGS[STEP_5]["rows"]
    player = opened(page, STEP_5, time=True)
    page.locator(f"{TIME} .player-play").click()
    for _ in range(20):
        page.clock.run_for(200)
        it = player.evaluate(SHOWN)
        assert it["y"] == rows[it["row"]]["y"] and it["tokens"] == 0
    assert it["row"] > 1
    page.context.close()


def test_that_a_picture_is_there_without_javascript(open_file):
    page = open_file(DESKTOP, java_script_enabled=False)
    page.goto((BOOK / STEP_5).as_uri())
    assert page.locator("#step05-time").is_visible()
    assert page.locator(".player").count() == 0
    page.context.close()


def test_that_a_picture_that_is_opened_alone_has_no_marks(desktop):
    opened(desktop, STEP_5).evaluate("player => player.go(8)")
    figure = desktop.locator("figure.picture:has(> script)")
    with desktop.context.expect_page() as alone:
        figure.press("Enter")
    svg = alone.value
    svg.wait_for_load_state()
    assert svg.locator("#step05-time").count() == 1
    assert svg.locator(".player-mark").count() == 0
    svg.close()


@pytest.mark.parametrize("path", [STEP_5, STEP_9])
def test_that_what_if_shows_a_real_run_for_each_choice(open_file, path):
    step = path[:6]
    grid = json.loads((ROOT / f"shared/pictures/{step}-what-if.json").read_text())
    page = open_file(DESKTOP)
    player = opened(page, path)
    page.locator(".player-what-if").wait_for()
    choices = [control["values"] for control in grid["controls"]]
    keys = {" ".join(values) for values in itertools.product(*choices)} - {grid["base"]}
    # Half of one is none, which is a choice of its own.
    assert set(grid["variants"]) == {key for key in keys if not key.endswith("1 half")}
    for key in sorted(keys) + [grid["base"]]:
        for select, value in zip(page.locator(".player-what-if select").all(), key.split(" ")):
            select.select_option(value)
        expected = grid["variants"].get(key.replace("1 half", "1 0"), {}).get("recording", RECORDINGS[path])
        assert player.evaluate("player => player.recording") == expected
        assert page.locator("figure.picture:has(> script) > svg").count() == 1
        last = expected["rows"][-1]
        it = player.evaluate(f"player => (player.last(), ({SHOWN})(player))")
        assert it["numbers"] == numbers(expected, last)
        assert it["labels"] == [label for *_, label in last["arrows"]]
        assert it["y"] == last["y"]
        assert not page.evaluate(SEE)["tooWide"], key
    assert page.locator(f"#{step}-time").is_visible()
    assert not page.wrong
    page.context.close()
