"""What is an address, what makes two of them one reader, and what is refused in plain words."""

import email_validator
import pytest
from hypothesis import example, given, strategies as st

from digest import addresses, errors

ACCEPTED = [
    # text, key, wire, needs_smtputf8
    ("mia@example.com", "mia@example.com", "mia@example.com", False),
    ("  mia@example.com \n", "mia@example.com", "mia@example.com", False),
    ("Mia.Berg+news@Example.COM", "mia.berg+news@example.com", "Mia.Berg+news@example.com", False),
    ("Postmaster@example.org", "postmaster@example.org", "Postmaster@example.org", False),
    ("o'neil@example.org", "o'neil@example.org", "o'neil@example.org", False),
    ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org", False),
    ("reader@shop.test", "reader@shop.test", "reader@shop.test", False),
    ("reader@shop.example", "reader@shop.example", "reader@shop.example", False),
    ("info@bücher.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example", False),
    ("info@XN--BCHER-KVA.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example", False),
    ("info@straße.example", "info@xn--strae-oqa.example", "info@xn--strae-oqa.example", False),
    ("info@例え。テスト", "info@xn--r8jz45g.xn--zckzah", "info@xn--r8jz45g.xn--zckzah", False),
    ("Jörg@example.com", "jörg@example.com", "Jörg@example.com", True),
    ("用户@例子.example", "用户@xn--fsqu00a.example", "用户@xn--fsqu00a.example", True),
]

REFUSED = [
    "",
    " ",
    "mia",
    "mia@",
    "@example.com",
    "mia@example",
    "mia@@example.com",
    "a@b@example.com",
    "mia berg@example.com",
    "mia@exa mple.com",
    "mia@example.com,leo@example.com",
    "mia@example.com; leo@example.com",
    "Mia <mia@example.com>",
    "<mia@example.com>",
    '"mia berg"@example.com',
    '"mia"@example.com',
    "mia@[192.0.2.1]",
    "mia@192.0.2.1",
    "mia.@example.com",
    ".mia@example.com",
    "mi..a@example.com",
    "mia@-example.com",
    "mia@example-.com",
    "mia@.example.com",
    "mia@example.com.",
    "mia@example..com",
    "mia@localhost",
    "mia@printer.local",
    "mia\r\nRCPT TO:<leo@example.com>@example.com",
    "mia@example.com\r\nBcc: leo@example.com",
    "mia\x00@example.com",
    "mia\x7f@example.com",
    "mia\u202e@example.com",
    "mia\u00a0berg@example.com",
    "\ud800@example.com",
    "mia@xn--a.example",
    "a" * 65 + "@example.com",
    "a@" + "b" * 64 + ".com",
    "a@" + ".".join(["b" * 60] * 5) + ".com",
    "a" * 1_000_000 + "@example.com",
    "é" * 64 + "@" + ".".join(["b" * 60] * 3) + ".com",
]


@pytest.mark.parametrize(("text", "key", "wire", "needs_smtputf8"), ACCEPTED)
def test_an_address_has_one_key_and_one_wire_form(text, key, wire, needs_smtputf8):
    found = addresses.parse(text)
    assert (found.key, found.wire, found.needs_smtputf8) == (key, wire, needs_smtputf8)
    assert found.spelling == str(found) == text.strip()


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_address_is_refused_in_plain_words(text):
    with pytest.raises(addresses.AddressError) as caught:
        addresses.parse(text)
    said = str(caught.value)
    assert isinstance(caught.value, errors.DigestError)
    assert "is not a usable e-mail address." in said
    assert len(said) < 400
    assert said.isprintable()


def test_composed_and_decomposed_spellings_are_one_reader():
    assert addresses.parse("jo\u0308rg@example.com").key == addresses.parse("JÖRG@example.com").key


def test_mail_goes_to_the_spelling_given():
    assert addresses.parse("McMia@Example.COM").wire == "McMia@example.com"


@given(st.one_of(st.text(), st.emails(), st.builds("{}@{}".format, st.text(max_size=9), st.text(max_size=9))))
@example("a@\u0660\u0660.example")
def test_any_text_is_an_address_or_an_address_error(text):
    try:
        found = addresses.parse(text)
    except addresses.AddressError:
        return
    assert found.domain.isascii()
    assert found.wire.isprintable()
    assert not set(found.wire) & set(' \r\n\t<>,;:"()[]\\')
    assert len(found.wire.encode()) <= addresses.MAX_LENGTH
    assert addresses.parse(found.wire).key == found.key


@pytest.mark.parametrize("text", [text for text, *_ in ACCEPTED])
def test_a_stored_address_is_recalled_as_it_was_parsed(text):
    parsed = addresses.parse(text)
    assert addresses.recall(parsed.spelling, parsed.key) == parsed


LOCALS = st.text("abcXYZ019._+-", min_size=1, max_size=70)
DOMAINS = st.sampled_from(
    ["example.org", "EXAMPLE.org", "a.b.example", "-bad.example", "example", "xn--bcher-kva.example"]
)


@given(LOCALS, DOMAINS)
@example("a" * 64, "example.org")
@example("a" * 65, "example.org")
def test_the_short_way_for_plain_addresses_says_what_the_whole_check_says(local, domain):
    text = f"{local}@{domain}"
    try:
        expected = addresses._validate(text).ascii_domain
    except email_validator.EmailNotValidError:
        with pytest.raises(addresses.AddressError):
            addresses.parse(text)
    else:
        found = addresses.parse(text)
        assert (found.local, found.domain, found.spelling) == (local, expected, text)
