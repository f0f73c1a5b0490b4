"""How a Publication's mails will look: what `apply` refuses, `check-config` reports and `status` warns of.

Reads publication rows and templates; changes nothing.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.editions import look, proof, typeset
from digest.run import wiring

# Nothing of how a mail looks depends on where its links lead.
SITE = "https://digest.example.org"


def faults(home: Path, spec: publications.Spec) -> tuple[str, ...]:
    """What is wrong with the templates of its mails, each by file and line."""
    return proof.faults(wiring.mail_folders(home), look.of(spec, SITE))


def faults_of_all(home: Path) -> tuple[str, ...]:
    """What is wrong with the templates the installation lays over all mails, whether there is a Publication or not."""
    return proof.faults(wiring.mail_folders(home), look.Look(name="digest", base_url=SITE))


def remarks(home: Path, spec: publications.Spec) -> list[str]:
    """What a publisher should know, and can live with."""
    unknown = (
        f"{path} takes the place of no file we ship; is its name right?"
        for path in proof.unknown(wiring.mail_folders(home), spec.slug)
    )
    return [*look.adjustments(spec.colours), *unknown]


def check(home: Path, spec: publications.Spec) -> None:
    """Raises TemplateError for templates with which some mail of this Publication could not be made."""
    if found := faults(home, spec):
        raise typeset.TemplateError("\n".join(f"{spec.slug}: {line}" for line in found))


async def warnings(connection: AsyncConnection, home: Path) -> list[str]:
    """Which Publications are mailed in the shipped form, because their own cannot be used."""
    specs = (await connection.execute(sa.select(publications.Publication.spec))).scalars()
    return [line for stored in specs for line in _given_way(home, publications.load(stored))]


def _given_way(home: Path, spec: publications.Spec) -> list[str]:
    places = wiring.mail_folders(home)
    roots = places.roots(spec.slug)
    if len(roots) == 1 and spec.layout in typeset.layouts(*roots):
        return []  # nothing of its own; a trial takes a quarter of a second
    return [f"{spec.slug} is mailed with the shipped templates: {line}" for line in faults(home, spec)]
