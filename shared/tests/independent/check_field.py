"""Events and configurations from the field, against ministack: an SQS and S3 that share no code with ours."""

import gzip
import json

from check import Warehouse, count, log, results
from conftest import NOWHERE, binary, running, wait_for


def put(warehouse, **contents):
    """Puts files there, and takes the messages about them out of the queue. Returns their records by key."""
    records = {}
    for key, content in contents.items():
        warehouse.put(key, content)
    def take():
        received = warehouse.sqs.receive_message(QueueUrl=warehouse.queue, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            for record in json.loads(message["Body"]).get("Records", []):
                records[record["s3"]["object"]["key"]] = record
            warehouse.sqs.delete_message(QueueUrl=warehouse.queue, ReceiptHandle=message["ReceiptHandle"])
        return sum(warehouse.counts()) == 0
    wait_for(take, "the messages")
    warehouse.events = 0
    return records


def changed(record, **changes):
    """A copy of a record with other names in it."""
    record = json.loads(json.dumps(record))
    s3 = record["s3"]
    for name, value in changes.items():
        {"event": record, "bucket": s3["bucket"]}.get(name, s3["object"])[
            {"event": "eventName", "bucket": "name"}.get(name, name)] = value
    return record


def test_bad_messages_hold_no_good_ones_up(ministack, tmp_path):
    warehouse = Warehouse(ministack)
    contents = {f"{n}.gz": gzip.compress(log(n + 1, n)) for n in range(3)}
    record, *_ = put(warehouse, **contents).values()
    bad = [
        changed(record, bucket="arn:aws:s3:::b"), changed(record, bucket="arn:aws:s3:nowhere-1:1:accesspoint/a"),
        changed(record, bucket=""), changed(record, key=""), changed(record, key="k" * 100_000),
        changed(record, key="%FF"), changed(record, event="ObjectPublished:Put"),
    ]
    for each in bad:
        warehouse.send({"Records": [each]})
    for key, content in contents.items():
        warehouse.put(key, content)
    _, printed = warehouse.process("step09", tmp_path, "--retry-wait", "900")
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}, printed
    assert warehouse.counts() == (0, len(bad)), printed


def test_an_empty_version_is_none_and_new_content_is_counted(ministack, tmp_path):
    warehouse = Warehouse(ministack, versioned=True)
    versions = {"empty.gz": "", "null.gz": "null"}
    expected = set()
    for lines in (1, 2):
        contents = {key: gzip.compress(log(lines, 7)) for key in versions}
        for key, record in put(warehouse, **contents).items():
            warehouse.send({"Records": [changed(record, versionId=versions[key])]})
        code, printed = warehouse.process("step09", tmp_path)
        assert code == 0, printed
        # Each content has a result of its own.
        expected |= {(key, None, *count(content)) for key, content in contents.items()}
        written = [json.loads(file.read_text()) for file in tmp_path.iterdir()]
        found = {(it["key"], it.get("version_id"), it["line_count"], it["byte_size"]) for it in written}
        assert (found, len(written)) == (expected, len(expected)), printed
        assert warehouse.counts() == (0, 0)
        warehouse.events = 0


def test_what_says_that_something_was_created_is_processed(ministack, tmp_path):
    warehouse = Warehouse(ministack)
    contents = {f"{n}.gz": gzip.compress(log(n + 1, n)) for n in range(5)}
    records = put(warehouse, **contents)
    for key, event in zip(contents, ["PutObject", "Object Created", "ObjectRestore:Completed"]):
        warehouse.send({"Records": [changed(records[key], event=event)]})
    trail = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject",
             "requestParameters": {"bucketName": warehouse.bucket, "key": "3.gz"}}
    warehouse.send({"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": trail})
    warehouse.send({"Records": [changed(records["4.gz"], key="%FF"), records["4.gz"]]})
    _, printed = warehouse.process("step09", tmp_path, "--retry-wait", "900")
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}, printed
    assert warehouse.counts() == (0, 1), "one message has a key that cannot be read"


def test_the_endpoint_of_s3_is_its_own_and_no_proxy_is_asked_for_this_machine(ministack, tmp_path):
    warehouse = Warehouse(ministack)
    content = gzip.compress(log(10))
    warehouse.put("file.gz", content)
    command = [binary("step09"), "--until-idle", "--wait", "1", "--output", tmp_path]
    settings = {
        "SQS_QUEUE_URL": warehouse.queue, "AWS_ENDPOINT_URL": NOWHERE,
        "AWS_ENDPOINT_URL_S3": ministack, "AWS_ENDPOINT_URL_SQS": ministack, "NO_PROXY": "", "no_proxy": "",
    }
    with running(command, **settings) as process:
        assert process.end() == 0, process.printed()
    assert results(tmp_path) == {("file.gz", None): count(content)}


def test_a_queue_that_hides_nothing_is_asked_to(ministack, tmp_path):
    warehouse = Warehouse(ministack, visibility_timeout=0)
    contents = {f"{n}.gz": gzip.compress(log(20_000, n)) for n in range(3)}
    for key, content in contents.items():
        warehouse.put(key, content)
    code, printed = warehouse.process("step09", tmp_path)
    assert code == 0, printed
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}
    assert printed.count("Consumer processed") == len(contents), printed
