"""What is in deploy/kubernetes: by the schemas of the API, and with nothing that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes
import pytest
import yaml
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job

from oura_pipeline_tests.testing.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.32.0", "1.37.0")
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
current-context: none
"""

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="`make test-deploy` brings the schemas of Kubernetes"
)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


KUSTOMIZATION = documents("kustomization.yaml")[0]
INSTANCE = documents("instance.yaml")[0]
MANIFESTS = [
    document
    for name in (*KUSTOMIZATION["resources"], "prepare.yaml")
    for document in documents(name)
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Dagster's launcher asks the API for when a run begins."""
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
    elsewhere = {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    given = INSTANCE["run_launcher"]["config"] | elsewhere
    read = process_config(K8sRunLauncher.config_type(), given)
    assert read.success, read.errors
    launcher = K8sRunLauncher.from_config_value(None, read.value)
    context = K8sContainerContext.create_for_run(
        dg.DagsterRun(job_name="sync"), launcher, include_run_tags=False
    )
    made = construct_dagster_k8s_job(
        context.get_k8s_job_config(None, launcher),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run-1",
        user_defined_k8s_config=context.run_k8s_config,
    )
    return dict(kubernetes.client.ApiClient().sanitize_for_serialization(made))


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in MANIFESTS:
        if "template" in one.get("spec", {}):
            yield one["metadata"].get("name", "prepare"), one["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_takes_everything(version: str, job: dict[str, Any]) -> None:
    """Unknown fields are errors, too."""
    for document in (*MANIFESTS, job):
        kubernetes_validate.validate(document, version, strict=True)


def test_pods_have_no_rights(job: dict[str, Any]) -> None:
    """Runs neither; only what starts pods is known to the API."""
    spec = job["spec"]["template"]["spec"]
    assert len(list(pods())) == 4
    for name, pod in (*pods(), ("run", spec)):
        [container] = pod["containers"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (
            True,
            10001,
        )
        assert container["resources"]["limits"].keys() == {"memory"}
    with_token = [name for name, pod in pods() if pod["automountServiceAccountToken"]]
    assert with_token == ["oura-webserver", "oura-daemon"]


def test_what_is_named_is_there(job: dict[str, Any]) -> None:
    """Settings, volumes, accounts and images are the same for all pods, also for those of runs."""
    there = {(one["kind"], one["metadata"].get("name")) for one in MANIFESTS}
    there |= {("ConfigMap", one["name"]) for one in KUSTOMIZATION["configMapGenerator"]}
    image = "{newName}:{newTag}".format(**KUSTOMIZATION["images"][0])
    for _, pod in (*pods(), ("run", job["spec"]["template"]["spec"])):
        [container] = pod["containers"]
        assert container["image"] in (image, KUSTOMIZATION["images"][0]["name"])
        sources = [(kind, one[kind]["name"]) for one in container["envFrom"] for kind in one]
        assert sorted(sources) == [("configMapRef", "oura"), ("secretRef", "oura")]
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if "persistentVolumeClaim" in volume:
                assert (
                    "PersistentVolumeClaim",
                    volume["persistentVolumeClaim"]["claimName"],
                ) in there
        account = pod["serviceAccountName"]
        assert account == "default" or ("ServiceAccount", account) in there
        mounts = {one["mountPath"] for one in container["volumeMounts"]}
        assert mounts >= {"/data", "/dagster/dagster.yaml", "/tmp"}


def test_dagster_is_configured_as_everywhere_else() -> None:
    """But for its records, which are in Postgres, and its runs, which are pods."""
    usual = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    differing = {name for name in usual | INSTANCE if usual.get(name) != INSTANCE.get(name)}
    assert differing == {"storage", "run_launcher"}
    assert Path(INSTANCE["run_launcher"]["config"]["dagster_home"]) == Path("/dagster")
