"""The form a publisher pastes into a website."""

from html.parser import HTMLParser

from tests.support.operator import Operator


class Fields(HTMLParser):
    """Names of fields, and where the form goes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.action = self.source = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "form":
            self.action = found["action"] or ""
        if tag == "iframe":
            self.source = found["src"] or ""
        if tag == "input":
            self.names.append(found["name"] or "")


def test_the_form_posts_to_the_page_and_has_its_fields(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_BASE_URL="https://digest.example.org/mail")
    answer = operator("embed", "mias-feed")
    fields = Fields(answer.out)
    assert fields.action == "https://digest.example.org/mail/subscribe/mias-feed"
    assert set(fields.names) == {"language", "frequency", "email", "website"}
    assert "<script" not in answer.out


def test_a_frame_is_one_line_in_the_language_asked_for(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_BASE_URL="https://digest.example.org")
    answer = operator("embed", "mias-feed", "--frame", "--locale", "de")
    assert Fields(answer.out).source == "https://digest.example.org/embed/mias-feed?language=de"
    assert "abonnieren" in answer.out or "Anmeldung" in answer.out
    assert set(operator("embed", "mias-feed", "--json").document) == {"page", "form", "frame"}


def test_mistakes_are_one_clear_line(operator: Operator) -> None:
    operator.begin()
    for arguments, words in (
        (("mia",), "no publication 'mia'"),
        (("mias-feed", "--locale", "tlh"), "there are no texts in 'tlh'"),
    ):
        answer = operator("embed", *arguments)
        assert (answer.code, words in answer.err) == (2, True)
