"""GitHub Apps: who they are, how they prove it, where they are installed, and their tokens.

An App signs a JWT with its key; with the JWT it gets a token for one installation, which may be
narrower than the installation, never wider.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import render
from .errors import ApiError, Json, not_found
from .model import Account, App, Installation, Repository, Token
from .world import World, covers

TOKEN_SECONDS = 3600
LEVELS = {"read": 1, "write": 2, "admin": 3}


def create_app(
    world: World,
    slug: str,
    *,
    permissions: Mapping[str, str],
    events: Iterable[str] = (),
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    owner: str = "octo-org",
    private_key: str | None = None,
) -> App:
    """A new App; `private_key` saves the time it takes to make a new one."""
    pem = private_key or new_private_key()
    created = App(
        id=world.next_id(),
        slug=slug,
        name=slug,
        owner=world.account(owner),
        bot=world.add_account(f"{slug}[bot]", kind="Bot"),
        client_id=f"Iv23li{world.word(14)}",
        client_secret=world.word(40),
        private_key=pem,
        permissions={"metadata": "read", **permissions},
        events=tuple(events),
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        hook_id=world.next_id(),
        created=world.clock(),
    )
    world.apps[created.id] = created
    return created


def new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@functools.lru_cache(maxsize=64)
def _public_half(pem: str) -> rsa.RSAPublicKey:
    """Reading a key checks its primes, which takes longer than all else here: once is enough."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the private key of a GitHub App is an RSA key")
    return key.public_key()


# -- installations ----------------------------------------------------------------------------


def install(
    world: World,
    app: App,
    account: str,
    repositories: Iterable[str] | None = None,
    *,
    sender: str | None = None,
) -> Installation:
    """Install an App in an account: in all its repositories, or in those named."""
    installation = Installation(
        id=world.next_id(),
        app=app,
        account=world.account(account),
        permissions=dict(app.permissions),
        repositories=None,
        created=world.clock(),
        updated=world.clock(),
    )
    if repositories is not None:
        installation.repositories = {world.repository(name).id for name in repositories}
    world.installations[installation.id] = installation
    _tell(world, installation, "created", world.account(sender or account))
    return installation


def suspend(world: World, installation: Installation, login: str) -> None:
    by = world.account(login)
    installation.suspended, installation.suspended_by = world.clock(), by
    _tell(world, installation, "suspend", by)


def unsuspend(world: World, installation: Installation, login: str) -> None:
    installation.suspended, installation.suspended_by = None, None
    _tell(world, installation, "unsuspend", world.account(login))


def uninstall(world: World, installation: Installation, login: str) -> None:
    world.installations.pop(installation.id, None)
    for token in [t for t in world.tokens.values() if t.installation is installation]:
        del world.tokens[token.value]
    _tell(world, installation, "deleted", world.account(login))


def accept_permissions(world: World, installation: Installation, login: str) -> None:
    """The owner accepts what the App asks for by now."""
    installation.permissions = dict(installation.app.permissions)
    _tell(world, installation, "new_permissions_accepted", world.account(login))


