"""Exports of other senders, with the columns and spellings they really have."""

import io
from datetime import UTC, datetime

import pytest

from digest.audience import foreign, rows

# Instants as Go prints them: https://pkg.go.dev/time#Time.String
LISTMONK = """uuid,email,name,attributes,status,created_at,updated_at
5f0e,ann@example.org,Ann,"{""city"": ""Bonn""}",enabled,2021-03-04 05:06:07.89 +0000 UTC,2022-01-01 00:00:00 +0000 UTC
5f0f,bob@example.org,Bob,{},disabled,2021-03-04 05:06:07.35764 +0100 CET,2022-01-01 00:00:00.123456 +0100 CET
5f10,cat@example.org,Cat,{},blocklisted,2021-03-04 05:06:07 +0000 +0000,2022-01-01 00:00:00.1 +0000 +0000
5f11,dan@example.org,Dan,{},asleep,2021-03-04 05:06:07.356 +0000 UTC,2022-01-01 00:00:00 +0000 UTC
"""
MAILCHIMP = (
    '"Email Address","First Name","Last Name",Birthday,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,'
    "LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS"
)
SUBSCRIBED = (
    MAILCHIMP
    + """
ann@example.org,Ann,Berg,,2,"2016-04-18 13:51:14",,"2016-04-19 06:00:00",77.0.0.1,,,,,Europe/Berlin,DE,,,1,a,,"""
)
SUBSCRIBED += """
bob@example.org,Bob,,,2,"2016-04-18 13:51:14",,,,,,,,Somewhere,,,,2,b,,"one, two"
"""
GONE = """Email,"First Name",UNSUB_TIME,UNSUB_REASON,OPTIN_TIME,CONFIRM_TIME,LEID,EUID
cat@example.org,Cat,"2020-02-03 04:05:06","N/A",,"2016-04-19 06:00:00",3,c
"""
CLEANED = """"Email Address",CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,OPTIN_TIME,CONFIRM_TIME,LEID,EUID
dan@example.org,"2020-02-03 04:05:06",Spring,,,4,d
"""
GHOST = """id,email,name,note,subscribed_to_emails,complimentary_plan,created_at,deleted_at,labels,tiers
1,ann@example.org,Ann,,true,false,2023-05-06T07:08:09.000Z,,"vip",
2,bob@example.org,Bob,,false,false,2023-05-06T07:08:09.000Z,,,
3,cat@example.org,Cat,,true,false,2023-05-06T07:08:09.000Z,2024-01-01T00:00:00.000Z,,
"""
SUBSTACK = """email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
ann@example.org,false,,other,false,2023-05-06T07:08:09.000Z,
bob@example.org,true,,yearly1,true,2023-05-06T07:08:09.000Z,2023-06-01T00:00:00.000Z
"""
BUTTONDOWN = """id,email_address,notes,metadata,tags,type,source,creation_date,unsubscription_date
1,ann@example.org,,{},,regular,api,2023-05-06T07:08:09Z,
2,bob@example.org,,{},,unactivated,api,2023-05-06T07:08:09Z,
3,cat@example.org,,{},,unsubscribed,api,2023-05-06T07:08:09Z,2024-01-02T03:04:05Z
4,dan@example.org,,{},,undeliverable,api,2023-05-06T07:08:09Z,
5,eve@example.org,,{},,complained,api,2023-05-06T07:08:09Z,
6,fay@example.org,,{},,premium,api,2023-05-06T07:08:09Z,
"""
OLD_BUTTONDOWN = BUTTONDOWN.replace("email_address", "email").replace(",type,", ",subscriber_type,")


