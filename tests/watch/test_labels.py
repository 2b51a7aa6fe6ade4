"""What a figure, a label and a span can say: nothing but what one list allows."""

from __future__ import annotations

import ast
import contextlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from broker.ledger import Message
from broker.model.types import Channel, DecisionSet, SealedDelivery, SetKind
from broker.shell.settings import Settings
from broker.shell.watch.figures import Figure, Figures
from broker.shell.watch.health import STALLED_S, STARTING_S, Health
from broker.shell.watch.hops import (
    TRACEPARENT,
    Context,
    Traces,
    context_of,
    context_of_set,
    header_of,
    provider_of,
)
from broker.shell.watch.labels import CLOSED, OTHER, closed
from broker.shell.watch.process import Watch
from broker.shell.watch.recorded import Seen

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ("intake", "decide", "ledger", "clock")
SHORT = re.compile(r"[A-Za-z_]{2,25}|s\d{1,3}")
contexts = st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())


def a_ledger() -> tuple[Watch, InMemorySpanExporter]:
    """A ledger that keeps all traces, and where they end."""
    exporter = InMemorySpanExporter()
    watch = Watch(Settings(), "ledger", ())
    watch.traces = Traces(provider_of("ledger", 1, SimpleSpanProcessor(exporter)))
    return watch, exporter


def a_set(name: str) -> DecisionSet:
    """One closing leaf of a statement of second 1, and one alert."""
    delivery = SealedDelivery(
        recipient="E08000028",
        channel=Channel.ALERT,
        message_id=f"m-{name}",
        key_id="k",
        wrapped_key=b"",
        sealed=b"",
        leaf=b"",
    )
    leaf = b'{"kind":"closing","decided_at":1000}'
    return DecisionSet(set_id=name, kind=SetKind.DECISION, leaves=(leaf,), deliveries=(delivery,))


def test_every_value_of_every_label_is_a_word_of_the_broker_and_none_of_an_organisation() -> None:
    """The list itself holds no code, hash or id: words of letters, and numbers of shards."""
    for values in CLOSED.values():
        assert all(SHORT.fullmatch(value) for value in values)


@given(st.sampled_from(sorted(CLOSED)), st.text())
def test_a_value_outside_its_set_becomes_other(label: str, value: str) -> None:
    """A careless line of code publishes the word `other` and not what it was given."""
    assert closed(label, value) == (value if value in CLOSED[label] else OTHER)


@pytest.mark.parametrize("process", PROCESSES)
def test_no_figure_can_be_made_to_show_another_value(process: str) -> None:
    """Every figure, given a free text for every label, shows labels of the list only."""
    figures = Figures(process)
    for one in vars(figures).values():
        if isinstance(one, Figure):
            said = dict.fromkeys(one.labels, "Pat Example")
            for act in (one.add, one.set, one.observe):
                with contextlib.suppress(AttributeError):
                    act(1, **said)
    shown = list(text_string_to_metric_families(figures.text().decode()))
    labels = [pair for family in shown for one in family.samples for pair in one.labels.items()]

    assert ("process", OTHER) in labels
    assert [pair for pair in labels if pair[0] != "le" and pair[1] not in CLOSED[pair[0]]] == []


def test_every_alarm_of_the_log_is_a_figure() -> None:
    """A new log line of level warning or above needs its name on the list, or it would be `other`."""
    named = set()
    for path in (ROOT / "broker").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match call:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id="log"),
                        attr="warning" | "error" | "critical" | "exception",
                    ),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    named.add(name)
    assert named == CLOSED["alarm"] - {OTHER}, "put it into ALARMS of broker/shell/watch/labels.py"


def test_a_counter_shows_every_value_from_the_start() -> None:
    """Else Prometheus would not see the first one as an increase, and no alarm would come of it."""
    shown = Figures("decide").text().decode()

    assert [
        one for one in CLOSED["alarm"] if f'alarms_total{{alarm="{one}"}} 0.0' not in shown
    ] == []


