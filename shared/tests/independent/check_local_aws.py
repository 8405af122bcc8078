"""Our own SQS and S3 (`local_aws`) as boto3 and the AWS CLI see it.

It stands in for AWS, so these tests expect the behaviour that AWS documents.
"""

import hashlib
import io
import itertools
import json
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from conftest import DEADLINE, clients, environment, wait_for

BUCKET = "warehouse.development"
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def services(embedded):
    return clients(embedded["AWS_ENDPOINT_URL"])


@pytest.fixture
def s3(services):
    return services[0]


@pytest.fixture
def sqs(services):
    return services[1]


@pytest.fixture
def bucket(s3):
    name = f"bucket-{next(numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName=f"queue_{next(numbers)}")["QueueUrl"]


@pytest.fixture
def aws(embedded):
    def run(*arguments, fails=False):
        # For SQS, the CLI's version 1 ignores AWS_ENDPOINT_URL.
        command = [sys.executable, Path(sys.executable).with_name("aws"), "--endpoint-url", embedded["AWS_ENDPOINT_URL"], *arguments]
        done = subprocess.run(
            list(map(str, command)), env=environment(**embedded), capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout
    return run


def arn_of(sqs, queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def refused(code, request, **arguments):
    with pytest.raises(ClientError) as error:
        request(**arguments)
    assert error.value.response["Error"]["Code"] == code


def receive(sqs, queue, wait=20, **how):
    """A message. A long poll waits for it if it is not there yet."""
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=wait, AttributeNames=["All"], **how)
    return received.get("Messages", [None])[0]


def take_all(sqs, queue, number):
    """The bodies of this many messages, which are deleted."""
    bodies = []
    while len(bodies) < number:
        message = receive(sqs, queue)
        assert message, f"{number} messages, but there are only {bodies}"
        bodies.append(json.loads(message["Body"]))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert receive(sqs, queue, wait=0) is None, f"more than {number} messages"
    return bodies


def body(s3, bucket, key, **how):
    return s3.get_object(Bucket=bucket, Key=key, **how)["Body"].read()


# S3


def test_it_listens_at_loopback_only(embedded):
    assert embedded["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert embedded["SQS_QUEUE_URL"] == f"{embedded['AWS_ENDPOINT_URL']}/000000000000/warehouse_raw_events"


def test_buckets(s3, bucket):
    assert {BUCKET, bucket} <= {it["Name"] for it in s3.list_buckets()["Buckets"]}
    s3.head_bucket(Bucket=bucket)
    refused("404", s3.head_bucket, Bucket="nobody-created-this")
    refused("NoSuchBucket", s3.get_object, Bucket="nobody-created-this", Key="key")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="nobody-created-this")
    s3.put_object(Bucket=bucket, Key="key")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="key")
    s3.delete_bucket(Bucket=bucket)
    refused("404", s3.head_bucket, Bucket=bucket)


KEYS = ["a b", "a+b", "a%b", "a%20%2Bb", "ünï/€/日本語/🦀", "a//b", "../up", "'\"&<>", "q?a=b#c;d", "k" * 1000, "line\nbreak\x01"]


def test_keys_of_all_kinds(s3, bucket):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert {key: body(s3, bucket, key) for key in KEYS} == {key: key.encode() for key in KEYS}
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}):
        found += [it["Key"] for it in page["Contents"]]
    assert found == sorted(KEYS, key=str.encode)
    copies = {key: f"{key} copy +" for key in KEYS if len(key) < 1000}
    for key, copy in copies.items():
        s3.copy_object(Bucket=bucket, Key=copy, CopySource={"Bucket": bucket, "Key": key})
        assert body(s3, bucket, copy) == key.encode()


