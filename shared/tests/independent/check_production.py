"""Nothing is lost: step09 against ministack, an SQS and S3 that share no code with ours.

The core of `step09_concurrent_processing/tests/production`, because our stand-in
and our pipeline could be wrong in the same way.
"""

import gzip
import os
import random
import re

from check import Gate, Warehouse, count, log, results
from conftest import running, binary, wait_for


def filled(ministack, number, **how):
    """A warehouse with this many small files, and the results they should have."""
    warehouse = Warehouse(ministack, **how)
    contents = {f"{n:03}.gz": gzip.compress(log(n + 1, n)) for n in range(number)}
    for key, content in contents.items():
        warehouse.put(key, content)
    return warehouse, {(key, None): count(content) for key, content in contents.items()}


def start(warehouse, folder, *arguments, endpoint=None):
    command = [binary("step09"), "--output", folder, *arguments]
    return running(command, SQS_QUEUE_URL=warehouse.queue, AWS_ENDPOINT_URL=endpoint or warehouse.endpoint)


def done(process):
    return process.printed().count("Consumer processed")


def remove_unfinished(folder):
    """The unfinished files of a killed process: their names are no result's names."""
    for file in folder.glob(".unfinished-*"):
        file.unlink()


def test_nobody_else_receives_what_is_worked_on_or_waits_for_it(ministack, tmp_path):
    warehouse, expected = filled(ministack, 6)
    arguments = ["--visibility-timeout", "2", "--max-demand", "20", "--pipelines", "1"]
    with Gate(ministack, let_through=0) as gate, start(warehouse, tmp_path, *arguments, endpoint=gate.endpoint) as process:
        wait_for(gate.held.is_set, lambda: f"a download:\n{process.printed()}")
        wait_for(lambda: warehouse.counts() == (0, 6), lambda: f"all to be received: {warehouse.counts()}")
        # For ten seconds, in which each would have become visible five times.
        for _receive in range(5):
            received = warehouse.sqs.receive_message(QueueUrl=warehouse.queue, WaitTimeSeconds=2)
            assert "Messages" not in received, f"somebody else has it:\n{process.printed()}"
        gate.opened.set()
        wait_for(lambda: warehouse.counts() == (0, 0), lambda: f"all to be deleted:\n{process.printed()}")
        assert process.stop() == 0, process.printed()
        assert done(process) == 6, process.printed()
    assert results(tmp_path) == expected


def test_what_somebody_else_has_is_given_up(ministack, tmp_path):
    warehouse, _ = filled(ministack, 1)
    arguments = ["--visibility-timeout", "2", "--pipelines", "1", "--until-idle", "--wait", "1"]
    with Gate(ministack, let_through=0) as gate, start(warehouse, tmp_path, *arguments, endpoint=gate.endpoint) as process:
        wait_for(gate.held.is_set, lambda: f"the download:\n{process.printed()}")
        # The message is deleted from outside.
        warehouse.sqs.purge_queue(QueueUrl=warehouse.queue)
        process.wait_until_printed("can no longer be kept hidden")
        gate.opened.set()
        # For all that the program knows, the message is still in the queue.
        assert process.end() == 1, process.printed()
        # The s3:TestEvent may be among those that could not be deleted.
        assert done(process) == 0 and re.search("Processed 0 files: .*, [12] failed", process.printed()), process.printed()
    assert results(tmp_path) == {}


def test_killed_again_and_again_it_gets_everything_done(ministack, tmp_path):
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    warehouse, expected = filled(ministack, 100)
    arguments = ["--until-idle", "--visibility-timeout", "2", "--wait", "3", "--max-demand", "10"]
    for _kill in range(5):
        with start(warehouse, tmp_path, *arguments) as process:
            lines = chance.randrange(1, 100)
            wait_for(lambda: len(process.lines) >= lines, lambda: f"{lines} lines:\n{process.printed()}")
            process.kill()
        remove_unfinished(tmp_path)
        assert results(tmp_path).items() <= expected.items(), "what is there is whole and right"
    assert sum(warehouse.counts()) > 0, "it was always killed in the middle"
    with start(warehouse, tmp_path, *arguments) as process:
        assert process.end() == 0, process.printed()
    assert results(tmp_path) == expected
    assert warehouse.counts() == (0, 0)


def test_under_load_what_is_not_done_is_visible_at_once(ministack, tmp_path):
    warehouse, expected = filled(ministack, 100)
    with start(warehouse, tmp_path, "--max-demand", "20") as process:
        process.wait_until_printed("Consumer processed")
        assert process.stop() == 0, process.printed()
    found = results(tmp_path)
    assert found.items() <= expected.items()
    assert warehouse.counts() == (100 - len(found), 0), process.printed()
    assert len(found) < 100, "it was stopped in the middle"


def test_what_fails_again_and_again_is_a_dead_letter(ministack, tmp_path):
    warehouse, expected = filled(ministack, 3, max_receive_count=3)
    warehouse.put("truncated.gz", gzip.compress(log(10))[:-5])
    with start(warehouse, tmp_path, "--retry-wait", "1", "--wait", "1") as process:
        wait_for(lambda: warehouse.counts(warehouse.dead_letters) == (1, 0), lambda: f"a dead letter:\n{process.printed()}")
        assert process.stop() == 0, process.printed()
        for times in (1, 2, 3):
            assert f"truncated.gz failed, and is left to the queue: the file is cut off: its gzip data have no end (received {times} times)" in process.printed()
    assert results(tmp_path) == expected
    assert warehouse.counts() == (0, 0)


def test_of_three_processes_two_do_what_the_killed_one_leaves(ministack, tmp_path):
    warehouse, expected = filled(ministack, 100)
    arguments = ["--until-idle", "--visibility-timeout", "2", "--wait", "3", "--max-demand", "2"]
    with (start(warehouse, tmp_path, *arguments) as one, start(warehouse, tmp_path, *arguments) as other,
          start(warehouse, tmp_path, *arguments) as killed):
        for process in (one, other, killed):
            process.wait_until_printed("Consumer processed")
        killed.kill()
        assert (one.end(), other.end()) == (0, 0), one.printed() + other.printed()
        assert min(done(one), done(other)) > 0
    remove_unfinished(tmp_path)
    assert results(tmp_path) == expected
    assert warehouse.counts() == (0, 0)
