"""Which commands stand in a comment on a pull request: text in, wishes out; nobody is asked yet.

Other tools have commands of the same names, and people quote each other. So a command is a line of
its own that begins with a slash, outside of code and quotes; a word that we do not know is not for
us, unless the line says ``/checkrail``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ghapp.core import markdown

TEXT_LIMIT: Final = 65_536
"""Characters; GitHub takes no longer comments."""
COMMANDS_LIMIT: Final = 10
"""Of one comment; what comes after is not done."""
PREFIX: Final = "checkrail"


class Word(StrEnum):
    """What a comment can ask for."""

    TEST = "test"
    RETEST = "retest"
    CANCEL = "cancel"
    PROMOTE = "promote"
    APPROVE = "approve"
    HOLD = "hold"
    UNHOLD = "unhold"
    ROLLBACK = "rollback"
    OK_TO_TEST = "ok-to-test"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What may stand behind a word."""

    argument: str
    """As the help writes it; in brackets where it may be left out; empty: nothing may."""
    pattern: str
    does: str


_NAME: Final = r"[^\x00-\x1f`]{1,200}"
_PLACE: Final = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"

FORMS: Final[Mapping[Word, Form]] = {
    Word.TEST: Form(
        argument="[NAME]", pattern=_NAME, does="runs the checks of this commit again, or one"
    ),
    Word.RETEST: Form(argument="[NAME]", pattern=_NAME, does="runs again what did not succeed"),
    Word.CANCEL: Form(argument="[NAME]", pattern=_NAME, does="stops what is running"),
    Word.PROMOTE: Form(
        argument="ENVIRONMENT", pattern=_PLACE, does="opens the pull request of a promotion"
    ),
    Word.APPROVE: Form(
        argument="[ENVIRONMENT]", pattern=_PLACE, does="is a vote for a promotion that waits"
    ),
    Word.HOLD: Form(
        argument="[ENVIRONMENT]", pattern=_PLACE, does="lets nothing be promoted there"
    ),
    Word.UNHOLD: Form(argument="[ENVIRONMENT]", pattern=_PLACE, does="takes a hold back"),
    Word.ROLLBACK: Form(
        argument="[ENVIRONMENT]",
        pattern=_PLACE,
        does="opens a pull request back to the version that ran well before",
    ),
    Word.OK_TO_TEST: Form(
        argument="[COMMIT]",
        pattern=r"[0-9a-fA-F]{7,64}",
        does="lets the commit of a stranger be run again; a later push needs it anew",
    ),
    Word.HELP: Form(argument="", pattern="", does="shows this"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A command as it was written."""

    word: Word | None
    """None: `problem` says what is wrong."""
    argument: str = ""
    about: Word | None = None
    """The word that was written, also where something is wrong with what stands behind it."""
    explicit: bool = False
    """It is addressed to us by name."""
    problem: str = ""
    text: str = ""
    """The line, for the answer."""


def commands(text: str) -> tuple[Said, ...]:
    """The commands of a comment, in order."""
    found = [said for line in _lines(text[:TEXT_LIMIT]) if (said := _read(line))]
    return tuple(found[:COMMANDS_LIMIT])


def help_text() -> str:
    """What can be asked for, as Markdown."""
    rows = [f"| `{_usage(word, form)}` | {form.does} |" for word, form in FORMS.items()]
    return "\n".join(["| Command | What it does |", "|---|---|", *rows])


def _usage(word: Word, form: Form) -> str:
    return f"/{word} {form.argument}".rstrip()


_LINE_END: Final = re.compile(r"\r\n|\n|\r")
"""What ends a line in Markdown; Python knows more, with which a line could hide in a quote."""
_ITEM: Final = r"(?P<item>(?:(?:[-+*]|[0-9]{1,9}[.)]) {1,4}){0,9})"
_FENCE: Final = re.compile(rf" {{0,3}}{_ITEM}(?P<fence>`{{3,}}|~{{3,}})(?P<info>.*)")
_CODE: Final = re.compile(r"(`+)[^`]+\1")
_HIDING: Final = re.compile(r"<!--|-->")
_INDENTED: Final = re.compile(r"(?: {4}| {0,3}\t)")


def _lines(text: str) -> Iterator[str]:
    """Lines that are the author's own words: no code, no quotes, nothing that is not shown."""
    fence, hidden = None, False
    for line in _LINE_END.split(text):
        if fence:
            fence = None if _closes(line, fence) else fence
        elif hidden or "<!--" in line:
            hidden, shown = _hides(line, hidden)
            if shown:
                yield line
        elif not (fence := _opens(line)) and _is_own(line):
            yield line


def _is_own(line: str) -> bool:
    return not _INDENTED.match(line) and not line.lstrip().startswith(">")


def _opens(line: str) -> re.Match[str] | None:
    found = _FENCE.fullmatch(line)
    if found is None or (found["fence"][0] == "`" and "`" in found["info"]):
        return None
    return found


def _closes(line: str, opened: re.Match[str]) -> bool:
    bare, fence = line.strip(), opened["fence"]
    deep = _INDENTED.match(line) and not opened["item"]  # what is in a list is indented
    return len(bare) >= len(fence) and set(bare) == {fence[0]} and not deep


def _hides(line: str, hidden: bool) -> tuple[bool, bool]:
    """Whether the next line is in an HTML comment, and whether nothing of this one is.

    What looks like one in a code span is none; where a backslash may stand before a backtick, we do
    not look for code: rather is a command overlooked than one done that nobody saw.
    """
    plain = line if hidden or "\\" in line else _CODE.sub("", line)
    shown = not hidden and "<!--" not in plain
    for mark in _HIDING.findall(plain):
        hidden = mark == "<!--"
    return hidden, shown and _is_own(line)


def _read(line: str) -> Said | None:
    line = line.strip()
    if not line.startswith("/"):
        return None
    name, _, rest = line[1:].partition(" ")
    explicit = name.lower() == PREFIX
    if explicit:
        name, _, rest = rest.strip().partition(" ")
    shown = markdown.code(line, 100)
    try:
        word = Word(name.lower())
    except ValueError:
        return (
            Said(word=None, explicit=True, problem=_unknown(name), text=shown) if explicit else None
        )
    argument = " ".join(rest.split())
    problem = _wrong(word, argument)
    if problem:
        return Said(word=None, about=word, explicit=explicit, problem=problem, text=shown)
    return Said(word=word, about=word, argument=argument, explicit=explicit, text=shown)


def _unknown(name: str) -> str:
    there = f"there are {', '.join(Word)}"
    return f"there is no command {markdown.code(name, 40)}; {there}" if name else there


def _wrong(word: Word, argument: str) -> str:
    form = FORMS[word]
    optional = not form.argument or form.argument.startswith("[")
    fits = form.pattern and re.fullmatch(form.pattern, argument)
    if fits if argument else optional:
        return ""
    return f"expected `{_usage(word, form)}`"
