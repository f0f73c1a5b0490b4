"""From an empty folder to an installation, as often as one likes."""

import stat
from pathlib import Path

from digest import config, links
from tests.support.operator import Operator


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".db"}


def test_init_makes_an_installation_and_says_what_comes_next(newcomer: Operator) -> None:
    answer = newcomer("init")
    assert answer.code == 0, answer.err
    assert "digest ingest mias-feed" in answer.out
    [publication] = newcomer("status", "--json").document["publications"]
    assert publication["publication"] == "mias-feed"


def test_what_init_makes_is_private(newcomer: Operator) -> None:
    newcomer("init")
    var = newcomer.home / "var"
    assert [mode(path) for path in (var, var / "secret_keys", var / "digest.db")] == [0o700, 0o600, 0o600]


def test_the_key_is_random_and_long_enough(newcomer: Operator, tmp_path: Path) -> None:
    newcomer("init")
    first = config.keys_file(newcomer.home).read_text().strip()
    newcomer.set(DIGEST_HOME=str(tmp_path / "other"))
    newcomer("init")
    second = config.keys_file(tmp_path / "other").read_text().strip()
    assert len(first) == len(second) == 64
    assert first != second
    links.Signer([first])


def test_init_tells_that_it_made_everything(newcomer: Operator) -> None:
    answer = newcomer("init")
    assert "made  installation" in answer.out
    assert "kept" not in answer.out


def test_init_again_changes_nothing(newcomer: Operator) -> None:
    newcomer("init")
    before = contents(newcomer.home)
    answer = newcomer("init")
    assert answer.code == 0
    assert "made" not in answer.out
    assert contents(newcomer.home) == before


def test_init_never_overwrites_what_the_operator_wrote(newcomer: Operator) -> None:
    newcomer.file("config/digest.toml", "[log]\nlevel = 'error'\n")
    newcomer("init")
    assert (newcomer.home / "config" / "digest.toml").read_text() == "[log]\nlevel = 'error'\n"


def test_keys_from_the_environment_are_not_written_down(newcomer: Operator) -> None:
    newcomer.set(DIGEST_SECRET_KEYS="0123456789abcdefghijklmnopqrstuvwxyz")
    assert newcomer("init").code == 0
    assert not config.keys_file(newcomer.home).exists()


def test_a_key_file_left_empty_by_a_crash_is_written_anew(newcomer: Operator) -> None:
    newcomer.file("var/secret_keys", "")
    assert newcomer("init").code == 0
    assert len(config.keys_file(newcomer.home).read_text().strip()) == 64


def test_who_has_publications_of_their_own_gets_none_of_ours(newcomer: Operator) -> None:
    newcomer.file("config/publications/own.toml", "slug = 'own'\n")
    assert newcomer("init").code == 0
    assert not (newcomer.home / "config" / "publications" / "mias-feed.toml").exists()
    assert newcomer("status", "--json").document["publications"] == []


def test_weak_keys_are_refused_before_there_is_a_database(newcomer: Operator) -> None:
    newcomer.set(DIGEST_SECRET_KEYS="short")
    answer = newcomer("init")
    assert answer.code == 2
    assert "at least 32" in answer.complaint
    assert not (newcomer.home / "var" / "digest.db").exists()


def test_a_verb_before_init_says_so_and_leaves_no_file(newcomer: Operator) -> None:
    for verb in (("status",), ("run",), ("subscribers", "export", "mias-feed")):
        answer = newcomer(*verb)
        assert answer.code == 1
        assert answer.complaint.endswith("run: digest init")
    assert not newcomer.home.exists()


def test_upgrade_says_whether_there_was_anything_to_do(newcomer: Operator) -> None:
    assert "newest schema now" in newcomer("db", "upgrade").out
    assert "already" in newcomer("db", "upgrade").out


def test_init_takes_a_database_of_another_installation_but_says_so(newcomer: Operator) -> None:
    newcomer("init")
    newcomer.set(DIGEST_INSTANCE="elsewhere")
    answer = newcomer("init")
    assert answer.code == 0
    assert "digest adopt" in answer.complaint
