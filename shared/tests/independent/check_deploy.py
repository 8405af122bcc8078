"""deploy/ works: the stack is created, and step 9 runs on it with the permissions stated there and no others.

ministack reads CloudFormation, asks the queue's policy before it lets the bucket send, and IAM before each answer.
It has no Application Auto Scaling, and no Fargate that runs anything: only cfn-lint checks
these. Docker Compose reads compose.yaml, but ministack is here in place of LocalStack.
"""

import gzip
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml
from conftest import DEADLINE, NOWHERE, binary, clients, environment, free_port, running, started_ministack, wait_for

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
TEMPLATE = DEPLOY / "palleto.yaml"
# The program does not name these in its --help. They are the SDK's, and the log's.
STANDARD = {
    "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "LOG_FORMAT", "RUST_LOG",
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME",
}
# These actions concern no resource, so a policy has to allow them for all.
FOR_ALL_RESOURCES = {"ecr:GetAuthorizationToken"}
FILES = {"a/b +ü.gz": gzip.compress(b"one\n\ntwo\n"), "plain.txt": b"three\nfour\nfive"}
RESULTS = {"a/b +ü.gz": (2, 9), "plain.txt": (3, 15)}
numbers = itertools.count(1)


def tool(name, *arguments, **env):
    """Runs a program that requirements.txt installs. Returns its output."""
    command = [Path(sys.executable).with_name(name), *arguments]
    done = subprocess.run(
        list(map(str, command)), env=environment(**env), capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def template():
    # Leaves out the properties that ministack does not know.
    read = cfn_yaml.load(str(TEMPLATE))
    unknown = [name for name, it in read["Resources"].items() if it["Type"].startswith("AWS::ApplicationAutoScaling::")]
    for name in unknown:
        del read["Resources"][name]
    return read


def results(folder):
    files = [json.loads(file.read_text()) for file in folder.iterdir()]
    return {it["key"]: (it["line_count"], it["byte_size"]) for it in files}


def attributes(sqs, queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]


def counts(sqs, queue):
    """How many messages are visible, and how many hidden."""
    found = attributes(sqs, queue)
    return tuple(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))


def refused(code, request, **arguments):
    with pytest.raises(ClientError) as error:
        request(**arguments)
    assert error.value.response["Error"]["Code"] == code, error.value


# The template


def test_cfn_lint_has_nothing_to_say():
    tool("cfn-lint", "--template", TEMPLATE)


def test_nothing_is_allowed_that_need_not_be():
    """No "*" among the actions that are allowed, nor as the resource if AWS takes another one."""
    def statements(part):
        if isinstance(part, dict) and "Effect" in part:
            yield part
        elif isinstance(part, (dict, list)):
            for inner in part.values() if isinstance(part, dict) else part:
                yield from statements(inner)

    def as_list(it):
        return it if isinstance(it, list) else [it]

    allowed = [it for it in statements(cfn_yaml.load(str(TEMPLATE))["Resources"]) if it["Effect"] == "Allow"]
    assert len(allowed) >= 7, "the queue's policy, three statements for the program, and those of the roles"
    for statement in allowed:
        actions = as_list(statement["Action"])
        assert not [it for it in actions if "*" in it], statement
        # A role's trust policy names no resource, because the resource is the role.
        resources = as_list(statement.get("Resource", []))
        assert "*" not in resources or set(actions) <= FOR_ALL_RESOURCES, statement
        assert statement.get("Principal") not in ("*", {"AWS": "*"}), statement


# The stack


