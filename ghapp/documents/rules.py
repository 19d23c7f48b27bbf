"""What is wrong with a document beside its shape: names that mean nothing, wishes that clash.

Every rule takes a whole document that may be misshapen, which is said elsewhere, and yields all
that is wrong with it. The same rules hold for files and for what the cluster's API server let pass.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ghapp import cel
from ghapp.core import problem_matcher
from ghapp.core.notification import NotificationSpec, seconds
from ghapp.core.problem_matcher import ProblemMatcher
from ghapp.documents import shape, texts
from ghapp.documents.reading import Mistake, Steps
from ghapp.errors import ConfigError

WEAVE: Final = "pipelines.weave.works/v1alpha1"
"""pipeline-controller's, abandoned in 2023."""

LONGEST_INTERVAL: Final = 3_600.0
"""Seconds; what waits longer nobody looks at."""

# Words that the API server says too, see `validations`.

OTHER_BLOCK: Final = "is for the type {0}; remove it, or write type: {0}"
NO_BLOCK: Final = "is missing; the type {} needs {}"
OWN_NAMESPACE: Final = "a Notification is about its own namespace; make it a ClusterNotification"
NO_NAMESPACE: Final = "is missing; or name a ClusterProvider"
NEEDLESS_NAMESPACE: Final = "a ClusterProvider has no namespace; remove it, or write kind: Provider"
ONE_PLACE: Final = "expected either a result or a step that the report is in"
TOO_LONG: Final = "is longer than an hour"
NO_OWNER: Final = "names no owner; expected OWNER/NAME"
NO_PROMOTION: Final = "is missing, here and in every environment"
NO_REPOSITORY: Final = "names no repository; expected https://HOST/OWNER/NAME"
AUTOMATIC: Final = (
    "checkrail promotes when somebody asks for it (a button on the check), not by itself"
)
BY_ITSELF: Final = f"{AUTOMATIC}; write manual: true"

# --- Provider -------------------------------------------------------------------------------------


def provider(value: Mapping[str, Any], blocks: Mapping[str, type[Struct]]) -> Iterator[Mistake]:
    """The block of its type, and no other."""
    spec = _object(value, "spec")
    type_ = spec.get("type")
    for name in blocks:
        if name in spec and name != type_ and type_ in blocks:
            yield Mistake(("spec", name), OTHER_BLOCK.format(name))
    settings = blocks.get(type_) if isinstance(type_, str) else None
    if settings is not None and type_ not in spec:
        needed = [one.encode_name for one in msgspec.structs.fields(settings) if one.required]
        if needed:
            yield Mistake(("spec", str(type_)), NO_BLOCK.format(type_, ", ".join(needed)))


# --- Notification ---------------------------------------------------------------------------------


