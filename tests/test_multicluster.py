"""The overlay for several clusters: built by the genuine kubectl, and read by the settings.

What it shares with the standalone overlay is tested in `tests/test_manifests.py`; what becomes of
the clusters, in `tests/e2e/test_clusters.py`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from ghapp import kubeconfigs
from tests.test_manifests import KUBERNETES

ROOT = Path(__file__).parent.parent
KUBECTL = Path(sys.executable).with_name("kubectl")

Json = dict[str, Any]


@pytest.fixture(scope="module")
def built() -> list[Json]:
    ran = subprocess.run(
        [KUBECTL, "kustomize", ROOT / "kustomize/overlays/multicluster"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return list(YAML(typ="safe").load_all(ran.stdout))


def test_the_api_server_would_take_each_document(built: list[Json]) -> None:
    for document in built:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_secrets_are_mounted_where_the_settings_look(built: list[Json], tmp_path: Path) -> None:
    (deployment,) = (one for one in built if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (name,) = (source["configMapRef"]["name"] for source in container["envFrom"])
    (environment,) = (one["data"] for one in built if one["metadata"]["name"] == name)
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "clusters")
    assert environment["CHECKRAIL_CLUSTERS"] == mount["mountPath"]
    assert kubeconfigs.wrong_name(environment["CHECKRAIL_CLUSTER"]) is None
    (volume,) = (one["projected"] for one in pod["volumes"] if one["name"] == "clusters")
    assert volume["defaultMode"] == 0o440
    secrets = [source["secret"] for source in volume["sources"]]
    assert all(secret["optional"] for secret in secrets)
    for item in (item for secret in secrets for item in secret.get("items", ())):
        (tmp_path / item["path"]).parent.mkdir(parents=True)
        (tmp_path / item["path"]).write_text("{}")
    assert list(kubeconfigs.find(tmp_path, home="management").files) == ["prod"]
