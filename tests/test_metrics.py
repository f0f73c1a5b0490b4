"""What is counted can be read by Prometheus, and costs next to nothing."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from prometheus_client import parser

import digest
from digest import metrics
from digest.run import pulse

DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


@pytest.fixture(autouse=True, scope="module")
def _all_modules() -> None:
    """Each declares what it counts."""
    for module in pkgutil.walk_packages(digest.__path__, "digest."):
        if not module.name.endswith("__main__") and "migrations" not in module.name:
            importlib.import_module(module.name)


def test_every_figure_is_documented_and_no_other() -> None:
    declared = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.REGISTRY.collect()}
    named = set(re.findall(r"\bdigest_[a-z_]+", DOCS.read_text(encoding="utf-8")))
    ours = {name for name in declared if name.startswith("digest_")}
    assert {name.removesuffix("_bucket") for name in named} == ours


def test_the_text_is_what_prometheus_reads() -> None:
    families = {family.name: family for family in parser.text_string_to_metric_families(metrics.render().decode())}
    assert families["digest_attempts"].type == "counter"
    assert families["digest_attempt_seconds"].type == "histogram"
    assert families["process_cpu_seconds"].samples[0].value > 0


def test_every_figure_says_what_it_is_and_has_our_prefix() -> None:
    for family in metrics.REGISTRY.collect():
        assert len(family.documentation) > 20
        assert family.name.startswith(("digest_", "process_"))


def test_a_counter_has_no_second_series_for_its_birth() -> None:
    assert "_created" not in metrics.render().decode()


def test_a_block_is_timed_also_when_it_fails() -> None:
    before = metrics.value("digest_pass_seconds_count", name="a-test")
    for fails in (False, True):
        try:
            with metrics.timed(pulse.SECONDS.labels("a-test")):
                if fails:
                    raise ValueError
        except ValueError:
            pass
    assert metrics.value("digest_pass_seconds_count", name="a-test") == before + 2


@pytest.mark.parametrize("name", ["digest_attempts_total", "nothing_of_that_name"])
def test_what_was_never_counted_is_nought(name: str) -> None:
    assert metrics.value(name, relay="never", destination="never", outcome="accepted") == 0
