"""Documents for tests: the examples of `manifests/examples`, and wrong ones, one rule broken each.

What is wrong with the wrong ones is said by an API server with our CRDs and by `documents.rules` in
the same words, so both are asked about the same table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from ghapp.documents.kinds import API_VERSION, kinds, provider_types

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "manifests" / "examples"
FILES: Final = tuple(sorted(path.name for path in FOLDER.iterdir()))

Json = dict[str, Any]


def documents(name: str) -> list[Json]:
    """Those of one example."""
    return list(YAML(typ="safe").load_all(FOLDER / name))


def everything() -> Iterator[Json]:
    """Those of all examples."""
    for name in FILES:
        yield from documents(name)


def document(kind: str, spec: Json, *, name: str = "x", namespace: str = "apps") -> Json:
    """A whole one."""
    inside = {"namespace": namespace} if kinds()[kind].namespaced else {}
    metadata = {"name": name, **inside}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A document that breaks one rule."""

    kind: str
    spec: Json
    field: str
    """That is to blame, as the API server spells it."""
    said: str


MATCHER: Final = {"owner": "x", "pattern": [{"regexp": "^(.+): (.+)$", "file": 1, "message": 2}]}


def _matcher(**pattern: Any) -> Json:
    return {"logs": {"matchers": [{"owner": "x", "pattern": [{"regexp": "^(.+)$", **pattern}]}]}}


def _ref(**ref: str) -> Json:
    return {"providerRefs": [{"name": "bus", **ref}]}


def pipeline(**changed: Any) -> Json:
    """The spec of a Pipeline."""
    spec = {
        "appRef": {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "name": "shop",
        },
        "environments": [stop("dev"), stop("staging")],
        "promotion": promotion(),
    }
    return {key: value for key, value in (spec | changed).items() if value is not None}


def stop(name: str, *namespaces: str, **more: Any) -> Json:
    """An environment."""
    return {"name": name, "targets": [{"namespace": one} for one in namespaces or (name,)], **more}


def promotion(url: str = "https://github.com/acme/gitops", **more: Any) -> Json:
    """By pull request."""
    return {"strategy": {"pull-request": {"url": url, "baseBranch": "main"}}, **more}


_BUS: Final = {"url": "http://bus.ci.svc"}
_MANUAL: Final = "not by itself; write manual: true"
_REPOSITORY: Final = "names no repository; expected https://HOST/OWNER/NAME"
_URL: Final = "promotion.strategy.pull-request.url"

WRONG: Final = (
    *(
        wrong
        for kind in ("Provider", "ClusterProvider")
        for wrong in (
            Wrong(
                kind,
                {"type": "cdevents"},
                "spec.cdevents",
                "is missing; the type cdevents needs url",
            ),
            Wrong(
                kind,
                {"type": "github", "cdevents": _BUS},
                "spec.cdevents",
                "is for the type cdevents; remove it, or write type: cdevents",
            ),
            *(
                Wrong(
                    kind,
                    {"type": "cdevents", "cdevents": _BUS, other: {}},
                    f"spec.{other}",
                    f"is for the type {other}; remove it, or write type: {other}",
                )
                for other in provider_types()
                if other != "cdevents"
            ),
        )
    ),
    *(
        wrong
        for kind in ("Notification", "ClusterNotification")
        for wrong in (
            Wrong(
                kind,
                {"progressInterval": "61m"},
                "spec.progressInterval",
                "is longer than an hour",
            ),
            Wrong(
                kind,
                {"logs": {"reports": [{"format": "junit"}]}},
                "spec.logs.reports[0]",
                "expected either a result or a step that the report is in",
            ),
            Wrong(
                kind,
                {"logs": {"reports": [{"format": "junit", "result": "a", "step": "b"}]}},
                "spec.logs.reports[0]",
                "expected either a result or a step that the report is in",
            ),
            Wrong(
                kind,
                _matcher(message=1),
                "spec.logs.matchers[0].pattern",
                "no pattern says which group is the file",
            ),
            Wrong(
                kind,
                _matcher(file=1),
                "spec.logs.matchers[0].pattern",
                "no pattern says which group is the message",
            ),
            Wrong(
                kind,
                _ref(kind="ClusterProvider", namespace="ci"),
                "spec.providerRefs[0].namespace",
                "a ClusterProvider has no namespace; remove it, or write kind: Provider",
            ),
        )
    ),
    Wrong(
        "Notification",
        {"filter": {"namespaces": ["ci"]}},
        "spec.filter.namespaces",
        "a Notification is about its own namespace; make it a ClusterNotification",
    ),
    Wrong(
        "ClusterNotification",
        _ref(kind="Provider"),
        "spec.providerRefs[0].namespace",
        "is missing; or name a ClusterProvider",
    ),
    Wrong(
        "ClusterNotification",
        _ref(namespace="ci"),
        "spec.providerRefs[0].namespace",
        "a ClusterProvider has no namespace; remove it, or write kind: Provider",
    ),
    Wrong(
        "TrustPolicy",
        {"namespaces": ["ci"], "repositories": ["acme/shop", "shop"]},
        "spec.repositories[1]",
        "names no owner; expected OWNER/NAME",
    ),
    Wrong(
        "Pipeline",
        pipeline(environments=[stop("dev"), stop("dev", "staging")]),
        "spec.environments",
        "name",
    ),
    Wrong(
        "Pipeline",
        pipeline(environments=[stop("dev"), stop("staging", "eu", "dev")]),
        "spec.environments",
        "is a target of",
    ),
    Wrong(
        "Pipeline",
        pipeline(promotion=None),
        "spec.promotion",
        "is missing, here and in every environment",
    ),
    Wrong(
        "Pipeline", pipeline(promotion=promotion(manual=False)), "spec.promotion.manual", _MANUAL
    ),
    Wrong(
        "Pipeline",
        pipeline(environments=[stop("dev"), stop("staging", promotion=promotion(manual=False))]),
        "spec.environments[1].promotion.manual",
        _MANUAL,
    ),
    Wrong(
        "Pipeline",
        pipeline(promotion=promotion("https://github.com/acme")),
        f"spec.{_URL}",
        _REPOSITORY,
    ),
    Wrong(
        "Pipeline",
        pipeline(
            environments=[
                stop("dev"),
                stop("staging", promotion=promotion("https://github.com/acme")),
            ]
        ),
        f"spec.environments[1].{_URL}",
        _REPOSITORY,
    ),
)
"""Each rule of `validations`, broken at least once."""

RIGHT: Final = (
    ("Provider", {"type": "github"}),
    ("Provider", {"type": "cdevents", "cdevents": _BUS, "secretRef": {"name": "bus"}}),
    ("ClusterProvider", {"type": "github", "github": {}, "suspend": True}),
    ("Notification", {"progressInterval": "1h0m", "filter": {"namespaces": []}}),
    ("Notification", _ref(kind="Provider", namespace="ci")),
    (
        "Notification",
        {"logs": {"matchers": [MATCHER], "reports": [{"format": "junit", "step": "a"}]}},
    ),
    ("ClusterNotification", _ref(kind="Provider", namespace="ci")),
    ("ClusterNotification", _ref()),
    ("TrustPolicy", {"namespaces": ["ci"], "repositories": ["*", "acme/*", "ghe.x/a/b"]}),
    ("Pipeline", pipeline()),
    ("Pipeline", pipeline(environments=[stop("dev", "eu", "us")], promotion=None)),
)
"""Kinds and specs that are near a rule and do not break it."""
