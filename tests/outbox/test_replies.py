"""What real servers say, and the class each belongs to."""

import pytest
from hypothesis import given, strategies as st

from digest.outbox import replies
from digest.outbox.replies import Cause, Reply, Stage

RCPT, CONTENT, MAIL, CONNECT, DATA = Stage.RCPT, Stage.CONTENT, Stage.MAIL, Stage.CONNECT, Stage.DATA

HEARD = [
    # Gmail
    (RCPT, 550, "5.1.1 The email account that you tried to reach does not exist. Please try", Cause.GONE),
    (RCPT, 550, "5.2.1 The email account that you tried to reach is inactive.", Cause.MAILBOX),
    (RCPT, 550, "5.2.1 The user you are trying to contact is receiving mail at a rate that", Cause.RATE),
    (RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail too quickly.", Cause.RATE),
    (RCPT, 452, "4.2.2 The recipient's inbox is out of storage space.", Cause.MAILBOX),
    (RCPT, 552, "5.2.2 The recipient's inbox is out of storage space and inactive.", Cause.MAILBOX),
    (CONTENT, 421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail", Cause.RATE),
    (CONTENT, 550, "5.7.1 Our system has detected that this message is likely unsolicited mail.", Cause.CONTENT),
    (CONTENT, 550, "5.7.1 mail rate limited, try less often", Cause.RATE),
    (CONTENT, 550, "5.7.26 This mail has been blocked because the sender is unauthenticated.", Cause.POLICY),
    (CONTENT, 421, "5.7.32 Your email is temporarily deferred: From and DKIM do not align", Cause.POLICY),
    (CONTENT, 550, "5.7.1 The IP you're using to send mail is not authorized to send email", Cause.POLICY),
    (CONTENT, 552, "5.7.0 This message was blocked because its content presents a security issue", Cause.CONTENT),
    (CONTENT, 550, "5.4.5 Daily user sending limit exceeded.", Cause.QUOTA),
    (RCPT, 450, "4.2.1 Peak SMTP relay limit exceeded for customer", Cause.MAILBOX),
    (MAIL, 530, "5.7.0 Authentication Required.", Cause.LOGIN),
    (MAIL, 530, "5.7.0 Must issue a STARTTLS command first.", Cause.LOGIN),
    # Yahoo
    (MAIL, 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", Cause.RATE),
    (CONTENT, 451, "[TS03] All messages from 192.0.2.1 will be deferred", Cause.RATE),
    (CONNECT, 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1", Cause.REPUTATION),
    (CONTENT, 554, "5.7.9 Message not accepted for policy reasons.", Cause.POLICY),
    (CONTENT, 554, "delivery error: dd This user doesn't have a yahoo.com account (<a@yahoo.com>)", Cause.GONE),
    (RCPT, 552, "1 Requested mail action aborted, mailbox not found", Cause.GONE),
    # Outlook and Exchange
    (RCPT, 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", Cause.MAILBOX),
    (RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", Cause.GONE),
    (RCPT, 550, "5.4.1 Recipient address rejected: Access denied.", Cause.UNKNOWN),
    (MAIL, 550, "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. (S3150)", Cause.REPUTATION),
    (MAIL, 550, "SC-001 (BAY004-MC1F1) Unfortunately, messages weren't sent.", Cause.REPUTATION),
    (MAIL, 550, "DY-001 Mail rejected for policy reasons. We generally do not accept dynamic IPs", Cause.REPUTATION),
    (MAIL, 550, "OU-001 Unfortunately, messages from you weren't sent.", Cause.REPUTATION),
    (MAIL, 421, "RP-001 The mail server IP connecting has exceeded the rate limit allowed.", Cause.RATE),
    (CONTENT, 550, "5.7.515 Access denied, sending domain example.org doesn't meet the level", Cause.POLICY),
    (CONTENT, 550, "5.7.509 Access denied, sending domain does not pass DMARC verification", Cause.POLICY),
    (MAIL, 451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", Cause.RATE),
    (MAIL, 451, "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited", Cause.RATE),
    (RCPT, 550, "5.7.606 Access denied, banned sending IP [192.0.2.1].", Cause.REPUTATION),
    (MAIL, 550, "5.7.57 Client not authenticated to send mail.", Cause.LOGIN),
    (RCPT, 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", Cause.MAILBOX),
    (CONTENT, 550, "5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient", Cause.CONTENT),
    (RCPT, 452, "4.5.3 Too many recipients", Cause.RATE),
    # Apple, GMX, T-Online, Comcast
    (CONTENT, 550, "5.7.1 [CS01] Message rejected due to local policy.", Cause.REPUTATION),
    (RCPT, 550, "5.1.6 recipient no longer on server: <mia@icloud.com>", Cause.GONE),
    (RCPT, 552, "5.2.2 <mia@me.com>: user is over quota", Cause.MAILBOX),
    (RCPT, 550, "Requested action not taken: mailbox unavailable", Cause.MAILBOX),
    (CONNECT, 554, "IP=192.0.2.1 - A problem occurred. Ask your postmaster for help", Cause.REPUTATION),
    (CONNECT, 554, "bad IP reputation", Cause.REPUTATION),
    (CONNECT, 421, "too many connections from your IP", Cause.RATE),
    (MAIL, 421, "4.1.0 192.0.2.1 Throttled - see our postmaster page", Cause.RATE),
    # Postfix, Exim, Sendmail, qmail, Dovecot
    (RCPT, 450, "4.2.0 <mia@example.com>: Recipient address rejected: Greylisted, see postgrey", Cause.GREYLISTED),
    (RCPT, 451, "4.7.1 Greylisting in action, please come back later", Cause.GREYLISTED),
    (RCPT, 550, "5.1.1 <mia@example.com>: Recipient address rejected: User unknown", Cause.GONE),
    (RCPT, 450, "4.1.1 <mia@example.com>: Recipient address rejected: unverified address", Cause.GONE),
    (RCPT, 550, "5.1.2 Bad destination system address", Cause.GONE),
    (RCPT, 550, "5.4.4 Unable to route: host not found", Cause.GONE),
    (RCPT, 450, "4.4.4 DNS trouble, try again", Cause.NETWORK),
    (RCPT, 554, "5.7.1 <mia@example.com>: Relay access denied", Cause.SENDER),
    (RCPT, 450, "4.1.8 <a@example.org>: Sender address rejected: Domain not found", Cause.SENDER),
    (MAIL, 553, "5.7.1 <a@example.org>: Sender address rejected: not owned by user mia", Cause.SENDER),
    (MAIL, 550, "5.1.8 Domain of sender address does not exist", Cause.SENDER),
    (RCPT, 550, "Sender verify failed: response to RCPT was: no such user", Cause.SENDER),
    (RCPT, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", Cause.REPUTATION),
    (RCPT, 450, "4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", Cause.POLICY),
    (RCPT, 504, "5.5.2 <box>: Helo command rejected: need fully-qualified hostname", Cause.PROTOCOL),
    (RCPT, 451, "4.3.0 <mia@example.com>: Temporary lookup failure", Cause.SYSTEM),
    (RCPT, 452, "4.3.1 Insufficient system storage", Cause.SYSTEM),
    (CONTENT, 552, "5.3.4 Message size exceeds fixed limit", Cause.CONTENT),
    (CONTENT, 550, "5.6.1 Body type not supported", Cause.CONTENT),
    (RCPT, 550, "5.6.7 the relay does not offer SMTPUTF8", Cause.CONTENT),
    (RCPT, 550, "No such user here", Cause.GONE),
    (RCPT, 550, "No such person at this address", Cause.GONE),
    (RCPT, 550, "sorry, no mailbox here by that name. (#5.1.1)", Cause.GONE),
    (RCPT, 550, "unknown user", Cause.GONE),
    (RCPT, 550, "Invalid recipient", Cause.GONE),
    (RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Cause.POLICY),
    (RCPT, 550, "5.2.1 Mailbox disabled, not accepting messages", Cause.MAILBOX),
    (RCPT, 550, "account suspended", Cause.MAILBOX),
    (CONTENT, 451, "4.4.2 Timeout exceeded", Cause.NETWORK),
    (CONTENT, 554, "5.4.6 Too many hops", Cause.SYSTEM),
    (CONTENT, 554, "5.7.1 Message rejected as spam by content filtering", Cause.CONTENT),
    (MAIL, 503, "5.5.1 Error: nested MAIL command", Cause.PROTOCOL),
    (DATA, 421, "4.3.2 Service shutting down", Cause.SYSTEM),
    # Relays
    (CONTENT, 454, "Throttling failure: Maximum sending rate exceeded.", Cause.QUOTA),
    (CONTENT, 454, "Throttling failure: Daily message quota exceeded.", Cause.QUOTA),
    (CONTENT, 554, "Message rejected: Email address is not verified.", Cause.SENDER),
    (MAIL, 550, "Unauthenticated senders not allowed", Cause.SENDER),
    (Stage.AUTH, 451, "Authentication failed: Maximum credits exceeded", Cause.LOGIN),
    (Stage.AUTH, 535, "5.7.8 Username and Password not accepted", Cause.LOGIN),
    (Stage.AUTH, 454, "4.7.0 Temporary authentication failure", Cause.LOGIN),
    # Nothing to go by but the code
    (RCPT, 550, "no", Cause.UNKNOWN),
    (RCPT, 550, "", Cause.UNKNOWN),
    (RCPT, 450, "later", Cause.MAILBOX),
    (RCPT, 451, "later", Cause.SYSTEM),
    (RCPT, 552, "no", Cause.MAILBOX),
    (MAIL, 550, "no", Cause.SENDER),
    (CONTENT, 554, "Transaction failed", Cause.UNKNOWN),
    (CONNECT, 554, "No SMTP service here", Cause.RELAY),
    (RCPT, 502, "what?", Cause.PROTOCOL),
    # What only looks like a diagnosis
    (RCPT, 550, "<spam.quota@example.com> rejected", Cause.UNKNOWN),
    (RCPT, 550, "rejected by mx 5.1.1.7", Cause.UNKNOWN),
    (RCPT, 550, "5.1.1.7 says no", Cause.UNKNOWN),
]


@pytest.mark.parametrize(("stage", "code", "text", "cause"), HEARD)
def test_a_reply_belongs_to_a_class(stage, code, text, cause):
    assert replies.diagnose(Reply(code, text, stage)) is cause


def test_all_lines_of_a_reply_are_read():
    text = "5.7.1 Our server has a problem with this.\n5.7.1 Your host is listed at zen.spamhaus.org"
    assert replies.diagnose(Reply(550, text, RCPT)) is Cause.REPUTATION


def test_no_reply_is_the_relays_fault():
    assert replies.diagnose(Reply(0, "Connection refused", CONNECT)) is Cause.RELAY
    assert replies.diagnose(Reply(0, "Connection lost", RCPT, lost=True)) is Cause.RELAY


def test_addresses_are_taken_out():
    text = "5.1.1 <mia@example.com>: mia@example.com\r\n unknown <>"
    assert replies.without_addresses(text) == "5.1.1 <…>: <…> unknown <…>"


@given(st.integers(400, 599), st.text(), st.sampled_from(Stage))
def test_any_reply_has_a_class(code, text, stage):
    assert isinstance(replies.diagnose(Reply(code, text, stage)), Cause)
