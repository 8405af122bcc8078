"""--watch draws the stages, and leaves the terminal as it found it, however the program ends."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading

import pyte
import pytest
from conftest import DEADLINE, binary, environment, free_port, wait_for

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
STEP05, STEP09 = "step05_multiple_consumers", "step09"


class Terminal:
    """A terminal, and a program that runs in it."""

    def __init__(self, command, input_apart=False, **env):
        self.ours, self.its = pty.openpty()
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.lock, self.over = threading.Lock(), threading.Event()
        self.resize(80, 24)
        self.mode = termios.tcgetattr(self.its)
        self.keys, stdin = pty.openpty() if input_apart else (self.ours, self.its)
        self.written = b""
        self.process = subprocess.Popen(
            list(map(str, command)), env=environment(TERM="xterm-256color", **env),
            stdin=stdin, stdout=self.its, stderr=self.its, start_new_session=True,
            # The terminal is that of its session: if it hangs up, the program is told.
            preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0),
        )
        if input_apart:
            os.close(stdin)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            is_over = self.over.is_set()
            readable = select.select([self.ours], [], [], 0.05)[0]
            if readable:
                with self.lock, contextlib.suppress(OSError):
                    chunk = os.read(self.ours, 65536)
                    self.written += chunk
                    self.stream.feed(chunk)
            elif is_over:
                return

    def resize(self, columns, rows):
        with self.lock:
            self.screen.resize(rows, columns)
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def lines(self):
        with self.lock:
            return [line.rstrip() for line in self.screen.display]

    def wait_for(self, condition):
        wait_for(lambda: condition(self.lines()), lambda: "\n".join(self.lines()))

    def wait_for_text(self, *texts):
        self.wait_for(lambda lines: all(text in "\n".join(lines) for text in texts))

    def press(self, key):
        os.write(self.keys, key)

    def hang_up(self):
        """The other end of the terminal is gone."""
        self.over.set()
        self.reader.join()
        os.close(self.its)
        os.close(self.ours)

    def end(self):
        """Waits for the program's end. Returns its exit code, and its output after it left the screen."""
        code = self.process.wait(DEADLINE)
        self.over.set()
        self.reader.join()
        return code, self.after()

    def after(self):
        """The output after the program left the screen, which must be as it was before."""
        assert self.written.count(ENTER) == self.written.count(LEAVE) == 1, self.written
        assert self.written.rindex(SHOW) > self.written.rindex(HIDE), "the cursor is hidden"
        assert termios.tcgetattr(self.its) == self.mode
        return self.written.partition(LEAVE)[2].replace(SHOW, b"").decode()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.over.set()
        self.reader.join()
        for end in {self.ours, self.its, self.keys}:
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def watch(tmp_path):
    """Watches a step, and ends it with the check."""
    with contextlib.ExitStack() as ends:
        def start(step, *arguments, **more):
            output = ["--output", tmp_path] if step == STEP09 else []
            terminal = Terminal([binary(step), "--watch", *output, *arguments], **more)
            ends.callback(terminal.close)
            return terminal
        yield start


def test_it_draws_what_three_consumers_have_asked_for(watch):
    terminal = watch(STEP05)
    terminal.wait_for_text("demand     30", "looking for 30 events", "▲ asks 10", "q quits")
    lines = terminal.lines()
    names = next(line for line in lines if "SQS.Consumer #" in line)
    assert names.count("SQS.Consumer #") == 3
    assert sum(line.count("■") for line in lines if line.startswith("asked")) == 30
    # The log has a pane of its own.
    log = next(index for index, line in enumerate(lines) if "Log" in line)
    assert any("Server #Task<" in line for line in lines[log:])


def test_space_holds_the_view_still_while_the_program_goes_on(watch):
    terminal = watch(STEP05)
    terminal.wait_for_text("looking for 30 events", "Space pauses")
    terminal.press(b" ")
    terminal.wait_for_text("- paused", "Space goes on")
    still = terminal.lines()
    # The cursor is hidden in each of ten frames a second, so the clock in the first line would have gone on.
    frames = terminal.written.count(HIDE)
    wait_for(lambda: terminal.written.count(HIDE) >= frames + 25, lambda: "it draws no more")
    assert terminal.lines() == still
    terminal.press(b" ")
    terminal.wait_for(lambda lines: "Space pauses" in "\n".join(lines) and lines[0].split()[-1] > still[0].split()[-1])
    assert terminal.process.poll() is None


@pytest.mark.parametrize("step", [STEP05, STEP09])
def test_it_survives_a_resize(watch, step):
    terminal = watch(step)
    terminal.wait_for_text("SQS.Producer", "demand", "q quits")
    # Where there is little room, each stage is a row.
    for columns, rows, head in [(60, 15, "held  done"), (120, 40, "demand"), (20, 5, "Server"), (80, 24, "demand")]:
        terminal.resize(columns, rows)
        terminal.wait_for(lambda lines: "q quits" in lines[rows - 1] and any(head in line for line in lines))
    assert terminal.process.poll() is None


