"""The resources the scripted cluster has installed: Tekton's runs and Flux' releases, in short.

Written for the demo, not copied: no schema, but the columns that make `kubectl get` say something.
"""

from collections.abc import Mapping
from typing import Any, Final

from ghapp.demo.kube import StatusError

Object = dict[str, Any]

NONSENSE: Final = (KeyError, TypeError, AttributeError, ValueError, StatusError)
"""What comes of reading an object that makes no sense.

A visitor may apply anything, for there is no admission webhook here that would refuse it, and may
delete it while it is worked on. A controller says so in the log, and goes on with the others.
"""

SHOP_CI: Final = "shop-ci"
"""The one Pipeline that the scripted Tekton knows by name."""
CI: Final = "ci"
"""The namespace where things are built and tested."""
ENVIRONMENTS: Final = ("dev", "staging", "prod")
"""Namespaces of the application, in the order of promotion."""
RELEASE: Final = "shop"
"""The HelmRelease in each of them."""

REPOSITORY_NOTE: Final = "checkrail.dev/repository"
COMMIT_NOTE: Final = "checkrail.dev/commit"
REF_NOTE: Final = "checkrail.dev/ref"
ENVIRONMENT_NOTE: Final = "checkrail.dev/environment"
CHECK_NAME_NOTE: Final = "checkrail.dev/check-name"

_SUCCEEDED: Final = '.status.conditions[?(@.type=="Succeeded")]'
_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_RUN_COLUMNS: Final = {
    "Succeeded": f"{_SUCCEEDED}.status",
    "Reason": f"{_SUCCEEDED}.reason",
    "StartTime": ".status.startTime",
    "CompletionTime": ".status.completionTime",
}
_FLUX_COLUMNS: Final = {
    "Age": ".metadata.creationTimestamp",
    "Ready": f"{_READY}.status",
    "Status": f"{_READY}.message",
}
_DATES: Final = frozenset({"Age", "StartTime", "CompletionTime"})


def notes_of(obj: Object) -> dict[str, str]:
    """The annotations of an object."""
    return dict(obj["metadata"].get("annotations") or {})


def definitions() -> list[Object]:
    """CustomResourceDefinitions to begin with."""
    tekton, helm = "tekton.dev/v1", "helm.toolkit.fluxcd.io/v2"
    kustomize = "kustomize.toolkit.fluxcd.io/v1"
    return [
        _definition(tekton, "PipelineRun", _RUN_COLUMNS, "pr", "prs"),
        _definition(tekton, "TaskRun", _RUN_COLUMNS, "tr", "trs"),
        _definition(helm, "HelmRelease", _FLUX_COLUMNS, "hr"),
        _definition(kustomize, "Kustomization", _FLUX_COLUMNS, "ks"),
    ]


def _definition(api_version: str, kind: str, columns: Mapping[str, str], *short: str) -> Object:
    group, _, version = api_version.partition("/")
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "shortNames": list(short)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {**names, "listKind": f"{kind}List"},
            "versions": [_version(version, columns)],
        },
    }


def _version(name: str, columns: Mapping[str, str]) -> Object:
    return {
        "name": name,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        },
        "additionalPrinterColumns": [
            {"name": column, "type": "date" if column in _DATES else "string", "jsonPath": path}
            for column, path in columns.items()
        ],
    }
