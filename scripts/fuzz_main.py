"""Sends the API and the pages what nobody would send, and wants an honest answer to each: never a 500.

Two thirds of the time schemathesis holds the API to its own OpenAPI document; one third goes to tokens, cookies,
headers and bodies over all pages. A real `digest serve` with the sample publication is the target. ONE JSON
document goes to stdout, all else to stderr; exit code 1 when anything failed.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fuzz_pages

from digest import clock, links
from digest.web.api import keys, once
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
SIGNING = "the-fuzzers-own-key-that-signs-nothing-else-0123"
START_SECONDS = 60
SLUG = "mias-feed"
# uvicorn has answered 400 to what was no HTTP while a page was still at work, whose answer comes too late, or under it.
HUNG_UP = "h11._util.LocalProtocolError: "


@dataclasses.dataclass(frozen=True)
class House:
    """The folder and the database of the installation that is fuzzed."""

    folder: Path
    database: str

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}",
            "DIGEST_HOME": str(self.folder),
            "DIGEST_INSTANCE": "fuzz",
            "DIGEST_DATABASE_URL": self.database,
            "DIGEST_SECRET_KEYS": SIGNING,
            "DIGEST_SMTP_URL": f"file://{self.folder}/out",
            "DIGEST_API_LIMIT": "999999999/minute",
            "DIGEST_LOG_LEVEL": "warning",
            "DIGEST_LOG_FORMAT": "json",
            **more,
        }


def main() -> int:
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="digest-fuzz-") as folder, _database(given) as database:
        home = House(Path(folder), database)
        key = _installed(home)
        with _serving(home) as url:
            is_sound = _fuzz_api(home, url, key, given)
            pages = _fuzz_pages(url, given)
        trouble = _trouble(home)
    document = {
        "fuzz": "api and pages",
        "database": given.database,
        "ok": is_sound and not pages.broken and not trouble,
        "seed": given.seed,
        "seconds": given.seconds,
        "api_conforms": is_sound,
        "pages": {"requests": pages.statuses.total(), "answers": dict(sorted(pages.statuses.items()))},
        "broken": pages.broken[:20],
        "trouble": trouble[:20],
    }
    print(json.dumps(document, indent=2))
    return 0 if document["ok"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200, help="how long, all in all (default: 20 minutes)")
    parser.add_argument("--seed", type=int, default=None, help="to send the same again")
    parser.add_argument("--share", type=float, default=2 / 3, help="of the time, for the API")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    if given.seconds < 10:
        parser.error("--seconds must be at least 10")
    given.seed = random.randrange(2**32) if given.seed is None else given.seed
    return given


@contextlib.contextmanager
def _database(given: argparse.Namespace) -> Iterator[str]:
    if given.database == "sqlite":
        yield "sqlite:///var/digest.db"
        return
    with postgres.cluster() as made:
        yield made.url


def _installed(home: House) -> str:
    """An installation with the sample publication, its readers and some Editions; a key that opens everything."""
    _digest(home, "init")
    publication = home.folder / f"{SLUG}.toml"
    sample = (CONFIG / "publications" / publication.name).read_text(encoding="utf-8")
    publication.write_text(f'archive = "listed"\n{sample}', encoding="utf-8")
    _digest(home, "apply", str(publication))
    _digest(home, "ingest", SLUG, str(CONFIG / "demo" / "feed.xml"))
    _digest(home, "subscribers", "import", SLUG, str(CONFIG / "demo" / "readers.csv"), "--confirmed")
    # Editions to be paused, resumed and cancelled.
    _digest(home, "send-now", SLUG)
    scopes = [word for scope in keys.SCOPES for word in ("--scope", scope)]
    return _digest(home, "keys", "new", "fuzz", *scopes).strip()


def _digest(home: House, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "digest", *words], env=home.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"digest {' '.join(words)}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def _serving(home: House) -> Iterator[str]:
    said = home.log
    with said.open("wb") as output:
        verb = [sys.executable, "-m", "digest", "serve", "--port", "0"]
        process = subprocess.Popen(verb, env=home.environment(), stdout=output, stderr=output)
        try:
            yield _address(process, said)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=START_SECONDS)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"serving at (http://\S+?);", said.read_text()):
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"digest serve did not begin:\n{said.read_text()}")


def _fuzz_api(home: House, url: str, key: str, given: argparse.Namespace) -> bool:
    """Whether schemathesis found nothing."""
    described = home.folder / "openapi.json"
    described.write_text(json.dumps(_narrowed(_fetched(f"{url}/api/v1/openapi.json"))))
    verb = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "scripts" / "fuzz.toml"), "run"]
    verb += [str(described), "--max-time", str(int(given.seconds * given.share)), "--seed", str(given.seed)]
    more = {"FUZZ_URL": f"{url}/api/v1", "FUZZ_KEY": key, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "NO_COLOR": "1"}
    environment = home.environment(**more)
    # In the temporary folder, for it leaves reports and examples behind.
    return subprocess.run(verb, env=environment, cwd=home.folder, stdout=sys.stderr, check=False).returncode == 0


def _fetched(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def _narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is, but for what would make nearly all requests end early and alike.

    Only one publication exists. One name for all requests that may come twice would get all but the first a 422, and an
    ETag made up gets every change a 412.
    """
    for doors in document["paths"].values():
        for door in doors.values():
            door["parameters"] = [
                one for one in door.get("parameters", []) if one["name"] not in (once.HEADER, "If-Match")
            ]
            for parameter in door["parameters"]:
                if parameter["name"] == "publication":
                    parameter["schema"] = {"type": "string", "enum": [SLUG]}
    return document


def _fuzz_pages(url: str, given: argparse.Namespace) -> fuzz_pages.Pages:
    dice = random.Random(given.seed)
    signer = links.Signer([SIGNING])

    def part(path: str, name: str) -> str:
        """What belongs there, mostly."""
        reader, generation, at = dice.randrange(1, 30), dice.randrange(1, 3), clock.system()
        mail = signer.mail_token(reader, generation, dice.randrange(50))
        of_path = {
            "confirm": signer.confirm_token(reader, generation, at),
            "manage": signer.manage_token(reader, generation, at),
            "moving": signer.moving_token(dice.randrange(1, 5), at),
            "address": signer.address_token(dice.randrange(1, 5), at),
            "feed": signer.feed_token(reader, generation),
        }
        fitting = {
            "token": of_path.get(path.split("/")[1], mail),
            "slug": SLUG,
            "publication": SLUG,
            "frequency": dice.choice(("daily", "weekly", "instant")),
            "date": str(at.date() - timedelta(days=dice.randrange(9))),
        }
        others = (*of_path.values(), mail, SLUG, "x.y.z")
        return fitting.get(name, "x") if dice.random() < 0.7 else dice.choice(others)

    pages = fuzz_pages.Pages(url, part, dice)
    pages.run(given.seconds * (1 - given.share))
    return pages


def _trouble(home: House) -> list[str]:
    """What the service itself thought was wrong."""
    lines = home.log.read_text(errors="replace").splitlines()
    errors = (line for line in lines if '"level": "error"' in line or "Traceback" in line)
    # The end of a line is where a traceback says what it was.
    return [line[-1000:] for line in errors if HUNG_UP not in line]


if __name__ == "__main__":
    sys.exit(main())
