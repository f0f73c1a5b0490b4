"""The fuzz of all pages: forged and broken tokens, odd paths, cookies, headers and bodies, written to the socket as is.

No answer may be a 500, and every request gets an answer or a closed connection. What HTTP itself forbids is for the
server below the pages to refuse; it is sent all the same.
"""

import random
import socket
import string
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from digest.web import app

METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW")
NAMES = (
    *("Host", "Cookie", "Content-Type", "Content-Length", "Transfer-Encoding", "Accept", "Accept-Language", "Range"),
    *("Accept-Encoding", "Authorization", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"),
    *("If-None-Match", "If-Match", "If-Modified-Since", "Referer", "Origin", "User-Agent", "Expect", "Upgrade"),
    *("Idempotency-Key", "Sec-Fetch-Site", "X-HTTP-Method-Override", "Connection"),
)
VALUES = (
    *("", "x", "-1", "0", "9" * 40, "chunked", "identity", "gzip", "bytes=0-1,5-", "W/", '"', "*", "a=b; a=b; =; ;;"),
    *(
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=x",
        "application/json",
        "text/html; charset=\xff",
    ),
    *(
        "Bearer ",
        "Bearer digest_00000000_" + "0" * 64,
        "Basic !!!",
        'for="[::1"',
        "127.0.0.1, , ,",
        "evil.example:99999",
    ),
    *(
        "de-DE,en;q=0.x",
        "*;q=9",
        "ar",
        "xx-YY-zz",
        "'; DROP TABLE readers; --",
        "{{7*7}}",
        "../../etc/passwd",
        "100-continue",
    ),
    *("h2c", "%00", "%", "\xf0\x9f\x98\x80", "\x7f", "a" * 9000),
)
BODIES = (
    *(b"", b"List-Unsubscribe=One-Click", b"page=x", b"page=x&frequency=hourly&topics=\xff&day=9999-99-99"),
    *(
        b"page=x&day=0001-01-01",
        b"page=x&weeks=99999999999999999999",
        b"page=x&until=2026-12-24T00:00",
        b"{}",
        b"[" * 5000,
    ),
    *(
        b'--x\r\nContent-Disposition: form-data; name="page"\r\n\r\nx\r\n--x--\r\n',
        b"--",
        b"--\r\n",
        b"&" * 5000,
        b"%" * 999,
    ),
    *(
        b"email=a@b&frequency=daily",
        b"email=" + b"a" * 5000 + b"@example.org",
        b"email=%00&website=x",
        b"page=x&act=address&publication=mias-feed&email=other@example.net",
        b"page=x&act=save&publication=mias-feed&frequency=weekly&weekday=x&send_at=99:99&timezone=/etc/passwd",
        b'{"email": "a@example.org", "frequency": "daily", "topics": [[]]}',
        b"\x00" * 70_000,
    ),
)
# Most answers take a millisecond. Whoever promised a body and sent none is given up by the pages after ten seconds.
PATIENCE, SECONDS = 0.5, 15


@dataclass
class Pages:
    """`part` gives what to put into a path, for the path and the name of the part: good ones and near misses.

    `statuses` counts the answers, `broken` keeps what got a 500.
    """

    url: str
    part: Callable[[str, str], str]
    dice: random.Random
    statuses: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            request = self._request()
            status = self._send(request)
            self.statuses[status] += 1
            if status in ("500", "no answer"):
                self.broken.append(f"{status}: {request[:2000]!r}")

    def _send(self, request: bytes) -> str:
        host, port = urlsplit(self.url).hostname, urlsplit(self.url).port
        try:
            with socket.create_connection((str(host), int(port or 80)), timeout=PATIENCE) as line:
                line.sendall(request)
                start = self._answer(line)
        except TimeoutError:
            return "no answer"
        except OSError:
            return "closed"
        return start.split(b" ", 2)[1].decode("latin-1") if start.startswith(b"HTTP/") else "closed"

    @staticmethod
    def _answer(line: socket.socket) -> bytes:
        """The server may wait for a body that was promised; that nothing more comes, it learns when asked again."""
        try:
            return line.recv(65_536)
        except TimeoutError:
            line.settimeout(SECONDS)
            line.shutdown(socket.SHUT_WR)
            return line.recv(65_536)

    def _request(self) -> bytes:
        dice = self.dice
        body = dice.choice(BODIES) if dice.random() < 0.5 else b""
        headers = [("Host", "127.0.0.1"), ("Content-Length", str(len(body))), ("Connection", "close")]
        headers += [(dice.choice(NAMES), self._value()) for _ in range(dice.randrange(4))]
        dice.shuffle(headers)
        lines = [f"{dice.choice(METHODS)} {self._path()} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def _value(self) -> str:
        dice = self.dice
        if dice.random() < 0.7:
            return dice.choice(VALUES)
        return "".join(chr(dice.choice((*range(32, 127), *range(160, 256)))) for _ in range(dice.randrange(60)))

    def _path(self) -> str:
        dice = self.dice
        pattern = dice.choice(
            [*app.PATHS, "/api/v1/{token}", "/api/v1/publications/{publication}/articles/{guid}", "/{token}"]
        )
        parts = pattern.replace("{", "\x00{").replace("}", "}\x00").split("\x00")
        path = "".join(self._filled(pattern, part) for part in parts)
        query = f"?{dice.choice(string.ascii_letters)}={self._bent('1')}" if dice.random() < 0.2 else ""
        return path + dice.choice(("", "", "", "/", "//", "/..", "%00", "%2e%2e/", ";x")) + query

    def _filled(self, pattern: str, part: str) -> str:
        return self._bent(self.part(pattern, part[1:-1])) if part.startswith("{") else part

    def _bent(self, text: str) -> str:
        """As it is, or with something of it wrong."""
        dice = self.dice
        at = dice.randrange(len(text) + 1)
        odd = dice.choice(
            ("%00", "%ff", "%C3%A4", "%F0%9F%98%80", "%", "%2F", "+", ".", "..", "~", "=", "\xe4", "A" * 300)
        )
        bends = (
            text,
            text,
            text[:at],
            text[:at] + odd + text[at:],
            text[at:] + text[:at],
            text.upper(),
            odd,
            text + text,
        )
        return dice.choice(bends).replace(" ", "%20")
