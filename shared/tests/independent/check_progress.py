"""How step 9 shows its progress, in a terminal and elsewhere."""

import contextlib
import os
import pty
import re
import subprocess

import pytest

from conftest import DEADLINE, binary, environment


def in_a_terminal(command, **env):
    """Runs a program that believes to be in a terminal, and returns all that it wrote there."""
    ours, its = pty.openpty()
    process = subprocess.Popen(command, env=environment(TERM="xterm", **env), stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    try:
        # When the program has ended, Linux says that the terminal is out of order.
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 4096):
                written += chunk
        assert process.wait(DEADLINE) == 0, written
    finally:
        process.kill()
        os.close(ours)
    return written.decode()


def test_a_terminal_shows_how_far_the_work_is(tmp_path):
    # While it waits for more, it finds out that there is no more.
    written = in_a_terminal([binary("step09"), "--until-idle", "--wait", "5", "--output", tmp_path])
    assert "12 of 12 files" in written
    assert "18,600 lines" in written
    # The line is wiped out before another one is written, and in the end.
    assert "files, " not in written.rsplit("\x1b[2K", 1)[1], written
    assert "Processed 12 files: 18600 lines" in written


def test_elsewhere_there_is_nothing_of_the_kind(tmp_path):
    command = [binary("step09"), "--until-idle", "--output", tmp_path]
    written = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=DEADLINE)
    assert "\x1b" not in written.stdout + written.stderr
    assert " of 12 files" not in written.stdout + written.stderr


# Colours and the like. The progress line clears itself and moves the cursor, too, but that is no colour.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("log_format, is_coloured", [("", False), ("full", True), ("json", False)])
def test_colours_are_for_terminals_and_never_for_those_who_want_none(log_format, is_coloured, tmp_path):
    command = [binary("step09"), "--until-idle", "--wait", "1", "--output", tmp_path]
    written = in_a_terminal(command, LOG_FORMAT=log_format)
    assert bool(COLOUR.search(written)) == is_coloured, written
    written = in_a_terminal(command, LOG_FORMAT=log_format, NO_COLOR="1")
    assert not COLOUR.search(written), written


def test_a_key_cannot_reach_the_terminal_raw(tmp_path):
    (tmp_path / "evil\x1b[31m\nProcessed 999 files.gz").write_bytes(b"line\n")
    files = list(tmp_path.iterdir())
    for log_format in ["", "full", "json"]:
        command = [binary("step09"), "--until-idle", "--wait", "1", "--output", tmp_path / "output", *files]
        written = in_a_terminal(command, LOG_FORMAT=log_format)
        assert "evil" in written and "evil\x1b" not in written
        assert not re.search(r"^Processed 999", written, re.MULTILINE), written
