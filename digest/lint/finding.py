"""What the lint has to say of a mail: a rule, how bad it is, where it is, what is wrong, and the cure."""

import dataclasses
import enum


class Severity(enum.StrEnum):
    """An error must not leave; a warning costs readers or reputation; a hint is a matter of polish."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """`where` is the name of a header, or a part and a line of it: "html line 12"."""

    rule: str
    severity: Severity
    where: str
    what: str
    cure: str


def error(rule: str, where: str, what: str, cure: str) -> Finding:
    return Finding(rule, Severity.ERROR, where, what, cure)


def warning(rule: str, where: str, what: str, cure: str) -> Finding:
    return Finding(rule, Severity.WARNING, where, what, cure)


def hint(rule: str, where: str, what: str, cure: str) -> Finding:
    return Finding(rule, Severity.HINT, where, what, cure)


def shown(text: str, width: int = 60) -> str:
    """A piece of the mail as a finding may repeat it."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= width else flat[: width - 1] + "…")