def test_an_object(s3, bucket):
    content = b"0123456789"
    tag = f'"{hashlib.md5(content).hexdigest()}"'
    put = s3.put_object(Bucket=bucket, Key="key", Body=content, ContentType="text/plain", Metadata={"of": "ours"})
    got = s3.get_object(Bucket=bucket, Key="key")
    assert put["ETag"] == got["ETag"] == tag
    assert (got["ContentType"], got["Metadata"], got["ContentLength"]) == ("text/plain", {"of": "ours"}, 10)
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 10
    for wanted, part, range in [("2-4", b"234", "2-4"), ("7-", b"789", "7-9"), ("-3", b"789", "7-9"), ("8-99", b"89", "8-9")]:
        got = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={wanted}")
        assert (got["Body"].read(), got["ContentRange"]) == (part, f"bytes {range}/10")
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    refused("InvalidRange", s3.get_object, Bucket=bucket, Key="key", Range="bytes=10-")
    refused("304", s3.get_object, Bucket=bucket, Key="key", IfNoneMatch=tag)
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="key", IfMatch='"other"')
    refused("304", s3.head_object, Bucket=bucket, Key="key", IfNoneMatch=tag)
    refused("412", s3.head_object, Bucket=bucket, Key="key", IfMatch='"other"')
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="key", IfNoneMatch="*")
    assert body(s3, bucket, "key") == content
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="other")
    refused("404", s3.head_object, Bucket=bucket, Key="other")
    refused("NoSuchKey", s3.copy_object, Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "other"})
    s3.put_object(Bucket=bucket, Key="plain")
    assert s3.get_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"
    s3.delete_object(Bucket=bucket, Key="key")
    s3.delete_object(Bucket=bucket, Key="never there")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="key")
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "plain"}, {"Key": "never there"}]})
    assert {it["Key"] for it in deleted["Deleted"]} == {"plain", "never there"}
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_requests_are_authenticated(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a key", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a key"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=DEADLINE) as answer:
        assert answer.read() == b"content"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opener.open(url.replace("a%20key", "other"), timeout=DEADLINE)


def test_multipart(s3, bucket):
    content = bytes(range(256)) * (50 << 10)  # 12.5 MiB
    parts = [content[start:start + (5 << 20)] for start in range(0, len(content), 5 << 20)]
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(content), bucket, "key", Config=config)
    assert body(s3, bucket, "key") == content
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    assert s3.head_object(Bucket=bucket, Key="key")["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'
    downloaded = io.BytesIO()
    s3.download_fileobj(bucket, "key", downloaded, Config=config)
    assert downloaded.getvalue() == content

    upload = {"Bucket": bucket, "Key": "key 2"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    tags = [s3.upload_part(**upload, PartNumber=n, Body=parts[n])["ETag"] for n in (1, 2)]
    one, two = ({"PartNumber": n, "ETag": tag} for n, tag in zip((1, 2), tags))
    for code, wanted in [
        ("InvalidPart", [one, {"PartNumber": 3, "ETag": tags[1]}]),
        ("InvalidPart", [one, {"PartNumber": 2, "ETag": tags[0]}]),
        ("InvalidPartOrder", [two, one]),
    ]:
        refused(code, s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": wanted})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [one, two]})
    assert body(s3, bucket, "key 2") == parts[1] + parts[2]
    refused("NoSuchUpload", s3.abort_multipart_upload, **upload)
    aborted = {"Bucket": bucket, "Key": "key 3"}
    aborted["UploadId"] = s3.create_multipart_upload(**aborted)["UploadId"]
    s3.abort_multipart_upload(**aborted)
    refused("NoSuchUpload", s3.upload_part, **aborted, PartNumber=1, Body=b"x")


def test_listings(s3, bucket):
    keys = [f"{folder}/{n}" for folder in ("a", "a b+", "ü") for n in range(5)] + ["top", "zz"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    for kind, size in itertools.product(("list_objects", "list_objects_v2"), (1, 2, 3, 1000)):
        def listed(**how):
            pages = list(s3.get_paginator(kind).paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **how))
            assert all(len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) <= size for page in pages)
            return (
                [it["Key"] for page in pages for it in page.get("Contents", [])],
                [it["Prefix"] for page in pages for it in page.get("CommonPrefixes", [])],
            )
        assert listed() == (sorted(keys, key=str.encode), [])
        assert listed(Prefix="a") == (sorted(key for key in keys if key.startswith("a")), [])
        assert listed(Prefix="a b+/") == ([f"a b+/{n}" for n in range(5)], [])
        assert listed(Delimiter="/") == (["top", "zz"], ["a b+/", "a/", "ü/"])
        assert listed(Prefix="a", Delimiter="/") == ([], ["a b+/", "a/"])
        assert listed(Prefix="none") == ([], [])
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="top")["Contents"][0]["Key"] == "zz"


def test_versions(s3, bucket):
    def version(content):
        return s3.put_object(Bucket=bucket, Key="key", Body=content).get("VersionId")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert version(b"before") is None
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    one, two = version(b"one"), version(b"two")
    contents = {"null": b"before", one: b"one", two: b"two"}
    assert {it: body(s3, bucket, "key", VersionId=it) for it in contents} == contents
    assert s3.get_object(Bucket=bucket, Key="key")["VersionId"] == two
    refused("NoSuchVersion", s3.get_object, Bucket=bucket, Key="key", VersionId="0123456789")

    copied = {"Bucket": bucket, "Key": "key", "VersionId": one}
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource=copied)
    assert body(s3, bucket, "copy", VersionId=copy["VersionId"]) == b"one"

    marker = s3.delete_object(Bucket=bucket, Key="key")
    assert marker["DeleteMarker"]
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="key")
    refused("MethodNotAllowed", s3.get_object, Bucket=bucket, Key="key", VersionId=marker["VersionId"])
    assert [it["Key"] for it in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]
    s3.delete_object(Bucket=bucket, Key="key", VersionId=marker["VersionId"])
    assert body(s3, bucket, "key") == b"two"
    for it in ("null", two):
        assert s3.delete_object(Bucket=bucket, Key="key", VersionId=it)["VersionId"] == it
        refused("NoSuchVersion", s3.get_object, Bucket=bucket, Key="key", VersionId=it)
    assert body(s3, bucket, "key") == b"one"

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    version(b"after")
    version(b"after that")
    assert body(s3, bucket, "key", VersionId="null") == b"after that"
    s3.delete_object(Bucket=bucket, Key="key")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="key")
    assert body(s3, bucket, "key", VersionId=one) == b"one"


