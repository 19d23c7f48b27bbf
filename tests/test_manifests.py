"""What is applied to a cluster and built into an image: manifests, kustomize, RBAC, wheel.

The genuine kubectl builds the overlay and applies it to the Kubernetes stand-in; each document is
held against the API server's own schemas by kubernetes-validate. No cluster and no network.
"""

import asyncio
import fnmatch
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from msgspec import Struct
from ruamel.yaml import YAML

from ghapp import discovery, rbac, settings
from ghapp.cli import checkrail
from ghapp.core.model import Subject
from ghapp.core.source import Adapter, Asked, Child, Context, Create, Patch, Plan, Resource
from ghapp.demo.kube import KubeApi
from ghapp.documents.kinds import GROUP, kinds
from ghapp.errors import CheckrailError, ConfigError
from tests import examples, generated

ROOT = Path(__file__).parent.parent
OVERLAY = "kustomize/overlays/standalone"
KUBECTL = Path(sys.executable).with_name("kubectl")
KUBERNETES = "1.34"
"""Nothing that the manifests use is newer than this release."""

Json = dict[str, Any]


def parsed(text: str) -> list[Json]:
    """The documents of a YAML text."""
    return list(YAML(typ="safe").load_all(text))


# --- what is generated ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", generated.FILES)
def test_a_generated_file_is_what_the_code_says(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == generated.FILES[name](), "make generate"


# --- RBAC ----------------------------------------------------------------------------------------


class Workflow(Struct):
    """Reads nothing."""


def create(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    return Create(resource=WORKFLOWS.id, namespace=subject.namespace, manifest=dict(manifest))


def patch(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    return Patch(
        resource=WORKFLOWS.id,
        namespace=subject.namespace,
        name=subject.name,
        uid=subject.uid,
        body=dict(manifest),
    )


def either(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create | Patch:
    return create(manifest, subject, asked)


def everywhere(needs: rbac.Needs) -> list[Json]:
    """The rules of the ClusterRole."""
    return needs.rules((), "checkrail")[rbac.EVERYWHERE]


WORKFLOWS = Resource("argoproj.io", "v1alpha1", "workflows", "Workflow")
TASKS = Resource("", "v1", "pods", "Pod")


def adapter(rerun: Plan | None = None, cancel: Plan | None = None) -> Adapter[Any]:
    def observe(workflow: Workflow, context: Context) -> None:
        return None

    pods = Child(resource=TASKS, reads=Workflow, parent=lambda _: None)
    return Adapter(
        name="argo",
        resource=WORKFLOWS,
        reads=Workflow,
        observe=observe,
        children=(pods,),
        rerun=rerun,
        cancel=cancel,
    )


@pytest.mark.parametrize(
    ("rerun", "cancel", "writes"),
    [
        (None, None, []),
        (create, None, ["create"]),
        (None, patch, ["patch"]),
        (create, patch, ["create", "patch"]),
        (either, None, ["create", "patch"]),
    ],
)
def test_a_source_may_do_what_its_plans_write_and_no_more(
    rerun: Plan | None, cancel: Plan | None, writes: list[str]
) -> None:
    pods, workflows = everywhere(rbac.Needs(adapters=[adapter(rerun, cancel)]))
    assert pods == {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
    assert workflows["verbs"] == ["get", "list", "watch", *writes]


def test_a_plan_that_does_not_say_what_it_writes_is_refused() -> None:
    def silent(manifest, subject, asked):  # type: ignore[no-untyped-def]
        return None

    with pytest.raises(CheckrailError, match=r"silent: its return type has to say"):
        everywhere(rbac.Needs(adapters=[adapter(silent)]))


def test_without_namespaces_the_role_is_the_clusters() -> None:
    found = rbac.manifests(rbac.Needs(adapters=[adapter()], kinds=kinds().values()))
    named = [document["kind"] for document in found]
    assert named == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]


def test_with_namespaces_nothing_is_granted_outside_them() -> None:
    needs = rbac.Needs(adapters=[adapter()])
    account, *rest = rbac.manifests(needs, ("apps", "ci", "apps"), namespace="checkrail")
    assert account["metadata"]["namespace"] == "checkrail"
    assert [(one["kind"], one["metadata"]["namespace"]) for one in rest] == [
        ("Role", "apps"),
        ("RoleBinding", "apps"),
        ("Role", "ci"),
        ("RoleBinding", "ci"),
    ]
    bound = [one["subjects"][0]["namespace"] for one in rest if "subjects" in one]
    assert bound == ["checkrail", "checkrail"]


def test_the_product_asks_for_nothing_that_would_give_it_the_cluster() -> None:
    rules = everywhere(rbac.Needs(adapters=discovery.adapters()))
    assert not any(
        "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]) for rule in rules
    )
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert not resources & {"secrets", "configmaps", "pods/exec", "roles", "clusterroles"}
    assert not any("delete" in rule["verbs"] for rule in rules)


def test_a_sink_may_do_what_it_declares_and_no_more() -> None:
    assert everywhere(rbac.Needs(sinks=[discovery.sinks()[0]])) == []
    rules = everywhere(rbac.Needs(sinks=discovery.sinks()))
    assert [(rule["resources"], rule["verbs"]) for rule in rules] == [
        (["pods"], ["get", "list"]),
        (["pods/log"], ["get"]),
        (["secrets"], ["get"]),
    ]


def test_verbs_that_a_source_and_a_sink_need_are_one_rule() -> None:
    needs = rbac.Needs(adapters=[adapter()], sinks=discovery.sinks())
    pods, log, secrets, _ = everywhere(needs)
    assert pods == {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    assert (log["resources"], secrets["resources"]) == (["pods/log"], ["secrets"])


def may(rules: list[Json]) -> dict[str, list[str]]:
    """Resource -> verbs."""
    return {resource: rule["verbs"] for rule in rules for resource in rule["resources"]}


def test_documents_are_followed_their_statuses_written_and_their_secrets_read() -> None:
    granted = may(everywhere(rbac.Needs(kinds=kinds().values())))
    assert granted.pop("secrets") == ["get"]
    assert granted.pop("events") == ["create"]
    for kind in kinds().values():
        assert granted.pop(kind.plural) == ["list", "watch"]
        assert granted.pop(f"{kind.plural}/status") == ["patch"]
    assert granted == {}


def test_in_single_namespaces_only_what_belongs_to_none_is_granted_everywhere() -> None:
    needs = rbac.Needs(adapters=[adapter()], kinds=kinds().values())
    places = {place: may(rules) for place, rules in needs.rules(("ci",), "checkrail").items()}
    assert places.keys() == {"ci", "checkrail", "default", rbac.EVERYWHERE}
    assert {"workflows", "providers", "pipelines/status", "secrets", "events"} <= places[
        "ci"
    ].keys()
    assert places["checkrail"] == {"secrets": ["get"]}, "of ClusterProviders"
    assert places["default"] == {"events": ["create"]}, "about what belongs to no namespace"
    everywhere = places[rbac.EVERYWHERE].keys()
    namespaced = {kind.plural for kind in kinds().values() if kind.namespaced}
    assert {"clusterproviders", "clusternotifications", "trustpolicies"} <= everywhere
    assert not everywhere & {*namespaced, "secrets", "events", "workflows"}


def test_a_place_that_is_named_twice_has_one_role() -> None:
    needs = rbac.Needs(kinds=kinds().values())
    for place in ("checkrail", "default"):
        assert needs.rules((place,), "checkrail").keys() == {"checkrail", "default", ""}


def printed(*arguments: str) -> str:
    """What `checkrail rbac` says."""
    return CliRunner().invoke(checkrail, ["rbac", *arguments]).stdout


def test_without_logs_nobody_reads_pods_but_providers_still_have_secrets() -> None:
    assert parsed(printed()) == rbac.manifests(generated.needs())
    role = the("ClusterRole", parsed(printed("--without-logs")))
    granted = may(role["rules"])
    assert not granted.keys() & {"pods", "pods/log"}
    assert granted["secrets"] == ["get"]


def test_a_further_cluster_grants_nothing_for_documents() -> None:
    role = the("ClusterRole", parsed(printed("--without-documents")))
    assert not [rule for rule in role["rules"] if rule["apiGroups"] == [GROUP]]
    assert "events" not in may(role["rules"])
    kinds_ = {one["kind"] for one in parsed(printed("--without-documents", "--namespaces", "ci"))}
    assert kinds_ == {"ServiceAccount", "Role", "RoleBinding"}


def test_without_secrets_nobody_reads_any() -> None:
    for arguments in ((), ("--namespaces", "ci,apps"), ("--without-logs",)):
        assert "secrets" not in printed("--without-secrets", *arguments)


@pytest.mark.parametrize("namespaces", [(), ("apps", "ci")])
def test_the_rbac_is_valid_and_says_the_same_as_yaml(namespaces: tuple[str, ...]) -> None:
    documents = rbac.manifests(generated.needs(), namespaces)
    for block in (False, True):
        assert parsed(rbac.as_yaml(documents, comment="two\nlines", block=block)) == documents
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


# --- the overlay ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built() -> list[Json]:
    """What `kubectl apply -k` would send."""
    ran = subprocess.run(
        [KUBECTL, "kustomize", ROOT / OVERLAY],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return parsed(ran.stdout)


def the(kind: str, built: list[Json], name: str = "") -> Json:
    """The one document of a kind."""
    (found,) = (
        one for one in built if one["kind"] == kind and one["metadata"]["name"].startswith(name)
    )
    return found


def container(built: list[Json]) -> Json:
    (only,) = the("Deployment", built)["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_every_document_is_one_that_an_api_server_takes(built: list[Json]) -> None:
    assert len(built) == 10 + len(kinds())
    for document in built:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_all_that_has_a_namespace_is_in_ours(built: list[Json]) -> None:
    outside = {one["kind"] for one in built if "namespace" not in one["metadata"]}
    definitions = "CustomResourceDefinition"
    assert outside == {"Namespace", "ClusterRole", "ClusterRoleBinding", definitions}
    inside = {one["metadata"].get("namespace") for one in built} - {None}
    assert inside == {the("Namespace", built)["metadata"]["name"]}


def test_the_pod_satisfies_the_restricted_standard(built: list[Json]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = the("Deployment", built)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(built)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"persistentVolumeClaim", "configMap", "secret", "emptyDir"}
    kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}
    assert kinds <= allowed
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    enforced = the("Namespace", built)["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_store_has_one_owner_and_outlives_it(built: list[Json]) -> None:
    deployment = the("Deployment", built)["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    (mount,) = (one for one in container(built)["volumeMounts"] if one["name"] == "store")
    store = environment(built)["CHECKRAIL_STORE"]
    assert store.startswith(f"sqlite:///{mount['mountPath']}/")
    volumes = {one["name"]: one for one in deployment["template"]["spec"]["volumes"]}
    claim = volumes["store"]["persistentVolumeClaim"]["claimName"]
    assert claim == the("PersistentVolumeClaim", built)["metadata"]["name"]


def test_it_is_probed_and_bounded(built: list[Json]) -> None:
    one = container(built)
    assert one["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert one["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert one["resources"]["limits"]["memory"] == "256Mi"
    assert {"cpu", "memory"} == one["resources"]["requests"].keys()
    port = one["ports"][0]["containerPort"]
    assert environment(built)["CHECKRAIL_LISTEN"].endswith(f":{port}")
    assert the("Service", built)["spec"]["ports"][0]["targetPort"] == one["ports"][0]["name"]


def environment(built: list[Json]) -> dict[str, str]:
    """What the container's environment is made of."""
    (source,) = container(built)["envFrom"]
    name = source["configMapRef"]["name"]
    (data,) = (one["data"] for one in built if one["metadata"]["name"] == name)
    assert isinstance(data, dict)
    return data


def test_every_variable_is_a_setting_and_no_service_adds_another(built: list[Json]) -> None:
    assert environment(built).keys() <= {variable.name for variable in settings.VARIABLES}
    pod = the("Deployment", built)["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False, "a Service sets CHECKRAIL_PORT, which is refused"


def test_the_secret_is_mounted_where_the_settings_look_and_only_our_group_reads_it(
    built: list[Json],
) -> None:
    secret = the("Secret", built)
    pod = the("Deployment", built)["spec"]["template"]["spec"]
    (volume,) = (one["secret"] for one in pod["volumes"] if "secret" in one)
    assert volume == {"secretName": secret["metadata"]["name"], "defaultMode": 0o440}
    assert pod["securityContext"]["fsGroup"] == 65532
    (mount,) = (one for one in container(built)["volumeMounts"] if one["name"] == "github")
    named = {value for name, value in environment(built).items() if name.endswith("_FILE")}
    assert named == {f"{mount['mountPath']}/{key}" for key in secret["data"]}


def test_what_was_not_filled_in_is_named_before_anything_starts(
    built: list[Json], tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    paths = {"/etc/checkrail/github": ROOT / OVERLAY / "github", "/etc/checkrail": tmp_path}
    environ = environment(built)
    for inside, outside in paths.items():
        environ = {name: value.replace(inside, str(outside)) for name, value in environ.items()}
    with pytest.raises(ConfigError) as caught:
        settings.read(environ)
    said = str(caught.value)
    assert "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE: " in said
    assert "CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE: " in said


# --- a real kubectl against the stand-in ---------------------------------------------------------


@pytest.fixture
async def kube() -> AsyncIterator[tuple[KubeApi, str]]:
    """The stand-in, and where it listens."""
    api = KubeApi()
    async with TestServer(api.app()) as server:
        yield api, str(server.make_url("/")).rstrip("/")


async def kubectl(url: str, cache: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and all it says."""
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        f"--server={url}",
        f"--cache-dir={cache}",
        *arguments,
        cwd=ROOT,
        env={"KUBECONFIG": "/dev/null", "HOME": str(cache)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_the_overlay_is_applied_and_applied_again(
    kube: tuple[KubeApi, str], tmp_path: Path
) -> None:
    api, url = kube
    code, said = await kubectl(url, tmp_path, "apply", "-k", OVERLAY)
    assert code == 0, said
    assert said.count(" created") == 10 + len(kinds())
    deployment = api.get("deployments.apps", "checkrail", "checkrail")
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    assert only["image"].startswith("registry.example.com/checkrail:")
    code, said = await kubectl(url, tmp_path, "apply", "-k", OVERLAY)
    assert (code, said.count(" unchanged")) == (0, 10 + len(kinds()))


async def test_the_cluster_takes_our_documents_once_the_overlay_is_applied(
    kube: tuple[KubeApi, str], tmp_path: Path
) -> None:
    _, url = kube
    code, said = await kubectl(url, tmp_path, "apply", "-k", OVERLAY)
    assert code == 0, said
    for name in examples.FILES:
        code, said = await kubectl(url, tmp_path, "apply", "-f", str(examples.FOLDER / name))
        assert code == 0, said
        assert said.count("\n") == len(examples.documents(name))
    wrong = examples.WRONG[0]
    path = tmp_path / "wrong.yaml"
    path.write_text(rbac.as_yaml([examples.document(wrong.kind, wrong.spec)]))
    code, said = await kubectl(url, tmp_path, "apply", "-f", str(path))
    assert code != 0
    assert f"{wrong.field}: Required value: {wrong.said}" in said


# --- the image -----------------------------------------------------------------------------------


def instructions(name: str) -> list[list[str]]:
    """The words of each instruction of the Containerfile that starts with `name`."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    copied = [
        word
        for words in instructions("COPY")
        if not words[1].startswith("--from")
        for word in words[1:-1]
    ]
    assert copied
    lines = (ROOT / ".containerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    for name in copied:
        assert (ROOT / name).exists()
        assert name in kept
    assert kept == set(copied)


def test_the_image_is_nobodys_root_and_starts_the_product() -> None:
    assert instructions("USER") == [["USER", "65532:65532"]]
    assert instructions("ENTRYPOINT") == [["ENTRYPOINT", '["checkrail"]']]
    assert instructions("CMD") == [["CMD", '["run"]']]


def test_the_image_is_of_this_version() -> None:
    version = next(word for words in instructions("LABEL") for word in words if "version" in word)
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project is not None
    assert version.endswith(f'"{project[1]}"')


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel, built in a copy of what the image copies."""
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("ghapp", "adapters"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    script = "from hatchling.build import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", script], cwd=source, timeout=60, check=True)
    (path,) = source.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_holds_every_file_of_the_product(wheel: set[str]) -> None:
    files = {
        str(path.relative_to(ROOT))
        for package in ("ghapp", "adapters")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - wheel == set()
    for pattern in ("ghapp/store/*.sql", "ghapp/demo/static/*.css", "adapters/job.py"):
        assert fnmatch.filter(wheel, pattern), pattern


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    folders = {name.partition("/")[0] for name in wheel}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"ghapp", "adapters"}
