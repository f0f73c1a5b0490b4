"""Key files: only those that can sign are taken, every mistake is told, and nothing of a key is shown."""

import base64
import re
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from digest.outbox import signing_keys
from digest.outbox.signing_keys import Entry

PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()
PKCS8 = serialization.PrivateFormat.PKCS8
GOOD = rsa.generate_private_key(65537, 2048)


def pem(key, form=PKCS8, lock=PLAIN):
    return key.private_bytes(PEM, form, lock)


def written(folder, content, mode=0o600, name="key.pem"):
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def entry(path, domain="example.org", selector="s1"):
    return Entry(domain, selector, path)


def complaint(*entries):
    with pytest.raises(signing_keys.DkimError) as caught:
        signing_keys.load(entries)
    return str(caught.value)


@pytest.mark.parametrize("form", [PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_rsa_keys_are_read_in_both_usual_forms(tmp_path, form):
    [key] = signing_keys.load([entry(written(tmp_path, pem(GOOD, form)))]).keys
    assert (key.algorithm, key.domain, key.selector) == ("rsa", "example.org", "s1")


def test_names_are_brought_to_the_form_dns_has(tmp_path):
    [key] = signing_keys.load([entry(written(tmp_path, pem(GOOD)), "News.Bücher.example", "S1.Part")]).keys
    assert signing_keys.record_name(key.domain, key.selector) == "s1.part._domainkey.news.xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pem(rsa.generate_private_key(65537, 1024)), "an RSA key of 1024 bits; it must have 2048 to 4096"),
        (pem(GOOD, lock=serialization.BestAvailableEncryption(b"secret")), "is encrypted"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA and Ed25519 keys only"),
        (
            GOOD.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "holds no private key in PEM form",
        ),
        (pem(GOOD)[:-40], "holds no private key in PEM form"),
        (b"", "holds no private key in PEM form"),
        (b"\xff\x00 secret", "holds no private key in PEM form"),
    ],
)
def test_a_file_that_cannot_sign_is_refused(tmp_path, content, words):
    path = written(tmp_path, content)
    said = complaint(entry(path))
    assert said.startswith(f"dkim.keys: {path}: ")
    assert words in said


def test_every_mistake_is_told_at_once(tmp_path):
    good = written(tmp_path, pem(GOOD))
    said = complaint(
        entry(tmp_path / "missing.pem"),
        entry(tmp_path),
        entry(good, domain="no domain"),
        entry(good, domain="localhost"),
        entry(good, selector="a_b"),
        entry(good, selector="-"),
        entry(good, selector=".".join(["a" * 60] * 4)),
        entry(good),
        entry(good, domain="EXAMPLE.org"),
    ).splitlines()
    assert [re.sub(r".*: ", "", line).split(";")[0] for line in said] == [
        "No such file or directory",
        "Is a directory",
        "'no domain' is no domain",
        "'localhost' is no domain",
        "use letters, digits and hyphens, like digest-2026",
        "use letters, digits and hyphens, like digest-2026",
        f"{'.'.join(['a' * 60] * 4)}._domainkey.example.org is too long for DNS",
        "two keys have this selector",
    ]


def test_a_file_anybody_may_change_is_refused_and_one_anybody_may_read_is_told(tmp_path):
    assert "anybody on this machine may write to it" in complaint(entry(written(tmp_path, pem(GOOD), 0o602)))
    path = written(tmp_path, pem(GOOD), 0o644)
    assert signing_keys.load([entry(path)]).keys
    assert signing_keys.is_open_to_all(path)
    path.chmod(0o640)
    assert not signing_keys.is_open_to_all(path)


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_new_key_is_for_its_owner_alone_and_never_over_another(tmp_path, algorithm):
    path = tmp_path / "deep" / "in" / "key.pem"
    signing_keys.make(path, algorithm)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    [key] = signing_keys.load([entry(path)]).keys
    assert key.algorithm == algorithm
    before = path.read_bytes()
    with pytest.raises(signing_keys.DkimError, match="is there already"):
        signing_keys.make(path, algorithm)
    assert path.read_bytes() == before


def test_a_record_holds_the_public_half(tmp_path):
    key = signing_keys.read(entry(written(tmp_path, pem(GOOD))))
    tags = signing_keys.tags(signing_keys.record(key))
    assert (tags["v"], tags["k"]) == ("DKIM1", "rsa")
    assert serialization.load_der_public_key(base64.b64decode(tags["p"])) == GOOD.public_key()
    own = ed25519.Ed25519PrivateKey.generate()
    key = signing_keys.read(entry(written(tmp_path, pem(own))))
    public = base64.b64encode(own.public_key().public_bytes_raw()).decode()
    assert signing_keys.record(key) == f"v=DKIM1; k=ed25519; p={public}"


def test_a_zone_line_is_cut_into_strings_dns_can_hold(tmp_path):
    big = rsa.generate_private_key(65537, 4096)
    key = signing_keys.read(entry(written(tmp_path, pem(big))))
    line = signing_keys.zone_line(key)
    strings = re.findall(r'"([^"]*)"', line)
    assert len(strings) == 3
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == signing_keys.record(key)
    assert line.startswith("s1._domainkey.example.org. IN TXT ( ")


def test_complaints_hold_nothing_of_what_the_file_holds(tmp_path):
    content = pem(GOOD).replace(b"\n", b"\n ", 5)[:-60]
    said = complaint(entry(written(tmp_path, content)))
    lines = content.decode().split()
    assert not any(line in said for line in lines if len(line) > 20)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v=DKIM1; k=rsa; p=AB CD==", {"v": "DKIM1", "k": "rsa", "p": "ABCD=="}),
        ("p=;", {"p": ""}),
        ("v = DKIM1 ;p = x", {"v": "DKIM1", "p": "x"}),
        ("nothing", {}),
    ],
)
def test_a_record_is_taken_apart(text, found):
    assert signing_keys.tags(text) == found
