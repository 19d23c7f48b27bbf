"""Set the value that a marker points at, and change no other byte of the file.

A marker is a comment on the line of a scalar, in the form that pipeline-controller's users have in
their repositories::

    version: 6.2.0 # {"$promotion": "apps:shop:staging"}

The whole scalar is replaced. This reads line by line and not with a YAML parser, because the files
are often Helm templates, which are not YAML; so only what can be understood from the line itself is
touched: one plain or quoted scalar after a key or a dash. A block scalar, a flow collection, an
alias or a template expression on the line is left alone.
"""

import json
import re
from typing import Final

WORD: Final = '"$promotion"'
"""A file without it has no marker."""
_LONGEST_LINE: Final = 4096

_LINE: Final = re.compile(
    r"""
    (?P<head>
        [ \t]*
        (?P<lead> (?:-[ \t]+)*                       # items of lists
            (?: (?: "(?:[^"\\]|\\.)*" | '(?:[^']|'')*'
                  | (?![-?:][ \t]) [^\s\[\]{},#&*!|>%@`"'] [^\s]*? (?:[ \t]+(?!\#)[^\s]+?)*?
                ) [ \t]* : [ \t]+ )?                 # a key
        )
        (?:[!&][^\s]*[ \t]+)*                        # a tag, an anchor
    )
    (?P<value>
        "(?:[^"\\]|\\.)*" | '(?:[^']|'')*'
      | (?![-?:][ \t]) [^\s\[\]{},#&*!|>%@`"'] [^\s\[\]{}]*? (?:[ \t]+(?!\#)[^\s\[\]{}]+?)*?
    )
    (?P<tail> [ \t]*,?[ \t]+ (?P<comment> \#.* ) )
    """,
    re.VERBOSE,
)
_MARKER: Final = re.compile(r'\{[^{}]*"\$promotion"[^{}]*\}')

# What stays text if written without quotes, by YAML 1.1 and 1.2 alike; the rest is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_/@-]*")
_NUMBER: Final = re.compile(
    r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?"  # 6, 1.10, 6e2, 1_000
    r"|0[xob][0-9a-fA-F_]+"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"  # a date
)
_WORDS: Final = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
)


def promote(text: str, marker: str, version: str) -> tuple[str, int]:
    """`text` with every value marked `marker` set to `version`, and how many such values it has.

    `version` is one line of printable characters. A value that is `version` already is not touched.
    """
    if WORD not in text:
        return text, 0
    count, lines = 0, text.split("\n")
    for number, line in enumerate(lines):
        changed = _promoted(line, marker, version)
        if changed is not None:
            count, lines[number] = count + 1, changed
    return "\n".join(lines), count


def _promoted(line: str, marker: str, version: str) -> str | None:
    """The line with its value set, or None where it has no value with this marker."""
    if WORD not in line or len(line) > _LONGEST_LINE:
        return None
    found = _LINE.fullmatch(line)
    if found is None or not found["lead"] or _marked(found["comment"]) != marker:
        return None
    value = found["value"]
    if value[0] not in "\"'" and _is_key(value):
        return None  # the value is on the lines below
    if _read(value) == version:
        return line
    return found["head"] + _written(version, like=value) + found["tail"]


def _is_key(value: str) -> bool:
    return value.endswith(":") or re.search(r":[ \t]", value) is not None


def _marked(comment: str) -> str | None:
    """What the comment marks: the value under "$promotion" of the JSON object in it."""
    found = _MARKER.search(comment)
    try:
        marker = json.loads(found[0])["$promotion"] if found else None
    except ValueError:
        return None
    return marker if isinstance(marker, str) else None


def _read(value: str) -> str | None:
    """What a scalar says; None for an escape that is YAML's own and not JSON's."""
    if value.startswith("'"):
        return value[1:-1].replace("''", "'")
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return None


def _written(version: str, *, like: str) -> str:
    """`version` as a scalar in the style of `like`, quoted if it would not stay text without."""
    if like.startswith("'"):
        return "'" + version.replace("'", "''") + "'"
    if not like.startswith('"') and _stays_text(version):
        return version
    return '"' + version.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _stays_text(version: str) -> bool:
    return (
        _PLAIN.fullmatch(version) is not None
        and _NUMBER.fullmatch(version) is None
        and version.lower() not in _WORDS
    )
