"""`check-config` finds everything that is wrong, at once, and changes nothing."""

import pytest

from tests.commands.test_running import a_closed_port
from tests.support.operator import SHIPPED, Operator
from tests.support.smtpserver import SmtpServer


def found(operator: Operator, *words: str) -> tuple[int, list[str], list[str]]:
    answer = operator("check-config", "--json", *words)
    return answer.code, answer.document["errors"], answer.document["warnings"]


def test_a_fresh_installation_can_be_used_but_is_warned_of(newcomer: Operator) -> None:
    newcomer("init")
    code, errors, warnings = found(newcomer)
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in warnings] == ["base_url", "smtp.url"]
    assert "can be used" in newcomer("check-config").out


def test_an_empty_folder_is_told_where_to_begin(newcomer: Operator) -> None:
    code, errors, warnings = found(newcomer)
    assert code == 2
    assert any("digest init" in line for line in errors)
    assert not newcomer.home.exists()
    assert any("no publication file" in line for line in warnings)


def test_everything_is_told_at_once(newcomer: Operator) -> None:
    newcomer("init")
    newcomer.file("config/publications/one.toml", "slug = 'One'\n")
    newcomer.file(
        "config/publications/two.toml",
        (SHIPPED / "publications" / "mias-feed.toml").read_text().replace('# base_url = "https', 'base_url = "http'),
    )
    newcomer.set(
        DIGEST_BASE_URL="http://news.example.org",
        DIGEST_SECRET_KEYS="short",
        DIGEST_SMTP_URL="mailto:relay",
        DIGEST_DATABASE_URL="mysql://localhost/digest",
        DIGEST_SMPT_URL="x",
    )
    code, errors, _ = found(newcomer)
    text = "\n".join(errors)
    assert code == 2
    for words in (
        "DIGEST_SMPT_URL: no such setting; did you mean DIGEST_SMTP_URL?",
        "base_url (DIGEST_BASE_URL): http://news.example.org is not https",
        "secret_keys (DIGEST_SECRET_KEYS): ",
        "smtp.url must begin with",
        "'mysql' is no database digest knows",
        "one.toml: slug: ",
        "one.toml: sender_address: ",
        "two.toml: base_url: http://digest.example.org is not https",
    ):
        assert words in text, words


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "https://a.example"])
def test_http_is_good_enough_on_this_machine_only(newcomer: Operator, url: str) -> None:
    newcomer("init")
    newcomer.set(DIGEST_BASE_URL=url)
    assert found(newcomer)[1] == []


def test_a_broken_template_of_one_s_own_is_named_with_its_line(newcomer: Operator) -> None:
    newcomer("init")
    newcomer.file("templates/email/digest/subject.txt", "{% if %}\n")
    code, errors, _ = found(newcomer)
    assert code == 2
    assert any("subject.txt:1" in line for line in errors)


def test_a_layout_there_is_not(newcomer: Operator) -> None:
    newcomer("init")
    path = newcomer.home / "config" / "publications" / "mias-feed.toml"
    path.write_text(path.read_text().replace('# layout = "digest"', 'layout = "tabloid"'))
    assert any("tabloid" in line for line in found(newcomer)[1])


def test_the_relay_is_asked_only_when_wanted(newcomer: Operator) -> None:
    newcomer("init")
    newcomer.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{a_closed_port()}")
    assert not any("relay" in line for line in found(newcomer)[2])
    assert any("the relay cannot take mail now" in line for line in found(newcomer, "--probe")[2])
    with SmtpServer() as server:
        newcomer.set(DIGEST_SMTP_URL=server.url)
        assert not any("relay" in line for line in found(newcomer, "--probe")[2])
        assert server.received == []


def test_an_old_schema_is_a_warning_with_the_way_out(newcomer: Operator) -> None:
    newcomer("init")
    (newcomer.home / "var" / "digest.db").write_bytes(b"")
    assert any("digest init" in line for line in found(newcomer)[2])


def test_an_engine_that_cannot_work_with_the_database_is_an_error(newcomer: Operator) -> None:
    newcomer("init")
    newcomer.set(DIGEST_ENGINE_KIND="procrastinate")
    code, errors, _ = found(newcomer)
    assert code == 2
    assert any("DIGEST_ENGINE_KIND" in line and "needs PostgreSQL" in line for line in errors)
    assert "needs PostgreSQL" in newcomer("run").complaint
