"""What checkrail makes of an object, without a cluster and without GitHub: read, observe, decide.

Runs the very functions that the product runs, so what it prints is what would be sent.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ghapp import cloudevent
from ghapp.core import access, cdevents, trust
from ghapp.core.access import Action, Person
from ghapp.core.audience import RANKS, UNHEARD, Heard, hear
from ghapp.core.case import Case
from ghapp.core.decide import Rules, decide
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.github_body import body
from ghapp.core.judgement import Permit, permit
from ghapp.core.model import Observation, Revision
from ghapp.core.seen import Seen
from ghapp.core.source import Adapter, Context, Find, Resource, Tried
from ghapp.core.trust import Trusted
from ghapp.documents.compiled import compile_documents
from ghapp.documents.config import NO_DOCUMENTS, Config
from ghapp.errors import ConfigError

FILE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a file; etcd takes objects of 1.5 MiB."""
NO_UID: Final = "00000000-0000-0000-0000-000000000000"
"""Stands for the uid that an object gets when it is created."""
_NAMESPACE: Final = "default"
BUILT_IN: Final = ("github-check", "cdevents")
"""What the environment sets up, as if all of it were."""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One document, explained; `skipped` says why it is no subject."""

    kind: str
    name: str
    seen: Seen | None = None
    check: dict[str, Any] | None = None
    events: tuple[dict[str, Any], ...] = ()
    resolution: tuple[Tried, ...] = ()
    """The rules that were asked for the commit, in their order, up to the one that matched."""
    claim: Revision | None = None
    """The commit that the object claims to be about."""
    trusted: Trusted | None = None
    """Whether its namespace may speak for that repository; None: it claims none."""
    heard: Heard = UNHEARD
    """What the Notifications say of it."""
    permit: Permit | None = None
    """Whether the person who was asked about may act on it; None: nobody was."""
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        """The contract of ``-o json``: one object a document."""
        if self.seen is None:
            return {"subject": None, "kind": self.kind, "name": self.name, "skipped": self.skipped}
        look = self.seen.look
        return {
            "subject": _subject(look),
            "phase": look.phase.value,
            "reason": look.reason,
            "revision": _revision(look.revision) if look.revision else None,
            "resolution": [
                {"rule": tried.rule, "matched": tried.matched, "why": tried.why}
                for tried in self.resolution
            ],
            "trust": (
                {"trusted": self.trusted.yes, "why": self.trusted.why} if self.trusted else None
            ),
            "notifications": [one.id for one in self.heard.matched],
            "providers": list(self.heard.audience.providers),
            "settings": [
                {
                    "name": documented_name(setting.name),
                    "value": msgspec.to_builtins(setting.value),
                    "from": setting.said_by,
                    "scope": RANKS[setting.rank],
                }
                for setting in self.heard.settings
            ],
            "failures": [
                {"document": document.id, "why": why} for document, why in self.heard.failures
            ],
            **({"access": msgspec.to_builtins(self.permit)} if self.permit else {}),
            "milestones": [milestone.value for milestone in self.seen.told],
            "check": self.check,
            "cdevents": list(self.events),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Somebody who would act on it."""

    person: Person
    action: Action
    environment: str = ""
    """Where a promotion shall lead; empty: to the next environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """Knows the sources and the documents that decisions depend on."""

    adapters: Sequence[Adapter[Any]]
    config: Config = NO_DOCUMENTS
    cluster: str = "default"
    dashboard_url: str = ""
    public_url: str = ""
    asking: Asking | None = None

    def explain(self, documents: Sequence[dict[str, Any]]) -> list[Explained]:
        """Each document; those that are parts of others (TaskRuns), and those that others refer to
        (a GitRepository), also tell of these."""
        return [self._one(document, documents) for document in documents]

    def _one(self, document: dict[str, Any], documents: Sequence[dict[str, Any]]) -> Explained:
        kind, name = str(document.get("kind", "")), _name(document)
        adapter = self._adapter(document)
        if adapter is None:
            known = ", ".join(sorted(adapter.resource.kind for adapter in self.adapters))
            reason = f"no source reads {document.get('apiVersion', '')} {kind}; there are {known}"
            return Explained(kind=kind, name=name, skipped=reason)
        try:
            value = _decode(document, adapter.reads)
        except msgspec.ValidationError as error:
            return Explained(kind=kind, name=name, skipped=f"it cannot be read: {error}")
        context = Context(
            cluster=self.cluster,
            children=tuple(_children(adapter, _uid(document), documents)),
            find=_finder(adapter, documents),
        )
        look = adapter.observe(value, context)
        if look is None:
            reason = "it is not a run of its own: a part of another, told to be ignored, or new"
            return Explained(kind=kind, name=name, skipped=reason)
        asked = adapter.resolution(value, context) if adapter.resolution else ()
        explained = self._decided(kind, name, look, msgspec.json.encode(document))
        return replace(explained, resolution=asked, claim=look.revision)

    def _decided(self, kind: str, name: str, claimed: Observation, raw: bytes) -> Explained:
        look, trusted = trust.applied(claimed, self.config.trust)
        compiled = compile_documents(self.config, BUILT_IN, cluster=self.cluster)
        heard = hear(compiled.listening, Case(look=look, raw=raw))
        rules = Rules(
            born=_BEGINNING,
            horizon=_BEGINNING,
            pipelines=self.config.pipelines,
            dashboard_url=self.dashboard_url,
            public_url=self.public_url,
        )
        decision = decide(None, look, audience=heard.audience, rules=rules)
        checks = [body(effect) for effect in decision.effects if isinstance(effect, SetCheck)]
        events = [
            cloudevent.structured(cdevents.render(effect))
            for effect in decision.effects
            if isinstance(effect, EmitEvent)
        ]
        return Explained(
            kind=kind,
            name=name,
            seen=decision.seen[-1],
            check=checks[0] if checks else None,
            events=tuple(events),
            trusted=trusted,
            heard=heard,
            permit=self._permit(Seen(look=claimed, version=1, audience=heard.audience)),
        )

    def _permit(self, seen: Seen) -> Permit | None:
        """What would be said to a person who acts on this run."""
        asking = self.asking
        if asking is None:
            return None
        verb, actions = access.VERB_OF[asking.action], access.asked_as(asking.action)
        rules = Rules(
            born=_BEGINNING,
            horizon=_BEGINNING,
            pipelines=self.config.pipelines,
            trust=self.config.trust,
            access=self.config.access,
        )
        found = permit(verb, actions, seen, asking.person, rules)
        if asking.environment in ("", found.environment):
            return found
        there = f"it leads to {found.environment}" if found.environment else "it leads nowhere"
        return replace(found, allowed=False, why=f"{there}, not to {asking.environment}")

    def _adapter(self, document: dict[str, Any]) -> Adapter[Any] | None:
        found = (adapter for adapter in self.adapters if _is(document, adapter.resource))
        return next(found, None)


def documented_name(setting: str) -> str:
    """As documents spell it: ``logs.lineLength``."""
    head, *rest = setting.split("_")
    return head + "".join(word.capitalize() for word in rest)


def read(path: str) -> list[dict[str, Any]]:
    """The objects in a file (YAML or JSON, several documents, lists), or on stdin for ``-``.

    Raises ConfigError for what cannot be read.
    """
    try:
        text = _text(path)
        documents = list(YAML(typ="safe", pure=True).load_all(text))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: {error.problem or error.context}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML or JSON: {error}") from error
    found = [item for document in documents for item in _items(document, path)]
    if not found:
        raise ConfigError(f"{path}: there is no object in it")
    return found


def _text(path: str) -> str:
    raw = sys.stdin.buffer.read(FILE_LIMIT + 1) if path == "-" else _bytes(Path(path))
    if len(raw) > FILE_LIMIT:
        raise ValueError(f"larger than {FILE_LIMIT} bytes")
    return raw.decode("utf-8")


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_LIMIT + 1)


def _items(document: object, path: str) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected Kubernetes objects, found {type(document).__name__}")
    if isinstance(document.get("items"), list) and str(document.get("kind", "")).endswith("List"):
        for item in document["items"]:
            yield from _items(item, path)
        return
    yield document


def _children(
    adapter: Adapter[Any], uid: str, documents: Iterable[dict[str, Any]]
) -> Iterator[Any]:
    for child in adapter.children:
        for document in documents:
            if not _is(document, child.resource):
                continue
            try:
                value = _decode(document, child.reads)
            except msgspec.ValidationError:
                continue  # explained on its own, with the reason
            if child.parent(value) == uid:
                yield value


def _finder(adapter: Adapter[Any], documents: Sequence[dict[str, Any]]) -> Find:
    """Looks up neighbours among the documents, as the product does among what is watched."""
    reads = {neighbour.resource: neighbour.reads for neighbour in adapter.neighbours}

    def find(resource: Resource, namespace: str, name: str) -> Any:
        for document in documents:
            if not _is(document, resource) or _name(document) != name:
                continue
            if _namespace(document) != namespace:
                continue
            try:
                return _decode(document, reads[resource])
            except msgspec.ValidationError:
                return None  # explained on its own, with the reason, if it is a source
        return None

    return find


def _is(document: dict[str, Any], resource: Resource) -> bool:
    """By group and kind: another served version has the same fields as far as we read."""
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    return (resource.group, resource.kind) == (group, document.get("kind"))


def _decode(document: dict[str, Any], type_: type[Any]) -> Any:
    """By way of JSON, as a watch line comes; what the API server would add is filled in."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise msgspec.ValidationError("Object missing required field `metadata`")
    filled = {"uid": NO_UID, "namespace": _NAMESPACE, "creationTimestamp": _BEGINNING, **metadata}
    if not filled.get("name"):
        filled["name"] = str(filled.get("generateName", "")) + "xxxxx"
    try:
        text = msgspec.json.encode({**document, "metadata": filled})
    except (TypeError, ValueError, RecursionError) as error:  # YAML can say more than JSON
        raise msgspec.ValidationError(str(error)) from error
    return msgspec.json.decode(text, type=type_)


def _uid(document: dict[str, Any]) -> str:
    return str(document.get("metadata", {}).get("uid", NO_UID))


def _name(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    return str(named.get("name") or named.get("generateName") or "")


def _namespace(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    return str(named.get("namespace", _NAMESPACE))


def _subject(look: Observation) -> dict[str, Any]:
    subject = look.subject
    run = f"{subject.uid}/{subject.revision}" if subject.revision else subject.uid
    return {
        "kind": subject.kind,
        "cluster": subject.cluster,
        "namespace": subject.namespace,
        "name": subject.name,
        "run": run,
    }


def _revision(revision: Revision) -> dict[str, Any]:
    known = {
        "host": revision.repository.host,
        "owner": revision.repository.owner,
        "repository": revision.repository.name,
        "commit": revision.commit,
        "ref": revision.ref,
        "pull_request": revision.pull_request,
        "rule": revision.rule,
    }
    return {name: value for name, value in known.items() if value not in ("", None)}
