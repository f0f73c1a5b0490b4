import pytest

from digest import addresses
from digest.audience import screening

DUTIES = frozenset({"postmaster", "noreply"})


def judge(address, **policy):
    return screening.judge(addresses.parse(address), screening.Policy(duties=DUTIES, **policy))


@pytest.mark.parametrize(
    ("address", "policy", "wanted"),
    [
        ("anna@example.org", {}, None),
        ("info@example.org", {}, None),
        ("postmaster@example.org", {}, screening.Objection.DUTY),
        ("NoReply+x@example.org", {}, screening.Objection.DUTY),
        ("anna@mailinator.com", {}, screening.Objection.DISPOSABLE),
        ("anna@box7.mailinator.com", {}, screening.Objection.DISPOSABLE),
        ("anna@notmailinator.com.example", {}, None),
        ("anna@mailinator.com", {"takes_disposable": True}, None),
        ("anna@mailinator.com", {"allowed": frozenset({"mailinator.com"})}, None),
        ("anna@a.b.rude.example", {"refused": frozenset({"rude.example"})}, screening.Objection.DISPOSABLE),
        ("anna@rude.example", {"refused": frozenset({"rude.example"}), "takes_disposable": True}, "disposable"),
        ("anna@gmail.com", {}, None),
    ],
)
def test_addresses_are_judged_by_their_spelling_alone(address, policy, wanted):
    assert judge(address, **policy) == wanted
