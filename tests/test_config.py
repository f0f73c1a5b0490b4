"""Settings: file below environment, all mistakes at once, secrets never in the file, and every key documented."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from digest import config, templating

EXAMPLE = templating.data_dir("config") / "digest.toml"
KEY = "k3y-" * 4 + "0123456789abcdef"


def written(home: Path, text: str) -> Path:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "digest.toml").write_text(text, encoding="utf-8")
    return home


def mistakes(home: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.load(home, environment or {})
    return str(caught.value).splitlines()


def defaults() -> dict[str, Any]:
    found = config.Settings().model_dump(mode="json")
    for *sections, key in config.SECRETS:
        table = found
        for section in sections:
            table = table[section]
        del table[key]
    return found


def test_every_key_is_documented_with_its_true_default() -> None:
    uncommented = re.sub(r"(?m)^# ([a-z_]+ = .*)$", r"\1", EXAMPLE.read_text(encoding="utf-8"))
    assert tomllib.loads(uncommented) == defaults()


def test_every_key_comes_after_a_reason() -> None:
    paragraphs = EXAMPLE.read_text(encoding="utf-8").split("\n\n")
    assert [paragraph for paragraph in paragraphs if re.match(r"(\[\w+\]\n)?# [a-z_]+ = ", paragraph)] == []


def test_the_secrets_are_explained_where_people_look_for_them() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert all("DIGEST_" + "_".join(keys).upper() in text for keys in config.SECRETS)


def test_the_shipped_file_as_it_is_changes_nothing(tmp_path: Path) -> None:
    shipped = config.load(written(tmp_path, EXAMPLE.read_text(encoding="utf-8")), {})
    assert shipped == config.load(tmp_path / "elsewhere", {}).model_copy(update={"database": shipped.database})


def test_without_any_file_the_defaults_apply(tmp_path: Path) -> None:
    assert config.load(tmp_path, {}).web.port == 8000


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    home = written(tmp_path, "[web]\nport = 1\nhost = 'example.org'\n")
    found = config.load(home, {"DIGEST_WEB_PORT": "2"})
    assert (found.web.port, found.web.host) == (2, "example.org")


def test_a_value_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{KEY}\n")
    assert config.load(tmp_path, {"DIGEST_SECRET_KEYS_FILE": str(tmp_path / "secret")}).keys() == (KEY,)


def test_keys_kept_by_init_are_used_when_none_are_given(tmp_path: Path) -> None:
    config.keys_file(tmp_path).parent.mkdir()
    config.keys_file(tmp_path).write_text(f"{KEY}\n")
    assert config.load(tmp_path, {}).keys() == (KEY,)
    assert config.load(tmp_path, {"DIGEST_SECRET_KEYS": f"{KEY}1, {KEY}2"}).keys() == (f"{KEY}1", f"{KEY}2")


def test_secrets_show_in_no_repr(tmp_path: Path) -> None:
    found = config.load(tmp_path, {"DIGEST_SECRET_KEYS": KEY, "DIGEST_SMTP_PASSWORD": "geheim"})
    assert KEY not in repr(found)
    assert "geheim" not in repr(found)


def test_a_secret_in_the_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    [line] = mistakes(written(tmp_path, "[smtp]\npassword = 'geheim'\n"))
    assert line.endswith("smtp.password: secrets do not belong here; set DIGEST_SMTP_PASSWORD_FILE instead")
    assert "geheim" not in line


def test_all_mistakes_are_told_at_once_with_key_and_variable(tmp_path: Path) -> None:
    home = written(tmp_path, "colour = 'red'\nbase_url = 'ftp://x'\n[smtp]\nconnections = 0\n")
    found = mistakes(home, {"DIGEST_WEB_PORT": "high", "DIGEST_BASEURL": "x", "DIGEST_INSTANCE_FILE": "/no/such/file"})
    assert len(found) == 6
    text = "\n".join(found)
    for words in (
        "colour: unknown key",
        "base_url: 'ftp://x' is no web address",
        "(or DIGEST_BASE_URL)",
        "smtp.connections: ",
        "web.port: ",
        "DIGEST_BASEURL: no such setting; did you mean DIGEST_BASE_URL?",
        "DIGEST_INSTANCE_FILE: cannot read /no/such/file",
    ):
        assert words in text


@pytest.mark.parametrize(("text", "words"), [("a = [", "no valid TOML"), ("a = '\xff'", "no valid TOML")])
def test_a_file_that_is_no_toml(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "digest.toml").write_bytes(text.encode("latin-1"))
    [line] = mistakes(tmp_path)
    assert words in line


def test_a_relative_database_is_meant_from_home(tmp_path: Path) -> None:
    found = config.load(written(tmp_path, "[database]\nurl = 'sqlite:///var/x.db'\n"), {})
    assert found.database.url == f"sqlite:///{tmp_path}/var/x.db"


def test_hosts_in_the_environment_are_separated_by_commas(tmp_path: Path) -> None:
    found = config.load(tmp_path, {"DIGEST_INGEST_ALLOW_HOSTS": "one.example, two.example"})
    assert found.ingest.allow_hosts == ("one.example", "two.example")


def test_rates_in_the_environment_are_separated_by_commas(tmp_path: Path) -> None:
    variables = {
        "DIGEST_THROTTLE_RELAYS": "mx.example:587=14",
        "DIGEST_THROTTLE_DESTINATIONS": "gmail=20, a.example=.5",
    }
    found = config.load(tmp_path, variables).throttle
    assert found.relays == {"mx.example:587": 14}
    assert {name: limit.per_second for name, limit in found.destinations.items()} == {"gmail": 20, "a.example": 0.5}
    [mistake] = mistakes(tmp_path, {"DIGEST_THROTTLE_RELAYS": "14"})
    assert "write NAME=PER_SECOND" in mistake


def test_signing_keys_come_from_a_list_or_from_the_environment(tmp_path: Path) -> None:
    listed = "[dkim]\nkeys = [{ domain = 'a.example', selector = 's', key_file = 'var/a.pem' }]\n"
    [key] = config.load(written(tmp_path, listed), {}).dkim.keys
    assert (key.domain, key.selector, key.key_file) == ("a.example", "s", "var/a.pem")
    found = config.load(tmp_path, {"DIGEST_DKIM_KEYS": "b.example:s:/run/b.pem, b.example:t:/run/t:1.pem,"}).dkim.keys
    assert [key.key_file for key in found] == ["/run/b.pem", "/run/t:1.pem"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{ domain = 'a.example', selector = 's' }]", "dkim.keys.0.key_file: "),
        ("[{ domain = 'a.example', selector = 's', key_file = 'x', l = 1 }]", "dkim.keys.0.l: unknown key"),
        ("'a.example:s'", "dkim.keys: write DOMAIN:SELECTOR:FILE"),
        ("1", "dkim.keys: "),
        ("[1]", "dkim.keys.0: "),
    ],
)
def test_a_signing_key_that_is_not_told_in_full(tmp_path: Path, text: str, words: str) -> None:
    found = mistakes(written(tmp_path, f"colour = 1\n[dkim]\nkeys = {text}\n"))
    assert len(found) == 2
    assert any(words in line for line in found)


def test_a_signing_key_in_place_of_its_file_is_not_repeated(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----"
    [line] = mistakes(
        written(tmp_path, f'[dkim]\nkeys = [{{ domain = "a.example", selector = "s", key_file = "{pem}" }}]\n')
    )
    assert "name the file that holds the key" in line
    assert "c2VjcmV0" not in line


@pytest.mark.parametrize(("text", "is_right"), [("", True), ("digest-1", True), ("a b c d", False), ("abcd", False)])
def test_a_feedback_id_is_one_gmail_takes(tmp_path: Path, text: str, is_right: bool) -> None:
    _, found = config.inspect(tmp_path, {"DIGEST_SMTP_FEEDBACK_ID": text})
    assert (found == []) is is_right


TOKEN = {"DIGEST_METRICS_TOKEN": "a-token-that-nobody-guesses"}


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9464", "localhost:9464", "[::1]:9464"])
def test_metrics_may_be_had_from_this_machine_without_a_token(tmp_path: Path, listen: str) -> None:
    assert config.load(tmp_path, {"DIGEST_METRICS_LISTEN": listen}).metrics.listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "10.0.0.1:9464", "example.org:9464"])
def test_metrics_for_other_machines_need_a_token(tmp_path: Path, listen: str) -> None:
    [mistake] = mistakes(tmp_path, {"DIGEST_METRICS_LISTEN": listen})
    assert "DIGEST_METRICS_TOKEN_FILE" in mistake
    assert config.load(tmp_path, {"DIGEST_METRICS_LISTEN": listen} | TOKEN).metrics.secret()


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "http://127.0.0.1:9464", "127.0.0.1:0", "::1:9464", "a@b:1"])
def test_an_address_for_metrics_that_is_none(tmp_path: Path, listen: str) -> None:
    [mistake] = mistakes(tmp_path, {"DIGEST_METRICS_LISTEN": listen})
    assert "such as 127.0.0.1:9464" in mistake


def test_a_short_token_is_refused_and_not_told(tmp_path: Path) -> None:
    [mistake] = mistakes(tmp_path, {"DIGEST_METRICS_TOKEN": "short-secret"})
    assert "metrics.token" in mistake
    assert "short-secret" not in mistake


RELAYS = """
[smtp]
[[smtp.relays]]
name = "first"
url = "smtp://mia@one.example.org"
password_file = "var/first.password"
[[smtp.relays]]
url = "smtps://two.example.org"
weight = 2.5
connections = 10
"""


def test_each_relay_has_its_password_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "first.password").write_text(" s3cret\n")
    first, second = config.load(written(tmp_path, RELAYS), {}).smtp.relays
    assert first.password is not None
    assert (first.name, first.password.get_secret_value(), first.weight) == ("first", "s3cret", 1)
    assert (second.name, second.password, second.weight, second.connections) == ("", None, 2.5, 10)
    assert "s3cret" not in repr(first)


def test_mistakes_about_relays_are_told_together(tmp_path: Path) -> None:
    text = RELAYS.replace("weight = 2.5", 'weight = 0\npassword = "in the file"')
    found = mistakes(written(tmp_path, text), {"DIGEST_SMTP_URL": "smtp://three.example.org"})
    assert any("smtp.relays.0.password_file: cannot read var/first.password: No such file" in line for line in found)
    assert any("smtp.relays.1.password: secrets do not belong here" in line for line in found)
    assert any("smtp.relays.1.weight: Input should be greater than 0" in line for line in found)
    assert "in the file" not in "\n".join(found)


def test_one_url_and_several_relays_are_one_too_many(tmp_path: Path) -> None:
    text = "[smtp]\nrelays = [{ url = 'smtp://one.example.org' }]"
    (found,) = mistakes(written(tmp_path, text), {"DIGEST_SMTP_URL": "smtp://three.example.org"})
    assert "smtp: url names one relay and relays several: use one of them" in found


def test_relays_are_not_for_the_environment(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, {"DIGEST_SMTP_RELAYS": "smtp://one.example.org"})
    assert "several relays are written in config/digest.toml only (or DIGEST_SMTP_RELAYS)" in found
