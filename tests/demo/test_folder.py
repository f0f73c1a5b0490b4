"""The demonstration's folder is its own, and nobody else's becomes it."""

import pytest

from digest.demo import folder


def test_a_folder_that_is_not_there_is_made(tmp_path):
    assert folder.prepare(tmp_path / "a" / "b").is_dir()


def test_an_earlier_demo_is_cleared_away(tmp_path):
    home = folder.prepare(tmp_path)
    (home / "mail").mkdir()
    (home / "mail" / "0001.eml").touch()
    assert [path.name for path in folder.prepare(tmp_path).iterdir()] == [folder.MARK]


def test_a_folder_with_anything_else_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "digest.db").touch()
    with pytest.raises(folder.FolderError, match="is not empty"):
        folder.prepare(tmp_path)
    assert (tmp_path / "var" / "digest.db").exists()


def test_every_demo_has_keys_and_a_database_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGEST_SECRET_KEYS", "somebody else's")
    made = [
        folder.settings(tmp_path, base_url="http://127.0.0.1:1", smtp_url="smtp://127.0.0.1:2", allow_hosts=())
        for _ in range(2)
    ]
    assert made[0].keys() != made[1].keys()
    assert all(settings.database.url.startswith(f"sqlite:///{tmp_path}") for settings in made)
