"""GitHub's pages for a new App from a manifest: a form comes in, a person clicks, a code goes out.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
Nobody logs in here: whoever opens the page is `PERSON`, who may do so in every organisation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from . import apps
from .errors import Json
from .model import App
from .world import World

PERSON = "octocat"
NAME_LIMIT = 34
KNOWN = frozenset(
    {
        "name", "url", "hook_attributes", "redirect_url", "callback_urls", "setup_url",
        "description", "public", "default_events", "default_permissions",
        "request_oauth_on_install", "setup_on_update",
    }
)  # fmt: skip
LEVELS = frozenset({"read", "write", "admin"})
NEVER_ASKED_FOR = frozenset({"installation", "installation_repositories"})

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="data:,"><h1>{title}</h1>{body}</html>"""
FORM = """<form method="post" action="{action}">
<label>GitHub App name <input name="name" value="{name}" maxlength="34" required></label>
<input type="hidden" name="manifest" value="{manifest}">
<input type="hidden" name="state" value="{state}">
<button>Create GitHub App for {owner}</button></form>"""


class RefusedManifest(Exception):
    """What GitHub's page says in red."""


def add_pages(root: web.Application, world: World) -> None:
    """The two addresses that take a manifest, and the one that the page's button posts to."""

    async def ask(request: web.Request) -> web.Response:
        owner = _owner(world, request)
        form, state = await request.post(), request.query.get("state", "")
        try:
            manifest = _manifest(world, str(form.get("manifest", "")))
        except RefusedManifest as error:
            return _page("Invalid GitHub App configuration", f"<p>{escape(str(error))}</p>", 422)
        return _page("Create GitHub App", _form(request, owner, manifest, state))

    async def create(request: web.Request) -> web.Response:
        owner, form = _owner(world, request), await request.post()
        manifest = json.loads(str(form["manifest"])) | {"name": str(form["name"])}
        try:
            app = register(world, owner, _manifest(world, json.dumps(manifest)))
        except RefusedManifest as error:
            return _page("Create GitHub App", f"<p>{escape(str(error))}</p>", 422)
        given = {"code": new_code(world, app)}
        given |= {"state": str(form["state"])} if form["state"] else {}
        target = f"{manifest['redirect_url']}?{urlencode(given)}"
        raise web.HTTPFound(target)

    for path in ("/settings/apps", "/organizations/{org}/settings/apps"):
        root.router.add_post(f"{path}/new", ask)
        root.router.add_post(f"{path}/manifest", create)


def register(world: World, owner: str, manifest: Json) -> App:
    """The App that a manifest describes."""
    hook = manifest.get("hook_attributes", {})
    slug = re.sub(r"[^a-z0-9]+", "-", manifest["name"].lower()).strip("-")
    app = apps.create_app(
        world,
        slug,
        permissions=manifest.get("default_permissions", {}),
        events=manifest.get("default_events", ()),
        webhook_url=hook["url"] if hook and hook.get("active", True) else None,
        webhook_secret=world.word(40) if hook else None,
        owner=owner,
    )
    app.name = manifest["name"]
    return app


def new_code(world: World, app: App) -> str:
    """A code for POST /app-manifests/{code}/conversions: it works once, within an hour."""
    code = world.word(40).lower()
    world.manifest_codes[code] = (app, world.clock())
    return code


def _owner(world: World, request: web.Request) -> str:
    org = request.match_info.get("org")
    if org is None:
        return PERSON
    found = world.accounts.get(org.lower())
    if found is None or found.kind != "Organization":
        raise web.HTTPNotFound
    return found.login


def _manifest(world: World, text: str) -> Json:
    """The manifest, as GitHub takes it."""
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise RefusedManifest("manifest is not JSON") from error
    if not isinstance(manifest, dict):
        raise RefusedManifest("manifest is not an object")
    if wrong := _mistakes(world, manifest):
        raise RefusedManifest("; ".join(wrong))
    return manifest


def _mistakes(world: World, manifest: Mapping[str, Any]) -> list[str]:
    hook = manifest.get("hook_attributes", {})
    name = manifest.get("name", "")
    levels = set(manifest.get("default_permissions", {}).values())
    checks = (
        (manifest.keys() - KNOWN, "unknown parameters"),
        (not manifest.get("url"), "url is missing"),
        (not manifest.get("redirect_url"), "redirect_url is missing"),
        ("hook_attributes" in manifest and not hook.get("url"), "Hook url cannot be blank"),
        (_is_local(hook.get("url", "")), "Hook url is not reachable over the public Internet"),
        (len(name) > NAME_LIMIT, f"Name is too long (maximum is {NAME_LIMIT} characters)"),
        (name.lower() in {app.name.lower() for app in world.apps.values()}, "Name is taken"),
        (levels - LEVELS, "Default permission records resource is not included in the list"),
        (NEVER_ASKED_FOR & set(manifest.get("default_events", ())), "Default events unsupported"),
    )
    return [text for wrong, text in checks if wrong]


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _form(request: web.Request, owner: str, manifest: Json, state: str) -> str:
    return FORM.format(
        action=escape(request.path.removesuffix("/new") + "/manifest"),
        name=escape(manifest.get("name", "")),
        manifest=escape(json.dumps(manifest)),
        state=escape(state),
        owner=escape(owner),
    )


def _page(title: str, body: str, status: int = 200) -> web.Response:
    text = PAGE.format(title=escape(title), body=body)
    return web.Response(text=text, content_type="text/html", status=status)