# Notifications


def notify(s3, bucket, *queues):
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(queues)})


def test_a_bucket_tells_queues_what_passes_their_filters(s3, sqs, bucket, queue):
    other = sqs.create_queue(QueueName=f"queue_{next(numbers)}")["QueueUrl"]
    rules = [{"Name": "prefix", "Value": "logs/"}, {"Name": "suffix", "Value": ".gz"}]
    everything = {"Id": "everything", "QueueArn": arn_of(sqs, queue), "Events": ["s3:ObjectCreated:*"]}
    filtered = {"QueueArn": arn_of(sqs, other), "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": {"FilterRules": rules}}}
    notify(s3, bucket, everything, filtered)
    for told in (queue, other):
        [test] = take_all(sqs, told, 1)
        assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
        assert "Records" not in test and test.keys() >= {"Time", "RequestId", "HostId"}
    configured = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert [(it["QueueArn"], it["Events"]) for it in configured] == [
        (it["QueueArn"], it["Events"]) for it in (everything, filtered)]
    assert configured[0]["Id"] == "everything" and configured[1]["Id"]
    assert [it["Value"] for it in configured[1]["Filter"]["Key"]["FilterRules"]] == ["logs/", ".gz"]

    for key in ("logs/a b.gz", "logs/a.txt", "other/logs/a.gz"):
        s3.put_object(Bucket=bucket, Key=key)
    s3.copy_object(Bucket=bucket, Key="logs/copy.gz", CopySource={"Bucket": bucket, "Key": "logs/a.txt"})
    s3.upload_fileobj(
        io.BytesIO(b"x" * (6 << 20)), bucket, "logs/parts.gz", Config=TransferConfig(multipart_threshold=5 << 20))
    s3.delete_object(Bucket=bucket, Key="logs/a.txt")
    told = [body["Records"][0] for body in take_all(sqs, queue, 5)]
    assert {(it["s3"]["object"]["key"], it["eventName"]) for it in told} == {
        ("logs/a+b.gz", "ObjectCreated:Put"), ("logs/a.txt", "ObjectCreated:Put"), ("other/logs/a.gz", "ObjectCreated:Put"),
        ("logs/copy.gz", "ObjectCreated:Copy"), ("logs/parts.gz", "ObjectCreated:CompleteMultipartUpload"),
    }
    assert [it["Records"][0]["s3"]["object"]["key"] for it in take_all(sqs, other, 1)] == ["logs/a+b.gz"]

    notify(s3, bucket)
    s3.put_object(Bucket=bucket, Key="logs/b.gz")
    take_all(sqs, queue, 0)
    refused(
        "InvalidArgument", s3.put_bucket_notification_configuration, Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": [{**everything, "QueueArn": everything["QueueArn"] + "-not"}]})


def test_what_a_notification_says(s3, sqs, bucket, queue):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    notify(s3, bucket, {"Id": "mine", "QueueArn": arn_of(sqs, queue), "Events": ["s3:ObjectCreated:*"]})
    take_all(sqs, queue, 1)
    versions = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()) for key in KEYS}
    told = {}
    for message in take_all(sqs, queue, len(KEYS)):
        [record] = message["Records"]
        assert record["eventVersion"].startswith("2.")
        assert (record["eventSource"], record["awsRegion"]) == ("aws:s3", "us-east-1")
        assert record["eventTime"].endswith("Z")
        assert record.keys() >= {"userIdentity", "requestParameters", "responseElements"}
        about = record["s3"]
        assert (about["s3SchemaVersion"], about["configurationId"]) == ("1.0", "mine")
        assert (about["bucket"]["name"], about["bucket"]["arn"]) == (bucket, f"arn:aws:s3:::{bucket}")
        told[urllib.parse.unquote_plus(about["object"]["key"])] = about["object"]
    assert told.keys() == set(KEYS)
    for key, it in told.items():
        assert it["size"] == len(key.encode())
        assert f'"{it["eTag"]}"' == versions[key]["ETag"]
        assert it["versionId"] == versions[key]["VersionId"]
        int(it["sequencer"], 16)
    encoded = {key: it["key"] for key, it in told.items()}
    assert (encoded["a b"], encoded["a+b"], encoded["a%b"], encoded["a//b"]) == ("a+b", "a%2Bb", "a%25b", "a//b")

    for content in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="again", Body=content)
    order = {it["Records"][0]["s3"]["object"]["eTag"]: it["Records"][0]["s3"]["object"]["sequencer"] for it in take_all(sqs, queue, 2)}
    first, second = (order[hashlib.md5(content).hexdigest()] for content in (b"1", b"2"))
    # AWS documents this way to compare them.
    assert first.rjust(99, "0") < second.rjust(99, "0")


