"""`--backfill` against ministack, because our stand-in and our program could be wrong in the same way."""

import re
import shlex

from check import Warehouse, count, files, log, results
from conftest import wait_for


def test_what_was_there_before_the_notification_is_processed_once(ministack, tmp_path):
    warehouse = Warehouse(ministack)
    # As if its notification came later.
    warehouse.s3.put_bucket_notification_configuration(Bucket=warehouse.bucket, NotificationConfiguration={})
    contents = files()
    # More than a page.
    contents |= {f"many/{number:04}": b"line\n" for number in range(1000)}
    for key, content in (contents | {"a folder/": b"", "folder/sub/": b""}).items():
        warehouse.s3.put_object(Bucket=warehouse.bucket, Key=key, Body=content)
    place = f"s3://{warehouse.bucket}"

    with warehouse.step("step09", "--backfill", place) as process:
        process.wait_until_printed("Sent 1000 messages")
        stopped = process.stop()
        printed = process.printed()
    while stopped == 1:
        arguments = shlex.split(re.search("To go on: (.*)", printed)[1])
        with warehouse.step("step09", *arguments) as process:
            stopped, printed = process.end(), process.printed()
    assert stopped == 0, printed
    # And the s3:TestEvent.
    wait_for(lambda: warehouse.counts() == (len(contents) + 1, 0), lambda: f"{len(contents)} messages: {warehouse.counts()}")

    code, printed = warehouse.process("step09", tmp_path, "--max-demand", "20")
    assert (code, warehouse.counts()) == (0, (0, 0)), printed
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}

    with warehouse.step("step09", "--backfill", place) as process:
        assert process.end() == 0, process.printed()
        assert f"Sent {len(contents)} messages: all that {place}/ holds, but 2 empty folders" in process.printed()
    code, printed = warehouse.process("step09", tmp_path, "--max-demand", "20")
    assert code == 0 and "Processed 0 files: 0 lines, 0 bytes, 0 failed" in printed, printed
    assert f"{len(contents)} were processed already" in printed


def test_in_a_bucket_with_versions_the_results_are_found(ministack, tmp_path):
    warehouse = Warehouse(ministack, versioned=True)
    for number in range(3):
        warehouse.put(f"a b+{number}.txt", log(number + 1))
    latest = warehouse.put("a b+0.txt", log(7))
    code, printed = warehouse.process("step09", tmp_path)
    assert (code, warehouse.counts()) == (0, (0, 0)), printed
    before = results(tmp_path)
    assert ("a b+0.txt", latest) in before and len(before) == 4

    with warehouse.step("step09", "--backfill", f"s3://{warehouse.bucket}") as process:
        assert process.end() == 0, process.printed()
        assert "Sent 3 messages" in process.printed()
    code, printed = warehouse.process("step09", tmp_path)
    assert code == 0 and "3 were processed already" in printed, printed
    assert results(tmp_path) == before
