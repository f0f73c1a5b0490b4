"""Ten kinds of bad input: each is one clear line that says what to do, exit 1 or 2, and leaves nothing half done."""

from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_running import a_closed_port
from tests.support.operator import FEED, SHIPPED, Operator

MIAS = SHIPPED / "publications" / "mias-feed.toml"


def refused(operator: Operator, *words: object, code: int = 2, **variables: str) -> str:
    operator.set(**variables)
    answer = operator(*words)
    assert answer.code == code, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    return answer.complaint


@pytest.fixture
def ready(operator: Operator) -> Operator:
    operator.begin()
    return operator


@pytest.fixture
def untouched(ready: Operator, db_url: str) -> Any:
    """Whether all rows are as they were."""
    before = ready.everything(db_url)
    return lambda: ready.everything(db_url) == before


CONFIG = [
    ("[web]\nport = 'high'\n", "digest.toml: web.port: "),
    ("colour = 1\n", "colour: unknown key"),
    ("[smtp\n", "is no valid TOML"),
]


@pytest.mark.parametrize(("text", "words"), CONFIG)
def test_config(ready: Operator, untouched: Any, text: str, words: str) -> None:
    ready.file("config/digest.toml", text)
    assert words in refused(ready, "run")
    ready.file("config/digest.toml", "")
    assert untouched()


CSV = [
    ("", "the file is empty"),
    ("name,frequency\nAnna,daily\n", "one of them email"),
    ("email,colour\na@example.org,red\n", "unknown column 'colour'"),
    ("email,email\na@example.org,b@example.org\n", "stands twice"),
]


@pytest.mark.parametrize(("text", "words"), CSV)
def test_csv(ready: Operator, untouched: Any, text: str, words: str) -> None:
    path = ready.file("list.csv", text)
    assert words in refused(ready, "subscribers", "import", "mias-feed", path, "--confirmed")
    assert untouched()


def test_csv_that_is_not_there(ready: Operator, untouched: Any) -> None:
    assert "cannot read" in refused(ready, "subscribers", "import", "mias-feed", "no-such.csv")
    assert untouched()


DATES = [("22.11.2026", "like 2026-11-22T08:00:00+01:00"), ("2026-11-22T08:00:00", "has no UTC offset")]


@pytest.mark.parametrize(("date", "words"), DATES)
def test_dates(ready: Operator, untouched: Any, date: str, words: str) -> None:
    for verb in (("run",), ("ingest", "mias-feed", FEED), ("send-now", "mias-feed")):
        assert words in refused(ready, *verb, "--now", date)
    assert untouched()


def test_zones(ready: Operator, untouched: Any) -> None:
    wrong = ready.file("zone.toml", MIAS.read_text().replace("Europe/Berlin", "Berlin"))
    assert "did you mean Europe/Berlin" in refused(ready, "apply", wrong)
    assert untouched()


URLS = [("gopher://feed.example", "give an http or https URL"), ("not a feed", "there is no file")]


@pytest.mark.parametrize(("url", "words"), URLS)
def test_urls_of_feeds(ready: Operator, untouched: Any, url: str, words: str) -> None:
    assert words in refused(ready, "ingest", "mias-feed", url)
    assert untouched()


def test_urls_of_our_own(ready: Operator) -> None:
    assert "base_url: 'news.example.org' is no web address" in refused(
        ready, "status", DIGEST_BASE_URL="news.example.org"
    )


