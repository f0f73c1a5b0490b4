"""Links are asked for only when that is wished, and then of real servers."""

import asyncio
import http.server
import threading

from digest.lint import online
from tests.lint.sound import LEAVE, Mail
from tests.support import feedserver

ARTICLE, PICTURE = "https://news.example.org/walk?a=1&amp;b=2", "https://news.example.org/walk.jpg"


class Headed(http.server.BaseHTTPRequestHandler):
    """Knows HEAD, and nothing else."""

    def do_HEAD(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def asked(article: str, picture: str, leave: str) -> dict[str, str]:
    mail = Mail().page(ARTICLE, article).page(PICTURE, picture).page(f'href="{LEAVE}"', f'href="{leave}"')
    return {one.what.split()[0]: one.rule for one in asyncio.run(online.check(mail.bytes()))}


def test_what_answers_is_well_whether_by_head_or_by_get():
    with (
        feedserver.serve({"/a": feedserver.Reply(body=b"a page")}) as server,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Headed) as other,
    ):
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert asked(server.url("/a"), f"http://127.0.0.1:{other.server_port}/p", server.url("/a")) == {}
        other.shutdown()


def test_what_is_gone_or_was_never_there_is_dead_and_the_rest_is_odd():
    replies = {"/gone": feedserver.Reply(410), "/forbidden": feedserver.Reply(403)}
    with feedserver.serve(replies) as server:
        nobody = "http://127.0.0.1:9/"
        found = asked(server.url("/gone"), server.url("/forbidden"), nobody)
        assert found == {
            server.url("/gone"): "dead-link",
            server.url("/forbidden"): "odd-link",
            nobody: "dead-link",
        }


def test_a_mail_without_html_has_nothing_to_ask():
    assert asyncio.run(online.check(b"From: a@example.org\r\n\r\nwords\r\n")) == []
