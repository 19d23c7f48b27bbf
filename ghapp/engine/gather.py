"""Gathers what a request is judged by: people, pull requests, runs, and what was said before.

The only IO of the way back. What is asked of GitHub depends on what policies ask for: a permission
costs one request, a team or an owned path one or two more, and most requests need none of these.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ghapp.core import access, ballots, owners
from ghapp.core.access import Person
from ghapp.core.ballots import Ballot
from ghapp.core.decide import Rules
from ghapp.core.deeds import ballot_keys
from ghapp.core.model import ANYWHERE, Repository, Verb
from ghapp.core.seen import Seen
from ghapp.core.source import Pieces, Resource
from ghapp.core.wishes import AGAIN, Inquiry, Plans, Pull, Target
from ghapp.errors import Reject, Retry
from ghapp.ports import Clusters, GitHub, Kube, Store

_NEEDS_OBJECT: Final = frozenset({*AGAIN, Verb.CANCEL, Verb.RECONCILE})


def is_on(github: GitHub, seen: Seen) -> bool:
    """Whether a run's commit is on this GitHub."""
    revision = seen.look.revision
    return revision is not None and github.serves(revision.repository)


async def on_commit(store: Store, github: GitHub, commit: str) -> list[Seen]:
    """The runs on a commit there, whatever they call its repository; oldest first."""
    return [seen for seen in await store.on_commit(ANYWHERE, commit) if is_on(github, seen)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs that a request is about, and what can be done to them."""

    store: Store
    clusters: Clusters
    resources: Mapping[str, Resource]
    """By `Resource.id`."""
    plans: Mapping[str, Plans]
    """By the resource's id: what the adapter can do to its objects."""
    pieces: Mapping[str, Pieces]
    """By the resource's id: what its objects are made of."""

    async def whole(self, verb: Verb, seen: Seen, *, tries: int) -> Target:
        """A run, with its object where the verb needs it.

        Further clusters are connected to while we work: for one that is not there yet we wait some
        `tries`; one that does not come must not keep the others' runs from being judged.
        """
        plans = self.plans.get(seen.look.resource, {})
        if verb not in _NEEDS_OBJECT or not plans:
            return Target(seen=seen, plans=plans)
        kube = self.clusters.get(seen.look.subject.cluster)
        if kube is None and tries < PATIENCE:
            raise Retry(f"cluster {seen.look.subject.cluster} is not connected here yet")
        if kube is None:
            away = f"cluster {seen.look.subject.cluster} is not connected here now"
            return Target(seen=seen, plans=plans, away=away)
        manifest = await self._manifest(kube, seen)
        parts: tuple[Mapping[str, Any], ...] = ()
        if verb is Verb.RERUN_FAILED and manifest is not None:
            parts = await self._parts(kube, seen, manifest)
        return Target(seen=seen, manifest=manifest, plans=plans, pieces=parts)

    async def ballots(
        self, wishes: Iterable[tuple[Verb, Seen]], pulls: Iterable[Pull], slug: str, rules: Rules
    ) -> dict[str, Ballot]:
        """What was said before that may count."""
        keys = {key for verb, seen in wishes for key in ballot_keys(verb, seen, rules)}
        keys |= {ballots.ok_to_test_key(slug, pull.head) for pull in pulls}
        return {ballot.key: ballot for ballot in await self.store.ballots(sorted(keys))}

    async def _manifest(self, kube: Kube, seen: Seen) -> Mapping[str, Any] | None:
        """The object, if it still is the one that the check tells of."""
        subject = seen.look.subject
        resource = self.resources[seen.look.resource]
        found = await _existing(kube, resource, subject.namespace, subject.name)
        if found is None:
            return None
        return found if found.get("metadata", {}).get("uid") == subject.uid else None

    async def _parts(
        self, kube: Kube, seen: Seen, manifest: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], ...]:
        name_parts = self.pieces.get(seen.look.resource)
        if name_parts is None:
            return ()
        refs = name_parts(manifest)
        if len(refs) > PARTS_LIMIT:
            return ()  # the adapter refuses it
        found = [
            await _existing(
                kube, self.resources[ref.resource], seen.look.subject.namespace, ref.name
            )
            for ref in refs
            if ref.resource in self.resources
        ]
        return tuple(part for part in found if part is not None)


PATIENCE: Final = 5
"""Tries, of half a minute in all."""
PARTS_LIMIT: Final = 100
"""Objects that are asked for, for one click."""


