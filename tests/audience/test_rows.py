import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, strategies as st

from digest.audience import preferences, rows

HEADER = "email,name,frequency,timezone,send_at,weekday,topics,locale\n"


def read(text):
    return list(rows.read(io.StringIO(text, newline="")))


def only(text):
    (row,) = read(text)
    return row


def test_a_full_line_says_everything():
    row = only(HEADER + "Anna@Example.org, Anna  B ,weekly,Asia/Tokyo,7:30,Friday,sleep;heart;,de_at\n")
    assert (row.line, row.address.spelling, row.name, row.locale) == (2, "Anna@Example.org", "Anna B", "de-AT")
    assert row.wish == preferences.Wish("weekly", 4, "07:30", "Asia/Tokyo", ("heart", "sleep"))


def test_an_address_is_enough_and_empty_cells_say_nothing():
    for text in ("email\nanna@example.org\n", HEADER + "anna@example.org,,,,,,,\n", HEADER + "anna@example.org\n"):
        row = only(text)
        assert (row.name, row.locale, row.wish, row.state) == (None, None, preferences.Wish(), rows.Told.ACTIVE)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_seen_in_the_header(delimiter):
    row = only(f"Name{delimiter}Email\nAnna{delimiter}a@b.org\n")
    assert (row.name, row.address.spelling) == ("Anna", "a@b.org")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense,,,,,,,", "not a usable e-mail address"),
        (",Anna,,,,,,", "not a usable e-mail address"),
        ("a@b.org,,hourly,,,,,", "'hourly' is no frequency; use one of instant, daily"),
        ("a@b.org,,,Europe/Berlim,,,,", "did you mean Europe/Berlin"),
        ("a@b.org,,,,25:00,,,", "'25:00' is no time of day; write it like 07:30"),
        ("a@b.org,,,,7.30,,,", "write it like 07:30"),
        ("a@b.org,,,,,fri,,", "'fri' is no weekday; use monday"),
        ("a@b.org,,,,,,,klingon", "'klingon' is no locale"),
        ("a@b.org,,,,,,,,extra", "has 9 cells, the header names 8"),
        ("a@b.org,A\x00,,,,,,", "holds a NUL character"),
        ("a@b.org,M\udce4rz,,,,,,", "is not UTF-8; save the file as CSV UTF-8"),
    ],
)
def test_a_bad_line_tells_its_number_and_reason_and_stops_nothing(line, says):
    first, bad, last = read(HEADER + f"one@b.org\n{line}\ntwo@b.org\n")
    assert (first.address.spelling, last.address.spelling) == ("one@b.org", "two@b.org")
    assert (bad.line, last.line) == (3, 4)
    assert says in bad.reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("anna@example.org\nben@example.org\n", "the first line must name the columns, one of them email"),
        ("email,vorname,e\udce4\n", "unknown column 'vorname', 'e\\udce4'; known are: email, name, frequency"),
        ("email,name,Email\n", "column email stands twice"),
    ],
)
def test_a_wrong_header_stops_everything_at_once(text, says):
    with pytest.raises(rows.ImportFileError) as raised:
        read(text)
    assert says in str(raised.value)


def test_blank_lines_and_quoted_line_breaks_keep_the_count():
    found = read('email,name\n\na@b.org,"Anna\nB"\n,\nc@d.org,Ben\n')
    assert [(row.line, row.name) for row in found] == [(3, "Anna B"), (6, "Ben")]


def test_a_quote_that_never_closes_is_reported_where_it_opens():
    lines = "".join(f"r{number}@b.org,x\n" for number in range(50))
    good, bad = read(f'email,name\na@b.org,A\nb@b.org,"B\n{lines}')
    assert (good.line, bad.line) == (2, 3)
    assert 'a quote (") is not closed' in bad.reason


def test_a_gigantic_cell_is_refused():
    huge = "x" * 200_000
    bad, good = read(f"email,name\na@b.org,{huge}\nc@d.org,C\n")
    assert (bad.line, good.line) == (2, 3)


def test_a_cell_that_was_guarded_against_spreadsheets_is_read_back():
    assert only("email,name\n'+a@b.org,'=1+1\n").address.spelling == "+a@b.org"


def test_the_state_of_an_export_is_heeded():
    states = ("active", "pending", "Unsubscribed", "failing")
    *told, failing = read("email,state\n" + "".join(f"r{state}@b.org,{state}\n" for state in states))
    assert [row.state for row in told] == [rows.Told.ACTIVE, rows.Told.PENDING, rows.Told.UNSUBSCRIBED]
    assert failing == rows.BadRow(5, "is 'failing' in the file: not imported")