def read(text):
    return list(rows.read(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("text", "name", "states"),
    [
        (LISTMONK, "listmonk", ["active", "unsubscribed", "blocked"]),
        (SUBSCRIBED, "Mailchimp", ["active", "active"]),
        (GONE, "Mailchimp", ["unsubscribed"]),
        (CLEANED, "Mailchimp", ["bounced"]),
        (GHOST, "Ghost", ["active", "unsubscribed", "unsubscribed"]),
        (SUBSTACK, "Substack", ["active", "unsubscribed"]),
        (BUTTONDOWN, "Buttondown", ["active", "pending", "unsubscribed", "bounced", "complained", "active"]),
        (OLD_BUTTONDOWN, "Buttondown", ["active", "pending", "unsubscribed", "bounced", "complained", "active"]),
    ],
)
def test_an_export_is_recognised_and_says_who_may_still_be_mailed(text, name, states):
    header = text.splitlines()[0].lower().replace('"', "").split(",")
    assert foreign.recognise(header).name == name
    assert [row.state for row in read(text) if isinstance(row, rows.Row)] == states


def test_consent_names_and_zones_are_carried_over():
    ann, bob = read(SUBSCRIBED)
    assert (ann.name, ann.wish.timezone) == ("Ann Berg", "Europe/Berlin")
    assert ann.consented_at == datetime(2016, 4, 19, 6, tzinfo=UTC)
    assert (bob.name, bob.wish.timezone, bob.consented_at) == (
        "Bob",
        None,
        datetime(2016, 4, 18, 13, 51, 14, tzinfo=UTC),
    )
    assert read(GHOST)[0].consented_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert read(LISTMONK)[0].consented_at == datetime(2021, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2024-03-05 10:11:12 +0000 UTC", datetime(2024, 3, 5, 10, 11, 12, tzinfo=UTC)),
        ("2024-03-05 10:11:12.3 +0000 +0000", datetime(2024, 3, 5, 10, 11, 12, 300_000, tzinfo=UTC)),
        ("2024-03-05 10:11:12.35764 +0100 CET", datetime(2024, 3, 5, 9, 11, 12, 357_640, tzinfo=UTC)),
        ("2024-03-05 10:11:12.357642 -0330 NDT", datetime(2024, 3, 5, 13, 41, 12, 357_642, tzinfo=UTC)),
        ("2024-03-05 10:11:12.357642189 +0545 +0545", datetime(2024, 3, 5, 4, 26, 12, 357_642, tzinfo=UTC)),
        ("0001-01-01 00:00:00 +0000 UTC", None),
        # As a spreadsheet may have saved it.
        ("2024-03-05T10:11:12Z", datetime(2024, 3, 5, 10, 11, 12, tzinfo=UTC)),
    ],
)
def test_instants_of_listmonk_are_read_as_go_prints_them(told, at):
    header = LISTMONK.splitlines()[0]
    [cat] = read(f"{header}\n5f10,cat@example.org,Cat,{{}},blocklisted,{told},{told}\n")
    assert (cat.state, cat.consented_at) == (rows.Told.BLOCKED, at)


def test_when_somebody_left_is_carried_over():
    [cat] = read(GONE)
    assert (cat.address.spelling, cat.left_at) == ("cat@example.org", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert read(BUTTONDOWN)[2].left_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind", ["regular", "premium", "trialed", "gifted", "unpaid", "past_due", "paused", "churning"]
)
@pytest.mark.parametrize("text", [BUTTONDOWN, OLD_BUTTONDOWN])
def test_whoever_buttondown_still_mails_is_a_reader_whatever_is_paid(text, kind):
    assert read(text.replace("premium", kind))[5].state is rows.Told.ACTIVE


def test_a_state_nobody_has_a_word_for_is_refused_by_its_name():
    assert read(LISTMONK)[3] == rows.BadRow(5, "is 'asleep' in the file: not imported")
    assert read(GHOST.replace("true,false", "maybe,false"))[0] == rows.BadRow(2, "is 'maybe' in the file: not imported")
    for text in (BUTTONDOWN, OLD_BUTTONDOWN):
        assert read(text.replace("premium", "Upcoming"))[5] == rows.BadRow(7, "is 'upcoming' in the file: not imported")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("uuid,email,name,attributes,status\n5f0e,ann@example.org,Ann,{},\n", "status"),
        ("uuid,email,name,attributes,status\n5f0e,ann@example.org\n", "status"),
        ("email,subscribed_to_emails,deleted_at\nann@example.org,,\n", "subscribed_to_emails"),
        ("email,active_subscription,email_disabled\nann@example.org,true,\n", "email_disabled"),
        ("email_address,type,creation_date\nann@example.org,,\n", "type"),
        ("email,subscriber_type,creation_date\nann@example.org,,\n", "subscriber_type"),
    ],
)
def test_a_line_that_says_nothing_of_its_readers_state_is_refused(text, column):
    reason = f"{column} is empty, so it is not known whether they may be mailed: not imported"
    assert read(text) == [rows.BadRow(2, reason)]


@pytest.mark.parametrize("columns", [("email", "name"), rows.KNOWN, ("email", "status"), ()])
def test_our_own_columns_and_unknown_ones_are_nobody_elses(columns):
    assert foreign.recognise(columns) is None
