"""GitHub's manifest flow with a page on loopback: a form goes out, a code comes back, once.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
Whoever is not the browser in front of this computer is kept out: the server listens on loopback
only, answers to no other name (against DNS rebinding), and takes a code only with the state that it
gave out. No secret is shown, logged or part of an error.
"""

import asyncio
import hmac
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ghapp.errors import CheckrailError, ConfigError, Refused, Retry
from ghapp.github.registration import NewApp, exchange
from ghapp.server import shield
from ghapp.setup import page
from ghapp.setup.places import DEFAULT_API, Credentials, Folder, Place
from ghapp.setup.rotation import new_secret, set_webhook_secret
from ghapp.setup.wish import Wish, webhook_problem, whole_webhook

PATIENCE: Final = 3600.0
"""Seconds; GitHub's own limit for the whole flow."""
PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds before each further try to set the webhook secret of an App that is there already."""
SHUTDOWN: Final = 5.0
"""Seconds that the last answer gets to reach the browser."""
HOST: Final = "127.0.0.1"

Tell = Callable[[str], object]
"""A line for the person at the terminal."""


async def register(
    wish: Wish,
    place: Place,
    *,
    session: aiohttp.ClientSession,
    tell: Tell,
    port: int = 0,
    patience: float = PATIENCE,
    pauses: Sequence[float] = PAUSES,
    rescue: Path | None = None,
) -> NewApp:
    """Serves the page until there is an App whose secrets are kept, and says what to do next.

    In `rescue`, or the temporary folder, is kept what the place does not take.
    """
    await place.check()
    flow = _Flow(wish=wish, place=place, session=session, tell=tell, pauses=pauses, rescue=rescue)
    runner = web.AppRunner(flow.application(), access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        await _listen(runner, port)
        flow.port = runner.addresses[0][1]
        tell(f"Open {flow.url} in a browser of this computer; Ctrl-C stops.")
        async with asyncio.timeout(patience):
            return await flow.end
    except TimeoutError as error:
        raise CheckrailError("nobody came back from GitHub within an hour; run it again") from error
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        raise ConfigError(f"--port: cannot listen on {HOST}:{port}: {error.strerror}") from error


def next_steps(credentials: Credentials, place: Place) -> Sequence[str]:
    """What is left to do after the App is installed."""
    settings = [f"`CHECKRAIL_GITHUB_APP_ID={credentials.app_id}`"]
    if credentials.api_url != DEFAULT_API:
        settings.append(f"`CHECKRAIL_GITHUB_API_URL={credentials.api_url}`")
    return (
        place.use(" and ".join(settings)),
        "`checkrail doctor`, with the same settings, says what is missing.",
    )


@dataclass(slots=True, kw_only=True)
class _Flow:
    """One App to be made."""

    wish: Wish
    place: Place
    session: aiohttp.ClientSession
    tell: Tell
    pauses: Sequence[float]
    rescue: Path | None
    port: int = 0
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    end: "asyncio.Future[NewApp]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _busy: bool = False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def application(self) -> web.Application:
        app = web.Application(middlewares=[shield, self._guard()])
        app.router.add_get("/", self._index)
        app.router.add_get("/callback", self._callback)
        return app

    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            """A page elsewhere could give its own name our address; ours it cannot."""
            if request.host not in {f"{HOST}:{self.port}", f"localhost:{self.port}"}:
                return web.Response(text=f"open {self.url}\n", status=421)
            return await handler(request)

        return guard

    async def _index(self, request: web.Request) -> web.Response:
        """The offer, once it is known where checkrail is."""
        given = request.query.get("webhook", self.wish.webhook_url).strip()
        if not given:
            return page.ask(self.wish)
        if problem := webhook_problem(self.wish.github, given):
            return page.ask(self.wish, given, problem)
        return page.offer(  # nothing is remembered: any page may send a browser here
            replace(self.wish, webhook_url=whole_webhook(given)),
            state=self.state,
            redirect_url=f"{self.url}callback",
            place=self.place.name,
        )

    async def _callback(self, request: web.Request) -> web.Response:
        """GitHub's answer, by way of the browser."""
        try:
            self._admit(request)
        except Refused as refusal:
            self.tell(f"Refused: {refusal.reason}")
            return page.problem(self.wish, refusal.reason, status=refusal.status)
        self._busy = True
        try:
            app = await exchange(self.session, self.wish.api_url, request.query["code"])
        except CheckrailError as error:
            self._busy = False
            why = _advice(self.wish, error)
            self.tell(why)
            return page.problem(self.wish, why, status=502)
        return await self._keep(app)

    def _admit(self, request: web.Request) -> None:
        """Raises Refused where this is not the answer that we wait for."""
        state = request.query.get("state", "").encode("utf-8", "replace")
        if not hmac.compare_digest(state, self.state.encode()):
            raise Refused(
                "this answer does not belong to the form of this command (its state differs);"
                " use the page that the terminal named"
            )
        if self._busy or self.end.done():
            raise Refused("this answer was taken already", status=409)
        if not request.query.get("code"):
            raise Refused("GitHub sent no code; start again", status=400)

    async def _keep(self, app: NewApp) -> web.Response:
        """Stores the secrets, whatever happens; then all is done."""
        secret = app.webhook_secret or new_secret()
        credentials = Credentials(
            app_id=str(app.id),
            api_url=self.wish.api_url,
            private_key=app.private_key,
            webhook_secrets=(secret,),
        )
        try:
            kept, problems = await self._store(credentials)
        except CheckrailError as error:
            return self._failed(error)
        if app.webhook_secret is None:
            problems += await self._unsigned(app, credentials, kept)
        if problems:
            return self._failed(CheckrailError("; ".join(problems)))
        steps = next_steps(credentials, self.place)
        install = f"Install it on your repositories: {app.html_url}/installations/new"
        self.tell(f"{app.name} exists, with App id {app.id}.")
        for number, step in enumerate((install, *steps), 1):
            self.tell(f"{number}. {step.replace('`', '')}")
        self.end.set_result(app)
        return page.done(self.wish, app, steps, self.place.name)

    def _failed(self, error: CheckrailError) -> web.Response:
        """The end, with something left for a person to do."""
        self.end.set_exception(error)
        return page.problem(self.wish, str(error), status=500)

    async def _store(self, credentials: Credentials) -> tuple[Place, list[str]]:
        """Where the key is kept, and what is wrong with that.

        GitHub shows it once: what the place does not take is kept in a folder of ours. Raises
        CheckrailError where that cannot be written either.
        """
        try:
            await self.place.store(credentials)
        except (CheckrailError, OSError) as error:
            refusal = f"{self.place.name} did not take the key ({error})"
        else:
            return self.place, []
        try:
            rescue = Folder(path=Path(tempfile.mkdtemp(prefix="checkrail-", dir=self.rescue)))
            await rescue.store(credentials)
        except OSError as error:
            raise CheckrailError(
                f"{refusal}, and a folder for it cannot be written ({error}), so it is lost;"
                f" delete the App {credentials.app_id} at {self.wish.settings_url} and start again"
            ) from error
        where = f"it is in {rescue.name}, which only you can read: move it to where it belongs"
        return rescue, [f"{refusal}; {where}"]

    async def _unsigned(self, app: NewApp, credentials: Credentials, kept: Place) -> list[str]:
        """Has GitHub sign with the secret that we made; what is left to do where it will not."""
        (secret,) = credentials.webhook_secrets
        for pause in (*self.pauses, None):
            try:
                await set_webhook_secret(self.session, credentials, secret)
            except CheckrailError as error:
                why = error
            else:
                return []
            if pause is not None:
                await asyncio.sleep(pause)
        again = (
            f"`checkrail setup --rotate-webhook-secret {kept.options}` sets one"
            if kept.options
            else f"enter the one that was written at {self.wish.settings_url}/{app.slug}"
        )
        there = f"{app.name} exists, with App id {app.id}, and {kept.name} has its key"
        return [f"{there}, but GitHub has no webhook secret and signs nothing ({why}): {again}"]


def _advice(wish: Wish, error: CheckrailError) -> str:
    """Why there is no key, and what to do."""
    again = f"delete the App at {wish.settings_url}, if it is there, and start again"
    if isinstance(error, Refused):
        return f"{error.reason}; {again}"
    if isinstance(error, Retry) and error.uncertain:
        return f"{error.reason}; reload this page, and if that is refused, {again}"
    if isinstance(error, Retry):
        return f"{error.reason}; reload this page to ask again"
    return f"{error}; {again}"
