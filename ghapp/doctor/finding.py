"""What a question of the doctor's brings: a fact, and how to mend it where it is an illness."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer: `mend` is empty where all is well."""

    about: str
    what: str
    mend: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing has to be done."""
        return not self.mend
