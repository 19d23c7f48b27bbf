"""How an App proves who it is (a JWT, signed with its key) and the tokens it gets for that.

A token is for one installation, and may be narrower than the installation, never wider.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import apps
from .errors import ApiError, Json, not_found
from .model import App, Installation, Token
from .world import World

TOKEN_SECONDS = 3600
LEVELS = {"read": 1, "write": 2, "admin": 3}


def app_of_jwt(world: World, token: str) -> App:
    """The App that signed this JWT, or GitHub's 401."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    app = _app_named(world, claims.get("iss"))
    if not any(_signed(token, pem) for pem in (app.private_key, *app.further_keys)):
        raise ApiError(401, "A JSON web token could not be decoded")
    _check_times(claims, world.clock())
    return app


def _signed(token: str, pem: str) -> bool:
    try:
        jwt.decode(
            token,
            _public_half(pem),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.PyJWTError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _public_half(pem: str) -> rsa.RSAPublicKey:
    """Reading a key checks its primes, which takes longer than all else here: once is enough."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the private key of a GitHub App is an RSA key")
    return key.public_key()


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
    mine = {repo.id: repo.name.lower() for repo in apps.repositories_of(world, installation)}
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