class Stack:
    def __init__(self, endpoint, **parameters):
        self.endpoint, self.name = endpoint, f"stack-{next(numbers)}"
        self.cloudformation, self.iam, self.s3, self.sqs = clients(endpoint, ("cloudformation", "iam", "s3", "sqs"))
        parameters = {"BucketName": f"files-of-{self.name}"} | parameters
        self.cloudformation.create_stack(
            StackName=self.name, TemplateBody=json.dumps(template()), Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])
        self.wait_until("CREATE_COMPLETE")
        [stack] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        self.outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        self.bucket, self.queue = self.outputs["BucketName"], self.outputs["QueueUrl"]
        self.dead_letters, self.output = self.outputs["DeadLetterQueueUrl"], self.outputs["ResultsUrl"]

    def wait_until(self, status):
        def events():
            return self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        def is_done():
            newest = next(it for it in events() if it["ResourceType"] == "AWS::CloudFormation::Stack")
            return None if newest["ResourceStatus"].endswith("_IN_PROGRESS") else newest["ResourceStatus"]
        def reasons():
            return [(it["LogicalResourceId"], it["ResourceStatusReason"]) for it in events() if it.get("ResourceStatusReason")]
        assert wait_for(is_done, lambda: f"{status}: {reasons()}") == status, reasons()

    def resources(self):
        found = self.cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in found}

    def allow_http(self):
        """The way to ministack is not encrypted. That this is refused is checked elsewhere."""
        for bucket in (self.bucket, self.output.split("/")[2]):
            self.s3.delete_bucket_policy(Bucket=bucket)

    def user(self):
        """The keys of a user with the stack's policy."""
        name = f"user-of-{self.name}"
        self.iam.create_user(UserName=name)
        self.iam.attach_user_policy(UserName=name, PolicyArn=self.outputs["PolicyArn"])
        # At AWS, sqs:DeleteMessage is for one message and for a batch of them. ministack asks for an action that AWS
        # does not know, and that cfn-lint would not let into the template.
        batches = {"Effect": "Allow", "Resource": "*", "Action": ["sqs:DeleteMessageBatch", "sqs:ChangeMessageVisibilityBatch"]}
        self.iam.put_user_policy(
            UserName=name, PolicyName="batches", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [batches]}))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def put(self, files):
        """Puts these files there, and waits until the queue has been told, besides of the s3:TestEvent."""
        for key, content in files.items():
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        told = (len(files) + 1, 0)
        wait_for(lambda: counts(self.sqs, self.queue) == told, lambda: f"{told}: {counts(self.sqs, self.queue)}")

    def results(self):
        """Those in the bucket for results."""
        bucket = self.output.split("/")[2]
        keys = [it["Key"] for it in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        found = [json.load(self.s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys]
        return {it["key"]: (it["line_count"], it["byte_size"]) for it in found}

    def process(self, keys, **env):
        """Runs step 9 until there is nothing left to do. Returns its output."""
        access = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        command = [binary("step09"), "--until-idle", "--wait", "1"]
        settings = {"SQS_QUEUE_URL": self.queue, "PALLETO_OUTPUT": self.output}
        with running(command, **settings | env | access) as process:
            assert process.end() == 0, process.printed()
            return process.printed()


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """An AWS that reads templates, and asks IAM. Its tasks do not run, because it does not find a Docker that may be here."""
    services = "cloudformation,ec2,ecs,iam,logs,monitoring,s3,sqs"
    folder = tmp_path_factory.mktemp("aws")
    with started_ministack(folder, services, AUTH="true", DOCKER_HOST=NOWHERE.replace("http", "tcp")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def stack(aws):
    """Buckets, queues and policy, without an image. For checks that do not change them."""
    stack = Stack(aws)
    stack.keys = stack.user()
    return stack


def test_without_an_image_there_is_nothing_to_run(stack):
    assert set(stack.resources()) == {
        "Bucket", "BucketPolicy", "Queue", "DeadLetterQueue", "QueuePolicy", "DeadLetterAlarm", "ResultsBucket",
        "ResultsBucketPolicy", "TaskPolicy"}
    assert set(stack.outputs) == {"BucketName", "QueueUrl", "DeadLetterQueueUrl", "PolicyArn", "ResultsUrl"}


@pytest.mark.parametrize("which", ["files", "results"])
def test_the_bucket_is_private(stack, which):
    bucket = stack.bucket if which == "files" else stack.output.split("/")[2]
    blocked = stack.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4 and all(blocked.values()), blocked
    encryption = stack.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    # Without TLS, not even a permitted user may read.
    [s3] = clients(stack.endpoint, ["s3"], *stack.keys)
    refused("AccessDenied", s3.get_object, Bucket=bucket, Key="key")
    policy = json.loads(stack.s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_queue_waits_and_puts_aside(stack):
    found = attributes(stack.sqs, stack.queue)
    assert (found["ReceiveMessageWaitTimeSeconds"], found["VisibilityTimeout"]) == ("20", "120")
    redrive = json.loads(found["RedrivePolicy"])
    dead_letters = attributes(stack.sqs, stack.dead_letters)
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (dead_letters["QueueArn"], 5)
    assert int(dead_letters["MessageRetentionPeriod"]) == 14 * 24 * 60 * 60


def test_only_this_bucket_may_send(stack):
    found = attributes(stack.sqs, stack.queue)
    [statement] = json.loads(found["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"} and statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{stack.bucket}"}, "StringEquals": {"aws:SourceAccount": "000000000000"}}
    stack.s3.create_bucket(Bucket="another-bucket")
    to_queue = {"QueueArn": found["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    refused(
        "InvalidArgument", stack.s3.put_bucket_notification_configuration,
        Bucket="another-bucket", NotificationConfiguration={"QueueConfigurations": [to_queue]})


def test_step_9_needs_no_more_than_its_policy(aws):
    stack = Stack(aws)
    stack.allow_http()
    stack.put(FILES | {"gone": b""})
    stack.s3.delete_object(Bucket=stack.bucket, Key="gone")
    keys = stack.user()
    printed = stack.process(keys)
    assert stack.results() == RESULTS
    assert (counts(stack.sqs, stack.queue), counts(stack.sqs, stack.dead_letters)) == ((0, 0), (0, 0)), printed

    s3, sqs = clients(aws, key=keys[0], secret=keys[1])
    # Permissions that these few files did not need, or ministack does not ask for. To say that a key is missing, AWS
    # wants s3:ListBucket.
    s3.list_objects_v2(Bucket=stack.bucket)
    s3.get_object(Bucket=stack.bucket, Key="plain.txt", VersionId="null")
    s3.get_bucket_notification_configuration(Bucket=stack.bucket)
    done = stack.output.split("/")[2]
    s3.list_objects_v2(Bucket=done)
    s3.delete_object(Bucket=done, Key="palleto-check")
    s3.delete_object(Bucket=done, Key="failed/record.json")
    sqs.get_queue_url(QueueName=stack.queue.rsplit("/", 1)[1])
    for queue in (stack.queue, stack.dead_letters):
        attributes(sqs, queue)
    for request, more in [(sqs.delete_message, {}), (sqs.change_message_visibility, {"VisibilityTimeout": 0})]:
        refused("ReceiptHandleIsInvalid", request, QueueUrl=stack.queue, ReceiptHandle="x", **more)
    # It has no permission that it does not need.
    refused("AccessDenied", s3.put_object, Bucket=stack.bucket, Key="key", Body=b"")
    refused("AccessDenied", s3.delete_object, Bucket=stack.bucket, Key="plain.txt")
    [result, _] = [it["Key"] for it in s3.list_objects_v2(Bucket=done)["Contents"]]
    refused("AccessDenied", s3.delete_object, Bucket=done, Key=result)
    refused("AccessDenied", s3.list_buckets)
    for request, more in [(sqs.send_message, {"MessageBody": "x"}), (sqs.purge_queue, {}), (sqs.delete_queue, {})]:
        refused("AccessDenied", request, QueueUrl=stack.queue, **more)
    refused("AccessDenied", sqs.receive_message, QueueUrl=stack.dead_letters)


def test_a_message_that_nobody_can_do_is_put_aside(aws):
    stack = Stack(aws, MaxReceiveCount="2")
    stack.sqs.send_message(QueueUrl=stack.queue, MessageBody="nobody understands this")
    for _try in range(2):
        # The s3:TestEvent is another one.
        received = stack.sqs.receive_message(QueueUrl=stack.queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        assert len(received["Messages"]) == 2
    assert "Messages" not in stack.sqs.receive_message(QueueUrl=stack.queue, WaitTimeSeconds=0)
    assert (counts(stack.sqs, stack.queue), counts(stack.sqs, stack.dead_letters)) == ((0, 0), (2, 0))


def test_the_files_outlive_the_stack(aws):
    stack = Stack(aws)
    stack.put(FILES)
    stack.cloudformation.delete_stack(StackName=stack.name)
    queue_name = stack.queue.rsplit("/", 1)[1]
    wait_for(
        lambda: not stack.sqs.list_queues(QueueNamePrefix=queue_name).get("QueueUrls"), "the end of the queue")
    assert {it["Key"] for it in stack.s3.list_objects_v2(Bucket=stack.bucket)["Contents"]} == set(FILES)


@pytest.fixture(scope="session")
def network(aws):
    [ec2] = clients(aws, ["ec2"])
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return {"VpcId": vpc, "FirstSubnet": subnets[0]["SubnetId"], "SecondSubnet": subnets[1]["SubnetId"]}


def test_an_image_needs_a_network(aws, network):
    for missing in network:
        given = {name: value for name, value in network.items() if name != missing}
        with pytest.raises(ClientError, match=missing):
            Stack(aws, Image="palleto", **given)


def test_step_9_runs_as_the_task_does(aws, network):
    stack = Stack(aws, Image="palleto", Pipelines="2", **network)
    resources = stack.resources()
    assert {"Service", "TaskRole", "ExecutionRole", "LogGroup"} <= set(resources)
    [ecs] = clients(aws, ["ecs"])
    task = ecs.describe_task_definition(taskDefinition=resources["TaskDefinition"])["taskDefinition"]
    [container] = task["containerDefinitions"]
    env = {it["name"]: it["value"] for it in container["environment"]}
    assert env["SQS_QUEUE_URL"] == stack.queue and env["PALLETO_PIPELINES"] == "2"
    assert container["stopTimeout"] > int(env["PALLETO_STOP_LIMIT"]), "it ends by itself before it is killed"
    assert env["PALLETO_OUTPUT"] == stack.output and not container.get("mountPoints")
    assert env["PALLETO_METRICS"] == f"0.0.0.0:{container['portMappings'][0]['containerPort']}"

    stack.allow_http()
    stack.put(FILES)
    env |= {"PALLETO_METRICS": f"127.0.0.1:{free_port()}"}  # Its port may be taken here.
    printed = stack.process(stack.user(), **env)
    assert all(json.loads(line) for line in printed.splitlines()), "LOG_FORMAT=json"
    assert stack.results() == RESULTS
    assert counts(stack.sqs, stack.queue) == (0, 0)


# Compose


def compose(tmp_path, dot_env=None):
    """compose.yaml as Docker Compose reads it, without a developer's own .env."""
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns(".env"))
    if dot_env is not None:
        (folder / ".env").write_text(dot_env)
    config = tool("docker-compose", "--file", folder / "compose.yaml", "config", "--format", "json", HOME=str(tmp_path))
    return json.loads(config)["services"]


def example():
    """The settings in .env.example, by name: all are commented out."""
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))


def test_compose_is_understood(tmp_path):
    services = compose(tmp_path)
    palleto, localstack = services["palleto"], services["localstack"]
    assert palleto["depends_on"]["localstack"]["condition"] == "service_healthy" and localstack["healthcheck"]["test"]
    assert re.fullmatch(r"localstack/localstack:\d+\.\d+\.\d+", localstack["image"])
    assert all(port["host_ip"] == "127.0.0.1" for it in services.values() for port in it["ports"])
    [script] = localstack["volumes"]
    assert os.access(script["source"], os.X_OK), "LocalStack runs only what is executable"
    [volume] = palleto["volumes"]
    assert palleto["environment"]["PALLETO_OUTPUT"].startswith(volume["target"] + "/")


def test_compose_takes_settings_from_the_environment_file(tmp_path):
    everything = "".join(f"{name}={value}\n" for name, value in (example() | {"PALLETO_WAIT": "7"}).items())
    env = compose(tmp_path, dot_env=everything)["palleto"]["environment"]
    assert set(env) == set(example())
    assert (env["PALLETO_WAIT"], env["PALLETO_STOP_LIMIT"]) == ("7", "30")
    # But it stays with its own SQS and S3.
    assert env["SQS_QUEUE_URL"].startswith(env["AWS_ENDPOINT_URL"] + "/") and "localstack" in env["AWS_ENDPOINT_URL"]


def test_the_init_script_is_clean():
    tool("shellcheck", DEPLOY / "localstack" / "init.sh")


def test_step_9_runs_on_what_the_init_script_makes(ministack, tmp_path):
    # In LocalStack's image, awslocal is the AWS CLI with an endpoint.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "awslocal").write_text(f"""#!/bin/sh
exec {sys.executable} {Path(sys.executable).with_name("aws")} --endpoint-url {ministack} "$@"
""")
    (programs / "awslocal").chmod(0o755)
    for _start in range(2):  # If it is there already, that is no error.
        with running([DEPLOY / "localstack" / "init.sh"], PATH=f"{programs}:{os.environ['PATH']}") as script:
            assert script.end() == 0, script.printed()

    env = compose(tmp_path)["palleto"]["environment"]
    there = {name: value.replace("http://localstack:4566", ministack) for name, value in env.items()}
    here = there | {"PALLETO_OUTPUT": str(tmp_path / "output"), "PALLETO_METRICS": f"127.0.0.1:{free_port()}"}
    s3, sqs = clients(ministack)
    for key, content in FILES.items():
        s3.put_object(Bucket="warehouse.development", Key=key, Body=content)
    # Each start of the script has caused an s3:TestEvent.
    told = (len(FILES) + 2, 0)
    queue = here["SQS_QUEUE_URL"]
    wait_for(lambda: counts(sqs, queue) == told, lambda: f"{told}: {counts(sqs, queue)}")
    command = [binary("step09"), "--until-idle", "--wait", "1", "--output", here["PALLETO_OUTPUT"]]
    with running(command, **here) as process:
        assert process.end() == 0, process.printed()
    assert results(tmp_path / "output") == RESULTS
    assert counts(sqs, queue) == (0, 0)
    redrive = json.loads(attributes(sqs, queue)["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":warehouse_raw_events_dead")


# Settings


@pytest.fixture(scope="session")
def known():
    """The settings that the program knows."""
    with running([binary("step09"), "--help"]) as process:
        assert process.end() == 0, process.printed()
    return set(re.findall(r"\[env: (\w+)", process.printed())) | STANDARD


def test_the_example_names_each_setting_and_no_other(known):
    assert set(example()) == known


def test_compose_and_task_set_only_what_the_program_knows(known, tmp_path):
    assert set(compose(tmp_path)["palleto"]["environment"]) - known == set()
    [container] = template()["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert {it["Name"] for it in container["Environment"]} - known == set()
