"""Quoted-printable that canonicalisation leaves alone, joined from pieces."""

import quopri

import pytest
from hypothesis import given, settings, strategies as st

from digest.outbox import mime

TEXT = st.text(alphabet=st.one_of(st.sampled_from(" .=-_\n\r\tFrom é€😀"), st.characters()), max_size=300)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", b""),
        ("\n", b"\r\n"),
        ("plain", b"plain=\r\n"),
        ("plain\n", b"plain\r\n"),
        ("two\r\nlines\rand\nmore\n", b"two\r\nlines\r\nand\r\nmore\r\n"),
        ("1 = 2\n", b"1 =3D 2\r\n"),
        ("é\n", b"=C3=A9\r\n"),
        ("end \n", b"end=20\r\n"),
        ("a   b\n", b"a =20=20b\r\n"),
        ("\ttab\n", b"=09tab\r\n"),
        (".dot\n..\n", b"=2Edot\r\n=2E.\r\n"),
        ("From me\nfrom me\n", b"=46rom me\r\nfrom me\r\n"),
        ("\ud800\n", b"?\r\n"),
        ("a\x00b\n", b"a=00b\r\n"),
        ("x" * 75, b"x" * 75 + b"=\r\n"),
        ("x" * 75 + "\n", b"x" * 75 + b"\r\n"),
        ("x" * 76 + "\n", b"x" * 75 + b"=\r\nx\r\n"),
        ("x" * 74 + "é\n", b"x" * 74 + b"=\r\n=C3=A9\r\n"),
        ("x" * 75 + ".y\n", b"x" * 75 + b"=\r\n=2Ey\r\n"),
        ("Dear ", b"Dear=20=\r\n"),
    ],
)
def test_text_becomes_whole_lines(text, encoded):
    assert mime.encode(text) == encoded


@settings(max_examples=500)
@given(st.lists(TEXT, max_size=5))
def test_pieces_encoded_apart_decode_to_the_whole(pieces):
    joined = b"".join(mime.encode(piece) for piece in pieces)
    expected = "".join(piece.replace("\r\n", "\n").replace("\r", "\n") for piece in pieces)
    assert quopri.decodestring(joined.replace(b"\r\n", b"\n")) == expected.encode("utf-8", "replace")


@settings(max_examples=500)
@given(TEXT)
def test_every_line_is_its_own_canonical_form(text):
    encoded = mime.encode(text)
    assert encoded == b"" or encoded.endswith(b"\r\n")
    for line in encoded.split(b"\r\n"):
        assert len(line) <= mime.LINE_LIMIT
        assert line == b" ".join(line.split(b" ")) == line.rstrip()
        assert b"  " not in line
        assert not line.startswith((b".", b"From "))
        assert all(32 <= byte <= 126 for byte in line)
