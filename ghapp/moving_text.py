"""What was moved over, as a table for a person at a terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ghapp.migrate._arrange import Row
from ghapp.migrate._source import Fate
from ghapp.moving import Found, Result

_STYLES = {Fate.TO_DO: "yellow", Fate.DIFFERS: "cyan", Fate.LEFT: ""}


def show(result: Result, found: Found, console: Console) -> None:
    """Object, documents, notes; then what was not read."""
    table = Table("object", "becomes", "what to know", show_lines=True)
    for row in result.rows:
        documents = "\n".join(row.documents) or "no document"
        table.add_row(escape(row.source), escape(documents), "\n".join(_notes(row)))
    if result.rows:
        console.print(table)
    count, others = len(result.rows), found.others
    console.print(
        f"{count} object{'s' * (count != 1)} moved over, {others} of other kinds not read"
    )
    for line in found.unread:
        console.print(f"not read: {escape(line)}", style="yellow")


def _notes(row: Row) -> Iterator[str]:
    """What is to do first; of what is not needed only how much there is."""
    for fate, style in _STYLES.items():
        for note in row.notes:
            if note.fate is fate:
                text = escape(str(note))
                yield f"[{style}]{text}[/]" if style else text
    needless = sum(note.fate is Fate.NEEDLESS for note in row.notes)
    if needless:
        yield f"[dim]{needless} field{'s' * (needless != 1)} not needed[/]"