@pytest.mark.parametrize("template", ["{% if %}", "{{ told.nothing.at.all }}"])
def test_own_templates_that_are_broken_stop_no_mail(ready: Operator, template: str) -> None:
    broken = ready.file("templates/email/digest/subject.txt", template)
    answer = ready("preview", "mias-feed", "--out", ready.home / "previews")
    assert answer.code == 0
    assert (ready.home / "previews" / "mias-feed.html").exists()
    assert f"{broken}:1: " in " ".join((answer.out + answer.err).split())


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("digest/parts/story.html", "<tr><td>\n{{ piece.story.title }</td></tr>", "story.html:2: "),
        ("digest/parts/story.html", "\n\n{{ piece.stroy.title }}", "story.html:3: "),
        ("digest/parts/own.css", ".a { color: #112233; }\n.b + .c { margin: 0; }", "own.css:2: "),
        ("digest/parts/own.css", ".a { color: #112233;", "own.css:1: this brace is never closed"),
        ("digest/parts/media.css", "\n.a { color: rgb(1 2 3 / 1); }", "media.css:2: 'rgb'"),
        ("welcome/body.txt", "{{ nothing }}", "body.txt:1: 'nothing' is undefined"),
        ("instant/parts/lead.html", "{% include 'parts/nowhere.html' %}", "lead.html:1: there is no template"),
    ],
)
def test_templates_of_a_publication(ready: Operator, untouched: Any, file: str, content: str, words: str) -> None:
    ready.file(f"config/publications/mias-feed/templates/{file}", content)
    assert words in refused(ready, "apply", MIAS)
    assert untouched()


# A path below a file cannot be made or written, not even by root, which a folder without rights would not stop.
def test_a_disk_that_cannot_be_written(newcomer: Operator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused(newcomer, "init", code=1, DIGEST_HOME=str(tmp_path / "file" / "home"))


def test_a_mail_folder_that_cannot_be_written(ready: Operator, untouched: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused(ready, "run", "--now", "2026-11-16T23:00:00Z", code=1, DIGEST_SMTP_URL=f"file://{tmp_path}/file/out")
    assert "Check smtp.url" in line
    assert untouched()


def test_a_preview_folder_that_cannot_be_written(ready: Operator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(ready, "preview", "mias-feed", "--out", tmp_path / "file" / "out", code=1)


DATABASES = [
    ("mysql://localhost/digest", "'mysql' is no database digest knows"),
    ("nonsense", "cannot be read"),
    ("sqlite://", "needs a file"),
    ("sqlite:////dev/null/digest.db", "digest init"),
    ("postgresql://digest:geheim@127.0.0.1:{port}/digest", "cannot open the database postgresql://digest:***@"),
]


@pytest.mark.parametrize(("url", "words"), DATABASES)
def test_a_wrong_database_url(newcomer: Operator, url: str, words: str) -> None:
    key = "0123456789abcdefghijklmnopqrstuvwxyz"
    url = url.format(port=a_closed_port())
    line = refused(newcomer, "status", code=1, DIGEST_DATABASE_URL=url, DIGEST_SECRET_KEYS=key)
    assert words in line
    assert "geheim" not in line


@pytest.mark.parametrize("words", [("init",), ("db", "upgrade"), ("status",), ("run",)])
def test_a_file_that_is_no_database(newcomer: Operator, words: tuple[str, ...]) -> None:
    newcomer("init")
    path = newcomer.file("picture.png", "this is no database " * 500)
    newcomer.set(DIGEST_DATABASE_URL=f"sqlite:///{path}", DIGEST_SMTP_URL=f"file://{newcomer.home}/out")
    answer = newcomer(*words)
    assert answer.code == 1
    assert "picture.png failed: file is not a database" in answer.complaint
    assert path.read_text() == "this is no database " * 500


def test_an_unreachable_relay(ready: Operator) -> None:
    ready.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{a_closed_port()}")
    answer = ready("run", "--now", "2026-11-16T23:00:00Z")
    assert answer.code == 1
    assert "the relay cannot take mail" in answer.complaint
    assert sum(ready("status", "--json").document["deliveries"].values()) == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mailto:relay", "must begin with smtp://"),
        ("smtp://mia@relay.example.org", "there is no password"),
        ("smtp://relay.example.org:99999", "no valid host and port"),
        ("file://relative", "three slashes"),
    ],
)
def test_a_relay_url_that_is_none(ready: Operator, untouched: Any, url: str, words: str) -> None:
    assert words in refused(ready, "run", DIGEST_SMTP_URL=url)
    assert untouched()
