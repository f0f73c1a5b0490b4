"""URLs found in feeds: made absolute and checked, and reduced to what identifies a page. Pure, never raises."""

import hashlib
import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

MAX_LENGTH = 2000  # longer ones break in mail programs and old browsers
_MAX_KEY = 2000  # bytes: an index entry of PostgreSQL holds 2,704
_PORTS = {"http": 80, "https": 443}
# Parameters that say where a visitor came from, never which page it is.
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|twclid|igshid|mc_cid|mc_eid|_hsenc|_hsmi|mkt_tok|"
    r"vero_id|oly_\w+_id|wt_mc|at_medium|at_campaign|cmpid|icid|ocid|ref_src|ref_url",
    re.IGNORECASE,
)


def absolute(url: str, base: str = "", *, keep_user: bool = False) -> str | None:
    """The http(s) URL meant, or None: feeds also say javascript:, mailto:, urn: or nothing where a link belongs.

    User and password go, unless it is for fetching: those of a private feed would reach every reader by its links.
    """
    # Browsers drop line breaks and tabs inside a URL, and so "java\nscript:" is one.
    written = re.sub(r"[\x00-\x1f\x7f]", "", url.strip())
    if not written:
        return None
    try:
        joined = urljoin(base, written)
        parts = urlsplit(joined)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or " " in parts.netloc or len(joined) > MAX_LENGTH:
        return None
    if "@" in parts.netloc and not keep_user:
        joined = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return quote(joined, safe="%/:?#[]@!$&'()*+,;=~|") if re.search(r"[\s\"<>\\^`{}]", joined) else joined


def shown(url: str) -> str:
    """For people and logs: without the user and password of a private feed."""
    head, slashes, tail = url.partition("://")
    place, slash, rest = tail.partition("/")
    return f"{head}{slashes}{place.rpartition('@')[2]}{slash}{rest}"


def canonical(url: str) -> str:
    """The same for all spellings of one page: the key by which an Article is recognised in another Source.

    http and https, and a trailing slash, make no other page in practice; the order of parameters may.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url.strip()
    host = (parts.hostname or "").rstrip(".")
    name = f"[{host}]" if ":" in host else host
    place = name if port in (None, _PORTS.get(parts.scheme)) else f"{name}:{port}"
    kept = [pair for pair in parts.query.split("&") if pair and not _TRACKING.fullmatch(pair.partition("=")[0])]
    scheme = "https" if parts.scheme == "http" and port in (None, 80) else parts.scheme
    key = urlunsplit((scheme, place, parts.path.rstrip("/") or "/", "&".join(kept), ""))
    return key if len(key.encode("utf-8", "replace")) <= _MAX_KEY else f"sha256:{_hash(key)}"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
