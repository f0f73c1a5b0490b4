"""What a publication file may not say, because no mail could carry it."""

import pydantic
import pytest

from tests.support import cast


@pytest.mark.parametrize("key", ["sender_address", "reply_to"])
def test_the_sender_s_address_is_one_that_every_server_takes(key: str) -> None:
    spec = cast.a_spec(**{key: "redaktion@bücher.example"})
    assert getattr(spec, key) == "redaktion@bücher.example"
    with pytest.raises(pydantic.ValidationError, match="letters before the @ that many mail servers do not take"):
        cast.a_spec(**{key: "jörg@example.org"})
