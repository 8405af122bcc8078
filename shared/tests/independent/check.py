"""Steps 06-09 against ministack: an SQS and S3 that share no code with ours.

Our own stand-in and our own pipeline could be wrong about AWS in the same way. Here, boto3 alone
sets up the queue, the bucket and the notification, and Python counts the lines of the files.
"""

import contextlib
import gzip
import http.client
import http.server
import io
import itertools
import json
import random
import re
import threading

import pytest
from boto3.s3.transfer import TransferConfig
from conftest import binary, clients, running, wait_for

numbers = itertools.count(1)
# Steps that download. They do the same, step09 several files at a time.
PROCESSING = pytest.mark.parametrize("step", ["step08", "step09"])


class Warehouse:
    """A bucket that tells a queue about new files, and a dead-letter queue."""

    def __init__(self, endpoint, max_receive_count=1000, visibility_timeout=300, versioned=False):
        self.endpoint, self.events = endpoint, 0
        self.s3, self.sqs = clients(endpoint)
        name = f"warehouse-{next(numbers)}"
        self.bucket = name
        self.dead_letters, arn = self.create_queue(f"{name}-dead", {})
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": str(max_receive_count)}
        self.queue, arn = self.create_queue(name, {
            "RedrivePolicy": json.dumps(policy),
            "VisibilityTimeout": str(visibility_timeout),
            # Without it, AWS lets no bucket send to a queue.
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": f"arn:aws:sqs:us-east-1:000000000000:{name}",
            }]}),
        })
        self.s3.create_bucket(Bucket=name)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        to_queue = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [to_queue]})
        self.sent()  # the s3:TestEvent

    def create_queue(self, name, attributes):
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def sent(self):
        """An event was caused. Notifications are sent in the background: waits until it has come."""
        self.events += 1
        wait_for(lambda: sum(self.counts()) == self.events, lambda: f"event {self.events}: {self.counts()}")

    def put(self, key, content):
        version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content).get("VersionId")
        self.sent()
        return version

    def send(self, message):
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=message if isinstance(message, str) else json.dumps(message))
        self.sent()

    def counts(self, queue=None):
        """How many messages are visible, and how many hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue or self.queue, AttributeNames=names)["Attributes"]
        return tuple(int(attributes[name]) for name in names)

    def step(self, step, *arguments, endpoint=None):
        command = [binary(step), "--wait", "1", *arguments]
        return running(command, SQS_QUEUE_URL=self.queue, AWS_ENDPOINT_URL=endpoint or self.endpoint)

    def process(self, step, folder, *arguments, **how):
        """Runs a step until there is nothing left to do. Returns its exit code and its output."""
        with self.step(step, "--until-idle", "--output", folder, *arguments, **how) as process:
            return process.end(), process.printed()


def count(content):
    """Lines that are not empty, and bytes, of a file that may be gzipped."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return sum(1 for line in content.split(b"\n") if line), len(content)


def results(folder):
    """The result of each object, by key and version."""
    files = [json.loads(file.read_text()) for file in folder.iterdir() if file.name != "failed"]
    found = {(it["key"], it.get("version_id")): (it["line_count"], it["byte_size"]) for it in files}
    assert len(found) == len(files), "one file for each version"
    return found


def log(lines, seed=0):
    """Lines that do not compress to nothing, some of them empty."""
    chance = random.Random(seed)
    return b"".join(b"\n" if chance.random() < 0.1 else b"%x\n" % chance.getrandbits(400) for _ in range(lines))


