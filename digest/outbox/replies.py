"""What servers say: a reply as a value, and the class of trouble it tells of.

Order of trust: our own stage, clear enhanced codes (RFC 3463), the provider's words, vague enhanced codes, the reply
code. A reply code alone is a poor witness: of "5yz" replies only about a third mean a dead address. Pure.
"""

import dataclasses
import enum
import re


class Stage(enum.StrEnum):
    """How far a mail had come when the reply was given; at CONTENT all of it had been written."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a transport got to hear. Code 0: no reply, `text` is ours. `lost`: the connection ended instead."""

    code: int
    text: str
    stage: Stage
    lost: bool = False

    @property
    def wants_content(self) -> bool:
        """RFC 5321 §4.3.2: the server has taken sender and recipient and waits for the content."""
        return self.code == 354 and self.stage is Stage.DATA


class Cause(enum.StrEnum):
    """The classes of trouble, in the words that open a Delivery's reason."""

    GONE = "no such address"
    MAILBOX = "mailbox full or closed"
    GREYLISTED = "greylisted"
    RATE = "too much at once"
    QUOTA = "our sending quota is used up"
    POLICY = "our domain's authentication or set-up"
    REPUTATION = "our reputation"
    CONTENT = "content refused"
    PROTOCOL = "we spoke wrongly"
    SENDER = "sender or relaying refused"
    LOGIN = "login refused"
    RELAY = "relay not usable"
    NETWORK = "connection trouble"
    SYSTEM = "server trouble"
    UNKNOWN = "refused"


