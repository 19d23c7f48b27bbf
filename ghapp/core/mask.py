"""The one sanitiser in front of every output: no Secret's value and nothing like a token gets out.

It runs on the whole text, before anything is cut (a cut leaves half a secret that nobody finds any
more) and after `logtext.clean` (an escape sequence inside a secret hides it). It masks every
character that any match covers, so overlapping secrets leave nothing between them.

Masked are a value's lines, each as it is, base64 at every alignment (``user:secret`` in Basic
authentication), URL-encoded and JSON-escaped. Values shorter than four characters, and blank ones,
are ignored: masking them would destroy the text and hide nothing.
"""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from ghapp.core import logtext, tokens
from ghapp.core.tokens import Span

STARS: Final = "***"
SHORTEST: Final = 4
"""Characters of the shortest value that is masked."""
_PASSES: Final = 8

# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#masking-a-value-in-a-log
_ADD_MASK: Final = re.compile(
    r"^[ \t]*(?:::add-mask::|##\[add-mask\])([^\n]*)(?:\n|\Z)", re.IGNORECASE | re.MULTILINE
)


class Mask:
    """What must not get out. Applying it twice changes nothing, and it never raises."""

    __slots__ = ("_needles", "_values")

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = frozenset(values)
        self._needles = _Needles(form for value in self._values for form in _forms(value))

    def __repr__(self) -> str:
        return f"Mask({len(self._values)} values)"

    def learn(self, text: str) -> "Mask":
        """This mask and the values that `text` declares by ``::add-mask::``.

        Learn from all logs of a run before applying to any: a value declared in one step is masked
        in the others too.
        """
        declared = {_unescape(match[1]) for match in _ADD_MASK.finditer(text)}
        return Mask(self._values | declared) if declared - self._values else self

    def apply(self, text: str) -> str:
        """`text` with ``***`` instead of secrets, without its ``::add-mask::`` lines."""
        learned = self.learn(text)
        if learned is not self:
            return learned.apply(text)
        text = _ADD_MASK.sub("", text)
        for _ in range(_PASSES):
            masked = self._once(text)
            if masked == text:
                return text
            text = masked
        # Only a value that has stars in it can come to be by masking, again and again.
        return STARS

    def _once(self, text: str) -> str:
        pieces: list[str] = []
        done = 0
        for start, end in _merged([*self._needles.spans(text), *tokens.spans(text)]):
            pieces += (text[done:start], STARS)
            done = end
        return "".join((*pieces, text[done:])) if pieces else text


def _unescape(declared: str) -> str:
    """A workflow command's value: only these three are escaped."""
    plain = declared.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    return plain.strip()


def _merged(spans: list[Span]) -> Iterator[Span]:
    """`spans` in order, those that touch or overlap as one."""
    spans.sort()
    start, end = -1, -1
    for begin, stop in spans:
        if begin <= end:
            end = max(end, stop)
            continue
        if end > start:
            yield start, end
        start, end = begin, stop
    if end > start:
        yield start, end


# --- the shapes that a value takes ----------------------------------------------------------------

_LONGEST: Final = 256
"""Characters of the longest form that is searched in one piece."""
_WRAPS: Final = (76, 64)
"""Where ``base64`` and ``openssl`` break lines."""
_PEM_LINE: Final = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")


def _forms(value: str) -> Iterator[str]:
    """Every string that gives `value` away; together they cover all of it wherever it stands."""
    if len(value) < SHORTEST or not value.strip():
        return
    for text in {value, logtext.clean(value)}:
        lines = _lines(text)
        # A value of nothing but short lines has to be found as a whole.
        for line in lines or [text]:
            yield from _pieces(line, _LONGEST)
            for form in _escaped(line):
                yield from _pieces(form, _LONGEST)
    for whole in {value, value.strip()}:
        yield from _base64(whole)


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    long = [line for line in lines if len(line) >= SHORTEST]
    return long if len(lines) == 1 else [line for line in long if not _PEM_LINE.fullmatch(line)]


def _escaped(line: str) -> Iterator[str]:
    for form in (
        quote(line, safe="", errors="replace"),
        quote(line, safe="/", errors="replace"),
        quote(line, safe="!'()*", errors="replace"),  # JavaScript's encodeURIComponent
        quote_plus(line, errors="replace"),
    ):
        yield form
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), form)
    ascii_only = json.dumps(line)[1:-1]
    yield ascii_only
    unicode = json.dumps(line, ensure_ascii=False)[1:-1]
    yield unicode
    yield unicode.replace("/", "\\/")
    # Go's encoding/json, by default.
    yield unicode.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "replace")
    standard = base64.b64encode(raw).decode()
    forms = {standard, standard.rstrip("="), *(_core(raw, offset) for offset in range(3))}
    for form in forms | {form.translate(_URL_SAFE) for form in forms}:
        for wrap in _WRAPS:
            yield from _pieces(form, wrap)


_URL_SAFE: Final = str.maketrans("+/", "-_")


def _core(raw: bytes, offset: int) -> str:
    """Base64 of `raw` after `offset` unknown bytes: the characters that depend on `raw` alone."""
    encoded = base64.b64encode(b"\0" * offset + raw).decode()
    return encoded[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6]


def _pieces(form: str, size: int) -> Iterator[str]:
    """`form` in pieces that cover it, each long enough to say something."""
    if len(form) <= size:
        pieces = [form]
    else:
        pieces = [form[at : at + size] for at in range(0, len(form), size)]
        pieces.append(form[-size:])
    yield from (piece for piece in pieces if len(piece) >= SHORTEST)


# --- finding them all at once ---------------------------------------------------------------------


class _Needles:
    """Many strings, searched in one go.

    A regular expression of 10,000 alternatives tries them one by one at each character; an
    Aho-Corasick automaton of them needs 100 MB in Python. Here a set of first four characters says
    where a needle may begin (fast: almost nowhere), and one binary search finds the longest that
    does. The time is O(text x log needles), whatever the text.
    """

    __slots__ = ("_heads", "_parents", "_sorted")

    def __init__(self, needles: Iterable[str]) -> None:
        self._sorted = sorted(set(needles))
        self._heads = frozenset(needle[:SHORTEST] for needle in self._sorted)
        self._parents = _prefixes(self._sorted)

    def spans(self, text: str) -> Iterator[Span]:
        """At each place the longest needle that begins there."""
        heads = self._heads
        if not heads:
            return
        last = len(text) - SHORTEST + 1
        for at in [at for at in range(last) if text[at : at + SHORTEST] in heads]:
            length = self._longest(text[at : at + _LONGEST])
            if length:
                yield at, at + length

    def _longest(self, window: str) -> int:
        """The greatest needle not above `window`, or the longest of its prefixes that fits.

        All prefixes of `window` sort below it, and what sorts between the longest of them and
        `window` begins with it: so it is the found one or an ancestor of that.
        """
        index = bisect_right(self._sorted, window) - 1
        while index >= 0 and not window.startswith(self._sorted[index]):
            index = self._parents[index]
        return len(self._sorted[index]) if index >= 0 else 0


def _prefixes(needles: list[str]) -> list[int]:
    """For each of the sorted `needles` the longest other one that it begins with; -1: none."""
    parents: list[int] = []
    open_: list[int] = []
    for index, needle in enumerate(needles):
        while open_ and not needle.startswith(needles[open_[-1]]):
            open_.pop()
        parents.append(open_[-1] if open_ else -1)
        open_.append(index)
    return parents