# SQS


def test_queues(sqs, queue):
    name = queue.rsplit("/", 1)[1]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == queue
    assert queue in sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == queue
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nobody_created_this")
    sqs.delete_queue(QueueUrl=queue)
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.receive_message, QueueUrl=queue)


def test_a_message(sqs, queue):
    attributes = {"of": {"DataType": "String", "StringValue": "ours"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="a message ü", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("a message ü".encode()).hexdigest()
    message = receive(sqs, queue, MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "a message ü")
    assert message["MessageAttributes"]["of"]["StringValue"] == "ours"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert receive(sqs, queue, wait=0) is None, "it is hidden"
    handle = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
    sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    again = receive(sqs, queue, VisibilityTimeout=1)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    # A second later it comes back by itself.
    again = receive(sqs, queue)
    assert again["Attributes"]["ApproximateReceiveCount"] == "3"
    handle["ReceiptHandle"] = again["ReceiptHandle"]
    sqs.delete_message(**handle)
    sqs.delete_message(**handle)
    refused("MessageNotInflight", sqs.change_message_visibility, **handle, VisibilityTimeout=0)
    assert receive(sqs, queue, wait=0) is None


def test_a_long_poll_brings_what_comes_while_it_waits(embedded, sqs, queue):
    received = []
    # With a client of its own, so that no other request can hold it up.
    other = clients(embedded["AWS_ENDPOINT_URL"])[1]
    waiting = threading.Thread(target=lambda: received.append(receive(other, queue)), daemon=True)
    waiting.start()
    sqs.send_message(QueueUrl=queue, MessageBody="late")
    waiting.join(DEADLINE)
    assert [it["Body"] for it in received] == ["late"]


def test_dead_letters(sqs, queue):
    dead = sqs.create_queue(QueueName=f"dead_{next(numbers)}")["QueueUrl"]
    # A string, as in most examples, or a number.
    for count in ("2", 2):
        policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": count})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
        [name] = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"].values()
        assert int(json.loads(name)["maxReceiveCount"]) == 2
        sqs.send_message(QueueUrl=queue, MessageBody=f"poison {count!r}")
        for _try in range(2):
            assert receive(sqs, queue, VisibilityTimeout=0)["Body"] == f"poison {count!r}"
        assert receive(sqs, queue, wait=0) is None
        letter = receive(sqs, dead)
        assert letter["Body"] == f"poison {count!r}"
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])


def entries(numbers, **more):
    return [{"Id": str(n), **more} for n in numbers]


def test_batches(sqs, queue):
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries(range(10), MessageBody="x"))
    assert len(sent["Successful"]) == 10
    received = []
    while len(received) < 10:
        more = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages")
        assert more, f"only {len(received)} messages"
        received += more
    assert len({it["MessageId"] for it in received}) == 10
    handles = [{"Id": str(n), "ReceiptHandle": it["ReceiptHandle"]} for n, it in enumerate(received)]
    hidden = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**it, "VisibilityTimeout": 60} for it in handles])
    assert len(hidden["Successful"]) == 10
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=handles)
    assert {it["Id"] for it in deleted["Successful"]} == {str(n) for n in range(10)}

    def counts():
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return [found[name] for name in names]
    wait_for(lambda: counts() == ["0", "0"], lambda: f"an empty queue: {counts()}")


