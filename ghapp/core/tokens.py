"""What looks like a credential, whoever issued it: text in, spans of it out.

The last net behind the known values of Secrets (`core.mask`): shapes that issuers made
recognisable, headers, URLs with credentials, private keys. Every pattern begins with a literal and
is bounded, so that a hostile log costs no more than linear time. A span covers the secret, not the
words around it: ``Authorization: Bearer ***`` still says what happened.
"""

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]


def spans(text: str) -> Iterator[Span]:
    """Where secrets are, in no order; they may overlap."""
    for shape in _SHAPES:
        group = 1 if shape.groups else 0
        yield from (match.span(group) for match in shape.finditer(text))
    yield from _private_keys(text)


_ASSIGNED: Final = r"[\"']{0,2}[ \t]{0,8}[:=][ \t]{0,8}[\"']?"
"""Between a name and its value, in shell, YAML, JSON and HTTP."""

_SHAPES: Final = tuple(
    re.compile(shape)
    for shape in (
        # GitHub; since 2026 with dots, dashes and underscores:
        # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
        r"gh[pousr]_[A-Za-z0-9._-]{20,}",
        r"github_pat_[A-Za-z0-9_]{20,}",
        # https://docs.gitlab.com/security/tokens/#token-prefixes
        r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[A-Za-z0-9_.=-]{16,}",
        r"GR1348941[A-Za-z0-9_-]{20,}",
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        r"(?i)secret[_-]?(?:access[_-]?)?key" + _ASSIGNED + r"([A-Za-z0-9/+=]{16,})",
        r"(?i)session[_-]?token" + _ASSIGNED + r"([A-Za-z0-9/+=]{16,})",
        # Google: API keys, OAuth tokens, client secrets.
        r"AIza[A-Za-z0-9_-]{35,}",
        r"ya29\.[A-Za-z0-9_-]{20,}",
        r"GOCSPX-[A-Za-z0-9_-]{20,}",
        # https://api.slack.com/authentication/token-types
        r"xox[abceoprs](?:\.xox[abp])?-[A-Za-z0-9-]{10,}",
        r"xapp-[A-Za-z0-9-]{10,}",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{10,})",
        # JWT: a JSON object in base64url, begun by {"; RFC 7519.
        r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
        # npm, PyPI, Docker Hub, Vault, DigitalOcean, Stripe, SendGrid, Azure storage, model APIs.
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-AgE[A-Za-z0-9_-]{40,}",
        r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
        r"hv[sbr]\.[A-Za-z0-9_-]{20,}",
        r"do[opr]_v1_[a-f0-9]{40,}",
        r"[srw](?:k|hsec)_(?:live|test)_[A-Za-z0-9]{16,}",
        r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}",
        r"AccountKey=([A-Za-z0-9+/=]{40,})",
        r"sk-(?:ant|proj|svcacct)-[A-Za-z0-9_-]{20,}",
        # Headers: the scheme stays. A Digest has quotes in it and goes on to the end of the line.
        r"(?i)authorization"
        + _ASSIGNED
        + r"(?:(?:basic|bearer|token|negotiate|apikey|aws4-hmac-sha256)[ \t]{1,8})?"
        + r"(digest[ \t][^\r\n]+|[^\s\"'][^\r\n\"']*)",
        r"(?i)(?:private|job|deploy|auth|vault|security)-token" + _ASSIGNED + r"([^\s\"',;]+)",
        r"(?i)x-api-key" + _ASSIGNED + r"([^\s\"',;]+)",
        # URLs: user and password, or a token as user; the user "git" is nobody's secret.
        r"://(?!git@)([^\s/?#\"'<>]{1,1024})@",
        # A password with an unescaped slash; digits and a slash are a port and a path.
        r"://([^\s:/?#@\"'<>]{0,256}:(?![0-9]{1,5}/)[^\s@\"'<>]{1,256})@",
    )
)

# --- private keys ---------------------------------------------------------------------------------

_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LIMIT: Final = 16_384
"""Characters of the largest key: RSA with 16,384 bits has 12,800."""
_KEY_LINES: Final = re.compile(
    r"(?:\s{0,4}[A-Za-z-]{1,20}: [^\n]{0,100}\n)*(?:(?:\s|\\[rn])*[A-Za-z0-9+/=]{16,})*"
)
_KEY_LINE: Final = re.compile(r"[ \t]*[A-Za-z0-9+/=]{16,80}[ \t]*\r?")
_LAST_KEY_LINE: Final = re.compile(r"[ \t]*[A-Za-z0-9+/=]{1,80}[ \t]*\r?")


def _private_keys(text: str) -> Iterator[Span]:
    """PEM blocks; where the end or the beginning was cut off, the lines that look like a key's."""
    done = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() < done:
            continue
        done = _key_end(text, begin.end())
        yield begin.start(), done
    for end in _END.finditer(text):
        yield _key_start(text, end.start()), end.end()


def _key_end(text: str, start: int) -> int:
    end = _END.search(text, start, start + _KEY_LIMIT)
    if end:
        return end.end()
    body = _KEY_LINES.match(text, start, start + _KEY_LIMIT)
    return body.end() if body else start


def _key_start(text: str, end: int) -> int:
    """Where the key's lines before its END line begin."""
    start = text.rfind("\n", 0, end) + 1
    floor = max(end - _KEY_LIMIT, 0)
    line = _LAST_KEY_LINE
    while start > floor:
        above = text.rfind("\n", floor, start - 1) + 1 or floor
        if not line.fullmatch(text, above, start - 1):
            break
        start, line = above, _KEY_LINE
    return min(start, end)