# At the start of the text, or as qmail writes it: (#5.1.1). Anywhere else it may be a version or an IP address.
_ENHANCED = re.compile(r"(?:^|#)\W{0,2}([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_ADDRESS = re.compile(r"<[^<>\s]*>|\S+@\S+")

Table = tuple[tuple[Cause, str], ...]

CLEAR_CODES: Table = (
    (Cause.GONE, r"[45]\.1\.([1236]|10)|5\.4\.4"),
    (Cause.SENDER, r"[45]\.1\.[78]|5\.7\.(27|60|64)"),
    (Cause.MAILBOX, r"[45]\.2\.[24]|5\.7\.1[239]\d"),
    (Cause.CONTENT, r"[45]\.(2\.3|3\.4|6\.\d+)"),
    (Cause.SYSTEM, r"[45]\.3\.[1235]|[45]\.4\.(6|14)"),
    (Cause.QUOTA, r"5\.4\.5"),
    (Cause.RATE, r"[45]\.7\.28|4\.4\.5|[45]\.5\.3|4\.7\.(500|65\d)"),
    (Cause.NETWORK, r"4\.4\.\d+"),
    (Cause.LOGIN, r"[45]\.7\.(8|57)"),
    (Cause.REPUTATION, r"5\.7\.(50[1-8]|51[01]|6\d\d|7\d\d)"),
    (Cause.POLICY, r"[45]\.7\.([23]\d|40|509|51[2-9])"),
    (Cause.PROTOCOL, r"[45]\.5\.[24-6]"),
)

# "Sender" before "gone": a server that calls back may say "sender verify failed: no such user" of our own address.
WORDS: Table = (
    (Cause.LOGIN, r"authentication (is )?(required|failed|unsuccessful|credentials)|must issue a starttls"),
    (Cause.GREYLISTED, r"gr[ea]y.?list|postgrey"),
    (Cause.QUOTA, r"(daily|hourly|monthly)\b.{0,30}(limit|quota)|maximum (sending rate|credits)|sending (limit|quota)"),
    (
        Cause.RATE,
        r"rate.?limit|throttl|too (many|fast|frequent|quickly)|at a rate|unusual rate|unexpected volume"
        r"|temporarily deferred|\brp-00\d|\[tss?\d+\]|server (is )?(too )?busy|max(imum)? connections|reached max",
    ),
    (
        Cause.SENDER,
        r"relay(ing)? (access )?(is )?(denied|not (permitted|allowed))|not permitted to relay|unable to relay"
        r"|sender (address|domain)?.{0,40}(reject|refused|fail|unknown|not (verified|allowed|found|owned|authori))"
        r"|unauthenticated senders|address is not verified|not authori[sz]ed to send (mail )?(from|as)",
    ),
    (
        Cause.GONE,
        r"(user|recipient|mailbox|address|account|person)( name| address)?\S{0,2} (is )?"
        r"(unknown|not found|does(n.t| not) exist|no longer (available|exists|valid|on server))"
        r"|(unknown|invalid|no such|not a valid) (user|recipient|mailbox|address|account|person|local.?part)"
        r"|does(n.t| not) have an? (\S+ )?account|no mailbox here by that name|no such \S+ here"
        r"|unknown in (virtual|local|relay)|account that you tried to reach does not exist",
    ),
    (
        Cause.MAILBOX,
        r"over ?quota|quota (is )?exceeded|exceeded.{0,30}(quota|storage)|insufficient (storage|disk|system)"
        r"|(mail)?box (is )?(full|unavailable|disabled|busy)|not accepting (mail|messages)"
        r"|(mailbox|account|user|recipient).{0,30}(disabled|inactive|suspended|deactivated|locked|closed)",
    ),
    (
        Cause.POLICY,
        r"\b(dmarc|dkim|spf)\b|unauthenticated (e?mail|message)|not authenticated|authentication (level|check|info)"
        r"|reverse dns|\brdns\b|\bptr\b|reverse hostname|helo command rejected|ip you.re using to send mail is not",
    ),
    (
        Cause.REPUTATION,
        r"block.?list|black.?list|deny.?list|spamhaus|barracuda|\bs31[45]0\b|\b(sc|dy|ou)-00\d|\blisted (at|in|on|by)"
        r"|\bblocked\b(?! because its content)|\[(bl|cs)\d+\]|reputation|\bbanned\b|\bip=",
    ),
    (
        Cause.CONTENT,
        r"\bspam|unsolicited|virus|malware|phish|\bcontent\b|message (is |size )?(too (big|large)|exceeds)|attachment"
        r"|size (limit|exceeds)|looks like|security issue|bulk mail",
    ),
    (Cause.NETWORK, r"timed.?out|connection (refused|lost|reset)|unable to connect|(host|domain).{0,20} not found"),
)

VAGUE_CODES: Table = (
    (Cause.GONE, r"5\.1\.0"),
    (Cause.MAILBOX, r"[45]\.[12]\.\d+"),
    (Cause.NETWORK, r"5\.4\.[2379]"),
    (Cause.SYSTEM, r"[45]\.3\.\d+"),
    (Cause.POLICY, r"5\.7\.\d+"),
    (Cause.RATE, r"4\.7\.\d+"),
)


def diagnose(reply: Reply) -> Cause:
    """Which class of trouble this reply tells of. Only for replies that are not a success."""
    if reply.stage is Stage.AUTH or reply.code in (530, 534, 535, 538):
        return Cause.LOGIN
    if reply.code == 0:
        return Cause.RELAY
    code, words = enhanced(reply.text), without_addresses(reply.text).lower()
    return _by_code(CLEAR_CODES, code) or _by_words(words) or _by_code(VAGUE_CODES, code) or _by_stage(reply)


def without_addresses(text: str) -> str:
    """One line without addresses: "spam@" is no diagnosis, and a recorded reason outlives the reader's erasure."""
    return " ".join(_ADDRESS.sub("<…>", text).split())


def enhanced(text: str) -> str:
    """The enhanced status code (RFC 3463) of a reply, or ""."""
    found = _ENHANCED.search(text)
    return found[1] if found else ""


def _by_code(table: Table, code: str) -> Cause | None:
    return next((cause for cause, pattern in table if re.fullmatch(pattern, code)), None)


def _by_words(words: str) -> Cause | None:
    return next((cause for cause, pattern in WORDS if re.search(pattern, words)), None)


def _by_stage(reply: Reply) -> Cause:
    if reply.stage is Stage.CONNECT:
        return Cause.RELAY
    if 500 <= reply.code <= 504:
        return Cause.PROTOCOL
    if reply.code < 500:
        return Cause.MAILBOX if reply.code in (450, 452) and reply.stage is Stage.RCPT else Cause.SYSTEM
    if reply.stage is Stage.MAIL:
        return Cause.SENDER
    return Cause.MAILBOX if reply.code == 552 and reply.stage is Stage.RCPT else Cause.UNKNOWN
