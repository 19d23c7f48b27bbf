"""GitHub Apps: who they are and where they are installed; the App hears of every change to that.

How an App proves who it is, and what it gets for it, is in tokens.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import render
from .errors import Json
from .model import Account, App, Installation, Repository
from .world import World, covers


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
