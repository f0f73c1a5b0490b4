"""How an SMTP server may misbehave, as shares of what it is asked to do, and the dice it throws for that."""

import dataclasses
import random
import zlib

# So often at most a reader's mail is dropped, stalled or answered with garbage: a third doubt would end the resends.
MOST_DOUBTS = 2


@dataclasses.dataclass(frozen=True)
class Rudeness:
    """Shares are of 1. `…_before` happens instead of keeping the mail, `…_after` once it is kept."""

    greylist: float = 0.0  # of readers, whose first RCPT is put off
    close_after: int = 0  # mails of one connection; the next command gets 421 and the end
    delay: float = 0.0  # seconds before each reply
    refuse: str = ""  # new connections: "421", or "close" without a word
    drop_before: float = 0.0
    drop_after: float = 0.0
    stall_before: float = 0.0
    stall_after: float = 0.0
    garbage_before: float = 0.0
    garbage_after: float = 0.0
    later: float = 0.0  # 451 after the content
    busy: float = 0.0  # 421 to MAIL, and the end
    hang_up: float = 0.0  # the end instead of a reply to a command
    babble: float = 0.0  # garbage as reply to a command
    late: float = 0.0  # a reply to a command only after two seconds
    lax: bool = False  # 354 to DATA although every RCPT was refused

    @property
    def at_content(self) -> list[tuple[str, float]]:
        names = [f"{what}_{when}" for what in ("drop", "stall", "garbage") for when in ("before", "after")]
        return [(name, share) for name in (*names, "later") if (share := getattr(self, name))]

    @property
    def at_command(self) -> list[tuple[str, float]]:
        return [(name, share) for name in ("hang_up", "babble", "late") if (share := getattr(self, name))]


class Mood:
    """How rude it is just now, and whom it was rude to already."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.doubts: dict[bytes, int] = {}
        self.greeted: set[bytes] = set()
        self.become(Rudeness())

    def become(self, rude: Rudeness) -> None:
        self.rude, self.at_content, self.at_command = rude, rude.at_content, rude.at_command

    def draw(self, shares: list[tuple[str, float]]) -> str:
        """One of these by its share, or nothing."""
        chance = self._random.random()
        for name, share in shares:
            if chance < share:
                return name
            chance -= share
        return ""

    def is_greylisted(self, recipient: bytes) -> bool:
        """The first time only, and always the same readers."""
        share = self.rude.greylist
        if not share or recipient in self.greeted or zlib.crc32(recipient) % 1000 >= share * 1000:
            return False
        self.greeted.add(recipient)
        return True

    def mood(self, recipient: bytes) -> str:
        """What to do with this mail instead of keeping it and saying so."""
        what = self.draw(self.at_content)
        if not what or what == "later":
            return what
        if self.doubts.get(recipient, 0) >= MOST_DOUBTS:
            return ""
        self.doubts[recipient] = self.doubts.get(recipient, 0) + 1
        return what