def test_limits(sqs, queue):
    for wrong in ({"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43_201}):
        refused("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, **wrong)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive(sqs, queue)["ReceiptHandle"]
    refused(
        "InvalidParameterValue", sqs.change_message_visibility, QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43_201)
    for request, more in [
        (sqs.send_message_batch, {"MessageBody": "x"}),
        (sqs.delete_message_batch, {"ReceiptHandle": "x"}),
        (sqs.change_message_visibility_batch, {"ReceiptHandle": "x", "VisibilityTimeout": 0}),
    ]:
        for code, wrong in [
            ("TooManyEntriesInBatchRequest", entries(range(11), **more)),
            ("EmptyBatchRequest", []),
            ("BatchEntryIdsNotDistinct", entries([1, 1], **more)),
        ]:
            refused(f"AWS.SimpleQueueService.{code}", request, QueueUrl=queue, Entries=wrong)


# The AWS CLI


def test_the_cli_on_s3(aws, bucket, tmp_path):
    assert BUCKET in aws("s3", "ls")
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    files = {"a b+.txt": b"one", "sub/ü.txt": b"two", "large": b"0123456789abcdef" * (640 << 10)}  # The last one in parts.
    for name, content in files.items():
        (folder / name).write_bytes(content)
    aws("s3", "sync", folder, f"s3://{bucket}/data")
    listed = aws("s3", "ls", "--recursive", f"s3://{bucket}/data/")
    assert all(f"data/{name}" in listed for name in files), listed
    assert "PRE sub/" in aws("s3", "ls", f"s3://{bucket}/data/")
    back = tmp_path / "back"
    aws("s3", "cp", "--recursive", f"s3://{bucket}/data", back)
    assert {name: (back / name).read_bytes() for name in files} == files
    assert aws("s3", "sync", "--dryrun", f"s3://{bucket}/data", back) == "", "they are the same"
    aws("s3", "mv", f"s3://{bucket}/data/sub/ü.txt", f"s3://{bucket}/data/moved +.txt")
    assert aws("s3", "cp", f"s3://{bucket}/data/moved +.txt", "-") == "two"
    part = tmp_path / "part"
    aws("s3api", "get-object", "--bucket", bucket, "--key", "data/large", "--range", "bytes=10-12", part)
    assert part.read_bytes() == b"abc"
    page = json.loads(aws("s3api", "list-objects-v2", "--bucket", bucket, "--page-size", "1", "--output", "json"))
    assert [it["Key"] for it in page["Contents"]] == ["data/a b+.txt", "data/large", "data/moved +.txt"]
    assert "NoSuchKey" in aws("s3api", "get-object", "--bucket", bucket, "--key", "none", part, fails=True)
    aws("s3", "rb", "--force", f"s3://{bucket}")
    assert bucket not in aws("s3", "ls")


def test_the_cli_on_sqs(aws, sqs, bucket, queue):
    configuration = {"QueueConfigurations": [{"QueueArn": arn_of(sqs, queue), "Events": ["s3:ObjectCreated:*"]}]}
    aws("s3api", "put-bucket-notification-configuration", "--bucket", bucket,
        "--notification-configuration", json.dumps(configuration))
    take_all(sqs, queue, 1)
    assert queue in aws("sqs", "list-queues")
    aws("sqs", "send-message", "--queue-url", queue, "--message-body", "hello")
    received = json.loads(aws("sqs", "receive-message", "--queue-url", queue, "--wait-time-seconds", "20", "--output", "json"))
    [message] = received["Messages"]
    assert message["Body"] == "hello"
    aws("sqs", "delete-message", "--queue-url", queue, "--receipt-handle", message["ReceiptHandle"])
    aws("s3api", "put-object", "--bucket", bucket, "--key", "by the cli")
    [told] = take_all(sqs, queue, 1)
    assert told["Records"][0]["s3"]["object"]["key"] == "by+the+cli"
    assert "NonExistentQueue" in aws("sqs", "get-queue-url", "--queue-name", "nobody_created_this", fails=True)


def test_the_cli_sees_the_first_bucket_and_queue(aws, embedded, tmp_path):
    (tmp_path / "20160801.gz").write_bytes(b"a line\n")
    aws("s3", "cp", tmp_path / "20160801.gz", f"s3://{BUCKET}/packrat/data/")
    bodies = []
    def told():
        answer = aws("sqs", "receive-message", "--queue-url", embedded["SQS_QUEUE_URL"], "--wait-time-seconds", "1", "--output", "json")
        bodies.extend(message["Body"] for message in json.loads(answer or "{}").get("Messages", []))
        return any("packrat/data/20160801.gz" in body for body in bodies)
    wait_for(told, lambda: f"the notification: {bodies}")