WAYS_OUT = {
    "q": lambda terminal: terminal.press(b"q"),
    "Ctrl-C": lambda terminal: terminal.press(b"\x03"),
    "SIGINT": lambda terminal: terminal.process.send_signal(signal.SIGINT),
    "SIGTERM": lambda terminal: terminal.process.send_signal(signal.SIGTERM),
    "SIGHUP": lambda terminal: terminal.process.send_signal(signal.SIGHUP),
}


@pytest.mark.parametrize(("way", "code"), [("q", 0), ("Ctrl-C", 0), ("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 0)])
def test_step_5_leaves_the_terminal_as_it_was(watch, way, code):
    terminal = watch(STEP05)
    terminal.wait_for_text("SQS.Consumer #")
    assert termios.tcgetattr(terminal.its) != terminal.mode, "keys are read one by one"
    WAYS_OUT[way](terminal)
    assert terminal.end() == (code, "")


@pytest.mark.parametrize("way", WAYS_OUT)
def test_step_9_stops_in_order_and_then_prints_its_summary(watch, way):
    terminal = watch(STEP09)
    terminal.wait_for(lambda lines: any(line.startswith("sent       12") for line in lines))
    WAYS_OUT[way](terminal)
    code, after = terminal.end()
    assert code == 0
    assert after.startswith("Processed ") and after.count("\n") == 1, after


def test_the_end_of_the_program_is_the_end_of_it(watch):
    code, after = watch(STEP09, "--until-idle").end()
    assert code == 0
    assert after.startswith("Processed 12 files: 18600 lines") and after.count("\n") == 1, after


def test_who_does_not_want_to_wait_presses_q_again(watch):
    # A receive that is under way is waited for.
    terminal = watch(STEP09, "--wait", "20")
    terminal.wait_for(lambda lines: any(line.startswith("sent       12") for line in lines))
    terminal.press(b"q")
    terminal.wait_for_text("stopping", "q again leaves at once")
    terminal.press(b"q")
    assert terminal.end() == (130, "")


def test_an_error_is_printed_where_it_can_be_read(watch):
    port = free_port()
    code, after = watch(STEP09, "--endpoint-url", f"http://127.0.0.1:{port}").end()
    assert code == 1
    assert after.startswith("Error: ") and after.count("\n") == 1, after


@pytest.mark.parametrize("step", [STEP05, STEP09])
def test_an_input_that_ends_is_a_q(watch, step):
    terminal = watch(step, input_apart=True)
    terminal.wait_for_text("SQS.Producer")
    os.close(terminal.keys)
    code, after = terminal.end()
    assert code == 0
    assert after.startswith("Processed ") == (step == STEP09), after


@pytest.mark.parametrize("step", [STEP05, STEP09])
def test_a_terminal_that_is_closed_ends_the_program(watch, step):
    terminal = watch(step)
    terminal.wait_for_text("SQS.Producer")
    # It finds that out in several ways, which is no reason to leave at once.
    terminal.hang_up()
    assert terminal.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("step", [STEP05, STEP09])
@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_without_a_terminal_it_says_so(step, missing):
    ours, its = pty.openpty()
    try:
        streams = {"stdin": its, "stdout": its, missing: subprocess.DEVNULL}
        command = [binary(step), "--watch"]
        ended = subprocess.run(command, env=environment(), stderr=subprocess.PIPE, timeout=DEADLINE, **streams)
    finally:
        os.close(ours)
        os.close(its)
    assert ended.returncode == 2
    assert ended.stderr.decode().startswith("error: --watch needs a terminal: standard input and output must be one\n")


@pytest.mark.parametrize(("argument", "clock", "says"), [("--wach", "", "--wach"), ("--watch", "paused", "PALLETO_CLOCK")])
def test_what_step_5_does_not_understand_it_refuses(argument, clock, says):
    ours, its = pty.openpty()
    try:
        ended = subprocess.run(
            [binary(STEP05), argument], env=environment(PALLETO_CLOCK=clock),
            stdin=its, stdout=its, stderr=subprocess.PIPE, timeout=DEADLINE,
        )
    finally:
        os.close(ours)
        os.close(its)
    assert ended.returncode == 2
    assert says in ended.stderr.decode()


@pytest.mark.parametrize("step", [STEP05, STEP09])
def test_who_wants_no_colours_gets_none(watch, step):
    colour = re.compile(rb"\x1b\[(?:[0-9;]*;)?[34][0-9][0-9;]*m")
    terminal = watch(step)
    terminal.wait_for_text("SQS.Producer", "demand", "q quits")
    assert colour.search(terminal.written)
    terminal = watch(step, NO_COLOR="1")
    terminal.wait_for_text("SQS.Producer", "demand", "q quits")
    assert not colour.search(terminal.written), terminal.written
