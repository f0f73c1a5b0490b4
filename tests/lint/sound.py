"""A mail nobody can object to, and the means to spoil it in exactly one place."""

import dataclasses
import quopri

LEAVE = "https://digest.example.org/unsubscribe/2s.1.9x.c2lnbmF0dXJl"
HEADERS = (
    (
        "DKIM-Signature",
        "v=1; a=rsa-sha256; d=example.org; s=one; h=from:subject:list-unsubscribe:list-unsubscribe-post; b=AAAA",
    ),
    ("From", "Mia <mia@example.org>"),
    ("To", "Anna <anna@example.net>"),
    ("Subject", "A walk after dinner, and 3 more stories"),
    ("Date", "Mon, 02 Nov 2026 06:00:00 +0000"),
    ("Message-ID", "<d9x.0123456789ab@example.org>"),
    ("MIME-Version", "1.0"),
    ("Auto-Submitted", "auto-generated"),
    ("List-Id", "Mia <mias-feed.example.org>"),
    ("List-Unsubscribe", f"<{LEAVE}>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
)
INK = 'class="text" style="color:#1d2528"'
HTML = f"""<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A walk after dinner, and 3 more stories</title>
<style>
@media (prefers-color-scheme: dark) {{
.card {{ background-color: #1a2025 !important; }}
.text {{ color: #e6ebef !important; }}
}}
</style>
</head>
<body style="margin:0">
<div class="card" lang="en" dir="ltr" style="background-color:#ffffff">
<p {INK}>4 new stories, led by “A walk after dinner”.
<a {INK} href="{LEAVE}">Unsubscribe</a></p>
<table role="presentation" width="100%" border="0" cellpadding="0" cellspacing="0"><tr><td>
<h1 {INK}>Mia’s Feed</h1>
<img src="https://news.example.org/walk.jpg" alt="Two people walking" width="536" height="300" {INK}>
<h2 {INK}><a
{INK} href="https://news.example.org/walk?a=1&amp;b=2">A walk after dinner steadies blood sugar</a></h2>
<p {INK}>What it is about, in a sentence.</p>
</td></tr></table>
</div>
</body>
</html>
"""
TEXT = f"""MIA’S FEED

4 new stories, led by “A walk after dinner”.

A walk after dinner steadies blood sugar
https://news.example.org/walk?a=1&b=2

Unsubscribe:
{LEAVE}
"""


@dataclasses.dataclass(frozen=True)
class Mail:
    headers: tuple[tuple[str, str], ...] = HEADERS
    html: str = HTML
    text: str = TEXT
    kinds: tuple[str, ...] = ("plain", "html")

    def bytes(self) -> bytes:
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers).encode()
        bodies = {"plain": self.text, "html": self.html}
        parts = b"".join(_part(kind, bodies[kind]) for kind in self.kinds)
        return head + b'Content-Type: multipart/alternative; boundary="=_b"\r\n\r\n' + parts + b"--=_b--\r\n"

    def without(self, name: str) -> "Mail":
        return dataclasses.replace(self, headers=tuple(pair for pair in self.headers if pair[0] != name))

    def saying(self, name: str, value: str) -> "Mail":
        return dataclasses.replace(
            self, headers=tuple((own, value if own == name else text) for own, text in self.headers)
        )

    def also(self, name: str, value: str) -> "Mail":
        return dataclasses.replace(self, headers=(*self.headers, (name, value)))

    def page(self, old: str, new: str) -> "Mail":
        assert old in self.html
        return dataclasses.replace(self, html=self.html.replace(old, new, 1))

    def plain(self, old: str, new: str) -> "Mail":
        assert old in self.text
        return dataclasses.replace(self, text=self.text.replace(old, new, 1))


def _part(kind: str, text: str) -> bytes:
    head = f"--=_b\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + quopri.encodestring(text.encode()).replace(b"\n", b"\r\n") + b"\r\n"
