"""What the demonstration says on the terminal: where things are, who got what and when, and whether it was right."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from digest import zones
from digest.demo.verdict import Verdict

# Not on a terminal there is no width to fit into; subjects are seldom longer than this leaves room for.
PAPER = 140
# Widths of columns, in characters: "Thu 29 Oct 07:00", "fortnightly", "Articles", the gaps, and what a subject needs.
TIME, FREQUENCY, ARTICLES, BETWEEN, LEAST = 16, 11, 8, 15, 12
# So many names of lost or repeated Articles are shown; the first will tell what is wrong.
SHOWN = 5


def console() -> Console:
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=PAPER)


def facts(out: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Lines of a name and what it is."""
    for name, text in pairs:
        out.print(f"[bold]{name:<9}[/bold]{escape(text)}", soft_wrap=True)


def table(verdicts: Sequence[Verdict], *, width: int) -> Table:
    """One line per mail, the reader's time. On a narrow terminal it is the subject that gives way."""
    who = max((len(text) for verdict in verdicts for text in (verdict.reader.name, verdict.reader.zone)), default=0)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("Reader", no_wrap=True)
    made.add_column("Their time", no_wrap=True)
    made.add_column("Frequency", no_wrap=True)
    room = width - who - TIME - FREQUENCY - ARTICLES - BETWEEN
    made.add_column("Subject", no_wrap=True, overflow="ellipsis", max_width=max(room, LEAST))
    made.add_column("Articles", justify="right", no_wrap=True)
    for verdict in verdicts:
        _add(made, verdict)
    return made


def _add(made: Table, verdict: Verdict) -> None:
    """A reader's mails; the first lines say who, where and what about."""
    reader = verdict.reader
    who = [f"[bold]{escape(reader.name)}[/bold]", f"[dim]{reader.zone}[/dim]"]
    mails = [
        (
            local(digest.letter.at, reader.zone),
            reader.rule.frequency.value,
            escape(digest.letter.subject),
            str(len(digest.told)),
        )
        for digest in verdict.digests
    ] or [("", reader.rule.frequency.value, "[dim]nothing in these days[/dim]", "0")]
    # A reader with one mail still needs the second line, for the zone.
    for number in range(max(len(who), len(mails))):
        first = who[number] if number < len(who) else ""
        made.add_row(first, *(mails[number] if number < len(mails) else ()))
    made.add_section()


def local(at: datetime, zone: str) -> str:
    there = at.astimezone(zones.get(zone))
    return f"{there:%a} {there.day:>2} {there:%b %H:%M}"


def totals(out: Console, verdicts: Sequence[Verdict]) -> None:
    mails = sum(len(verdict.digests) for verdict in verdicts)
    told = sum(verdict.told for verdict in verdicts)
    lost, twice = sum(len(verdict.lost) for verdict in verdicts), sum(len(verdict.twice) for verdict in verdicts)
    out.print(f"[bold]{mails} mails[/bold] to {len(verdicts)} readers tell {told} articles.")
    colour = "green" if all(verdict.is_clean for verdict in verdicts) else "red"
    out.print(f"[{colour} bold]{lost} lost, {twice} twice[/] (counted from the article links in the received mails).")
    if waiting := sum(verdict.waiting for verdict in verdicts):
        out.print(f"{waiting} more wait for digests that are not due yet.")
    for verdict in verdicts:
        _complain(out, verdict)


def _complain(out: Console, verdict: Verdict) -> None:
    for what, names in (("lost", verdict.lost), ("twice", verdict.twice), ("not asked for", verdict.unwanted)):
        for name in names[:SHOWN]:
            out.print(f"[red]{escape(verdict.reader.email)}: {what}: {escape(name.title or name.url)}[/red]")