def change_repositories(
    world: World, installation: Installation, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    """The owner selects repositories; the App hears installation_repositories."""
    chosen = installation.repositories
    if chosen is None:
        chosen = {r.id for r in world.repositories.values() if r.owner is installation.account}
    added = [world.repository(name) for name in add]
    removed = [world.repository(name) for name in remove]
    chosen |= {repository.id for repository in added}
    installation.repositories = chosen - {repository.id for repository in removed}
    for action, these in (("added", added), ("removed", removed)):
        if these:
            _tell_repositories(world, installation, action, these)


def repositories_of(world: World, installation: Installation) -> list[Repository]:
    return [repo for repo in world.repositories.values() if covers(installation, repo)]


def _brief(world: World, repositories: Iterable[Repository]) -> list[Json]:
    return [
        {
            "id": repo.id,
            "node_id": render.node_id("Repository", repo.id),
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
        }
        for repo in repositories
    ]


def _tell(world: World, installation: Installation, action: str, sender: Account) -> None:
    body = render.envelope(
        world,
        None,
        sender,
        action=action,
        installation=render.installation(world, installation),
        repositories=_brief(world, repositories_of(world, installation)),
    )
    if action == "created":
        body["requester"] = None
    world.hooks.send(installation.app, "installation", body, installation_id=installation.id)


def _tell_repositories(
    world: World, installation: Installation, action: str, these: list[Repository]
) -> None:
    body = render.envelope(
        world,
        None,
        installation.account,
        action=action,
        installation=render.installation(world, installation),
        repository_selection="selected",
        repositories_added=_brief(world, these if action == "added" else []),
        repositories_removed=_brief(world, these if action == "removed" else []),
        requester=None,
    )
    world.hooks.send(
        installation.app, "installation_repositories", body, installation_id=installation.id
    )


# -- proofs -----------------------------------------------------------------------------------


def app_of_jwt(world: World, token: str) -> App:
    """The App that signed this JWT, or GitHub's 401."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    app = _app_named(world, claims.get("iss"))
    try:
        jwt.decode(
            token,
            _public_half(app.private_key),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.PyJWTError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    _check_times(claims, world.clock())
    return app


def _app_named(world: World, issuer: object) -> App:
    if issuer is None:
        raise ApiError(401, "Missing 'issuer' claim ('iss') in assertion")
    for app in world.apps.values():
        if str(issuer) in (str(app.id), app.client_id):
            return app
    raise ApiError(404, "Integration not found")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int | float) or expires <= now:
        raise ApiError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            " at which the assertion expires",
        )
    if expires > now + 600:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
    if not isinstance(issued, int | float) or issued > now:
        raise ApiError(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion"
            " was issued",
        )


# -- tokens -----------------------------------------------------------------------------------


def mint(
    world: World, app: App, installation_id: int, wanted: Json, *, stateless: bool | None = None
) -> Token:
    """A token for an installation, perhaps narrower than it."""
    installation = world.installations.get(installation_id)
    if installation is None or installation.app is not app:
        raise not_found()
    if installation.suspended is not None:
        raise ApiError(403, "This installation has been suspended")
    now = world.clock()
    permissions = _granted(installation, wanted.get("permissions"))
    repositories = _selected(world, installation, wanted)
    form = world.stateless_tokens if stateless is None else stateless
    token = Token(
        value=_stateless(world, app) if form else f"ghs_{world.word(36)}",
        installation=installation,
        person=None,
        permissions=permissions,
        repositories=repositories,
        created=now,
        expires=now + TOKEN_SECONDS,
    )
    world.tokens[token.value] = token
    return token


def _granted(installation: Installation, wanted: Json | None) -> dict[str, str]:
    if wanted is None:
        return dict(installation.permissions)
    for name, level in wanted.items():
        if LEVELS.get(level, 9) > LEVELS.get(installation.permissions.get(name, ""), 0):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **wanted}


def _selected(world: World, installation: Installation, wanted: Json) -> frozenset[int] | None:
    ids, names = wanted.get("repository_ids"), wanted.get("repositories")
    if ids is None and names is None:
        return None
    mine = {repo.id: repo.name.lower() for repo in repositories_of(world, installation)}
    by_name = {name: number for number, name in mine.items()}
    chosen = {*(ids or ()), *(by_name.get(name.lower(), -1) for name in names or ())}
    if len(chosen) > 500:
        raise ApiError(422, "There are too many repositories: 500 at most.")
    if not chosen <= mine.keys():
        raise ApiError(
            422,
            "There is at least one repository that does not exist or is not accessible to the"
            " parent installation.",
        )
    return frozenset(chosen)


def _stateless(world: World, app: App) -> str:
    """The format of 2026: about 520 characters, with the dots and dashes of a JWT."""
    head = {"alg": "ES256", "typ": "JWT"}
    claims = {"jti": world.guid(), "pad": world.word(220)}
    parts = [json.dumps(part).encode() for part in (head, claims)]
    encoded = [base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts]
    signature = base64.urlsafe_b64encode(world.randomness(64)).rstrip(b"=").decode()
    return f"ghs_{app.id}_{'.'.join(encoded)}.{signature}"
