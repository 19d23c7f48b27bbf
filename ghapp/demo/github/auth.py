"""Who is asking, and may they? Bearer tokens in; an App, a token or GitHub's refusal out."""

from __future__ import annotations

from collections.abc import Mapping

from . import tokens
from .call import Call, Proof, Route
from .errors import ApiError
from .model import App, Token
from .world import World

ROLE_FOR = {"read": "read", "write": "write", "admin": "admin"}
NEEDS_ADMIN = ("administration",)


def identify(
    world: World, headers: Mapping[str, str], proof: Proof
) -> tuple[App | None, Token | None]:
    """The App of a JWT, or the token; whichever the route asks for."""
    bearer = _bearer(headers)
    if proof is Proof.JWT:
        return tokens.app_of_jwt(world, _required(bearer)), None
    if bearer is None:
        if proof is Proof.NONE:
            return None, None
        raise ApiError(401, "Requires authentication")
    if bearer.count(".") == 2 and not bearer.startswith("gh"):
        return tokens.app_of_jwt(world, bearer), None
    return None, _token(world, bearer, proof)


def _required(bearer: str | None) -> str:
    if bearer is None or bearer.startswith("gh"):
        raise ApiError(401, "A JSON web token could not be decoded")
    return bearer


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() in ("bearer", "token") and value else None


def _token(world: World, value: str, proof: Proof) -> Token:
    token, now = world.tokens.get(value), world.clock()
    if token is None or (token.expires is not None and token.expires <= now):
        raise ApiError(401, "Bad credentials")
    if token.created + world.token_lag > now:
        raise ApiError(401, "Bad credentials")  # not yet replicated everywhere
    if token.installation is not None and token.installation.suspended is not None:
        raise ApiError(403, "This installation has been suspended")
    if proof is Proof.INSTALLATION and token.installation is None:
        raise ApiError(403, "You must authenticate with an installation access token")
    return token


# -- permissions ------------------------------------------------------------------------------


def permit(call: Call, route: Route) -> None:
    """Raises GitHub's 403 if the route needs what the caller has not."""
    if not route.needs:
        return
    if call.token is None:
        raise _refusal(route)  # an App's JWT opens nothing but the App's own routes
    if call.token.person is not None:
        _permit_person(call, route)
    else:
        _permit_installation(call, route, call.token)


def _permit_person(call: Call, route: Route) -> None:
    if not call.names_repository or call.token is None or call.token.person is None:
        return
    first = route.needs.split(";")[0].split(",")[0]
    name, _, level = first.partition("=")
    wanted = "admin" if name in NEEDS_ADMIN else ROLE_FOR[level]
    if not call.world.allowed(call.repo, call.token.person, wanted):
        raise ApiError(403, f"Must have {wanted} rights to Repository.")


def _permit_installation(call: Call, route: Route, token: Token) -> None:
    """Public repositories outside the token's reach may be read, as on github.com."""
    foreign = call.names_repository and not call.in_scope(call.repo)
    if foreign and route.method == "GET":
        return
    if foreign or not any(_has_all(token, option) for option in route.needs.split(";")):
        raise _refusal(route)


def _has_all(token: Token, option: str) -> bool:
    for need in option.split(","):
        name, _, level = need.strip().partition("=")
        if tokens.LEVELS.get(token.permissions.get(name, ""), 0) < tokens.LEVELS[level]:
            return False
    return True


def _refusal(route: Route) -> ApiError:
    return ApiError(
        403,
        "Resource not accessible by integration",
        headers={"X-Accepted-GitHub-Permissions": route.needs},
    )