def files():
    """Files by key: all kinds that a bucket can hold, and some more than our own stand-in gets."""
    two_members = gzip.compress(log(500, 1)) + gzip.compress(b"the last line does not end")
    contents = {
        "packrat/data/20160720.gz": gzip.compress(log(1)),
        "packrat/data/medium.gz": gzip.compress(log(3_000)),
        # More than the steps hold of a file at once.
        "packrat/data/large.gz": gzip.compress(log(60_000)),
        "two members.gz": two_members,
        "plain.txt": log(1_000),
        "empty": b"",
        "nothing zipped.gz": gzip.compress(b""),
        "no extension": gzip.compress(log(10)),
        "not gzip.gz": b"only its name says so\n\n\nso",
        "windows.txt": b"one\r\n\r\ntwo\r\n",
    }
    keys = [
        "with space", "with+plus", "with%percent", "with%20%2B", "ünïcödé/€/日本語/🦀.gz", "a//b", "quotes'\"&<>", "q?a=b#c;d",
        "back\\slash", "../up/../and/over", "k" * 1000, ",$@!*()~=:|{}[]^`",
    ]
    return contents | {key: gzip.compress(log(n + 1, n)) for n, key in enumerate(keys)}


def fill(warehouse):
    """Puts all kinds of files there, in all ways. Returns the results that a step has to find, by key and version."""
    contents = files()
    for key, content in contents.items():
        warehouse.put(key, content)
    upload = gzip.compress(log(400_000), 1)
    in_parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    assert len(upload) > 10 << 20, "it is to have several parts"
    warehouse.s3.upload_fileobj(io.BytesIO(upload), warehouse.bucket, "in parts.gz", Config=in_parts)
    warehouse.sent()
    warehouse.s3.copy_object(
        Bucket=warehouse.bucket, Key="a + copy.txt", CopySource={"Bucket": warehouse.bucket, "Key": "plain.txt"})
    warehouse.sent()
    contents |= {"in parts.gz": upload, "a + copy.txt": contents["plain.txt"]}
    return {(key, None): count(content) for key, content in contents.items()}


def test_step06_shows_all_files_and_deletes_nothing(ministack):
    warehouse = Warehouse(ministack, visibility_timeout=1)
    keys = list(files())
    for key, content in files().items():
        warehouse.put(key, content)
    with warehouse.step("step06") as step:
        # As nothing is deleted, it comes back, and is shown again.
        for key in keys:
            shown = f"{warehouse.bucket}/{key}"
            wait_for(lambda: step.printed().count(shown) >= 2, lambda: f"{key} a second time in:\n{step.printed()}")
        assert step.stop() == 0, step.printed()
    everything = (warehouse.events, 0)
    wait_for(lambda: warehouse.counts() == everything, lambda: f"{everything} in place of {warehouse.counts()}")


def test_step07_shows_each_file_and_empties_the_queue(ministack):
    warehouse = Warehouse(ministack)
    for key, content in files().items():
        warehouse.put(key, content)
    with warehouse.step("step07") as step:
        wait_for(lambda: warehouse.counts() == (0, 0), lambda: f"an empty queue: {warehouse.counts()}\n{step.printed()}")
        assert step.stop() == 0, step.printed()
        for key in files():
            assert step.printed().count(f"{warehouse.bucket}/{key}") == 1, f"{key} in:\n{step.printed()}"