async def _existing(
    kube: Kube, resource: Resource, namespace: str, name: str
) -> Mapping[str, Any] | None:
    try:
        return await kube.get(resource, namespace, name)
    except Reject as error:
        if error.status == 404:
            return None
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What GitHub knows of people, seen from one repository."""

    github: GitHub
    repository: Repository
    _teams: dict[tuple[str, str], bool] = field(default_factory=dict)

    async def role(self, login: str) -> str:
        """The role of somebody on the repository, as far as GitHub has a name for it of its own."""
        path = f"{self.repository.api_path}/collaborators/{quote(login, safe='')}/permission"
        answer = await self._get(path)
        if answer is None:
            return "none"  # not a user, or not of this repository
        role = str(answer.get("role_name", ""))
        return role if role in access.LEVELS else str(answer.get("permission", "none"))

    async def pull(self, number: int) -> Pull | None:
        """A pull request of the repository, as it is now; who its author is, `with_author` asks."""
        found = await self._get(f"{self.repository.api_path}/pulls/{number}")
        if found is None:
            return None
        return Pull(
            number=number,
            head=str(found["head"]["sha"]),
            author=str((found.get("user") or {}).get("login", "")),
            open=found.get("state") == "open",
            trial=str(found.get("merge_commit_sha") or ""),
            merged=bool(found.get("merged")),
        )

    async def leads_here(self, repository: Repository) -> bool:
        """Whether this is another name of the repository: it was renamed or moved, and nobody else
        took the name since."""
        found = await self._get(repository.api_path)
        called = str(found.get("full_name", "")) if isinstance(found, Mapping) else ""
        return called.lower() == self.repository.slug.lower()

    async def with_author(self, pull: Pull) -> Pull:
        """The pull request, with what its author may do here."""
        role = await self.role(pull.author) if pull.author else "none"
        return replace(pull, author_role=role)

    async def person(
        self, login: str, inquiry: Inquiry, *, commit: str, pulls: Iterable[Pull]
    ) -> Person:
        """Somebody who asks, as far as policies ask about them; `pulls` are those of the commit."""
        unknown: dict[str, str] = {}
        teams = {team for team in inquiry.teams if await self._is_in(team, login, unknown)}
        owns = {path for path in inquiry.owners if await self._owns(path, login, unknown)}
        return Person(
            login=login,
            role=await self.role(login),
            teams=frozenset(team.lower() for team in teams),
            owns=frozenset(owns),
            authors=await self._authors(commit, pulls) if inquiry.authors else None,
            unknown=unknown,
        )

    async def _authors(self, commit: str, pulls: Iterable[Pull]) -> frozenset[str] | None:
        """Who made a commit and its pull requests; None where GitHub cannot say whose it is."""
        try:
            found = await self._get(f"{self.repository.api_path}/commits/{quote(commit, safe='')}")
        except Reject as error:
            if error.status != 422:  # "No commit found for SHA": it was force-pushed away
                raise
            return None
        author = str(((found or {}).get("author") or {}).get("login", "")).lower()
        if not author:
            return None
        listed = await self._get(f"{self.repository.api_path}/commits/{quote(commit)}/pulls") or ()
        others = {str((pull.get("user") or {}).get("login", "")).lower() for pull in listed}
        return frozenset({author, *(pull.author.lower() for pull in pulls), *others} - {""})

    async def _is_in(self, team: str, login: str, unknown: dict[str, str]) -> bool:
        key = (team.lower(), login.lower())
        if key not in self._teams:
            try:
                self._teams[key] = await self._membership(team, login)
            except Reject as error:
                if error.status not in _NOT_GRANTED:
                    raise
                unknown[team] = f"who is in {team} may not be read: {error.reason}"
                return False
        return self._teams[key]

    async def _membership(self, team: str, login: str) -> bool:
        org, _, slug = team.partition("/")
        path = f"/orgs/{quote(org, safe='')}/teams/{quote(slug, safe='')}/memberships"
        found = await self._get(f"{path}/{quote(login, safe='')}")
        return found is not None and found.get("state") == "active"

    # -- owners --------------------------------------------------------------------------------

    async def _owns(self, path: str, login: str, unknown: dict[str, str]) -> bool:
        """By CODEOWNERS, else by OWNERS, of the default branch: whoever may write could make any
        other one, and name oneself in it."""
        for owner in await self._owners(path):
            if "/" in owner:
                if await self._is_in(owner, login, unknown):
                    return True
            elif owner.lower() == login.lower():
                return True
        return False

    async def _owners(self, path: str) -> Sequence[str]:
        for place in owners.CODEOWNERS:
            text = await self._file(place, owners.FILE_LIMIT)
            if text is not None:
                return owners.code_owners(text, path)
        files = [
            _yaml(await self._file(f"{folder}/OWNERS" if folder else "OWNERS", YAML_LIMIT))
            for folder in owners.folders(path)[-FOLDERS_LIMIT:]
        ]
        if not any(files):
            return ()
        return owners.approvers(files, _yaml(await self._file("OWNERS_ALIASES", YAML_LIMIT)))

    async def _file(self, path: str, limit: int) -> str | None:
        """A file of the default branch; None: there is none, or it is no text of that size."""
        found = await self._get(f"{self.repository.api_path}/contents/{quote(path)}")
        if not isinstance(found, Mapping) or int(found.get("size", 0)) > limit:
            return None
        try:
            return base64.b64decode(str(found.get("content", ""))).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    # -- asking --------------------------------------------------------------------------------

    async def _get(self, path: str) -> Any:
        try:
            return await self.github.request("GET", path, repository=self.repository)
        except Reject as error:
            if error.status == 404:
                return None
            raise


_NOT_GRANTED: Final = frozenset({403, 422})
"""GitHub forbids the question, or gives out no token with which it could be asked."""
FOLDERS_LIMIT: Final = 8
"""OWNERS files that are looked for, from the root downwards."""
YAML_LIMIT: Final = 64 * 1024
"""Bytes of one of them: nothing else is done while YAML is read."""


def _yaml(text: str | None) -> Any:
    """What a file of a repository says; nothing, where it is no YAML."""
    if text is None:
        return None
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
