"""deploy/grafana.json: Grafana understands it, and it shows the metrics of step 9.

Grafana's own SDK reads the dashboard, and a parser of Prometheus's language its queries. Neither Grafana nor Prometheus
runs here.
"""

import json
import re
import urllib.request

import promql_parser
from check_deploy import DEPLOY
from conftest import binary, clients, free_port, running, wait_for
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
COLUMNS = 24
# Grafana puts its own values there.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$instance": ".*"}


def queries():
    """Each query, parsed."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            assert "$" not in query, f"{panel['title']}: an unknown variable"
            yield promql_parser.parse(query)


def selectors(node, has_range=False):
    """The names in a query, and whether each has a range of time."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, has_range
    inner = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")]
    for part in [*inner, *getattr(node, "args", [])]:
        if part is not None:
            yield from selectors(part, isinstance(node, promql_parser.MatrixSelector))


def missing(written, read, path=""):
    """The settings that are written and not read. Defaults may be read that are not written."""
    if isinstance(written, dict) and isinstance(read, dict):
        for name, value in written.items():
            yield from missing(value, read.get(name), f"{path}.{name}")
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (one, other) in enumerate(zip(written, read)):
            yield from missing(one, other, f"{path}[{number}]")
    elif written != read:
        yield f"{path}: {written!r}, read as {read!r}"


def test_grafana_knows_everything_in_the_dashboard():
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert list(missing(DASHBOARD, read)) == []


def test_panels_lie_side_by_side():
    taken = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_counters_are_shown_as_rates():
    for query in queries():
        for name, has_range in selectors(query):
            assert has_range == name.endswith(("_total", "_bucket")), name


def test_the_dashboard_shows_each_number_that_step_9_exports_and_no_other(ministack, tmp_path):
    s3, sqs = clients(ministack)
    s3.create_bucket(Bucket="watched")
    s3.put_object(Bucket="watched", Key="file", Body=b"one\ntwo\n")
    dead = sqs.create_queue(QueueName="watched-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"})
    queue = sqs.create_queue(QueueName="watched", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "watched"}, "object": {"key": "file"}}}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": [record]}))
    address = f"127.0.0.1:{free_port()}"
    command = [binary("step09"), "--wait", "1", "--metrics", address, "--output", tmp_path]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    with running(command, SQS_QUEUE_URL=queue, AWS_ENDPOINT_URL=ministack) as step:
        step.wait_until_printed("Serving /metrics")

        def scrape():
            with direct.open(f"http://{address}/metrics") as answer:
                return answer.read().decode()

        # All has been measured once.
        measured = ("\npalleto_messages_released_total 1\n", "\npalleto_dead_letters 0\n")
        wait_for(lambda: all(it in scrape() for it in measured), scrape)
        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scrape(), re.MULTILINE))
        assert step.stop() == 0, step.printed()

    series = {f"{name}_bucket" if kind == "histogram" else name for name, kind in kinds.items()}
    assert {name for query in queries() for name, _ in selectors(query)} == series
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            [name] = re.findall(r"^label_values\((\w+), \w+\)$", variable["query"])
            assert name in series
