"""Every error checkrail raises, by what the caller should do about it.

    CheckrailError
      ConfigError        a setting or document is wrong: mend it, nothing was started
      Refused            whoever asked may not, or asked for what cannot be: tell them why
      RenderError        a text that a user wrote could not be filled in: tell whoever wrote it
      Conflict           somebody else committed first: look again, decide again
      DeliveryError      an effect did not reach the far side
        Retry(after)       it may work later
        Reject             it never will: park it

Foreign exceptions become one of these at the rim, with ``from``. No message carries a secret.
"""


class CheckrailError(Exception):
    """The root: anything checkrail raises on purpose."""


class ConfigError(CheckrailError):
    """Mistakes in settings or documents; ``mistakes`` holds all of them, a line each."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Refused(CheckrailError):
    """The request was understood and is not allowed; ``status`` is what an HTTP client gets."""

    def __init__(self, reason: str, *, status: int = 403) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class RenderError(CheckrailError):
    """A template and this run do not go together; the message is for the template's author."""


class Conflict(CheckrailError):
    """A row changed between reading and committing."""


class DeliveryError(CheckrailError):
    """An effect did not reach the far side.

    ``status`` is the far side's HTTP status where there was one.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Retry(DeliveryError):
    """Try again, not before ``after`` seconds (None: the back-off decides).

    ``uncertain`` says that the far side may have done it although we never heard: the next try has
    to look before it creates.
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float | None = None,
        uncertain: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(reason, status=status)
        self.after = after
        self.uncertain = uncertain


class Reject(DeliveryError):
    """The far side understood and said no; trying again changes nothing."""
