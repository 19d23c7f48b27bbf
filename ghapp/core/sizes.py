"""How large is a value of JSON's kinds? One walk, and it refuses what no engine should see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_VALUES: Final = 200_000
"""An object of 1.5 MB, the most that etcd keeps, has some 50,000."""
DEEPEST: Final = 60
VALUE: Final = 128
"""Weight of a value beside its text: comparing two trees takes about 250 ns for each value."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a value is, all of it."""

    longest: int = 0
    """Entries of its longest list or map."""
    text: int = 0
    """Bytes of all text in it."""
    values: int = 1

    @property
    def weight(self) -> int:
        """What comparing it with its like costs, in units of 2 ns."""
        return self.values * VALUE + self.text

    def rounded(self) -> "Sizes":
        """Up to powers of two, so that few sizes have to be told apart."""
        return Sizes(_up(self.longest), _up(self.text), _up(self.values))


def _up(number: int) -> int:
    return 1 << (number - 1).bit_length() if number > 1 else number


def measured(value: Any) -> Sizes:
    """The sizes of a value; raises ValueError where it is too large, or not of JSON's kinds."""
    walk = _Walk()
    walk.add(value, 0)
    return Sizes(walk.longest, walk.text, walk.values)


@dataclass(slots=True)
class _Walk:
    longest: int = 0
    text: int = 0
    values: int = 0

    def add(self, value: Any, depth: int) -> None:
        self.values += 1
        if self.values > MOST_VALUES or depth > DEEPEST:
            raise ValueError(f"has more than {MOST_VALUES} values or {DEEPEST} levels")
        match value:
            case str():
                self._word(value)
            case Mapping():
                self.longest = max(self.longest, len(value))
                for key, inside in value.items():
                    self._word(key)
                    self.add(inside, depth + 1)
            case list():
                self.longest = max(self.longest, len(value))
                for inside in value:
                    self.add(inside, depth + 1)
            case None | bool() | int() | float():
                pass
            case _:
                raise ValueError(f"holds a {type(value).__name__}, which is not of JSON")

    def _word(self, word: Any) -> None:
        if not isinstance(word, str):
            raise ValueError(f"has a name that is not text: {word!r}")  # noqa: TRY004
        if word.isascii():
            self.text += len(word)
        elif encodable(word):
            self.text += len(word.encode())
        else:
            # An engine in C++ may leave a Python error set that strikes somewhere else.
            raise ValueError("holds text that is not Unicode: half of a surrogate pair")


def encodable(text: str) -> bool:
    """Whether it is Unicode; half of a surrogate pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