def notification(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Of one namespace."""
    spec = _object(value, "spec")
    if _list(_object(spec, "filter"), "namespaces"):
        yield Mistake(("spec", "filter", "namespaces"), OWN_NAMESPACE)
    for index, ref in enumerate(_list(spec, "providerRefs")):
        if isinstance(ref, dict) and ref.get("kind") == "ClusterProvider" and "namespace" in ref:
            yield _needless(index)
    yield from _any_notification(spec)


def cluster_notification(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Of all namespaces."""
    spec = _object(value, "spec")
    for index, ref in enumerate(_list(spec, "providerRefs")):
        if not isinstance(ref, dict):
            continue
        if ref.get("kind") == "Provider" and "namespace" not in ref:
            where = ("spec", "providerRefs", index, "namespace")
            yield Mistake(where, NO_NAMESPACE)
        elif ref.get("kind") != "Provider" and "namespace" in ref:
            yield _needless(index)
    yield from _any_notification(spec)


def _needless(index: int) -> Mistake:
    return Mistake(("spec", "providerRefs", index, "namespace"), NEEDLESS_NAMESPACE)


def _any_notification(spec: Mapping[str, Any]) -> Iterator[Mistake]:
    yield from _interval(spec)
    yield from _compiles(spec)
    logs = _object(spec, "logs")
    for index, one in enumerate(_list(logs, "reports")):
        if isinstance(one, dict) and bool(one.get("result")) == bool(one.get("step")):
            where = ("spec", "logs", "reports", index)
            yield Mistake(where, ONE_PLACE)
    for index, one in enumerate(_list(logs, "matchers")):
        for mistake in _matcher(one):
            yield Mistake(("spec", "logs", "matchers", index), mistake)


_FIELDS: Final = {one.name: one.encode_name for one in msgspec.structs.fields(NotificationSpec)}


def _compiles(spec: Mapping[str, Any]) -> Iterator[Mistake]:
    """Expression and templates; what is not text is said by the shape."""
    expression = _object(spec, "filter").get("expression")
    if isinstance(expression, str) and expression:
        for mistake in _said(lambda: cel.compile(expression)):
            yield Mistake(("spec", "filter", "expression"), mistake)
    for name in texts.TEXTS:
        field = _FIELDS[name]
        text = spec.get(field)
        if isinstance(text, str) and text:
            for mistake in _said(partial(texts.compile, name, text)):
                yield Mistake(("spec", field), mistake)


def _said(compile_: Callable[[], object]) -> Iterator[str]:
    try:
        compile_()
    except ConfigError as error:
        yield from error.mistakes


def _interval(spec: Mapping[str, Any]) -> Iterator[Mistake]:
    try:
        interval = msgspec.convert(
            {"progressInterval": spec.get("progressInterval")}, NotificationSpec
        ).progress_interval
    except msgspec.ValidationError:
        return
    if interval and seconds(interval) > LONGEST_INTERVAL:
        yield Mistake(("spec", "progressInterval"), TOO_LONG)


def _matcher(value: Any) -> Iterator[str]:
    try:
        document = msgspec.convert(value, ProblemMatcher)
    except msgspec.ValidationError:
        return  # said by the shape
    yield from _said(partial(problem_matcher.matcher, document))


# --- TrustPolicy ----------------------------------------------------------------------------------


def trust_policy(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Repositories have an owner."""
    for index, one in enumerate(_list(_object(value, "spec"), "repositories")):
        if isinstance(one, str) and one.strip("*") and "/" not in one:
            where = ("spec", "repositories", index)
            yield Mistake(where, f"{shape.shown(one)} {NO_OWNER}")


# --- AccessPolicy ---------------------------------------------------------------------------------


def access_policy(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Repositories have an owner; an approval that one person may give alone is none."""
    yield from trust_policy(value)
    for index, rule in enumerate(_list(_object(value, "spec"), "rules")):
        if not isinstance(rule, dict):
            continue
        admitted = {str(user).lower() for user in _list(rule, "users")}
        others = any(rule.get(field) for field in ("permission", "teams", "owners"))
        needed = rule.get("approvals", 1)
        if admitted and not others and isinstance(needed, int) and needed > len(admitted):
            where = ("spec", "rules", index, "approvals")
            yield Mistake(where, f"{needed} people are asked for, and {len(admitted)} may")


# --- Pipeline -------------------------------------------------------------------------------------


def pipeline(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Names that are there twice, promotions that lead nowhere."""
    spec = _object(value, "spec")
    stops = [stop for stop in _list(spec, "environments") if isinstance(stop, dict)]
    yield from _repeated_names(stops)
    yield from _shared_namespaces(stops)
    promotions = list(_promotions(spec))
    if len(stops) > 1 and not promotions:
        yield Mistake(("spec", "promotion"), NO_PROMOTION)
    for steps, promotion in promotions:
        yield from _promotion(steps, promotion, weave=value.get("apiVersion") == WEAVE)


def _repeated_names(stops: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    counts: Counter[str] = Counter()
    for index, stop in enumerate(stops):
        name = str(stop.get("name"))
        counts[name] += 1
        if counts[name] == 2 and "name" in stop:
            steps = ("spec", "environments", index, "name")
            yield Mistake(steps, f"is the name of another environment already: {name}")


def _shared_namespaces(stops: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """What runs in a namespace has to be in one environment, or nobody can say what comes next."""
    owners: dict[str, str] = {}
    for index, stop in enumerate(stops):
        for at, target in enumerate(_list(stop, "targets")):
            namespace = target.get("namespace") if isinstance(target, dict) else None
            if not isinstance(namespace, str):
                continue
            steps = ("spec", "environments", index, "targets", at, "namespace")
            if namespace in owners:
                yield Mistake(steps, f"{namespace} is a target of {owners[namespace]} already")
            owners.setdefault(namespace, str(stop.get("name")))


def _promotions(spec: Mapping[str, Any]) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """The pipeline's own, and those of the environments."""
    owners: list[tuple[Steps, Any]] = [(("spec",), spec)]
    for index, stop in enumerate(_list(spec, "environments")):
        owners.append((("spec", "environments", index), stop))
    for steps, owner in owners:
        if isinstance(owner, dict) and isinstance(owner.get("promotion"), dict):
            yield (*steps, "promotion"), owner["promotion"]


def _promotion(steps: Steps, promotion: Mapping[str, Any], *, weave: bool) -> Iterator[Mistake]:
    manual = promotion.get("manual", not weave)
    if manual is False:
        why = "" if "manual" in promotion else f" (the default of {WEAVE})"
        yield Mistake((*steps, "manual"), f"false{why}: {BY_ITSELF}")
    url = _object(_object(promotion, "strategy"), "pull-request").get("url")
    if isinstance(url, str) and url.startswith("http") and not _names_repository(url):
        where = (*steps, "strategy", "pull-request", "url")
        yield Mistake(where, f"{shape.shown(url)} {NO_REPOSITORY}")


def _names_repository(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and len([one for one in parts.path.split("/") if one]) >= 2


def _object(value: Any, key: str) -> Mapping[str, Any]:
    inside = value.get(key) if isinstance(value, dict) else None
    return inside if isinstance(inside, dict) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    inside = value.get(key)
    return inside if isinstance(inside, list) else []
