"""What `checkrail explain` prints for people."""

import msgspec
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ghapp.core.audience import RANKS
from ghapp.explain import Explained, documented_name


def show(explained: Explained, console: Console) -> None:
    """One document: what it is, its check as GitHub shows it, its events."""
    heading = f"{explained.kind} {explained.name}"
    if explained.seen is None:
        console.print(Text(f"{heading}: skipped: {explained.skipped}", style="yellow"))
        return
    look = explained.seen.look
    facts = Table.grid(padding=(0, 2))
    facts.add_row("subject", Text(look.subject.key))
    facts.add_row("phase", Text(f"{look.phase} ({look.reason})" if look.reason else look.phase))
    facts.add_row("milestones", Text(", ".join(explained.seen.told)))
    facts.add_row("commit", Text(_commit(explained)))
    console.print(Panel(facts, title=Text(heading), title_align="left"))
    _show_resolution(explained, console)
    _show_audience(explained, console)
    _show_permit(explained, console)
    if explained.check is not None:
        _show_check(explained.check, console)
    for event in explained.events:
        line = Text(f"{event['time']}  {event['type']}  {event['subject']}")
        line.append(f"  {event['id']}", style="dim")
        console.print(line)


def _commit(explained: Explained) -> str:
    assert explained.seen is not None
    revision, trusted = explained.claim, explained.trusted
    if trusted and not trusted.yes:
        return f"not shown: {trusted.why}"
    if revision is None:
        return (
            "none, so no check: annotate it with checkrail.dev/repository and checkrail.dev/commit"
        )
    return f"{revision.repository.url} {revision.commit} (by {revision.rule})"


def _show_resolution(explained: Explained, console: Console) -> None:
    """Each rule that was asked for the commit, and what came of it."""
    table = Table.grid(padding=(0, 2))
    for tried in explained.resolution:
        sign = Text("✓", style="green") if tried.matched else Text("-", style="dim")
        table.add_row(sign, Text(tried.rule), Text(tried.why))
    if explained.resolution:
        console.print(Text("which commit is it about?", style="bold"))
        console.print(table)


def _show_audience(explained: Explained, console: Console) -> None:
    """Which documents are about it, and who had the last word on each setting."""
    heard = explained.heard
    table = Table.grid(padding=(0, 2))
    for document in heard.matched:
        table.add_row("matched", Text(document.id), Text(RANKS[document.rank], style="dim"))
    for provider in heard.audience.recipients:
        wanted = ", ".join(provider.milestones)
        table.add_row("told", Text(provider.provider), Text(wanted, style="dim"))
    for setting in heard.settings:
        name = documented_name(setting.name)
        table.add_row(name, Text(_shown(setting.value)), Text(f"by {setting.said_by}", style="dim"))
    for document, why in heard.failures:
        table.add_row(Text("failed", style="red"), Text(document.id), Text(why))
    console.print(Text("who is told, and how?", style="bold"))
    console.print(table if table.row_count else Text("nobody: no Notification is about it"))


def _show_permit(explained: Explained, console: Console) -> None:
    """Whether the person who was asked about may."""
    found = explained.permit
    if found is None:
        return
    console.print(Text("may this person?", style="bold"))
    verdict = Text("yes", style="green") if found.allowed else Text("no", style="red")
    console.print(verdict.append(f": {found.why}", style="default"))
    if found.allowed and found.approvals > 1:
        console.print(Text(f"as one of {found.approvals} who have to ask for it"))


def _shown(value: object) -> str:
    built = msgspec.to_builtins(value)
    return built if isinstance(built, str) else msgspec.json.encode(built).decode()


def _show_check(check: dict[str, object], console: Console) -> None:
    output, actions = check["output"], check["actions"]
    assert isinstance(output, dict)
    assert isinstance(actions, list)
    verdict = str(check.get("conclusion") or check["status"])
    title = Text(f"{check['name']}  {verdict}  {output['title']}", style="bold")
    console.print(title)
    console.print(Markdown(str(output["summary"])))
    if actions:
        buttons = "  ".join(f"[ {action['label']} ]" for action in actions)
        console.print(Text(buttons, style="cyan"))
