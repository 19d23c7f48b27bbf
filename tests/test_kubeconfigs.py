"""kubeconfigs: which clusters a folder names, as Secrets are mounted, and what is wrong with it.

What becomes of them is tested with real sockets in `tests/e2e/test_clusters.py`.
"""

from pathlib import Path

import pytest

from ghapp import settings
from ghapp.errors import ConfigError
from ghapp.kubeconfigs import find


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("{}")


def test_each_shape_names_a_cluster(tmp_path: Path) -> None:
    put(tmp_path, "a/value", "b/kubeconfig", "c.kubeconfig", "d/value.yaml", "e/value", "e/other")
    found = find(tmp_path, home="default")
    assert {name: str(file.relative_to(tmp_path)) for name, file in found.files.items()} == {
        "a": "a/value",
        "b": "b/kubeconfig",
        "c": "c.kubeconfig",
        "d": "d/value.yaml",
        "e": "e/value",
    }
    assert (found.empty, found.mistakes) == ((), ())


def test_a_mount_as_the_kubelet_makes_it_is_read_through_its_links(tmp_path: Path) -> None:
    put(tmp_path, "..2026/prod.kubeconfig", "stage/..2026/value")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "prod.kubeconfig").symlink_to("..data/prod.kubeconfig")
    (tmp_path / "stage" / "..data").symlink_to("..2026")
    (tmp_path / "stage" / "value").symlink_to("..data/value")
    found = find(tmp_path, home="default")
    assert sorted(found.files) == ["prod", "stage"]
    assert found.mistakes == ()


def test_an_optional_secret_that_is_not_there_yet_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    assert find(tmp_path, home="default").empty == ("prod",)


def mistakes(folder: Path, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings.read({"CHECKRAIL_CLUSTERS": str(folder), **more})
    return list(caught.value.mistakes)


def test_the_settings_name_the_folder(tmp_path: Path) -> None:
    put(tmp_path, "prod/value")
    assert settings.read({"CHECKRAIL_CLUSTERS": str(tmp_path)}).clusters == tmp_path


def test_all_mistakes_are_told_at_the_start(tmp_path: Path) -> None:
    put(tmp_path, "prod/value", "prod.kubeconfig", "home/value", "a b.kubeconfig", "stage.yaml")
    (said,) = [mistakes(tmp_path, CHECKRAIL_CLUSTER="home")]
    assert [line.partition(": ")[0] for line in said] == ["CHECKRAIL_CLUSTERS"] * 4
    text = "\n".join(said)
    assert "'home' is the name of the cluster we are at home in" in text
    assert "'prod' is named twice" in text
    assert "'a b' may have letters, digits" in text
    assert "stage.yaml: neither a folder" in text


def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    put(tmp_path, "file")
    assert "is not a folder that can be read" in mistakes(tmp_path / "nowhere")[0]
    assert "is not a folder that can be read" in mistakes(tmp_path / "file")[0]