@PROCESSING
def test_results_are_what_python_counts(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    expected = fill(warehouse)
    code, printed = warehouse.process(step, tmp_path)
    assert code == 0, printed
    assert results(tmp_path) == expected
    assert warehouse.counts() == (0, 0)
    totals = [len(expected), *map(sum, zip(*expected.values()))]
    assert "Processed {} files: {} lines, {} bytes, 0 failed".format(*totals) in printed


def test_many_pipelines_and_one_give_the_same(ministack, tmp_path):
    for pipelines in ("1", "16"):
        warehouse = Warehouse(ministack)
        expected = fill(warehouse)
        code, printed = warehouse.process("step09", tmp_path / pipelines, "--pipelines", pipelines)
        assert (code, results(tmp_path / pipelines), warehouse.counts()) == (0, expected, (0, 0)), printed


def test_two_processes_share_a_queue(ministack, tmp_path):
    warehouse = Warehouse(ministack)
    expected = fill(warehouse)
    arguments = ["--until-idle", "--output", tmp_path]
    with warehouse.step("step08", *arguments) as one, warehouse.step("step09", *arguments) as other:
        assert (one.end(), other.end()) == (0, 0), one.printed() + other.printed()
    assert results(tmp_path) == expected
    assert warehouse.counts() == (0, 0)


@PROCESSING
def test_a_corrupt_file_is_left_to_the_queue(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    good, whole = files(), gzip.compress(log(40_000))
    for key, content in good.items():
        warehouse.put(key, content)
    # One of them is noticed at once, the other one in the middle of its lines.
    warehouse.put("short.gz", whole[:100])
    warehouse.put("truncated.gz", whole[:-5])
    code, printed = warehouse.process(step, tmp_path)
    assert code == 1, printed
    assert results(tmp_path) == {(key, None): count(content) for key, content in good.items()}
    assert warehouse.counts() == (0, 2), "both messages are hidden until their timeout"
    for key in ("short.gz", "truncated.gz"):
        assert f"{warehouse.bucket}/{key} failed" in printed


@PROCESSING
def test_a_corrupt_file_ends_as_a_dead_letter(ministack, tmp_path, step):
    warehouse = Warehouse(ministack, max_receive_count=2, visibility_timeout=1)
    warehouse.put("truncated.gz", gzip.compress(log(10))[:-5])
    printed = ""
    # It is tried twice. When it is asked for once more, SQS puts it aside.
    for _run in range(3):
        wait_for(lambda: warehouse.counts()[1] == 0, "the message's timeout")
        printed += warehouse.process(step, tmp_path)[1]
    assert printed.count("truncated.gz failed") == 2, printed
    assert (warehouse.counts(), warehouse.counts(warehouse.dead_letters)) == ((0, 0), (1, 0))


def test_several_queues_are_served_by_one_program(ministack, tmp_path):
    warehouses = [Warehouse(ministack) for _ in range(2)]
    contents = {f"{name}{number}": log(number) for name, count in [("many", 40), ("few", 5)] for number in range(count)}
    for key, content in contents.items():
        warehouses[key.startswith("few")].put(key, content)
    queues = [argument for warehouse in warehouses for argument in ("--queue-url", warehouse.queue)]
    code, printed = warehouses[0].process("step09", tmp_path, *queues, "--pipelines", "1", "--max-demand", "1")
    assert code == 0, printed
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}
    assert [warehouse.counts() for warehouse in warehouses] == [(0, 0), (0, 0)]
    begun = re.findall(r"downloaded (many|few)", printed)
    assert "few" not in begun[30:], "a large queue does not make the other one wait"

    # Step 8 teaches one.
    code, printed = warehouses[0].process("step08", tmp_path, *queues)
    assert code == 2 and "cannot be used multiple times" in printed, printed


@pytest.mark.parametrize("to", ["folder", "bucket"])
def test_why_a_file_failed_stands_beside_the_results_until_it_is_done(ministack, tmp_path, to):
    warehouse = Warehouse(ministack)
    warehouse.put("a/file.txt", b"line\n" * 100)
    done = f"{warehouse.bucket}-results"
    warehouse.s3.create_bucket(Bucket=done)
    output = tmp_path if to == "folder" else f"s3://{done}/done"

    def written():
        """Names and contents, of results and records alike."""
        if to == "folder":
            return {str(it.relative_to(tmp_path)): json.loads(it.read_text()) for it in tmp_path.rglob("*.json")}
        listed = warehouse.s3.list_objects_v2(Bucket=done).get("Contents", [])
        bodies = {it["Key"]: warehouse.s3.get_object(Bucket=done, Key=it["Key"])["Body"].read() for it in listed}
        return {key.removeprefix("done/"): json.loads(body) for key, body in bodies.items()}

    records = []
    for _run in range(2):
        code, printed = warehouse.process("step09", output, "--retry-wait", "1", "--max-file-size", "10")
        [(name, record)] = written().items()
        assert code == 1 and re.fullmatch(r"failed/file\.txt-[0-9a-f]{32}\.json", name), printed
        assert (record["bucket"], record["key"]) == (warehouse.bucket, "a/file.txt")
        assert "--max-file-size" in record["reason"] and record["put_aside"] is False
        records.append(record)
        wait_for(lambda: warehouse.counts() == (1, 0), "the retry")
    first, second = records
    assert 1 <= first["attempts"] < second["attempts"]
    assert first["first_failed_at"] == second["first_failed_at"] < second["last_failed_at"]
    code, printed = warehouse.process("step09", output)
    [(result, content)] = written().items()
    assert (code, f"failed/{result}", content["line_count"]) == (0, name, 100), printed


@PROCESSING
def test_the_version_of_the_event_is_the_one_that_is_counted(ministack, tmp_path, step):
    warehouse = Warehouse(ministack, versioned=True)
    contents = [gzip.compress(log(100 + n, n)) for n in range(3)]
    versions = [warehouse.put("a key+.gz", content) for content in contents]
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="a key+.gz")  # It hides them, no more.
    warehouse.sent()
    code, printed = warehouse.process(step, tmp_path)
    assert code == 0, printed
    assert results(tmp_path) == {("a key+.gz", version): count(content) for version, content in zip(versions, contents)}
    assert warehouse.counts() == (0, 0)


