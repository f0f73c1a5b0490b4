"""`run` for cron and `serve` for good: what they do, say, and leave for the next time."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from tests.support.operator import Operator
from tests.support.smtpserver import Received, SmtpServer

MONDAY = "2026-11-16T23:00:00Z"
DOCUMENT = {"now", "articles", "editions", "deliveries", "next_due_at"}
STATES = ["sent", "deferred", "doubtful", "failed", "rolled", "withheld", "empty"]


def a_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_run_sends_what_is_due_and_says_so_in_one_document(operator: Operator) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        answer = operator("run", "--now", MONDAY, "--json")
    document = answer.document
    assert (answer.code, answer.err) == (0, "")
    assert set(document) == DOCUMENT
    assert list(document["deliveries"]) == STATES
    assert set(document["editions"][0]) == {"id", "publication", "frequency", "slot", "state"}
    assert document["deliveries"]["sent"] == len(server.received) > 4
    assert document["now"] == "2026-11-16T23:00:00+00:00"


def test_the_same_run_again_sends_nothing(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", MONDAY)
    document = operator("run", "--now", MONDAY, "--json").document
    assert (document["editions"], sum(document["deliveries"].values())) == ([], 0)


def test_what_a_person_reads_is_short(operator: Operator) -> None:
    operator.begin()
    lines = operator("run", "--now", MONDAY).out.splitlines()
    assert [line.split()[0] for line in lines] == ["articles", "editions", "deliveries", "next"]


def test_an_unreachable_relay_is_one_line_and_the_mail_waits(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{a_closed_port()}")
    answer = operator("run", "--now", MONDAY, "--json")
    assert answer.code == 1
    assert "the relay cannot take mail" in answer.complaint
    assert "stays queued" in answer.complaint
    planned = answer.document
    assert planned["editions"] != []
    assert sum(planned["deliveries"].values()) == 0
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        sent = operator("run", "--now", MONDAY, "--json").document["deliveries"]["sent"]
        assert sent == len(server.received) == len(set(server.recipients())) > 4


def test_the_relay_is_left_alone_while_nothing_is_due(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", MONDAY)
    operator.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{a_closed_port()}")
    assert operator("run", "--now", MONDAY).code == 0


def test_without_a_relay_nothing_is_begun(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_SMTP_URL="")
    answer = operator("run", "--now", MONDAY)
    assert answer.code == 2
    assert "smtp.url is empty" in answer.complaint
    assert operator("status", "--json").document["editions"] == []


def test_a_database_of_another_installation_mails_nothing(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T05:00:00Z")
    operator.set(DIGEST_INSTANCE="a-copy")
    answer = operator("run", "--now", MONDAY, "--json")
    assert answer.code == 1
    assert "digest adopt" in answer.complaint
    assert answer.document["deliveries"]["sent"] == 0
    assert "a-copy" in operator("adopt").out
    assert operator("run", "--now", MONDAY, "--json").document["deliveries"]["sent"] > 0


def test_ctrl_c_finishes_the_mails_on_the_wire_and_leaves_the_rest(operator: Operator) -> None:
    operator.begin()

    def interrupt(_mail: Received) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with SmtpServer(on_received=interrupt) as server:
        operator.set(DIGEST_SMTP_URL=server.url, DIGEST_SMTP_CONNECTIONS="1")
        stopped = operator("run", "--now", MONDAY, "--json")
        assert stopped.code == 130
        assert stopped.document["deliveries"]["sent"] == len(server.received) == 1
    with SmtpServer() as rest:
        operator.set(DIGEST_SMTP_URL=rest.url)
        assert operator("run", "--now", MONDAY, "--json").document["deliveries"]["doubtful"] == 0
        assert not set(rest.recipients()) & set(server.recipients())


def test_serve_answers_until_sigterm_and_ends_well(newcomer: Operator) -> None:
    newcomer.set(DIGEST_SMTP_URL=f"file://{newcomer.home}/out")
    newcomer("init")
    port = a_closed_port()
    command = [sys.executable, "-m", "digest", "serve", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stderr is not None
            while "serving at" not in daemon.stderr.readline():
                assert daemon.poll() is None
            assert _status(f"http://127.0.0.1:{port}/") in range(200, 500)
        finally:
            daemon.terminate()
        assert daemon.wait(timeout=30) == 0


def test_a_worker_says_that_it_works_and_ends_well_at_sigterm(operator: Operator) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        command = [sys.executable, "-m", "digest", "worker", "--connections", "1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
            assert worker.stderr is not None
            while "sending what is due" not in worker.stderr.readline():
                assert worker.poll() is None
            worker.terminate()
            assert worker.wait(timeout=30) == 0


def _status(url: str) -> int:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                status: int = reply.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.1)  # the line is said just before the port is open
    raise AssertionError("nobody listens")
