"""Keys, JWTs and tokens: cached, minted once, mended when a clock or a replica is behind.

Which installation is asked, and what becomes of refusals, is in test_client.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.github import App, GitHub, Installation
from ghapp.errors import ConfigError, Retry
from ghapp.github.auth import AppKey, Scope, Token, Tokens, Unauthorized
from ghapp.secret import REDACTED, Secret, redact
from tests.github.fixtures import SHOP, Opened, opened
from tests.github_fixtures import Clock

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
LATE = "Fri, 15 Jan 2027 10:00:00 GMT"


@pytest.fixture
def github_clock() -> Clock:
    return Clock(now=NOW.timestamp())


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock) as one:
        yield one


async def ask(world: Opened) -> None:
    await world.client.request("GET", "/repos/acme/shop", repository=SHOP)


# --- the App's own token --------------------------------------------------------------------------


def claims(token: Secret) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(token.reveal(), options={"verify_signature": False})
    return found


def test_a_jwt_is_backdated_short_and_names_the_app_as_text(github_private_key: str) -> None:
    key = AppKey("123", Secret(github_private_key))
    found = claims(key.token(NOW))
    seconds = int(NOW.timestamp())
    assert found == {"iat": seconds - 60, "exp": seconds + 540, "iss": "123"}


def test_a_jwt_is_kept_for_eight_minutes(github_private_key: str) -> None:
    key = AppKey("123", Secret(github_private_key))
    first = key.token(NOW)
    assert key.token(NOW + timedelta(seconds=479)) is first
    assert key.token(NOW + timedelta(seconds=480)) != first
    assert key.token(NOW - timedelta(hours=1)) != first  # the clock went back


def test_github_s_clock_is_believed_once(github_private_key: str) -> None:
    key = AppKey("123", Secret(github_private_key))
    assert key.correct(LATE, NOW)
    assert claims(key.token(NOW))["iat"] == int(NOW.timestamp()) + 7200 - 60
    assert not key.correct(LATE, NOW)
    assert not key.correct("yesterday", NOW)


def test_a_key_that_is_none_is_refused_without_showing_it(github_private_key: str) -> None:
    broken = github_private_key.replace("A", "B")
    for pem in ("", "secret stuff", broken, _elliptic()):
        with pytest.raises(ConfigError, match="CHECKRAIL_GITHUB_PRIVATE_KEY") as caught:
            AppKey("123", Secret(pem))
        assert "BEGIN" not in str(caught.value)
        assert "stuff" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def _elliptic() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_is_wrong_by_hours_is_corrected(
    github: GitHub, github_installation: Installation, hours: int
) -> None:
    ours = Clock(now=NOW.timestamp() + hours * 3600)
    async with opened(github, github_installation.app, ours) as world:
        await world.client.identify()
        await ask(world)
        assert [status for _, _, status in world.seen.requests].count(401) == 1


async def test_an_unknown_app_or_key_waits_for_somebody_to_mend_the_setting(
    github: GitHub, github_app: App, github_installation: Installation, github_clock: Clock
) -> None:
    async with opened(github, github_app, github_clock, app_id="4711") as world:
        with pytest.raises(Retry, match="CHECKRAIL_GITHUB_APP_ID") as caught:
            await ask(world)
        assert caught.value.after == 300
    other = github.create_app("other", {})
    async with opened(github, other, github_clock, app_id=str(github_app.id)) as world:
        with pytest.raises(Retry, match="CHECKRAIL_GITHUB_APP_ID") as caught:
            await world.client.identify()
        assert caught.value.status == 401


async def test_a_client_id_serves_as_well_as_the_number(
    github: GitHub, github_app: App, github_clock: Clock
) -> None:
    async with opened(github, github_app, github_clock, app_id=github_app.client_id) as world:
        assert await world.client.identify() == github_app.id


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lag", "slept"), [(0.5, [1.0]), (2.5, [1.0, 2.0])])
async def test_a_fresh_token_that_is_not_known_everywhere_is_waited_for(
    github: GitHub, world: Opened, lag: float, slept: list[float]
) -> None:
    github.world.token_lag = lag
    await ask(world)
    assert world.clock.slept == slept
    assert world.seen.count("POST", "/access_tokens") == 1


async def test_a_token_that_github_forgot_is_minted_anew_once(
    github: GitHub, world: Opened
) -> None:
    await ask(world)
    world.clock.advance(60)
    github.world.tokens.clear()
    await ask(world)
    assert world.seen.count("POST", "/access_tokens") == 2
    assert not world.clock.slept


async def test_a_token_that_never_works_ends_in_a_retry(github: GitHub, world: Opened) -> None:
    github.world.token_lag = 1e9
    with pytest.raises(Retry, match="token it has just made") as caught:
        await ask(world)
    assert (caught.value.status, caught.value.after) == (401, 60)
    assert world.seen.count("POST", "/access_tokens") == 2


async def test_a_token_is_used_until_five_minutes_before_its_end(
    github: GitHub, world: Opened
) -> None:
    await ask(world)
    world.clock.advance(3299)
    await ask(world)
    assert world.seen.count("POST", "/access_tokens") == 1
    world.clock.advance(2)
    await ask(world)
    assert world.seen.count("POST", "/access_tokens") == 2


async def test_new_permissions_mean_new_tokens(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    await ask(world)
    payload = {"installation": {"id": github_installation.id, "account": {"login": "acme"}}}
    world.client.forget("installation", {**payload, "action": "new_permissions_accepted"})
    await ask(world)
    assert world.seen.count("POST", "/access_tokens") == 2


SCOPE = Scope(installation=1)


def token(clock: Clock, text: str) -> Token:
    now = datetime.fromtimestamp(clock(), UTC)
    return Token(secret=Secret(text), minted=now, expires=now + timedelta(hours=1))


async def test_a_caller_who_gives_up_does_not_take_the_token_from_the_others() -> None:
    clock, gate, begun, minted = Clock(), asyncio.Event(), asyncio.Event(), []

    async def mint(scope: Scope) -> Token:
        minted.append(scope)
        begun.set()
        await gate.wait()
        return token(clock, "t")

    async def send(secret: Secret) -> str:
        return secret.reveal()

    tokens = Tokens(mint, clock=lambda: datetime.fromtimestamp(clock(), UTC), sleep=clock.sleep)
    first, second = (asyncio.create_task(tokens.with_token(SCOPE, send)) for _ in range(2))
    await begun.wait()
    first.cancel()
    gate.set()
    assert await second == "t"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert minted == [SCOPE]


async def test_two_who_find_a_token_dead_mint_one_new_one() -> None:
    clock, minted = Clock(), []

    async def mint(scope: Scope) -> Token:
        minted.append(scope)
        return token(clock, f"t{len(minted)}")

    async def send(secret: Secret) -> str:
        await asyncio.sleep(0)
        if secret.reveal() == "t1":
            clock.advance(10)
            raise Unauthorized("401", date="")
        return secret.reveal()

    tokens = Tokens(mint, clock=lambda: datetime.fromtimestamp(clock(), UTC), sleep=clock.sleep)
    assert await asyncio.gather(*(tokens.with_token(SCOPE, send) for _ in range(5))) == ["t2"] * 5
    assert len(minted) == 2


# --- nothing leaks --------------------------------------------------------------------------------


def test_a_secret_shows_nothing() -> None:
    secret = Secret("hunter2")
    token = Token(secret=secret, minted=NOW, expires=NOW)
    shown = f"{secret} {secret!r} {secret!s:>20} {[secret]} {token}"
    assert "hunter2" not in shown
    assert REDACTED in shown
    assert secret == Secret("hunter2") != Secret("hunter3")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
    assert not Secret("")
    assert secret.reveal() == "hunter2"


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


@given(
    before=st.text(),
    kind=st.sampled_from("pousr"),
    token=st.text(ALPHABET, min_size=36, max_size=80),
)
def test_tokens_are_taken_out_of_text(before: str, kind: str, token: str) -> None:
    secret = f"gh{kind}_{token}"
    assert secret not in redact(f"{before} {secret} after")


def test_jwts_and_keys_are_taken_out_of_text(github_private_key: str) -> None:
    key = AppKey("1", Secret(github_private_key))
    text = redact(f"a {key.token(NOW).reveal()} b\n{github_private_key} c")
    assert text == f"a {REDACTED} b\n{REDACTED}\n c"
    assert redact(json.dumps({"message": "Not Found"})) == '{"message": "Not Found"}'


async def test_no_error_and_no_repr_shows_a_token(github: GitHub, world: Opened) -> None:
    await ask(world)
    (secret,) = github.world.tokens
    github.faults.add("status", status=500)
    with pytest.raises(Retry) as caught:
        await ask(world)
    assert secret not in f"{caught.value!r} {caught.value.__cause__!r} {world.client!r}"
