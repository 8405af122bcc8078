"""`step09 --check` against an AWS that we did not write, which asks IAM before each answer.

boto3 alone sets up the queue, the bucket, the notification and the user, so the doctor reads settings
that another program has written, in another program's form.
"""

import itertools
import json
import re

import pytest
from conftest import REGION, binary, clients, running, started_ministack

ACCOUNT = "000000000000"
# The permissions that step 9 needs, as README.md says, and those that only --check needs.
ON_QUEUE = [
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
]
ON_BUCKET = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketNotification"]
EVERYTHING = ON_QUEUE + ON_BUCKET
# With results in a bucket.
ON_RESULTS = ["s3:PutObject", "s3:DeleteObject"]
CREATED = {"Events": ["s3:ObjectCreated:*"]}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """An AWS with users, whose policies it enforces."""
    with started_ministack(tmp_path_factory.mktemp("aws"), "iam,s3,sqs,sts", AUTH="true") as endpoint:
        yield endpoint


class World:
    """A bucket, a queue and a dead-letter queue, and a user who may use them: everything is set up."""

    def __init__(self, endpoint, redrive=True, notification=CREATED, allowed=EVERYTHING, visibility_timeout=60):
        self.endpoint = endpoint
        self.s3, self.sqs, self.iam = clients(endpoint, ("s3", "sqs", "iam"))
        self.name = f"files-{next(numbers)}"
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"
        attributes = {"VisibilityTimeout": str(visibility_timeout), "Policy": self.policy("sqs:SendMessage", self.arn, {
            "Principal": {"Service": "s3.amazonaws.com"},
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{self.name}"}},
        })}
        if redrive:
            self.sqs.create_queue(QueueName=f"{self.name}-dead")
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": f"{self.arn}-dead", "maxReceiveCount": "5"})
        self.queue = self.sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.s3.create_bucket(Bucket=self.name)
        if notification:
            self.s3.put_bucket_notification_configuration(
                Bucket=self.name, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": self.arn} | notification]})
        self.keys = self.user(allowed)

    def policy(self, actions, resources, more):
        statement = {"Effect": "Allow", "Action": actions, "Resource": resources} | more
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def user(self, allowed):
        self.iam.create_user(UserName=self.name)
        resources = [self.arn, f"{self.arn}-dead", f"arn:aws:s3:::{self.name}*"]
        self.iam.put_user_policy(
            UserName=self.name, PolicyName="work", PolicyDocument=self.policy(allowed, resources, {}))
        key = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def check(self, folder, *arguments, **env):
        env = {"AWS_ACCESS_KEY_ID": self.keys[0], "AWS_SECRET_ACCESS_KEY": self.keys[1]} | env
        env = {"SQS_QUEUE_URL": self.queue, "AWS_ENDPOINT_URL": self.endpoint} | env
        with running([binary("step09"), "--check", "--output", folder, *arguments], **env) as process:
            return Checked(process.end(), process.printed())

    def receive_counts(self):
        received = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"])
        return [int(it["Attributes"]["ApproximateReceiveCount"]) for it in received.get("Messages", [])]


class Checked:
    def __init__(self, code, printed):
        self.code, self.printed = code, printed
        # The last line is the conclusion.
        lines = [re.fullmatch(r"(\w+) +(.+?): (.+)", line) for line in printed.splitlines()[:-1]]
        assert all(lines), f"a line each:\n{printed}"
        self.lines = [line.groups() for line in lines]

    def marked(self, mark):
        return [check for marked, check, _says in self.lines if marked == mark]

    def says(self, check):
        [says] = [says for _mark, name, says in self.lines if name == check]
        return says


def test_nothing_is_wrong_with_what_is_right(aws, tmp_path):
    world = World(aws)
    checked = world.check(tmp_path)
    assert checked.code == 0, checked.printed
    assert len(checked.marked("ok")) == len(checked.lines), checked.printed
    assert f"arn:aws:iam::{ACCOUNT}:user/{world.name}" in checked.says("Credentials")
    assert checked.says("Visibility timeout").startswith("1 minute,")
    assert f"{world.arn}-dead" in checked.says("Redrive policy")
    assert checked.marked("ok").count(f"s3:GetObject of {world.name}") == 1


def test_a_queue_is_found_by_its_name(aws, tmp_path):
    world = World(aws)
    checked = world.check(tmp_path, "--queue-name", world.name, SQS_QUEUE_URL="")
    assert (checked.code, checked.marked("warning")) == (0, []), checked.printed
    checked = world.check(tmp_path, "--queue-name", "nobodys", SQS_QUEUE_URL="")
    assert (checked.code, checked.marked("failed")) == (1, ["Queue"]), checked.printed


def test_it_leaves_everything_as_it_was(aws, tmp_path):
    world = World(aws)
    world.sqs.purge_queue(QueueUrl=world.queue)
    for number in range(3):
        world.sqs.send_message(QueueUrl=world.queue, MessageBody=str(number))
    for _time in range(3):
        assert world.check(tmp_path).code == 0
    assert world.receive_counts() == [1, 1, 1], "nobody has received them before"
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.name)
    assert list(tmp_path.iterdir()) == []


