"""deploy/kubernetes.yaml: Kubernetes and KEDA understand it, it fits palleto.yaml, and step 9 runs with its settings.

Their schemas come as Python packages. No Kubernetes runs here.
"""

import json
import re
import urllib.request
from string import Template

import yaml
from check_deploy import DEPLOY, FILES, RESULTS, known, template  # noqa: F401: known is a fixture
from conftest import REGION, binary, clients, free_port, running, wait_for

TEXT = (DEPLOY / "kubernetes.yaml").read_text()
KINDS = ["ServiceAccount", "Deployment", "ScaledObject", "TriggerAuthentication"]
TEMPLATE = template()
TASK = TEMPLATE["Resources"]["TaskDefinition"]["Properties"]


def manifest(**filled_in):
    """Its documents by kind, as envsubst fills them in."""
    values = {"IMAGE": "palleto", "SQS_QUEUE_URL": "queue", "AWS_REGION": REGION, "PALLETO_OUTPUT": "s3://results/"}
    documents = list(yaml.safe_load_all(Template(TEXT).substitute(values | filled_in)))
    assert [it["kind"] for it in documents] == KINDS
    return {it["kind"]: it for it in documents}


def pod(documents):
    return documents["Deployment"]["spec"]["template"]["spec"]


def container(documents):
    [only] = pod(documents)["containers"]
    return only


def env(documents):
    return {it["name"]: it["value"] for it in container(documents)["env"]}


def seconds(probe):
    """How long it may fail until Kubernetes does something."""
    return probe["periodSeconds"] * probe["failureThreshold"]


def test_the_schemas_know_everything_in_it():
    # Importing them takes seconds, so only this check does.
    from cloudcoil.models.keda import v1alpha1 as keda
    from cloudcoil.models.kubernetes.apps import v1 as apps
    from cloudcoil.models.kubernetes.core import v1 as core

    schemas = [core.ServiceAccount, apps.Deployment, keda.ScaledObject, keda.TriggerAuthentication]
    for schema, written in zip(schemas, manifest().values(), strict=True):
        # A schema leaves out fields that it does not know.
        read = schema.model_validate(written)
        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == written


def test_its_parts_find_each_other():
    documents = manifest()
    spec = documents["Deployment"]["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert pod(documents)["serviceAccountName"] == documents["ServiceAccount"]["metadata"]["name"]
    scaled = documents["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == documents["Deployment"]["metadata"]["name"]
    [trigger] = scaled["triggers"]
    assert trigger["authenticationRef"]["name"] == documents["TriggerAuthentication"]["metadata"]["name"]
    assert trigger["metadata"]["queueURLFromEnv"] in env(documents)
    [port] = container(documents)["ports"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(documents)[probe]["httpGet"]["port"] == port["name"]
    scraped = spec["template"]["metadata"]["annotations"]["prometheus.io/port"]
    assert env(documents)["PALLETO_METRICS"] == f"0.0.0.0:{port['containerPort']}" == f"0.0.0.0:{scraped}"


def test_it_has_the_settings_of_the_template():
    [task] = TASK["ContainerDefinitions"]
    given = {name: it["Default"] for name, it in TEMPLATE["Parameters"].items() if "Default" in it}
    # The values that the stack decides are filled in.
    filled_in = {"SQS_QUEUE_URL": "queue", "PALLETO_OUTPUT": "s3://results/"}
    wanted = {it["Name"]: it["Value"] for it in task["Environment"]} | filled_in
    wanted = {name: given[it["Ref"]] if isinstance(it, dict) else it for name, it in wanted.items()}
    documents = manifest()
    # A task of Fargate knows its region.
    assert env(documents) == wanted | {"AWS_REGION": REGION}
    assert pod(documents)["terminationGracePeriodSeconds"] == task["StopTimeout"]
    assert container(documents)["securityContext"]["readOnlyRootFilesystem"] == task["ReadonlyRootFilesystem"]
    resources = {"cpu": f"{given['Cpu']}m", "memory": f"{given['Memory']}Mi"}
    assert container(documents)["resources"]["requests"] == resources

    scaled = documents["ScaledObject"]["spec"]
    [trigger] = scaled["triggers"]
    assert (scaled["maxReplicaCount"], trigger["metadata"]["queueLength"]) == (given["MaxTasks"], str(given["MessagesPerTask"]))


def test_it_sets_only_what_the_program_knows(known):  # noqa: F811
    assert set(env(manifest())) - known == set()


def test_it_ends_by_itself_before_it_is_killed():
    documents = manifest()
    stop_limit = int(env(documents)["PALLETO_STOP_LIMIT"])
    assert pod(documents)["terminationGracePeriodSeconds"] > stop_limit
    # While it stops, it says so.
    assert seconds(container(documents)["livenessProbe"]) > stop_limit


def test_a_process_that_works_is_not_stopped_because_the_queue_is_empty():
    scaled = manifest()["ScaledObject"]["spec"]
    [trigger] = scaled["triggers"]
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    assert scaled["minReplicaCount"] == 0


def test_it_has_no_rights_and_no_volume():
    documents = manifest()
    assert "volumes" not in pod(documents) and "volumeMounts" not in container(documents)
    assert pod(documents)["securityContext"]["runAsNonRoot"] is True
    limits = container(documents)["securityContext"]
    assert (limits["allowPrivilegeEscalation"], limits["capabilities"]) == (False, {"drop": ["ALL"]})
    for it in (documents["ServiceAccount"], pod(documents)):
        assert it["automountServiceAccountToken"] is False


def test_step_9_runs_as_the_pod_does(ministack):
    s3, sqs = clients(ministack)
    for bucket in ("pod-files", "pod-results"):
        s3.create_bucket(Bucket=bucket)
    queue = sqs.create_queue(QueueName="pod")["QueueUrl"]
    documents = manifest(SQS_QUEUE_URL=queue, PALLETO_OUTPUT="s3://pod-results/")
    address = f"127.0.0.1:{free_port()}"
    # Other containers have its port, too.
    here = env(documents) | {"PALLETO_METRICS": address, "AWS_ENDPOINT_URL": ministack}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def results():
        keys = [it["Key"] for it in s3.list_objects_v2(Bucket="pod-results").get("Contents", [])]
        found = [json.load(s3.get_object(Bucket="pod-results", Key=key)["Body"]) for key in keys]
        return {it["key"]: (it["line_count"], it["byte_size"]) for it in found}

    # A receive that waits for 20 seconds would keep it from ending.
    with running([binary("step09"), "--wait", "1"], **here) as step:
        step.wait_until_printed("Serving /metrics")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container(documents)[probe]["httpGet"]["path"]
            with direct.open(f"http://{address}{path}") as answer:
                assert answer.status == 200
        for key, content in FILES.items():
            s3.put_object(Bucket="pod-files", Key=key, Body=content)
            s3_key = urllib.request.quote(key)
            record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "pod-files"}, "object": {"key": s3_key}}}
            sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": [record]}))
        wait_for(lambda: results() == RESULTS, lambda: f"{RESULTS}: {results()}")
        assert step.stop() == 0, step.printed()
    assert all(json.loads(line) for line in step.printed().splitlines()), "LOG_FORMAT=json"


def test_nothing_else_has_to_be_filled_in():
    readme = (DEPLOY / "README.md").read_text()
    for name in set(re.findall(r"\$\{(\w+)\}", TEXT)):
        assert re.search(rf"\b{name}=", readme), f"README.md does not say where {name} comes from"
