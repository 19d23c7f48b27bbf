"""The genuine kubectl against the stand-in, mounted under a prefix as `checkrail demo` mounts it.

Typed commands send protobuf (`kubectl create configmap`, `kubectl auth can-i`); they are answered
415 and not tested.
"""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp import rbac
from ghapp.demo.kube import KubeApi
from ghapp.documents import crds
from tests import examples
from tests.demo.kube_client import LIMIT

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent))

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: build, namespace: ci}
spec: {pipelineRef: {name: build}}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ci}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}, {name: proxy, image: "proxy:1"}]}
"""

GADGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget, shortNames: [gd]}
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns:
        - {name: Size, type: integer, jsonPath: .spec.size}
        - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {size: {type: integer}}}}
"""


def gadget(size: str, **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    head = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g, namespace: ci}\n"
    return f"{head}spec: {{size: {size}{extra}}}\n"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl, set up for one server and nobody's home."""

    server: str
    home: Path

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        assert KUBECTL is not None
        home = {"HOME": str(self.home), "KUBECONFIG": str(self.home / "none")}
        return await asyncio.create_subprocess_exec(
            KUBECTL, "--server", self.server, *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=home
        )

    async def run(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """The exit code, and what was printed to either stream."""
        process = await self.start(*words)
        async with asyncio.timeout(LIMIT):
            out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode() + err.decode()

    async def __call__(self, *words: str, stdin: str = "") -> str:
        code, text = await self.run(*words, stdin=stdin)
        assert code == 0, text
        return text


@pytest.fixture
async def kubectl(kube_api: KubeApi, tmp_path: Path) -> AsyncIterator[Kubectl]:
    kube_api.serve("tekton.dev", "v1", "pipelineruns", "PipelineRun", short_names=("pr",))
    root = web.Application()
    root.add_subapp("/kube", kube_api.app())
    async with TestServer(root) as server:
        yield Kubectl(str(server.make_url("/kube")), tmp_path)


async def test_it_lists_what_is_served_and_gets_it_by_its_short_name(
    kubectl: Kubectl, kube_api: KubeApi
) -> None:
    assert "pipelineruns" in await kubectl("api-resources", "--api-group=tekton.dev")
    await kubectl("create", "-f", "-", stdin=RUN)
    table = (await kubectl("get", "pr", "--all-namespaces")).split()
    assert table[:5] == ["NAMESPACE", "NAME", "AGE", "ci", "build"]


async def test_it_applies_twice_and_knows_when_nothing_changed(
    kubectl: Kubectl, kube_api: KubeApi
) -> None:
    assert "created" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "configured" in await kubectl(
        "apply", "-f", "-", stdin=DEPLOYMENT.replace("web:1", "web:2")
    )
    containers = kube_api.get("deploy", "ci", "web")["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == ["web:2", "proxy:1"]


async def test_it_applies_on_the_server_side(kubectl: Kubectl, kube_api: KubeApi) -> None:
    assert "serverside-applied" in await kubectl("apply", "--server-side", "-f", "-", stdin=RUN)
    assert kube_api.get("pr", "ci", "build")["spec"] == {"pipelineRef": {"name": "build"}}


async def test_it_annotates_labels_and_patches(kubectl: Kubectl, kube_api: KubeApi) -> None:
    await kubectl("create", "-f", "-", stdin=RUN)
    await kubectl("annotate", "-n", "ci", "pr/build", "checkrail.dev/commit=abc")
    await kubectl("label", "-n", "ci", "pr/build", "team=web")
    patch = '{"spec":{"status":"Cancelled"}}'
    await kubectl("patch", "-n", "ci", "pr/build", "--type=merge", "-p", patch)
    run = kube_api.get("pr", "ci", "build")
    assert run["metadata"]["annotations"] == {"checkrail.dev/commit": "abc"}
    assert run["metadata"]["labels"] == {"team": "web"}
    assert run["spec"]["status"] == "Cancelled"


async def test_it_deletes_and_waits_until_a_finalizer_lets_go(
    kubectl: Kubectl, kube_api: KubeApi
) -> None:
    await kubectl(
        "create",
        "-f",
        "-",
        stdin=RUN.replace("name: build,", "name: build, finalizers: [x.dev/hold],"),
    )
    deleting = asyncio.create_task(kubectl("delete", "-n", "ci", "pr/build"))
    events = kube_api.subscribe("pr")
    async with asyncio.timeout(LIMIT):
        async for _, run in events:
            if "deletionTimestamp" in run["metadata"]:
                break
    assert not deleting.done()
    kube_api.patch("pr", "ci", "build", {"metadata": {"finalizers": None}})
    assert "deleted" in await deleting
    assert kube_api.list("pr") == []


async def test_it_reads_logs(kubectl: Kubectl, kube_api: KubeApi) -> None:
    spec = {"containers": [{"name": "main", "image": "busybox"}]}
    metadata = {"name": "p", "namespace": "ci"}
    kube_api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kube_api.set_log("ci", "p", "main", "one\ntwo\nthree\n")
    assert await kubectl("logs", "-n", "ci", "p", "--tail=2") == "two\nthree\n"


async def test_it_watches(kubectl: Kubectl, kube_api: KubeApi) -> None:
    watching = await kubectl.start("get", "pr", "-n", "ci", "-w", "-o", "name")
    assert watching.stdout is not None
    for name in ("one", "two"):
        kube_api.create({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
                         "metadata": {"name": name, "namespace": "ci"}, "spec": {}})  # fmt: skip
        async with asyncio.timeout(LIMIT):
            assert (await watching.stdout.readline()).decode().strip().endswith(f"/{name}")
    watching.terminate()
    await watching.communicate()


async def test_it_waits_for_a_condition(kubectl: Kubectl, kube_api: KubeApi) -> None:
    await kubectl("create", "-f", "-", stdin=RUN)
    wanted = ("--for=condition=Succeeded", "--timeout=10s", "-v=6")
    waiting = await kubectl.start("wait", "-n", "ci", "pr/build", *wanted)
    assert waiting.stderr is not None
    async with asyncio.timeout(LIMIT):
        while b"watch=true" not in await waiting.stderr.readline():
            assert not waiting.stderr.at_eof()
    done = {"conditions": [{"type": "Succeeded", "status": "True"}]}
    kube_api.patch("pr", "ci", "build", {"status": done}, subresource="status")
    async with asyncio.timeout(LIMIT):
        out, _ = await waiting.communicate()
    assert b"condition met" in out


async def test_it_explains_our_documents(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=crds.as_yaml())
    said = await kubectl("explain", "provider.spec")
    assert "KIND:       Provider" in said
    assert "What kind of place it is; the block of the same name holds its settings." in said
    assert "cdevents, github" in said
    deep = await kubectl("explain", "cnotif.spec.filter.labelSelector.matchExpressions.operator")
    assert "What has to hold of the label's value." in deep
    status = await kubectl("explain", "prov.status.conditions", "--recursive")
    assert "lastTransitionTime" in status


async def test_it_shows_at_a_glance_what_works(kubectl: Kubectl, kube_api: KubeApi) -> None:
    await kubectl("apply", "-f", "-", stdin=crds.as_yaml())
    bus = {"type": "cdevents", "cdevents": {"url": "http://bus"}, "suspend": True}
    kube_api.create(examples.document("Provider", bus, name="bus", namespace="ci"))
    kube_api.create(
        examples.document(
            "Notification",
            {"providerRefs": [{"name": "bus"}], "priority": 3},
            name="all",
            namespace="ci",
        )
    )
    ready = {"type": "Ready", "status": "False", "reason": "Suspended", "message": "it waits"}
    status = {"conditions": [{**ready, "lastTransitionTime": "2026-05-01T12:00:00Z"}], "waiting": 2}
    kube_api.patch("providers", "ci", "bus", {"status": status}, subresource="status")
    provider, notification = (await kubectl("get", "-n", "ci", "prov,notif")).split("\n\n")
    heads, row = (line.split() for line in provider.splitlines())
    assert heads == ["NAME", "TYPE", "READY", "DELIVERED", "WAITING", "PARKED", "AGE", "STATUS"]
    assert row[:4] == ["provider.checkrail.dev/bus", "cdevents", "False", "2"]
    assert row[-2:] == ["it", "waits"]
    heads, row = (line.split() for line in notification.strip().splitlines())
    assert heads == ["NAME", "PROVIDER", "READY", "PRIORITY", "AGE", "STATUS"]
    assert row[:3] == ["notification.checkrail.dev/all", "bus", "3"]
    wide = await kubectl("get", "-n", "ci", "prov", "-o", "wide")
    assert "SUSPENDED" in wide
    assert "true" in wide
    everything = await kubectl("get", "checkrail", "-A")
    assert "provider.checkrail.dev/bus" in everything
    assert "notification.checkrail.dev/all" in everything


async def test_it_is_told_which_rule_a_document_breaks(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=crds.as_yaml())
    wrong = examples.document("Provider", {"type": "cdevents"}, namespace="ci")
    code, said = await kubectl.run("apply", "-f", "-", stdin=rbac.as_yaml([wrong]))
    assert code != 0
    assert "spec.cdevents: Required value: is missing; the type cdevents needs url" in said


async def test_it_installs_a_definition_and_is_told_of_mistakes(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=GADGETS)
    await kubectl("wait", "--for=condition=established", "crd/gadgets.example.com")
    await kubectl("create", "-f", "-", stdin=gadget("3"))
    assert (await kubectl("get", "gd", "-n", "ci")).split()[:5] == ["NAME", "SIZE", "AGE", "g", "3"]
    code, text = await kubectl.run("apply", "-f", "-", stdin=gadget("4", colour="red"))
    assert code != 0
    assert 'unknown field "spec.colour"' in text
    code, text = await kubectl.run("apply", "-f", "-", stdin=gadget("big"))
    assert code != 0
    assert "spec.size" in text
