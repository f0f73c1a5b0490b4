import base64
from datetime import UTC, datetime, timedelta

import pytest

from digest.webhooks import patience, sign
from tests.support import cast


def test_a_signature_is_the_one_of_the_specifications_own_example():
    # The example of the Standard Webhooks specification, "Verifying webhook authenticity".
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    assert sign.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, [secret]) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_are_long_and_drawn_by_lot():
    secrets = {sign.new_secret() for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


def test_a_seal_opens_with_every_key_there_was_and_no_other():
    old, new = cast.KEYS
    sealed = sign.Seal([old]).close("whsec_x")
    assert sign.Seal([old, new]).open(sealed) == "whsec_x"
    assert sign.Seal([new]).open(sealed) is None
    assert sign.Seal([new]).open("nonsense") is None
    assert old not in repr(sign.Seal([old]))


@pytest.mark.parametrize("lot", [0.0, 0.5, 0.999])
def test_pauses_grow_over_three_days_and_end(lot):
    waits = [patience.pause(tries, asked=None, random=lambda: lot) for tries in range(1, 11)]
    assert waits[-1] is None
    own = [wait for wait in waits if wait]
    assert own == sorted(own)
    assert timedelta(days=2) < sum(own, timedelta()) < timedelta(days=5)


def test_a_server_s_wish_counts_up_to_a_day():
    assert patience.pause(1, asked=timedelta(hours=1), random=lambda: 0.5) == timedelta(hours=1)
    assert patience.pause(1, asked=timedelta(days=7), random=lambda: 0.5) == timedelta(days=1)
    assert patience.pause(4, asked=timedelta(seconds=1), random=lambda: 0.5) == timedelta(hours=2)
