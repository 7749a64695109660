"""The manifests: fresh, valid by the published schemas where those are at hand, and by rules that schemas lack."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from nats.js.api import ConsumerConfig, StreamConfig

from functions.shared import config, topology
from functions.shared.config import Settings
from infra import generate, stack, workloads
from tests.support.require import require

ROOT = stack.ROOT
Manifest = dict[str, Any]
FOLDERS = ("knative", "keda", "nats", "jobs", "capture")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / "infra" / folder).glob("*.yaml"))
ALL: list[Manifest] = [found for file in FILES for found in yaml.safe_load_all(file.read_text()) if found]


def kind(name: str) -> list[Manifest]:
    return [found for found in ALL if found["kind"] == name]


def pods() -> list[tuple[Manifest, Manifest]]:
    """(manifest, its pod's spec) of everything that runs."""
    found = [
        (found, found["spec"]["template"]["spec"]) for name in ("Service", "Deployment", "Job") for found in kind(name)
    ]
    return found + [(each, each["spec"]["jobTemplate"]["spec"]["template"]["spec"]) for each in kind("CronJob")]


POD_IDS = [f"{found['kind']}/{found['metadata']['name']}" for found, _ in pods()]


def test_they_are_as_the_generator_writes_them() -> None:
    assert generate.stale() == [], "run `python -m infra.generate`"


def test_a_stale_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "files", lambda: {tmp_path / "infra" / "nats" / "a.yaml": "a: 1\n"})
    assert generate.stale() == [tmp_path / "infra" / "nats" / "a.yaml"]
    assert generate.main([]) == 0
    assert generate.stale() == []
    assert generate.main(["--check"]) == 0
    (tmp_path / "infra" / "nats" / "left-over.yaml").write_text("b: 2\n")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert not (tmp_path / "infra" / "nats" / "left-over.yaml").exists()


def test_manifests_for_a_registry_of_ones_own_leave_the_repository_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY", "registry.city.example:5000/gtv")
    monkeypatch.setenv("TAG", "2.0")
    assert generate.main(["--into", str(tmp_path)]) == 0
    assert generate.stale() == []
    written = sorted(tmp_path.rglob("*.yaml"))
    assert {file.relative_to(tmp_path) for file in written} >= {file.relative_to(ROOT / "infra") for file in FILES}
    images = set(re.findall(r"image: (\S+)", "".join(file.read_text() for file in written)))
    own = {image for image in images if not image.startswith("nvcr.io/")}
    assert {f"registry.city.example:5000/gtv/{name}:2.0" for name in ("auth", "capture", "triton")} <= own
    assert all(image.startswith("registry.city.example:5000/gtv/") and image.endswith(":2.0") for image in own)


