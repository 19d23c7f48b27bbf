"""Routes an App uses about itself: installations, tokens, webhook settings and deliveries."""

from __future__ import annotations

from . import apps, render, tokens
from .call import Call, Proof, Reply, Route, get, link_header, page_size, paged
from .errors import ApiError, Json, not_found
from .model import Installation
from .webhooks import Delivery

CODE_SECONDS = 3600
CURSOR = "v1_"  # cursors are opaque; this keeps clients from counting with them


def _about(call: Call) -> Reply:
    assert call.app is not None
    mine = [each for each in call.world.installations.values() if each.app is call.app]
    return Reply(body=render.app(call.world, call.app) | {"installations_count": len(mine)})


def _installations(call: Call) -> Reply:
    mine = [each for each in call.world.installations.values() if each.app is call.app]
    since = call.query.get("since")
    if since:
        mine = [each for each in mine if call.world.iso(each.updated) >= since]
    return paged(call, mine, lambda each: render.installation(call.world, each))


def _named(call: Call) -> Installation:
    found = call.world.installations.get(call.number("installation_id"))
    if found is None or found.app is not call.app:
        raise not_found()
    return found


def _installation(call: Call) -> Reply:
    return Reply(body=render.installation(call.world, _named(call)))


def _uninstall(call: Call) -> Reply:
    apps.uninstall(call.world, _named(call), _named(call).account.login)
    return Reply(status=204)


def _installation_of_repository(call: Call) -> Reply:
    found = call.world.installation_of(call.the_app, call.repo)
    if found is None:
        raise not_found()
    return Reply(body=render.installation(call.world, found))


def _installation_of_org(call: Call) -> Reply:
    for each in call.world.installations.values():
        if each.app is call.app and each.account.login.lower() == call.path["org"].lower():
            return Reply(body=render.installation(call.world, each))
    raise not_found()


# -- tokens -----------------------------------------------------------------------------------


def _token(call: Call) -> Reply:
    form = call.headers.get("X-GitHub-Stateless-S2S-Token")
    token = tokens.mint(
        call.world,
        call.the_app,
        call.number("installation_id"),
        call.body,
        stateless=None if form is None else form == "enabled",
    )
    body: Json = {
        "token": token.value,
        "expires_at": call.world.iso(token.expires),
        "permissions": token.permissions,
        "repository_selection": "all" if token.repositories is None else "selected",
    }
    if token.repositories is not None:
        chosen = [call.world.repositories[number] for number in sorted(token.repositories)]
        body["repositories"] = [render.repository(call.world, repo) for repo in chosen]
    return Reply(status=201, body=body)


def _revoke(call: Call) -> Reply:
    if call.token is not None:
        call.world.tokens.pop(call.token.value, None)
    return Reply(status=204)


def _repositories(call: Call) -> Reply:
    mine = apps.repositories_of(call.world, call.installation)
    seen = [repo for repo in mine if call.in_scope(repo)]
    return paged(call, seen, lambda r: render.repository(call.world, r), under="repositories")


# -- webhook settings and deliveries ----------------------------------------------------------


def _hook_config(call: Call) -> Reply:
    app = call.the_app
    secret = "********" if app.webhook_secret else None
    body = {"content_type": "json", "insecure_ssl": "0", "url": app.webhook_url, "secret": secret}
    return Reply(body={key: value for key, value in body.items() if value is not None})


def _change_hook_config(call: Call) -> Reply:
    app = call.the_app
    app.webhook_url = call.body.get("url", app.webhook_url)
    app.webhook_secret = call.body.get("secret", app.webhook_secret)
    return _hook_config(call)


def _deliveries(call: Call) -> Reply:
    """Newest first; the cursor names the entry after which the next page begins."""
    found = call.world.hooks.deliveries(call.the_app)
    wanted = call.query.get("status")
    if wanted in ("success", "failure"):
        found = [each for each in found if (each.status == "OK") == (wanted == "success")]
    cursor = call.query.get("cursor")
    if cursor is not None:
        before = cursor.removeprefix(CURSOR)
        if not before.isdecimal():
            raise ApiError(422, "Invalid cursor")
        found = [each for each in found if each.id < int(before)]
    page = found[: page_size(call)]
    more = len(found) > len(page)
    links = {"next": call.url.update_query(cursor=f"{CURSOR}{page[-1].id}")} if more else {}
    return Reply(body=[_item(call, each) for each in page], headers=link_header(links))


def _item(call: Call, each: Delivery) -> Json:
    return {
        "id": each.id,
        "guid": each.guid,
        "delivered_at": call.world.iso(each.delivered),
        "redelivery": each.redelivery,
        "duration": each.duration,
        "status": each.status,
        "status_code": each.status_code,
        "event": each.event,
        "action": each.action,
        "installation_id": each.installation_id,
        "repository_id": each.repository_id,
        "throttled_at": None,
    }


def _found(call: Call) -> Delivery:
    found = call.world.hooks.log.get(call.number("delivery_id"))
    if found is None or found.app is not call.app:
        raise not_found()
    return found


def _delivery(call: Call) -> Reply:
    each = _found(call)
    body = _item(call, each) | {
        "url": each.app.webhook_url,
        "request": {"headers": each.headers, "payload": each.payload},
        "response": {"headers": each.response_headers, "payload": each.response_body},
    }
    return Reply(body=body)


def _redeliver(call: Call) -> Reply:
    call.world.hooks.redeliver(_found(call).id)
    return Reply(status=202, body={})


def _convert(call: Call) -> Reply:
    """The last step of the manifest flow; a code works once, within an hour."""
    app, made = call.world.manifest_codes.pop(call.path["code"], (None, 0.0))
    if app is None or call.world.clock() - made > CODE_SECONDS:
        raise not_found()
    body = render.app(call.world, app) | {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "webhook_secret": app.webhook_secret,
        "pem": app.private_key,
    }
    return Reply(status=201, body=body)


def _jwt(method: str, path: str, run: object) -> Route:
    assert callable(run)
    return Route(method=method, path=path, run=run, proof=Proof.JWT)


ROUTES = (
    _jwt("GET", "/app", _about),
    _jwt("GET", "/app/hook/config", _hook_config),
    _jwt("PATCH", "/app/hook/config", _change_hook_config),
    _jwt("GET", "/app/hook/deliveries", _deliveries),
    _jwt("GET", "/app/hook/deliveries/{delivery_id}", _delivery),
    _jwt("POST", "/app/hook/deliveries/{delivery_id}/attempts", _redeliver),
    _jwt("GET", "/app/installations", _installations),
    _jwt("GET", "/app/installations/{installation_id}", _installation),
    _jwt("DELETE", "/app/installations/{installation_id}", _uninstall),
    _jwt("POST", "/app/installations/{installation_id}/access_tokens", _token),
    _jwt("GET", "/orgs/{org}/installation", _installation_of_org),
    _jwt("GET", "/repos/{owner}/{repo}/installation", _installation_of_repository),
    Route(method="POST", path="/app-manifests/{code}/conversions", run=_convert, proof=Proof.NONE),
    Route(method="DELETE", path="/installation/token", run=_revoke, proof=Proof.INSTALLATION),
    get("/installation/repositories", _repositories),
)