def test_a_process_is_healthy_while_its_loop_turns_and_ready_when_all_holds() -> None:
    """A stuck loop is seen; one that still reads its state back is left alone, for a time."""
    now = [0.0]
    health = Health(("kafka", "state"), clock=lambda: now[0])
    starting = (health.healthy, health.ready)
    now[0] = STARTING_S + 1
    never_began = health.healthy
    health.beat()
    health.say("kafka", holds=True)
    health.say("store", holds=True)
    without_state = (health.healthy, health.ready)
    health.say("state", holds=True)
    whole = (health.healthy, health.ready, dict(health.conditions))
    now[0] += STALLED_S + 1

    assert (starting, never_began, without_state) == ((True, False), False, (True, False))
    assert whole == (True, True, {"kafka": True, "state": True})
    assert (health.healthy, health.ready) == (False, False)


@given(contexts)
def test_a_context_comes_through_a_header_as_it_was(context: Context) -> None:
    """W3C Trace Context, version 00."""
    assert context_of(header_of(context)) == context


@given(st.binary() | st.from_regex(r"\A00-[0-9a-f]{31,33}-[0-9a-f]{15,17}-0[01]\Z").map(str.encode))
def test_a_header_of_another_form_is_no_context(value: bytes) -> None:
    """Nor an error: publishers write headers as they like."""
    found = context_of([("tracestate", value), (TRACEPARENT, value)])

    assert found is None or header_of(found)[0][1] == value


@given(contexts)
def test_what_is_delivered_carries_nothing_that_a_publisher_chose(context: Context) -> None:
    """Its header is a hash of the set's id, which the recipient has: no way around the record."""
    watch, _ = a_ledger()
    seen = Seen(watch, "s0")
    one = a_set("set-1")
    record = SimpleNamespace(headers=[*header_of(context), ("tracestate", b"pat=example")])
    seen.recorded([one], [one.set_id], seen.begin([record], [one]), 2.0)
    headers = seen.headers(Message(topic="alerts.v1.E08000028", key=b"m-set-1", value=b""))

    assert headers == (list(header_of(context_of_set("set-1"))) if context[2] else None)


def test_a_span_tells_no_more_than_a_figure() -> None:
    """Attributes are labels of the same list; there is no event, so no error's text."""
    watch, exporter = a_ledger()
    watch.traces.begin("record").end(set="Pat Example", shard="s1")
    (span,) = exporter.get_finished_spans()

    assert dict(span.attributes or {}) == {"broker.set": OTHER, "broker.shard": "s1"}
    assert not span.events
    with pytest.raises(KeyError):
        watch.traces.begin("record").end(child="Pat Example")


def test_a_set_that_was_dropped_is_counted_as_dropped_and_as_nothing_else() -> None:
    """Read twice after a crash, recorded once: the figures say so too."""
    watch, exporter = a_ledger()
    seen = Seen(watch, "s0")
    read = [a_set("set-1"), a_set("set-1"), a_set("set-2")]
    parent: Any = SimpleNamespace(headers=header_of((1, 1, True)))
    hops = seen.begin([parent] * 3, read)
    seen.recorded(read, ["set-1"], hops, now=3.0)
    shown = watch.figures.text().decode()

    assert 'broker_sets_total{set="recorded"} 1.0' in shown
    assert 'broker_sets_total{set="dropped"} 2.0' in shown
    assert 'broker_leaves_total{leaf="closing"} 1.0' in shown
    assert "broker_published_to_recorded_seconds_sum 2.0" in shown
    assert [span.name for span in exporter.get_finished_spans()] == ["record"]


def test_nothing_is_traced_and_nothing_carried_unless_a_share_is_set() -> None:
    """Off by default, however a publisher marks its records."""
    traces = Traces.of(Settings(), "intake")
    hops = [traces.begin("intake", (1, 1, True)), traces.go_on("decide", (1, 1, True))]

    assert not traces.on
    assert not any(hops)
    assert [list(hop.headers) for hop in hops] == [[], []]
