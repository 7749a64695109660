"""Triton in a cluster: what its manifests promise, held against the code that keeps it."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from cli import triton_plans
from functions.shared import triton_sidecar
from infra import pods, serving, stack

Manifest = dict[str, Any]
FOLDER = stack.ROOT / "infra" / "triton"
SERVER, SERVICE, POLICY = yaml.safe_load_all((FOLDER / "triton.yaml").read_text())
CLAIM, LOADER = yaml.safe_load_all((FOLDER / "models.yaml").read_text())
JOB = yaml.safe_load((FOLDER / "plans.yaml").read_text())
POD: Manifest = SERVER["spec"]["template"]["spec"]
CONTAINERS: dict[str, Manifest] = {found["name"]: found for found in POD["containers"]}
VIEW: Manifest = POD["initContainers"][0]
READER = next(function for function in stack.functions() if function.name == serving.READER)


def everything() -> list[tuple[Manifest, Manifest]]:
    """(container, its pod)."""
    ours = [(found, POD) for found in (VIEW, *CONTAINERS.values())]
    return ours + [(spec["containers"][0], spec) for spec in (JOB["spec"]["template"]["spec"], LOADER["spec"])]


def test_every_container_is_confined() -> None:
    for container, _ in everything():
        assert container["securityContext"] == pods.security()
        for part in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][part])


def test_only_what_needs_one_has_a_gpu() -> None:
    having = [found["name"] for found, _ in everything() if "nvidia.com/gpu" in found["resources"]["limits"]]
    assert having == ["triton", "trtexec"]


def test_mounts_and_volumes_agree() -> None:
    for container, pod in everything():
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    claims = [volume["persistentVolumeClaim"]["claimName"] for _, pod in everything() for volume in pod["volumes"]
              if "persistentVolumeClaim" in volume]  # fmt: skip
    assert set(claims) == {CLAIM["metadata"]["name"]}


def test_models_are_copied_to_where_the_plans_are_built_and_the_view_is_laid() -> None:
    (loader,), (builder,) = LOADER["spec"]["containers"], JOB["spec"]["template"]["spec"]["containers"]
    at = {found["mountPath"] for container in (loader, builder, VIEW) for found in container["volumeMounts"]
          if found["name"] == "models"}  # fmt: skip
    assert at == {"/models"}
    assert LOADER["spec"]["securityContext"] == JOB["spec"]["template"]["spec"]["securityContext"]


def test_the_readers_address_leads_to_the_server() -> None:
    assert READER.environment["GTV_TRITON_URL"] == f"grpc://{SERVICE['metadata']['name']}:8001"
    assert SERVICE["spec"]["selector"].items() <= SERVER["spec"]["template"]["metadata"]["labels"].items()
    (port,) = SERVICE["spec"]["ports"]
    ports = {found["name"]: found["containerPort"] for found in CONTAINERS["triton"]["ports"]}
    assert ports[port["targetPort"]] == port["port"] == 8001
    assert "--grpc-port=8001" in CONTAINERS["triton"]["args"]


def test_only_the_reader_may_ask() -> None:
    inference, told = POLICY["spec"]["ingress"]
    assert inference["ports"] == [{"port": 8001}]
    assert [who["podSelector"]["matchLabels"] for who in inference["from"]] == [pods.selector(serving.READER)]
    assert {entry["port"] for entry in told["ports"]} == {serving.METRICS_PORT, serving.GUARD_PORT}


def test_nobody_can_hand_it_a_model() -> None:
    arguments = CONTAINERS["triton"]["args"]
    assert "--model-control-mode=poll" in arguments
    assert "--allow-http=false" in arguments
    (view,) = [mount for mount in CONTAINERS["triton"]["volumeMounts"] if mount["name"] == "view"]
    assert view["readOnly"] is True
    assert f"--model-repository={view['mountPath']}/served" in arguments


def test_it_lives_by_what_the_guard_has_read() -> None:
    """A probe by a real inference: Triton's own readiness does not see a dead model process."""
    server, guard = CONTAINERS["triton"], CONTAINERS["guard"]
    for probe, path in (("startupProbe", "/_/ready"), ("readinessProbe", "/_/ready"), ("livenessProbe", "/_/health")):
        assert server[probe]["httpGet"] == {"path": path, "port": guard["ports"][0]["containerPort"]}
    assert guard["livenessProbe"]["httpGet"]["path"] == "/metrics"


def test_the_commands_are_those_of_the_sidecar() -> None:
    for container in (VIEW, CONTAINERS["guard"]):
        command = container["command"]
        assert command[:3] == ["python3", "-m", triton_sidecar.__spec__.name]
        options = triton_sidecar.options_of(command[3:])
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(options.view) in mounts
        assert container["image"] == READER.image
    assert options.url == "grpc://127.0.0.1:8001"
    assert options.listen == f"0.0.0.0:{serving.GUARD_PORT}"


def test_plans_are_built_by_the_release_that_runs_them() -> None:
    builder = JOB["spec"]["template"]["spec"]["containers"][0]
    server = (FOLDER / "Dockerfile").read_text()
    assert builder["image"] == f"nvcr.io/nvidia/tensorrt:{serving.RELEASE}-py3"
    assert f"FROM nvcr.io/nvidia/tritonserver:{serving.RELEASE}-py3" in server
    assert shlex.join(builder["command"]) == f"sh /models/{triton_plans.SCRIPT}"
    (mount,) = [found for found in builder["volumeMounts"] if found["name"] == "models"]
    assert "readOnly" not in mount