@pytest.mark.parametrize(
    ("told", "states"),
    [
        ("active", ["active", "pending", "unsubscribed", "blocked"]),
        ("pending", ["pending", "pending", "unsubscribed", "blocked"]),
        ("unsubscribed", ["unsubscribed", "unsubscribed", "unsubscribed", "blocked"]),
        ("bounced", ["bounced", "bounced", "bounced", "blocked"]),
    ],
)
def test_nobody_stands_better_than_the_whole_list_and_who_stands_worse_stays_so(told, states):
    text = "email,state\na@b.org,\nb@b.org,pending\nc@b.org,unsubscribed\nd@b.org,blocked\nnobody,\n"
    *found, bad = rows.at_best(iter(read(text)), rows.Told(told))
    assert [row.state for row in found] == states
    assert bad == read(text)[-1]


def test_instants_are_utc_and_a_day_that_was_seen_was_seen_to_its_end():
    head = "email,consented_at,left_at,seen_until\n"
    row = only(head + "a@b.org,2024-03-05 07:06:05,2025-01-01T00:00:00+02:00,2026-11-02\n")
    assert row.consented_at == datetime(2024, 3, 5, 7, 6, 5, tzinfo=UTC)
    assert row.left_at == datetime(2024, 12, 31, 22, tzinfo=UTC)
    assert row.seen_until == datetime(2026, 11, 3, tzinfo=UTC)
    assert "'tomorrow' is no date; write it like 2026-11-02" in only(head + "a@b.org,tomorrow,,\n").reason


@pytest.mark.parametrize("at", ["9999-12-31", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1900-01-01"])
@pytest.mark.parametrize("column", ["consented_at", "left_at", "seen_until"])
def test_instants_beyond_all_readers_are_refused(column, at):
    assert "years go from 1970 to 2199" in only(f"email,{column}\na@b.org,{at}\n").reason


def test_a_heading_that_cannot_be_read_is_a_plain_mistake():
    with pytest.raises(rows.ImportFileError, match="the first line, which must name the columns, cannot be read"):
        list(read(f"email,{'a' * 140_000}\na@b.org,x\n"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_as_spreadsheets_write_them_are_read(tmp_path, encoding):
    path = tmp_path / "readers.csv"
    path.write_bytes("email;name\r\na@b.org;Zoë\r\n".encode(encoding))
    with rows.open_file(path) as file:
        assert [row.name for row in rows.read(file)] == ["Zoë"]


def test_a_latin_1_line_is_refused_and_its_neighbours_are_not(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_bytes("email,name\na@b.org,Zoë\nc@d.org,Ben\n".encode("latin-1"))
    with rows.open_file(path) as file:
        bad, good = rows.read(file)
    assert bad == rows.BadRow(2, "is not UTF-8; save the file as CSV UTF-8")
    assert good.name == "Ben"


def test_a_file_torn_in_the_middle_of_a_character_is_read_up_to_there(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_bytes("email\r\na@b.org\r\n".encode("utf-16") + b"c")
    with rows.open_file(path) as file:
        good, bad = rows.read(file)
    assert good.address.key == "a@b.org"
    assert bad == rows.BadRow(3, "cannot be read from here on: broken UTF-16; save the file as UTF-8")


def test_a_header_that_is_no_text_is_a_plain_mistake(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_bytes("email\n".encode("utf-16") + "\ud800\n".encode("utf-16-le", "surrogatepass"))
    with rows.open_file(path) as file, pytest.raises(rows.ImportFileError, match="the file cannot be read"):
        list(rows.read(file))


def test_a_file_that_is_not_there_is_a_plain_mistake(tmp_path):
    with pytest.raises(rows.ImportFileError, match=r"cannot read .*: No such file"):
        rows.open_file(tmp_path / "none.csv")


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


LINES = st.lists(st.one_of(CELLS, st.sampled_from([",", '"', "\n", "a@b.org", "07:00", "\r"])), max_size=40).map(
    "".join
)


@given(LINES)
def test_whatever_stands_there_every_line_becomes_a_row_or_a_reason(text):
    for row in read(HEADER + text):
        assert isinstance(row, rows.Row | rows.BadRow)


@given(CELLS.map(lambda text: " ".join(text.split())).filter(lambda text: "\x00" not in text))
@example("'=Anna")
@example("''")
def test_a_guarded_cell_is_no_formula_and_comes_back(name):
    cell = rows.guarded(name)
    assert not cell.startswith(rows.FORMULA)
    text = io.StringIO(newline="")
    csv.writer(text).writerow(["a@b.org", cell])
    (row,) = rows.read(iter(["email,name\n", *io.StringIO(text.getvalue(), newline="")]))
    assert (row.name or "") == name
