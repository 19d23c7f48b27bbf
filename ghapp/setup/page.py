"""What the browser shows: plain HTML without a script; no secret is ever part of it.

Each page is one answer, style and all: after the last one there is nobody to ask for more.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from itertools import zip_longest
from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from ghapp import app_manifest, discovery
from ghapp.github.registration import NewApp
from ghapp.setup.wish import Wish

HEADERS: Final[Mapping[str, str]] = {
    # The form may go to any https address: Enterprise Server sends who is not logged in on to
    # an identity provider, and browsers hold a form's redirects against this rule, too.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self' https: {github}"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
STEPS: Final = ("Where checkrail is", "Create the App", "Install it")

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · checkrail setup</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header>checkrail <span>setup</span></header>
<ol class="steps" aria-label="Steps">{steps}</ol>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def ask(wish: Wish, given: str = "", problem: str = "") -> web.Response:
    """Where does GitHub reach checkrail?"""
    wrong = f'<p class="note bad" role="alert">{escape(problem)}</p>' if problem else ""
    body = f"""\
<p class="lead">GitHub sends clicks on checks there. It can be changed later.</p>
{wrong}
<form method="get" action="/">
<label for="webhook">Public address of checkrail</label>
<input id="webhook" name="webhook" type="url" required maxlength="500" value="{escape(given)}"
 placeholder="https://checkrail.example.com" aria-describedby="hint" autofocus>
<p class="hint" id="hint">The path <code>/github/webhook</code> is added where there is none.</p>
<button class="button">Continue</button>
</form>"""
    return _page(
        wish, "Where does GitHub reach checkrail?", body, 0, status=400 if problem else 200
    )


def offer(wish: Wish, *, state: str, redirect_url: str, place: str) -> web.Response:
    """What will be asked for, and the button that asks."""
    host = escape(urlsplit(wish.github).netloc)
    facts = {
        "Owner": escape(wish.owner),
        "Name": f"{escape(wish.name)}, which can be changed at GitHub",
        "Webhook": f"<code>{escape(wish.webhook_url)}</code>",
        "Installed by": "anybody" if wish.public else "its owner only",
        "Key and secret go to": escape(place),
    }
    target = f"{wish.settings_url}/new?{urlencode({'state': state})}"
    manifest = json.dumps(wish.manifest(redirect_url))
    body = f"""\
<p class="lead">GitHub shows what you see here, makes the App and sends you back.</p>
<dl>{"".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())}</dl>
<h2>It may</h2>
<table>{_rows(_permissions(wish))}</table>
<h2>It hears of</h2>
<table>{_rows(_events(wish))}</table>
<form method="post" action="{escape(target)}">
<input type="hidden" name="manifest" value="{escape(manifest)}">
<button class="button">Create it at {host}</button>
</form>
<p class="hint">The key is fetched by this computer, from GitHub, and shown nowhere.</p>"""
    return _page(wish, "Create the GitHub App", body, 1)


def done(wish: Wish, app: NewApp, steps: Iterable[str], place: str) -> web.Response:
    """It exists; what to do next."""
    install = f"{app.html_url}/installations/new"
    items = "".join(f"<li>{_code(step)}</li>" for step in steps)
    body = f"""\
<p class="note good" role="status">{escape(app.name)} exists, with App id {app.id}. Its key and
webhook secret are in {escape(place)}.</p>
<p class="act"><a class="button" href="{escape(install)}">Install it on your repositories</a></p>
<h2>Then</h2>
<ol class="next">{items}</ol>
<p class="hint">The command in the terminal has ended; this page may be closed.</p>"""
    return _page(wish, "The App is there", body, 2)


def problem(wish: Wish, text: str, *, status: int) -> web.Response:
    """It did not work; why, and what to do."""
    body = f"""\
<p class="note bad" role="alert">{_code(text)}</p>
<p class="act"><a class="button" href="/">Start again</a></p>"""
    return _page(wish, "That did not work", body, 1, status=status)


def _page(wish: Wish, title: str, body: str, step: int, *, status: int = 200) -> web.Response:
    style = resources.files("ghapp.setup").joinpath("page.css").read_text(encoding="utf-8")
    text = _PAGE.format(title=escape(title), style=style, steps=_steps(step), body=body)
    parts, digest = urlsplit(wish.github), hashlib.sha256(style.encode()).digest()
    policy = HEADERS["Content-Security-Policy"].format(
        github=f"{parts.scheme}://{parts.netloc}", style=base64.b64encode(digest).decode()
    )
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _steps(current: int) -> str:
    marks = (' class="past"',) * current + (' aria-current="step"',)
    return "".join(
        f"<li{mark}>{name}</li>" for mark, name in zip_longest(marks, STEPS, fillvalue="")
    )


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f'<tr><th scope="row"><code>{escape(what)}</code></th><td>{escape(why)}</td></tr>'
        for what, why in rows
    )


def _permissions(wish: Wish) -> list[tuple[str, str]]:
    found = app_manifest.asked(discovery.sinks(), queues=wish.has_queues)
    return [(f"{name}: {level}", "; ".join(why)) for name, (level, why) in found.items()]


def _events(wish: Wish) -> list[tuple[str, str]]:
    clicks = ("check_run, check_suite", "clicks on checks; they come with checks: write")
    return [clicks, *app_manifest.heard(queues=wish.has_queues).items()]


def _code(text: str) -> str:
    """Escaped, with what stands in backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))
