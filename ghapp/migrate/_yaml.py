"""The documents as one YAML text, each field with what is to be said about it."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString, SingleQuotedScalarString

from ghapp.documents import reading
from ghapp.documents.reading import Steps
from ghapp.migrate._arrange import Arranged, Section, Written
from ghapp.migrate._source import Note, one_line

WIDTH: Final = 100
SHORT: Final = 60
"""Characters of a list of texts that stands on one line."""
_BEGIN: Final = (
    "Written by `checkrail migrate`. Read what is said here, do what is to do, then try it:",
    "checkrail validate FILE; checkrail explain --config FILE -f RUN",
)
_WITHOUT: Final = "Of these no document was made:"


def as_yaml(arranged: Arranged) -> str:
    """Documents, then what none was made of."""
    parts = ["".join(f"# {line}\n" for line in _BEGIN)]
    parts += [_document(one) for one in arranged.documents]
    if arranged.without:
        said = "".join(f"#\n{_above(one)}" for one in arranged.without)
        parts.append(f"# {_WITHOUT}\n{said}")
    return "---\n".join(parts)


def _document(written: Written) -> str:
    """Comments above, and beside the fields that they are about."""
    tree = _tree(written.value)
    beside: dict[Steps, list[Note]] = {}
    above: list[Section] = []
    for section in written.sections:
        for note in section.notes:
            if _owner(tree, note.beside) is not None:
                beside.setdefault(note.beside, []).append(note)
        others = [one for one in section.notes if one.beside not in beside]
        above.append(Section(headline=section.headline, notes=tuple(others)))
    for steps, notes in beside.items():
        _comment(tree, steps, notes)
    stream = StringIO()
    _yaml().dump(tree, stream)
    return "".join(map(_above, above)) + stream.getvalue()


def _above(section: Section) -> str:
    lines = list(_wrapped(section.headline, "", WIDTH - 2))
    for note in section.notes:
        lines += _wrapped(str(note), "- ", WIDTH - 2)
    return "".join(f"# {line}\n" for line in lines)


def _wrapped(text: str, mark: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        one_line(text),
        width,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _comment(tree: CommentedMap, steps: Steps, notes: Iterable[Note]) -> None:
    """Puts the notes above their field."""
    owner = _owner(tree, steps)
    assert owner is not None
    depth = 2 * (len(steps) - 1)
    lines = [line for note in notes for line in _wrapped(str(note), "", WIDTH - 2 - depth)]
    owner.yaml_set_comment_before_after_key(steps[-1], before="\n".join(lines), indent=depth)


def _owner(tree: CommentedMap, steps: Steps) -> CommentedMap | None:
    found: Any = tree
    for step in steps[:-1]:
        found = found.get(step) if isinstance(found, CommentedMap) else None
    return found if steps and isinstance(found, CommentedMap) and steps[-1] in found else None


def _tree(value: Any) -> Any:
    """The same value as ruamel.yaml can comment it."""
    if isinstance(value, dict):
        tree = CommentedMap()
        tree.update({name: _tree(inside) for name, inside in value.items()})
        if not tree:
            tree.fa.set_flow_style()
        return tree
    if isinstance(value, list | tuple):
        items = CommentedSeq(map(_tree, value))
        short = sum(len(one) if isinstance(one, str) else WIDTH for one in value) < SHORT
        if short:
            items.fa.set_flow_style()
        return items
    return _scalar(value) if isinstance(value, str) else value


def _scalar(text: str) -> Any:
    """Text of several lines as such, and quoted what an older YAML reads as something else.

    kubectl reads 1.1, where ``on`` is true and ``1:30`` is 90.
    """
    if "\n" in text and _PLAIN_LINES.fullmatch(text):
        return LiteralScalarString(text)
    return SingleQuotedScalarString(text) if _OF_YAML_1_1.fullmatch(text) else text


_PLAIN_LINES: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?(?:\n+[ -~]*[!-~])*\n?")
_OF_YAML_1_1: Final = re.compile(
    r"[yn]|yes|no|on|off|[-+]?[0-9_]+(?::[0-9_.]+)+|0[0-7_]+|0b[01_]+|=|<<", re.IGNORECASE
)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = reading.LONGEST  # a text is on one line, however long
    yaml.representer.ignore_aliases = lambda _: True
    return yaml
