"""The command line: argv in, an exit code out; the only place that exits.

0: it worked; 1: it did not, and the message says why; 2: a setting, document or argument is wrong.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ghapp import __version__, discovery, explain, log, rbac, settings
from ghapp.core import access
from ghapp.core.audit import Audited
from ghapp.documents import config, crds
from ghapp.documents.kinds import kinds
from ghapp.errors import CheckrailError, ConfigError
from ghapp.ports import Dead, Store
from ghapp.store import open_store

WRONG: Final = 2
FAILED: Final = 1

_VARIABLES: Final = "\n".join(
    f"  {variable.name}\n      {variable.meaning}"
    + (f" (default: {variable.default})" if variable.default else "")
    for variable in settings.VARIABLES
)


def main() -> None:
    """Runs the command; every error of ours is one message and an exit code."""
    try:
        checkrail(prog_name="checkrail", standalone_mode=False)
    except ConfigError as error:
        _complain(*error.mistakes)
        sys.exit(WRONG)
    except CheckrailError as error:
        _complain(str(error))
        sys.exit(FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # whoever read this has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"checkrail: {line}", file=sys.stderr)  # noqa: T201 - what a person at a terminal reads


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `checkrail demo`: everything embedded, nothing to set up.",
)
@click.version_option(__version__, prog_name="checkrail")
def checkrail() -> None:
    """Kubernetes runs as GitHub checks and CDEvents; a click on a check as exactly one effect."""


@checkrail.command()
@click.option("--port", default=8080, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--github-socket",
    type=click.Path(path_type=Path),
    help="Also serve the GitHub stand-in there: `gh config set http_unix_socket PATH`.",
)
def demo(port: int, github_socket: Path | None) -> None:
    """Show the main job on embedded stand-ins: no cluster, no GitHub, no network.

    Open http://127.0.0.1:8080, click Re-run on a failed check, promote what runs in dev.
    """
    from ghapp.demo.run import run_demo

    log.setup("warning", "text")
    ready = Console(stderr=True).print
    _run(run_demo(host="127.0.0.1", port=port, github_socket=github_socket, ready=ready))


@checkrail.command("setup")
@click.option("--organization", default="", metavar="ORG", help="Its owner; else you.")
@click.option(
    "--github", default="https://github.com", show_default=True, help="Or https://HOST of yours."
)
@click.option("--api-url", default="", help="Of its API, where it cannot be told from --github.")
@click.option("--name", default="", help="Of the App; else checkrail or checkrail-ORG.")
@click.option("--webhook-url", default="", help="Where GitHub reaches checkrail; else it is asked.")
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--output",
    metavar="DIR|-",
    default=".",
    show_default=True,
    help="Folder that gets github/ with the secrets; - prints a Secret as YAML.",
)
@click.option(
    "--to-cluster",
    default="",
    metavar="NAMESPACE/NAME",
    help="A Secret there, instead of --output.",
)
@click.option("--public/--private", default=False, help="Whether others may install it.  [private]")
@click.option("--force", is_flag=True, help="Replace the key and secret of another App.")
@click.option(
    "--rotate-webhook-secret", is_flag=True, help="Change the secret of the App that is there."
)
def setup_(
    *,
    port: int,
    output: str,
    to_cluster: str,
    force: bool,
    rotate_webhook_secret: bool,
    **wished: Any,
) -> None:
    """Create the GitHub App with two clicks, and keep its key and webhook secret.

    Serves a page on 127.0.0.1 whose button asks GitHub for an App with the permissions that
    checkrail needs. No secret is shown. With --rotate-webhook-secret it changes the webhook
    secret of an App that was created so, without a lost webhook.
    """
    log.setup("error", "text")
    from ghapp.setup.command import Keeper
    from ghapp.setup.wish import wish

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    keeper = Keeper(environ=os.environ, output=output, to_cluster=to_cluster, force=force)

    def tell(line: str) -> None:
        console.print(escape(line))

    def done(work: Coroutine[Any, Any, bool]) -> None:
        if not _run(work):  # Ctrl-C
            raise click.Abort

    if not rotate_webhook_secret:
        done(keeper.register(wish(**wished), port=port, tell=tell))
        return
    done(keeper.renew(tell=tell))
    if click.confirm("Does the running checkrail have it?", err=True):
        done(keeper.announce(tell=tell))
    else:
        tell("GitHub was not told: it signs with the old secret, which still counts.")


@checkrail.command(epilog="\b\nSettings, from the environment:\n" + _VARIABLES)
@click.option(
    "--role",
    type=click.Choice(("all", "app", "controller")),
    default="all",
    show_default=True,
    help="app serves webhooks and delivers; controller watches the cluster; all does both.",
)
def run(role: str) -> None:
    """Run the product until SIGTERM or Ctrl-C.

    Watches Tekton, Jobs and Flux in the cluster that KUBECONFIG or the service account points to,
    shows each run with a commit as a GitHub check, and sends CDEvents.
    """
    chosen = settings.read(os.environ)
    log.setup(chosen.log_level, chosen.log_format)
    from ghapp.serve import serve

    _run(serve(chosen, role))


@checkrail.command("explain")
@click.option("-f", "--file", "path", required=True, help="YAML or JSON file; - reads stdin.")
@click.option(
    "--config",
    "folder",
    type=click.Path(exists=True, path_type=Path),
    help="File or folder with documents.",
)
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text")
@click.option("--as", "login", metavar="USER", help="Say whether this person may act on it.")
@click.option(
    "--permission",
    type=click.Choice(tuple(access.LEVELS)),
    default="none",
    help="With --as: the role on the repository.",
)
@click.option("--team", "teams", multiple=True, metavar="ORG/TEAM", help="With --as: is in it.")
@click.option("--owns", multiple=True, metavar="PATH", help="With --as: owns it.")
@click.option("--author", help="With --as: who made the commit.")
@click.option(
    "--action",
    type=click.Choice(tuple(access.VERB_OF)),
    default="rerun",
    show_default=True,
    help="With --as: what the person would do.",
)
@click.option("--environment", default="", help="With --as: where a promotion shall lead.")
def explain_(path: str, folder: Path | None, output: str, **asking: Any) -> None:
    """Show what checkrail makes of an object: its check run and its CDEvents.

    Needs neither cluster nor GitHub: kubectl get pipelinerun NAME -o yaml | checkrail explain -f -
    With -o json, one JSON object a document, on a line of its own. With --as, also whether that
    person may act on it, by TrustPolicies, Notifications and AccessPolicies.
    """
    named = ("CHECKRAIL_CLUSTER", "CHECKRAIL_DASHBOARD_URL", "CHECKRAIL_PUBLIC_URL")
    chosen = settings.read({name: os.environ[name] for name in named if name in os.environ})
    explainer = explain.Explainer(
        adapters=discovery.adapters(),
        config=config.load(folder),
        cluster=chosen.cluster,
        dashboard_url=chosen.dashboard_url,
        public_url=chosen.public_url,
        asking=_asking(**asking) if asking["login"] else None,
    )
    explained = explainer.explain(explain.read(path))
    if output == "json":
        for one in explained:
            click.echo(json.dumps(one.as_json(), ensure_ascii=False))
        return
    from ghapp.explain_text import show

    console = Console()
    for one in explained:
        show(one, console)


def _asking(
    *,
    login: str,
    permission: str,
    teams: tuple[str, ...],
    owns: tuple[str, ...],
    author: str | None,
    action: access.Action,
    environment: str,
) -> explain.Asking:
    person = access.Person(
        login=login,
        role=permission,
        teams=frozenset(team.lower() for team in teams),
        owns=frozenset(owns),
        authors=frozenset({author.lower()}) if author else None,
    )
    return explain.Asking(person=person, action=action, environment=environment)


@checkrail.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(paths: tuple[Path, ...]) -> None:
    """Check configuration documents: all mistakes at once, with file, line and column."""
    mistakes: list[str] = []
    count = 0
    for path in paths:
        try:
            count += len(config.load(path).declared)
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(*mistakes)
    click.echo(f"{count} document{'' if count == 1 else 's'}, no mistakes")


@checkrail.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--live", is_flag=True, help="Also read the cluster of KUBECONFIG; it is only listed."
)
@click.option(
    "--namespace",
    default="",
    help="Read this namespace of the cluster only; also that of objects that say none.",
)
@click.option(
    "--enabled-label",
    metavar="NAME=VALUE",
    help="That Pipelines Feedback asks of runs, if it is not the usual one; empty: of all runs.",
)
@click.option("-o", "--output", default="-", help="File to write to; - is stdout.")
def migrate(
    paths: tuple[Path, ...], *, live: bool, namespace: str, enabled_label: str | None, output: str
) -> None:
    """Move over: write the configuration of other tools as documents of checkrail.

    Reads Pipelines Feedback, Tekton Integration, Pipelines-as-Code, Flux' notification-controller,
    pipeline-controller and kube-trigger. Comments say what differs, what was left out and what is
    to do. No secret is repeated.
    """
    if not paths and not live:
        raise click.UsageError("name files or folders, or --live")
    from ghapp import moving
    from ghapp.moving_text import show

    tools = discovery.tools()
    found = moving.read_files(paths, tools, namespace=namespace)
    if live:
        found += _run(moving.read_cluster(os.environ, tools, namespace=namespace))
    result = moving.moved(found, tools, moving.options(enabled_label, os.environ))
    moving.write(result.text, output, paths)
    show(result, found, Console(stderr=True))


@checkrail.command()
def doctor() -> None:
    """Ask whether it can reach and may use the cluster and GitHub, and how to mend what is missing.

    Reads the settings of `checkrail run`, changes nothing, and exits with 1 if something is wrong.
    """
    chosen = settings.read(os.environ)
    log.setup("error", "text")
    from ghapp.doctor import examine

    console, ill = Console(), False

    async def visit() -> None:
        nonlocal ill
        with console.status("asking the cluster and GitHub"):
            async for finding in examine(chosen):
                ill = ill or not finding.well
                mark = "[green]✓[/]" if finding.well else "[red]✗[/]"
                console.print(f"{mark} [bold]{finding.about}[/]  {escape(finding.what)}")
                if finding.mend:
                    console.print(f"    {escape(finding.mend)}", style="yellow")

    _run(visit())
    if ill:
        sys.exit(FAILED)


@checkrail.command("crds")
def crds_() -> None:
    """Print the generated CustomResourceDefinitions."""
    click.echo(crds.as_yaml(), nl=False)


@checkrail.command("rbac")
@click.option(
    "--namespaces",
    default="",
    help="Comma list: Roles there; a ClusterRole only for the kinds that belong to no namespace.",
)
@click.option(
    "--without-logs",
    is_flag=True,
    help="For CHECKRAIL_LOGS=off: no pods. Providers' Secrets are still read.",
)
@click.option(
    "--without-secrets",
    is_flag=True,
    help="No Secrets: logs are masked by shape alone; grant those that Providers name yourself.",
)
@click.option(
    "--without-documents",
    is_flag=True,
    help="For a further cluster: Providers, Notifications and the like are read at home only.",
)
def rbac_(
    namespaces: str, *, without_logs: bool, without_secrets: bool, without_documents: bool
) -> None:
    """Print the generated RBAC: what the code uses, and nothing else."""
    chosen = tuple(name.strip() for name in namespaces.split(",") if name.strip())
    needs = rbac.Needs(
        adapters=discovery.adapters(),
        sinks=[sink for sink in discovery.sinks() if not (without_logs and sink.name == "logs")],
        kinds=() if without_documents else kinds().values(),
        without=("secrets",) if without_secrets else (),
    )
    click.echo(rbac.as_yaml(rbac.manifests(needs, chosen)), nl=False)


@checkrail.group()
def dead() -> None:
    """Effects that were parked: what could not be done, and why."""


@dead.command("list")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text")
def dead_list(output: str) -> None:
    """List parked effects, oldest first."""
    rows = _run(_dead())
    if output == "json":
        for row in rows:
            click.echo(json.dumps(_summary(row)))
        return
    if not rows:
        click.echo("nothing is parked")
        return
    table = Table("id", "sink", "key", "tries", "parked", "reason")
    for row in rows:
        parked = row.parked.strftime("%Y-%m-%d %H:%M:%SZ")
        facts = (str(row.row), row.sink, row.key, str(row.tries), parked, row.reason)
        table.add_row(*(escape(fact) for fact in facts))
    Console().print(table)


@dead.command("show")
@click.argument("id_", metavar="ID", type=int)
def dead_show(id_: int) -> None:
    """Show one parked effect as JSON."""
    rows = _run(_dead(id_))
    if not rows:
        raise CheckrailError(f"{id_}: no such parked effect; see `checkrail dead list`")
    click.echo(json.dumps(_summary(rows[0]), indent=2))


@dead.command("retry")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=int)
def dead_retry(ids: tuple[int, ...]) -> None:
    """Try parked effects again, now."""
    for id_ in ids:
        if not _run(_revive(id_)):
            raise CheckrailError(f"{id_}: no such parked effect; see `checkrail dead list`")
        click.echo(f"{id_}: will be tried again")


@dead.command("drop")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=int)
def dead_drop(ids: tuple[int, ...]) -> None:
    """Forget parked effects: they will never be done."""
    for id_ in ids:
        if not _run(_drop(id_)):
            raise CheckrailError(f"{id_}: no such parked effect; see `checkrail dead list`")
        click.echo(f"{id_}: dropped")


def _span(ctx: click.Context, param: click.Parameter, text: str) -> timedelta:
    """``90m``, ``12h``, ``7d``: how long ago."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdecimal() and len(number) <= 5 and unit in units):
        raise click.BadParameter(f"{text!r} is no time span; write 90m, 12h or 7d", ctx, param)
    return timedelta(**{units[unit]: int(number)})