@PROCESSING
def test_an_object_that_is_gone_is_done(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    warehouse.put("gone.gz", gzip.compress(log(10)))
    warehouse.s3.delete_object(Bucket=warehouse.bucket, Key="gone.gz")
    warehouse.sent()
    code, printed = warehouse.process(step, tmp_path)
    assert (code, results(tmp_path), warehouse.counts()) == (0, {}, (0, 0)), printed


@PROCESSING
def test_messages_of_other_shapes(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    contents = {f"file {n}+.gz": gzip.compress(log(n, n)) for n in range(1, 6)}
    for key, content in contents.items():
        warehouse.put(key, content)
    # The check takes out the messages that S3 sent, and sends them again in other shapes.
    records = {}
    def take():
        received = warehouse.sqs.receive_message(QueueUrl=warehouse.queue, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            for record in json.loads(message["Body"]).get("Records", []):
                records[record["s3"]["object"]["size"]] = record
            warehouse.sqs.delete_message(QueueUrl=warehouse.queue, ReceiptHandle=message["ReceiptHandle"])
        return sum(warehouse.counts()) == 0
    wait_for(take, "the messages")
    warehouse.events = 0
    one, two, three, four, five = (records[len(content)] for content in contents.values())
    warehouse.send({"Records": [one, two]})
    warehouse.send({"Type": "Notification", "Message": json.dumps({"Records": [three]})})
    warehouse.send({"Records": [four]})
    warehouse.send({"Records": [four]})  # delivered twice
    bucket, key = {"name": warehouse.bucket}, list(contents)[4]
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": bucket, "object": {"key": key}}}
    warehouse.send(event)
    warehouse.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": warehouse.bucket})
    warehouse.send({"Records": []})
    warehouse.send("nobody understands this")
    code, printed = warehouse.process(step, tmp_path)
    assert code == 1 and re.search("Processed . files: .* 1 failed", printed), printed
    assert results(tmp_path) == {(key, None): count(content) for key, content in contents.items()}
    assert warehouse.counts() == (0, 1), "what is not understood is left to the queue"


class Gate(http.server.ThreadingHTTPServer):
    """A way to ministack on which downloads can be held up, or broken off."""

    daemon_threads = True

    def __init__(self, endpoint, let_through=10**9, cut_off=()):
        self.target = endpoint.removeprefix("http://")
        self.left, self.cut_off = let_through, cut_off
        self.lock, self.held, self.opened = threading.Lock(), threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Passage)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.opened.set()
        self.shutdown()
        self.server_close()

    def pass_download(self):
        with self.lock:
            self.left -= 1
            is_held = self.left < 0
        if is_held:
            self.held.set()
            self.opened.wait()


class Passage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "GET":
            self.server.pass_download()
        connection = http.client.HTTPConnection(self.server.target)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if any(part in self.path for part in self.server.cut_off):
                content = content[:len(content) // 2]
                self.close_connection = True
            self.wfile.write(content)

    do_GET = do_POST = forward

    def log_message(self, *_):
        pass


@PROCESSING
def test_sigterm_loses_nothing(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    contents = {f"{n}.gz": gzip.compress(log(n + 1, n)) for n in range(40)}
    for key, content in contents.items():
        warehouse.put(key, content)
    # It is told to stop when it has done some, and is in the middle of one.
    with Gate(ministack, let_through=5) as gate:
        with warehouse.step(step, "--output", tmp_path, endpoint=gate.endpoint) as process:
            wait_for(gate.held.is_set, lambda: f"the sixth download:\n{process.printed()}")
            process.popen.terminate()
            process.wait_until_printed("Finishing what has begun")
            gate.opened.set()
            assert process.end() == 0, process.printed()
            printed = process.printed()
    done = results(tmp_path)
    assert 6 <= len(done) < len(contents), "some are done, and some are not"
    assert all(count(contents[key]) == it for (key, _), it in done.items())
    # The rest is given back: at once, and not when a timeout is over. It is exactly the rest, because processing it
    # adds the missing results.
    assert warehouse.counts() == (len(contents) - len(done), 0), printed
    code, printed = warehouse.process(step, tmp_path / "rest")
    assert code == 0, printed
    rest = results(tmp_path / "rest")
    assert done.keys().isdisjoint(rest)
    assert done | rest == {(key, None): count(content) for key, content in contents.items()}


@PROCESSING
def test_a_download_that_breaks_off_is_no_result(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    # As the one is not gzip, its end would be believed. Step 8 waits for the first of them.
    contents = {"whole.gz": gzip.compress(log(10)), "cut.txt": log(50_000), "cut.gz": gzip.compress(log(50_000))}
    for key, content in contents.items():
        warehouse.put(key, content)
    with (
        Gate(ministack, cut_off=["/cut."]) as gate,
        warehouse.step(step, "--output", tmp_path, "--stop-limit", "1", endpoint=gate.endpoint) as process,
    ):
        process.wait_until_printed("cut.* failed, and is tried again: the download broke off")
        wait_for(lambda: results(tmp_path), "the whole file's result")
        code, printed = process.stop(), process.printed()
    assert code == 0, printed
    assert results(tmp_path) == {("whole.gz", None): count(contents["whole.gz"])}
    assert warehouse.counts() == (2, 0), printed


@pytest.mark.parametrize("step", ["step06", "step07", "step08", "step09"])
def test_an_unknown_queue_is_an_error_in_one_line(ministack, tmp_path, step):
    folder = [] if step in ("step06", "step07") else ["--output", tmp_path]
    url = f"{ministack}/000000000000/nobody-created-this"
    for queue in ({"SQS_QUEUE_URL": url}, {"SQS_QUEUE_NAME": "nobody-created-this"}):
        with running([binary(step), *folder], AWS_ENDPOINT_URL=ministack, **queue) as process:
            assert process.end() == 1, process.printed()
            assert "nobody-created-this" in process.printed()
            assert len(process.lines) == 1, process.printed()


@pytest.mark.parametrize("step", ["step06", "step07", "step08", "step09"])
def test_files_are_not_put_into_a_bucket_of_yours(ministack, tmp_path, step):
    warehouse = Warehouse(ministack)
    file = tmp_path / "file"
    file.write_bytes(b"a line\n")
    folder = [] if step in ("step06", "step07") else ["--output", tmp_path / "output"]
    with warehouse.step(step, *folder, file) as process:
        assert process.end() == 2, process.printed()
        assert "FILES" in process.printed()
    assert "Contents" not in warehouse.s3.list_objects_v2(Bucket=warehouse.bucket)
    assert warehouse.counts() == (1, 0), "the s3:TestEvent is not touched"
