"""`dkim new` and `dkim show`: from no key to a signing one, told step by step; DNS is asked only when told to."""

import re
import stat

import dns.exception
import dns.resolver
import dns.rrset
import pytest

from tests.commands.test_checking import found
from tests.support.operator import SHIPPED, Operator


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What DNS holds: name → records as in a zone file. A name of "?" cannot be asked for."""
    held: dict[str, list[str]] = {}

    def resolve(name: str, kind: str, lifetime: float) -> dns.rrset.RRset:
        assert kind == "TXT"
        if "?" in held:
            raise dns.exception.Timeout
        if name not in held:
            raise dns.resolver.NXDOMAIN
        return dns.rrset.from_text(name + ".", 300, "IN", "TXT", *held[name])

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    return held


def use(operator: Operator, *lines: str) -> None:
    """Put what `dkim new` printed into digest.toml."""
    operator.file("config/digest.toml", "[dkim]\nkeys = [\n" + "".join(f"{line.strip()}\n" for line in lines) + "]\n")


def made(operator: Operator, *words: str) -> tuple[str, str, str]:
    """What is printed of a new key: its DNS name, its record as in a zone file, its line for digest.toml."""
    answer = operator("dkim", "new", *words)
    assert (answer.code, answer.err) == (0, "")
    [(name, strings)] = re.findall(r"(\S+)\. IN TXT \( (.*) \)", answer.out)
    [line] = re.findall(r"\{ domain = .*", answer.out)
    return name, strings, line


def test_a_key_is_made_published_checked_and_used(newcomer: Operator, zone: dict[str, list[str]]) -> None:
    name, strings, line = made(newcomer, "Example.org", "--selector", "first")
    assert name == "first._domainkey.example.org"
    path = newcomer.home / "var" / "dkim" / "example.org" / "first.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [before] = newcomer("dkim", "show", "--json").document
    assert (before["name"], before["signs"], before["dns"]) == (name, False, None)
    assert "not published" in newcomer("dkim", "show", "--check").out
    zone[name] = [strings]
    use(newcomer, line)
    answer = newcomer("dkim", "show", "example.org", "--check", "--json")
    [after] = answer.document
    assert (answer.code, after["signs"], after["dns"], after["file"]) == (0, True, "published", str(path))


def test_the_private_half_is_never_printed(newcomer: Operator) -> None:
    answers = [newcomer("dkim", "new", "example.org", "--selector", "s"), newcomer("dkim", "show")]
    secret = (newcomer.home / "var" / "dkim" / "example.org" / "s.pem").read_text().splitlines()[3]
    assert not any(secret in answer.out + answer.err for answer in answers)


def test_keys_of_both_kinds_are_named_after_their_month(newcomer: Operator) -> None:
    names = [made(newcomer, "example.org")[0], made(newcomer, "example.org", "--algorithm", "ed25519")[0]]
    assert all(re.match(r"digest-20\d\d-\d\d(-ed)?\._domainkey\.example\.org", name) for name in names)
    assert [key["algorithm"] for key in newcomer("dkim", "show", "--json").document] == ["rsa", "ed25519"]


def test_a_second_key_takes_over_step_by_step(newcomer: Operator) -> None:
    old, new = (made(newcomer, "example.org", "--selector", name)[2] for name in ("old", "new"))

    def signing() -> list[str]:
        return [key["selector"] for key in newcomer("dkim", "show", "--json").document if key["signs"]]

    use(newcomer, old)
    assert signing() == ["old"]
    use(newcomer, old, new)
    assert signing() == ["old", "new"]
    use(newcomer, new)
    assert signing() == ["new"]
    assert "selector old, rsa: does not sign" in newcomer("dkim", "show").out


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "not published"),
        (['"v=DKIM1; k=rsa; p="'], "differs: v=DKIM1; k=rsa; p="),
        (['"v=spf1 -all\\007"'], "differs: v=spf1 -all "),
        (['"one"', '"two"'], "differs: there are 2 TXT records"),
    ],
)
def test_a_record_that_is_not_right_is_told(
    newcomer: Operator, zone: dict[str, list[str]], records: list[str], said: str
) -> None:
    name, _, line = made(newcomer, "example.org")
    use(newcomer, line)
    if records:
        zone[name] = records
    answer = newcomer("dkim", "show", "--check")
    assert answer.code == 1
    assert f"  dns   {said}" in answer.out


def test_dns_that_does_not_answer_is_told(newcomer: Operator, zone: dict[str, list[str]]) -> None:
    use(newcomer, made(newcomer, "example.org")[2])
    zone["?"] = []
    assert "could not be asked" in newcomer("dkim", "show", "--check").out


def test_where_there_is_no_key_the_way_to_one_is_told(newcomer: Operator) -> None:
    assert "digest dkim new DOMAIN" in newcomer("dkim", "show").out
    made(newcomer, "example.org")
    assert "digest dkim new bücher.example" not in newcomer("dkim", "show").out
    assert "digest dkim new xn--bcher-kva.example" in newcomer("dkim", "show", "bücher.example").out


@pytest.mark.parametrize(
    "words", [("no domain",), ("example",), ("example.org", "--selector", "a b"), ("example.org", "--algorithm", "dsa")]
)
def test_mistakes_are_told_and_leave_nothing(newcomer: Operator, words: tuple[str, ...]) -> None:
    answer = newcomer("dkim", "new", *words)
    assert answer.code == 2
    assert answer.complaint
    assert not (newcomer.home / "var").exists()


def test_a_key_is_not_made_twice(newcomer: Operator) -> None:
    made(newcomer, "example.org", "--selector", "s")
    answer = newcomer("dkim", "new", "example.org", "--selector", "s")
    assert (answer.code, "never overwritten" in answer.complaint) == (2, True)


def test_a_broken_file_beside_the_keys_does_not_hide_the_others(newcomer: Operator) -> None:
    made(newcomer, "example.org", "--selector", "s")
    newcomer.file("var/dkim/example.org/t.pem", "nothing")
    answer = newcomer("dkim", "show", "--json")
    assert [key["selector"] for key in answer.document] == ["s"]
    assert "t.pem" in answer.complaint


def test_check_config_tells_of_keys_that_cannot_sign(newcomer: Operator) -> None:
    newcomer("init")
    _, _, line = made(newcomer, "example.org", "--selector", "s")
    use(newcomer, line, line.replace("s.pem", "missing.pem").replace('"s"', '"t"'))
    code, errors, _ = found(newcomer)
    assert code == 2
    assert [words for words in errors if "missing.pem: cannot be read" in words] == errors


def test_check_config_warns_of_open_files_and_of_mails_no_key_signs(newcomer: Operator) -> None:
    newcomer("init")
    _, _, line = made(newcomer, "other.example", "--selector", "s")
    use(newcomer, line)
    (newcomer.home / "var" / "dkim" / "other.example" / "s.pem").chmod(0o644)
    code, errors, warnings = found(newcomer)
    assert (code, errors) == (0, [])
    assert any("s.pem: anybody on this machine may read it" in words for words in warnings)
    assert any("mias-feed.toml: its mails leave unsigned" in words for words in warnings)


def test_check_config_is_content_with_a_key_of_the_senders_domain(newcomer: Operator) -> None:
    newcomer("init")
    shipped = (SHIPPED / "publications" / "mias-feed.toml").read_text()
    [domain] = re.findall(r'sender_address = "[^@]*@([^"]*)"', shipped)
    use(newcomer, made(newcomer, domain)[2])
    assert [line.split()[0] for line in found(newcomer)[2]] == ["base_url", "smtp.url"]