@checkrail.command("audit")
@click.option(
    "--since", callback=_span, metavar="SPAN", default="7d", show_default=True, help="Not before."
)
@click.option("--login", default="", help="Only what this person asked for.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Entries."
)
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text")
def audit_(since: timedelta, login: str, limit: int, output: str) -> None:
    """Show who asked for what, newest first, and why it was allowed or not.

    Reads the store of CHECKRAIL_STORE, where entries are kept for 400 days. With -o json, one JSON
    object an entry, on a line of its own.
    """
    entries = _run(_audit(datetime.now(UTC) - since, limit, login))
    if output == "json":
        for entry in entries:
            click.echo(msgspec.json.encode(entry))
        return
    if not entries:
        click.echo("nobody asked for anything")
        return
    table = Table("when", "who", "what", "on", "environment", "said", "why")
    for one in entries:
        at = one.at.strftime("%Y-%m-%d %H:%M:%SZ")
        said = "[green]yes[/]" if one.allowed else "[red]no[/]"
        facts = (at, one.login, one.verb, one.subject, one.environment)
        table.add_row(*(escape(fact) for fact in facts), said, escape(one.why))
    Console().print(table)
    if len(entries) == limit:
        click.echo(f"the newest {limit}; --limit shows more", err=True)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs `work`; SIGTERM ends it as Ctrl-C does, in order."""

    async def guarded() -> Any:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            return await work

    try:
        return asyncio.run(guarded())
    except ExceptionGroup as group:
        ours, rest = group.split(CheckrailError)
        if rest is None and ours is not None:
            raise CheckrailError("; ".join(str(error) for error in _leaves(ours))) from group
        raise


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


async def _dead(row: int | None = None) -> list[Dead]:
    async with _store() as store:
        return list(await store.dead(row))


async def _audit(since: datetime, limit: int, login: str) -> list[Audited]:
    async with _store() as store:
        return list(await store.audit(since, limit, login=login))


async def _revive(row: int) -> bool:
    async with _store() as store:
        return await store.revive(row, datetime.now(UTC))


async def _drop(row: int) -> bool:
    async with _store() as store:
        return await store.drop(row)


@contextlib.asynccontextmanager
async def _store() -> AsyncIterator[Store]:
    url = settings.read(os.environ).store
    store = await open_store(url, now=datetime.now(UTC), make=False)
    try:
        yield store
    finally:
        await store.close()


def _summary(row: Dead) -> dict[str, Any]:
    """Without the manifest of a copy: parameters may hold what is nobody's business."""
    effect = row.effect
    return {
        "id": row.row,
        "sink": row.sink,
        "key": row.key,
        "effect": type(effect).__name__ if effect else None,
        "subject": effect.subject.key if effect else None,
        "reason": row.reason,
        "tries": row.tries,
        "created": row.created.isoformat(),
        "parked": row.parked.isoformat(),
    }
