from digest.audience import jsonlines, rows


def test_objects_torn_in_the_middle_of_a_character_are_read_up_to_there(tmp_path):
    path = tmp_path / "readers.ndjson"
    path.write_bytes('{"email": "a@b.org"}\n'.encode("utf-16") + b"c")
    with rows.open_file(path) as file:
        good, bad = jsonlines.read(file)
    assert good.address.key == "a@b.org"
    assert bad == rows.BadRow(2, "cannot be read from here on: broken UTF-16; save the file as UTF-8")
