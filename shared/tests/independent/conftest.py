"""Fixtures of the checks: processes that end with the check, and waits that have a deadline."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

# Long enough for a busy machine. No check takes longer when all is well.
DEADLINE = 90
REGION = "us-east-1"
NOWHERE = "http://127.0.0.1:9"
BINARIES = Path(__file__).resolve().parents[3] / "target" / "debug"
STEPS = {
    "step06": "step06_process_messages",
    "step07": "step07_release_messages",
    "step08": "step08_download_and_process",
    "step09": "step09_concurrent_processing",
}

# A signal that stops the checks also stops the processes they started: as with Ctrl-C, pytest leaves all fixtures.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def binary(name):
    """Where a program is. STEP08=/somewhere/else in the environment names another one."""
    path = Path(os.environ.get(name.upper(), BINARIES / STEPS.get(name, name)))
    assert path.exists(), f"{path} is not built"
    return path


def environment(**extra):
    """Nothing that is configured on this machine for AWS, and no way off it."""
    not_ours = re.compile("^(AWS_|SQS_|RUST_LOG|LOG_FORMAT)|PROXY", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not not_ours.search(name)}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A request that would leave this machine nevertheless goes to a port that nothing listens on.
        "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1",
        "http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "127.0.0.1",
    } | extra


# boto3 is in this very process.
here = environment()
os.environ.clear()
os.environ.update(here)


def wait_for(condition, what):
    """Waits until the condition holds, and returns its value."""
    deadline = time.monotonic() + DEADLINE
    while not (result := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {DEADLINE} seconds for {what() if callable(what) else what}")
        time.sleep(0.05)
    return result


class Process:
    """A running program, and its output so far."""

    def __init__(self, command, env):
        self.lines = []
        # In a group of its own, so that nothing it starts is left behind.
        self.popen = subprocess.Popen(
            list(map(str, command)), env=env, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.popen.stdout:
            self.lines.append(line)

    def printed(self):
        return "".join(self.lines)

    def wait_until_printed(self, pattern):
        def has_printed():
            return re.search(pattern, self.printed())
        # When the reader is at the end, so is the program.
        wait_for(lambda: has_printed() or not self.reader.is_alive(), lambda: f"{pattern} in:\n{self.printed()}")
        assert has_printed(), f"it ended without {pattern}:\n{self.printed()}"

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        return self.end()

    def end(self):
        """Waits for its end, and returns its exit code."""
        try:
            code = self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end:\n{self.printed()}")
        self.reader.join(DEADLINE)
        return code

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@contextlib.contextmanager
def running(command, **env):
    process = Process(command, environment(**env))
    try:
        yield process
    finally:
        process.kill()


def clients(endpoint, services=("s3", "sqs"), key="test", secret="test"):
    """S3 and SQS, or others, as boto3 has them."""
    config = Config(retries={"max_attempts": 1}, proxies={}, s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": REGION}
    return [boto3.client(service, endpoint_url=endpoint, config=config, **keys) for service in services]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started_ministack(folder, services, **more):
    """The endpoint of an AWS that we did not write, with these services."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    # By itself it listens at all interfaces, and for more than is needed.
    settings = {
        "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
        "SERVICES": services, "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "PERSIST_STATE": "0", "S3_PERSIST": "0",
        # It leaves a file there with its process id.
        "TMPDIR": str(folder),
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with running([Path(sys.executable).with_name("ministack")], **settings, **more) as process:
        def is_healthy():
            assert process.popen.poll() is None, f"ministack ended:\n{process.printed()}"
            with contextlib.suppress(OSError), opener.open(f"{endpoint}/_ministack/health", timeout=5) as answer:
                return json.load(answer)["services"]["sqs"] == "available"
        wait_for(is_healthy, lambda: f"ministack:\n{process.printed()}")
        yield endpoint


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    """The endpoint of an SQS and S3 that we did not write."""
    with started_ministack(tmp_path_factory.mktemp("ministack"), "s3,sqs") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def embedded():
    """The variables that our own SQS and S3 print for a second terminal, by name."""
    with running([binary("local_aws"), "--port", "0"]) as process:
        process.wait_until_printed("export SQS_QUEUE_URL=.*\n")
        yield dict(re.findall(r"(\w+)=(\S+)", process.printed()))
        assert process.stop() == 0, "local_aws is to end in order"