def test_without_a_redrive_policy_it_works_but_should_not(aws, tmp_path):
    checked = World(aws, redrive=False).check(tmp_path)
    assert (checked.code, checked.marked("warning")) == (0, ["Redrive policy"]), checked.printed
    world = World(aws)
    world.sqs.delete_queue(QueueUrl=f"{world.queue}-dead")
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("warning")) == (0, ["Redrive policy"]), checked.printed
    assert "not there" in checked.says("Redrive policy")


def test_a_bucket_has_to_tell_the_queue(aws, tmp_path):
    world = World(aws, notification=None)
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("failed")) == (1, [f"Notification of {world.name}"]), checked.printed
    assert world.arn in checked.says(f"Notification of {world.name}")
    # It need not do so by itself.
    world.s3.put_bucket_notification_configuration(
        Bucket=world.name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("failed")) == (0, []), checked.printed
    assert "EventBridge" in checked.says(f"Notification of {world.name}")


def test_filters_are_told(aws, tmp_path):
    rules = [{"Name": "prefix", "Value": "logs/"}, {"Name": "suffix", "Value": ".gz"}]
    world = World(aws, notification=CREATED | {"Filter": {"Key": {"FilterRules": rules}}})
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("warning")) == (0, []), checked.printed
    assert "begin with logs/ and end with .gz" in checked.says(f"Notification of {world.name}")
    world = World(aws, notification={"Events": ["s3:ObjectCreated:Put"]})
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("warning")) == (0, [f"Notification of {world.name}"]), checked.printed


@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "s3:GetObject"])
def test_what_is_not_allowed_is_named(aws, tmp_path, action):
    world = World(aws, allowed=[it for it in EVERYTHING if it != action])
    check = f"{action} of {world.name}" if action.startswith("s3:") else action
    checked = world.check(tmp_path)
    assert (checked.code, checked.marked("failed"), checked.marked("warning")) == (1, [check], []), checked.printed
    assert "not allowed" in checked.says(check) and "AccessDenied" in checked.says(check)


@pytest.mark.parametrize("action", ["sqs:GetQueueAttributes", "s3:GetBucketNotification", "sqs:GetQueueUrl"])
def test_what_only_the_check_needs_is_no_failure(aws, tmp_path, action):
    world = World(aws, allowed=[it for it in EVERYTHING if it != action])
    checked = world.check(tmp_path, "--bucket", world.name)
    assert (checked.code, checked.marked("failed")) == (0, []), checked.printed
    # The queue was named by its URL, and the program needs no access to the dead-letter queue.
    if action != "sqs:GetQueueUrl":
        assert any(action in checked.says(check) for check in checked.marked("warning")), checked.printed
    # As README.md says, it works with these.
    assert set(checked.marked("ok")) >= {*ON_QUEUE[:3], f"s3:GetObject of {world.name}"}, checked.printed


def test_results_in_a_bucket_are_written_once(aws):
    """This S3 has conditions, and one that we did not write."""
    world = World(aws, allowed=EVERYTHING + ON_RESULTS)
    bucket = f"{world.name}-results"
    world.s3.create_bucket(Bucket=bucket)
    checked = world.check(f"s3://{bucket}/done")
    assert (checked.code, len(checked.marked("ok"))) == (0, len(checked.lines)), checked.printed
    assert checked.says("Results") == f"can be written to s3://{bucket}/done/ (--output), each once"
    assert "Contents" not in world.s3.list_objects_v2(Bucket=bucket), "it leaves nothing behind"
    checked = world.check(f"s3://{world.name}/done")
    assert (checked.code, checked.marked("failed")) == (1, ["Results"]), checked.printed


@pytest.mark.parametrize("action, mark, check", [
    ("s3:PutObject", "failed", "Results"),
    ("s3:GetObject", "warning", "Earlier results"),
    ("s3:GetBucketNotification", "warning", "Notification of results"),
    ("s3:DeleteObject", "warning", "Records of failed files"),
])
def test_what_a_bucket_for_results_does_not_allow_is_named(aws, action, mark, check):
    world = World(aws, allowed=[it for it in EVERYTHING + ON_RESULTS if it != action])
    bucket = f"{world.name}-results"
    world.s3.create_bucket(Bucket=bucket)
    checked = world.check(f"s3://{bucket}/done")
    assert check in checked.marked(mark) and action in checked.says(check), checked.printed


def test_keys_that_nobody_has_are_refused(aws, tmp_path):
    world = World(aws)
    for env in [{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, {"AWS_SECRET_ACCESS_KEY": "another"}]:
        checked = world.check(tmp_path, **env)
        assert (checked.code, checked.marked("failed")) == (1, ["Credentials"]), checked.printed
        assert "refused" in checked.says("Credentials")


def test_without_sts_nobody_knows_whose_they_are(ministack, tmp_path):
    """The session's ministack has no STS, and checks no permissions."""
    s3, sqs = clients(ministack)
    queue = sqs.create_queue(QueueName="doctor")["QueueUrl"]
    env = {"SQS_QUEUE_URL": queue, "AWS_ENDPOINT_URL": ministack}
    with running([binary("step09"), "--check", "--output", tmp_path], **env) as process:
        checked = Checked(process.end(), process.printed())
    assert (checked.code, checked.marked("failed")) == (0, []), checked.printed
    assert checked.marked("warning") == ["Credentials", "Redrive policy", "Allowed buckets", "Bucket"], checked.printed