def test_the_published_schemas() -> None:
    tool = ROOT.parent / "shared" / "tools" / "validate_manifests.py"
    schemas = ROOT.parent / "shared" / "crds"
    if not (tool.exists() and schemas.exists()):
        pytest.skip("the schemas of the custom resources are not beside the repository")
    require(importlib.util.find_spec("jsonschema"), "jsonschema is not installed (the lock has it)")
    command = [sys.executable, str(tool), str(schemas), *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = int(done.stdout.split()[0]) if done.stdout[0].isdigit() else 0
    own = [found for found in ALL if found["kind"] not in ("Deployment", "Job", "CronJob", "PodDisruptionBudget")]
    assert checked == len(own), done.stdout


# Pods


@pytest.mark.parametrize(("manifest", "spec"), pods(), ids=POD_IDS)
def test_every_container_is_confined(manifest: Manifest, spec: Manifest) -> None:
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        for part in ("requests", "limits"):
            assert re.fullmatch(r"\d+m?", container["resources"][part]["cpu"])
            assert re.fullmatch(r"\d+(Mi|Gi)", container["resources"][part]["memory"])


@pytest.mark.parametrize(("manifest", "spec"), pods(), ids=POD_IDS)
def test_environment_and_mounts_hold(manifest: Manifest, spec: Manifest) -> None:
    (container,) = spec["containers"]
    names = [item["name"] for item in container["env"]]
    assert len(names) == len(set(names))
    assert not config.unknown_settings(names)
    assert all(isinstance(item["value"], str) for item in container["env"] if "value" in item)
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert paths == {"/tmp", config.DEFAULT_SECRETS_DIR}
    (projected,) = [volume["projected"] for volume in spec["volumes"] if "projected" in volume]
    secrets = {source["secret"]["name"] for source in projected["sources"]}
    assert not config.unknown_settings(name.upper().replace("-", "_") for name in secrets)
    assert next(item for item in container["env"] if item["name"] == "GTV_DATA_DIR")["value"].startswith("/tmp/")


@pytest.mark.parametrize(("manifest", "spec"), pods(), ids=POD_IDS)
def test_a_pod_waits_only_for_the_secrets_without_which_it_would_make_its_own(
    manifest: Manifest, spec: Manifest
) -> None:
    (projected,) = [volume["projected"] for volume in spec["volumes"] if "projected" in volume]
    given = {source["secret"]["name"]: source["secret"].get("optional", False) for source in projected["sources"]}
    waited_for = {name for name, optional in given.items() if not optional}
    wanted = {"gtv-fernet-keys"} if manifest["metadata"]["name"] == "capture" else {
        "gtv-database-url", "gtv-fernet-keys",
    }  # fmt: skip
    assert waited_for == wanted


def test_every_secret_of_the_settings_can_be_given() -> None:
    """A setting that hides its value, and that a function reads, is mounted into one at least."""
    mounted = {name for function in stack.functions() for name in function.secrets}
    fields = config.ReaderSettings.model_fields.items()
    hidden = {f"gtv-{name.replace('_', '-')}" for name, field in fields if "SecretStr" in str(field.annotation)}
    assert {"gtv-oidc-client-secret", "gtv-smtp-password"} <= hidden
    assert hidden <= mounted


@pytest.mark.parametrize(
    "manifest", kind("Deployment") + kind("PodDisruptionBudget"), ids=lambda m: m["metadata"]["name"]
)
def test_selectors_find_their_pods(manifest: Manifest) -> None:
    wanted = manifest["spec"]["selector"]["matchLabels"]
    labels = [found["spec"]["template"]["metadata"]["labels"] for found in kind("Deployment")]
    assert len([found for found in labels if wanted.items() <= found.items()]) == 1
    assert "app.kubernetes.io/version" not in wanted, "a selector cannot change with the version"


def test_probes_of_deployments_name_a_port_that_exists() -> None:
    for found in kind("Deployment"):
        (container,) = found["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


# Knative

# serving: pkg/apis/serving/fieldmask.go. The schema lets the rest pass, the admission does not.
POD_FIELDS = {
    "containers", "volumes", "serviceAccountName", "imagePullSecrets", "enableServiceLinks", "timeoutSeconds",
    "containerConcurrency", "responseStartTimeoutSeconds", "idleTimeoutSeconds", "automountServiceAccountToken",
}  # fmt: skip
VOLUMES = {"name", "emptyDir", "projected", "secret", "configMap"}
RESERVED_ENV = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
RESERVED_PORTS = {8008, 8012, 8013, 8022, 9090, 9091}
ANNOTATIONS = {"class", "metric", "min-scale", "max-scale", "initial-scale", "target", "window", "scale-down-delay",
               "target-utilization-percentage", "target-burst-capacity", "scale-to-zero-pod-retention-period",
               "activation-scale"}  # fmt: skip


@pytest.mark.parametrize("service", kind("Service"), ids=lambda m: m["metadata"]["name"])
def test_knative_takes_it_without_a_feature_flag(service: Manifest) -> None:
    template = service["spec"]["template"]
    spec = template["spec"]
    assert set(spec) <= POD_FIELDS
    assert all(set(volume) <= VOLUMES for volume in spec["volumes"])
    (container,) = spec["containers"]
    assert not RESERVED_ENV & {item["name"] for item in container["env"]}
    assert all("valueFrom" not in item for item in container["env"]), "fieldRef is behind a flag"
    (port,) = container["ports"]
    assert port["name"] in ("http1", "h2c")
    assert port["containerPort"] not in RESERVED_PORTS
    assert "lifecycle" not in container
    for probe in ("readinessProbe", "livenessProbe"):
        assert "port" not in container[probe]["httpGet"], "the serving port is the only one that may be probed"
        assert container[probe]["periodSeconds"] > 0
    assert 0 < spec["timeoutSeconds"] <= 600


@pytest.mark.parametrize("service", kind("Service"), ids=lambda m: m["metadata"]["name"])
def test_it_scales_to_zero_where_knative_reads_it(service: Manifest) -> None:
    assert "annotations" not in service["metadata"], "the scale is read from the template alone"
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/min-scale"] == "0"
    for name, value in annotations.items():
        assert isinstance(value, str)
        assert name.removeprefix("autoscaling.knative.dev/") in ANNOTATIONS


# Parity with stack.yml


def test_every_function_runs_as_what_it_is_asked_for() -> None:
    """Who is asked over /api is a Service, who consumes messages a Deployment; one may be both."""
    services = {found["metadata"]["name"] for found in kind("Service")}
    deployments = {found["metadata"]["name"] for found in kind("Deployment")} - {"capture"}
    consuming = {row.room for row in topology.CONSUMERS}
    for function in stack.functions():
        alone = function.folder in workloads.CONSUMERS_ALONE
        assert (function.name in services) is not alone, function.name
        assert (workloads.worker_name(function) in deployments) is (function.folder in consuming), function.name
    assert len(deployments) == len(consuming)


@pytest.mark.parametrize("folder", sorted({row.room for row in topology.CONSUMERS}))
def test_who_has_no_service_is_asked_nothing(folder: str) -> None:
    app: FastAPI = importlib.import_module(f"functions.{folder}.handler").app
    own = {str(route.path) for route in iter_route_contexts(app.routes)} - {
        "/api/openapi.json",
        "/api/docs",
        "/api/docs/{file}",
    }
    asked = any(path.startswith("/api/") for path in own)
    assert asked is (folder not in workloads.CONSUMERS_ALONE)


def test_what_a_worker_consumes_its_service_does_not_consume_as_well() -> None:
    consuming = {row.room for row in topology.CONSUMERS}
    for function in stack.functions():
        for found in kind("Service"):
            if found["metadata"]["name"] == function.name:
                env = found["spec"]["template"]["spec"]["containers"][0]["env"]
                off = {"name": "GTV_CONSUME", "value": "false"} in env
                assert off is (function.folder in consuming | workloads.BY_CRON)


def test_what_is_done_by_the_clock_never_sleeps() -> None:
    least = {found["metadata"]["name"]: found["spec"]["minReplicaCount"] for found in kind("ScaledObject")}
    assert least["alerts-worker"] == 1
    assert least["post-processing"] == 0


@pytest.mark.parametrize("function", stack.functions(), ids=lambda function: function.name)
def test_it_is_the_same_function_everywhere(function: stack.Function) -> None:
    names = (function.name, workloads.worker_name(function))
    found_pods = [spec for found, spec in pods() if found["metadata"]["name"] in names]
    assert found_pods
    for spec in found_pods:
        (container,) = spec["containers"]
        assert container["image"] == function.image
        env = {item["name"]: item["value"] for item in container["env"]}
        env.pop("GTV_CONSUME", None)
        assert env == function.environment
        assert container["resources"] == {"limits": function.limits, "requests": function.requests}
        (projected,) = [volume["projected"] for volume in spec["volumes"] if "projected" in volume]
        assert tuple(source["secret"]["name"] for source in projected["sources"]) == function.secrets
        assert [port["containerPort"] for port in container["ports"]] == [8080]


# KEDA and NACK against the topology in the code


def test_every_consumer_is_scaled_on_its_own_lag() -> None:
    by_consumer = {
        trigger["metadata"]["consumer"]: (found, trigger)
        for found in kind("ScaledObject")
        for trigger in found["spec"]["triggers"]
    }
    assert set(by_consumer) == {row.durable for row in topology.CONSUMERS}
    deployments = {found["metadata"]["name"]: found for found in kind("Deployment")}
    for row in topology.CONSUMERS:
        found, trigger = by_consumer[row.durable]
        spec = found["spec"]
        # scalers/nats_jetstream_scaler.go: the schema knows the values only as texts.
        assert trigger["type"] == "nats-jetstream"
        assert set(trigger["metadata"]) == {
            "natsServerMonitoringEndpoint", "account", "stream", "consumer", "lagThreshold", "activationLagThreshold",
        }  # fmt: skip
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        assert trigger["metadata"]["stream"] == row.stream
        assert trigger["metadata"]["natsServerMonitoringEndpoint"].endswith(":8222")
        assert spec["minReplicaCount"] in (0, 1)
        target = deployments[spec["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "the autoscaler owns the number"
        assert spec["cooldownPeriod"] > config.ReaderSettings().passage_gap_s


def test_a_readers_share_fits_what_it_holds_at_once() -> None:
    reader = next(function for function in stack.functions() if function.folder == "post_processing")
    assert int(reader.environment["GTV_INFERENCE_IN_FLIGHT"]) <= workloads.LAG_OF_ONE
    for row in (row for row in topology.CONSUMERS if row.room == reader.folder):
        assert row.max_ack_pending >= int(reader.environment["GTV_INFERENCE_IN_FLIGHT"])


def seconds(text: str) -> float:
    value, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()  # type: ignore[union-attr]  # a failure is a failure
    return int(value) / (1000 if unit == "ms" else 1)


def test_the_streams_are_those_that_the_bus_lays() -> None:
    """NACK owns its resources: a function that asks for other settings would fight with it."""
    settings = Settings(stream_replicas=3)
    specs = {found["spec"]["name"]: found["spec"] for found in kind("Stream")}
    assert set(specs) == {row.name for row in topology.STREAMS}
    for row in topology.STREAMS:
        wanted, spec = topology.stream_config(row, settings), specs[row.name]
        given = StreamConfig(
            name=spec["name"], subjects=spec["subjects"], storage=spec["storage"], max_age=seconds(spec["maxAge"]),
            max_bytes=spec["maxBytes"], max_msgs_per_subject=spec["maxMsgsPerSubject"], discard=spec["discard"],
            allow_direct=spec["allowDirect"], duplicate_window=seconds(spec["duplicateWindow"]),
            num_replicas=spec["replicas"], description=spec["description"],
        )  # fmt: skip
        assert given.as_dict() == wanted.as_dict()
        assert spec["retention"] == "limits"


def test_the_consumers_are_those_that_the_bus_lays() -> None:
    specs = {found["spec"]["durableName"]: found["spec"] for found in kind("Consumer")}
    assert set(specs) == {row.durable for row in topology.CONSUMERS}
    for row in topology.CONSUMERS:
        spec = specs[row.durable]
        given = ConsumerConfig(
            durable_name=spec["durableName"], filter_subject=spec["filterSubject"], ack_policy=spec["ackPolicy"],
            ack_wait=seconds(spec["ackWait"]), max_deliver=spec["maxDeliver"], max_ack_pending=spec["maxAckPending"],
            deliver_policy=spec["deliverPolicy"],
        )  # fmt: skip
        assert given.as_dict() == topology.consumer_config(row).as_dict()
        assert spec["streamName"] == row.stream


def test_the_buckets_are_those_that_the_bus_lays() -> None:
    specs = {found["spec"]["bucket"]: found["spec"] for found in kind("KeyValue")}
    assert set(specs) == {row.name for row in topology.BUCKETS}
    for row in topology.BUCKETS:
        assert seconds(specs[row.name]["ttl"]) == row.ttl_s
        assert specs[row.name]["storage"] == row.storage.value
        assert specs[row.name]["replicas"] == 3
        assert specs[row.name]["history"] == 1


def test_unsafe_defaults_of_the_schemas_are_never_left_to_them() -> None:
    for found in kind("Stream") + kind("KeyValue"):
        assert found["spec"]["storage"] in ("file", "memory")
    for found in kind("Consumer"):
        assert found["spec"]["ackPolicy"] == "explicit"
        assert seconds(found["spec"]["ackWait"]) >= 10


@pytest.mark.parametrize(
    ("environment", "schedule", "suspended"),
    [({}, "0 6 * * *", False), ({"GTV_RETENTION_HOUR": "3"}, "0 3 * * *", False),
     ({"GTV_RETENTION_HOUR": "-1"}, "0 0 * * *", True)],
)  # fmt: skip
def test_the_run_of_retention_goes_by_the_setting(environment: dict[str, str], schedule: str, suspended: bool) -> None:
    function = next(each for each in stack.functions() if each.folder == "retention")
    made = workloads.retention(replace(function, environment={**function.environment, **environment}))
    assert (made["spec"]["schedule"], made["spec"]["timeZone"]) == (schedule, "Etc/UTC")
    assert made["spec"]["suspend"] is suspended
