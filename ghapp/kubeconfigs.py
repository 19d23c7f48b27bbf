"""A folder of kubeconfigs, one a cluster, as Secrets are mounted: which clusters does it name?

    FOLDER/NAME/value         a Secret as Cluster API and Flux keep it (Flux: value.yaml, too)
    FOLDER/NAME/kubeconfig    a Secret with the other key that people use
    FOLDER/NAME.kubeconfig    a plain file, or a key of one Secret with several of them

Only names are looked at here; what a kubeconfig says is the matter of `engine.kube_config`. What
starts with a dot is how the kubelet swaps the content of a mount (``..data``), and no cluster.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEYS: Final = ("value", "value.yaml", "kubeconfig")
"""Of a Secret; the first one that is there counts.

https://cluster-api.sigs.k8s.io/developer/providers/contracts/infra-cluster and Flux'
``spec.kubeConfig.secretRef`` ("defaults to `value` or `value.yaml`").
"""
SUFFIX: Final = ".kubeconfig"
LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder names at one moment."""

    files: Mapping[str, Path]
    """The kubeconfig of each cluster."""
    empty: tuple[str, ...] = ()
    """Clusters whose folder holds no kubeconfig: an optional Secret that is not there yet."""
    mistakes: tuple[str, ...] = ()
    """A sentence for each entry that is of no use."""


def find(folder: Path, *, home: str) -> Found:
    """The clusters that `folder` names beside the one called `home`; raises OSError."""
    files: dict[str, Path] = {}
    empty: list[str] = []
    mistakes: list[str] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        name = entry.name if entry.is_dir() else entry.name.removesuffix(SUFFIX)
        if problem := _problem(entry, name, home, files):
            mistakes.append(f"{entry}: {problem}")
        elif (file := _file(entry)) is not None:
            files[name] = file
        else:
            empty.append(name)
    return Found(files=files, empty=tuple(empty), mistakes=tuple(mistakes))


def _problem(entry: Path, name: str, home: str, known: Mapping[str, Path]) -> str | None:
    if not entry.is_dir() and name == entry.name:
        return f"neither a folder with a key {' or '.join(KEYS)}, nor named NAME{SUFFIX}"
    if name == home:
        return f"{name!r} is the name of the cluster we are at home in (CHECKRAIL_CLUSTER)"
    if name in known:
        return f"cluster {name!r} is named twice, by {known[name]} too"
    return wrong_name(name)


def _file(entry: Path) -> Path | None:
    if not entry.is_dir():
        return entry
    return next((entry / key for key in KEYS if (entry / key).is_file()), None)


def wrong_name(name: str) -> str | None:
    """What is wrong with a cluster's name: it stands in check names, keys and event sources."""
    allowed = set(string.ascii_letters + string.digits + "-._")
    if not name or len(name) > LONGEST_NAME or not set(name) <= allowed:
        return (
            f"{name!r} may have letters, digits, '-', '.', '_', and at most {LONGEST_NAME} of them"
        )
    return None
