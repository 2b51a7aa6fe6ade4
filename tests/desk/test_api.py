"""The HTTP door, as an organisation's systems use it: on a running broker, by HTTP alone."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from broker.desk.app import store_of
from broker.desk.settings import DeskSettings
from broker.desk.tokens import May, make_token
from broker.examples.samples import fresh_example
from broker.ledger import inclusion_holds, open_checkpoint, verifier_keys
from broker.model.codec import encode
from broker.model.types import ConcernEvent
from broker.shell.keys import load_agency_keys
from tests.desk.conftest import OpenDesk
from tests.simulation.harness import Broker

ADVOCATE, SANDWELL = "ADV-WM-001", "E08000028"
WITHIN_S = 60.0


def a_warning() -> ConcernEvent:
    """The example of a mother's warning, new."""
    made = fresh_example("concern", datetime.datetime.now(datetime.UTC))
    assert isinstance(made, ConcernEvent)
    return made


def plain(event: ConcernEvent) -> dict[str, Any]:
    """As JSON."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(event))
    return found


def token(broker: Broker, organisation: str, *may: str) -> dict[str, str]:
    """The header of a system with those rights."""
    own = DeskSettings(organisation=organisation)
    store = store_of(own, broker.settings)
    name, now = f"system-{uuid.uuid4().hex[:8]}", datetime.datetime.now(datetime.UTC)
    made = make_token(store, name, tuple(May(one) for one in may), days=1, now=now)
    store.close()
    return {"Authorization": f"Bearer {made}"}


@contextmanager
def door(address: str, header: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of one desk's door."""
    with httpx.Client(base_url=f"{address}/api/v1", headers=header, timeout=WITHIN_S) as client:
        yield client


def until_told(client: httpx.Client, event_id: str) -> dict[str, Any]:
    """The alert about an event, by long poll."""
    after, ends = 0, time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        found = client.get("/news", params={"after": after, "wait": 5, "kind": "alert"}).json()
        after = found["last"]
        for one in found["entries"]:
            if one["alert"]["event_id"] == event_id:
                alert: dict[str, Any] = one["alert"]
                return alert
    raise AssertionError("no alert came")


def settled(client: httpx.Client, statement_id: str) -> dict[str, Any]:
    """A statement once a receipt is there."""
    ends = time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        found: dict[str, Any] = client.get(f"/statements/{statement_id}").json()
        if found["receipts"]:
            return found
        time.sleep(0.1)
    raise AssertionError("no receipt came")


def test_a_system_publishes_is_told_proves_and_answers(running: Broker, desks: OpenDesk) -> None:
    """One way round: a statement in, an alert out with its proof, an answer, and what came of it."""
    event = a_warning()
    with (
        door(desks(ADVOCATE), token(running, ADVOCATE, "publish", "read")) as publisher,
        door(desks(SANDWELL), token(running, SANDWELL, "read", "answer")) as recipient,
    ):
        first = publisher.post("/statements", json=plain(event))
        again = publisher.post("/statements", json=[plain(event)])
        assert (first.status_code, first.json()[0]["kept"]) == (202, True)
        assert again.json()[0]["repeated"] is True
        assert settled(publisher, event.event_id)["state"] == "accepted"

        alert = until_told(recipient, event.event_id)
        assert alert["released"]
        assert_recorded(running, recipient.get(f"/alerts/{alert['alert_id']}/proof").json())

        answer = {"action_id": str(uuid.uuid4()), "kind": "acknowledge", "actor": "duty-7"}
        for _ in range(2):
            sent = recipient.post(f"/alerts/{alert['alert_id']}/answers", json=answer)
            assert sent.status_code == 202
        assert settled(recipient, answer["action_id"])["state"] == "accepted"
        assert recipient.get(f"/alerts/{alert['alert_id']}").json()["status"] == "acknowledged"
        ends = time.monotonic() + WITHIN_S
        while time.monotonic() < ends:
            fates = [one["answer"] for one in settled(publisher, event.event_id)["receipts"]]
            if "acknowledge" in fates:
                break
            time.sleep(0.1)
        assert fates.count("acknowledge") == 1


def assert_recorded(running: Broker, proof: dict[str, Any]) -> None:
    """The proof holds by the ledger's public key alone."""
    keys = load_agency_keys(running.settings.keys_dir, SANDWELL)
    known = verifier_keys(proof["origin"], (keys.ledger, *keys.earlier_ledger))
    signed = open_checkpoint(proof["checkpoint"], known)
    hashes = tuple(bytes.fromhex(one) for one in proof["hashes"])
    leaf = proof["leaf"].encode()
    assert signed.size == proof["size"]
    assert inclusion_holds(leaf, proof["index"], proof["size"], hashes, signed.root)
    assert json.loads(proof["leaf"])["content_hash"] == proof["sealed_sha256"]


def test_avro_and_cloud_events_say_the_same_as_json(running: Broker, desks: OpenDesk) -> None:
    """Four ways of saying it, each accepted; a CloudEvent whose id is another's is not."""
    header = token(running, ADVOCATE, "publish", "read")
    attributes = {
        "source": "/case-system",
        "type": "uk.safeguarding.concern.v1",
        "specversion": "1.0",
    }
    with door(desks(ADVOCATE), header) as client:
        sent = [a_warning() for _ in range(4)]
        avro, binary, structured, batch = sent
        answers = [
            client.post(
                "/statements", content=encode(avro), headers={"content-type": "avro/binary"}
            ),
            client.post(
                "/statements",
                content=encode(binary),
                headers={
                    "content-type": "avro/binary",
                    "ce-id": binary.event_id,
                    **{f"ce-{name}": value for name, value in attributes.items()},
                },
            ),
            client.post(
                "/statements",
                content=json.dumps(
                    {**attributes, "id": structured.event_id, "data": plain(structured)}
                ),
                headers={"content-type": "application/cloudevents+json"},
            ),
            client.post(
                "/statements",
                content=json.dumps(
                    [
                        {
                            **attributes,
                            "id": batch.event_id,
                            "datacontenttype": "avro/binary",
                            "data_base64": base64.b64encode(encode(batch)).decode(),
                        }
                    ]
                ),
                headers={"content-type": "application/cloudevents-batch+json"},
            ),
        ]
        assert [(one.status_code, one.json()[0]["kept"]) for one in answers] == [(202, True)] * 4
        states = [settled(client, event.event_id)["state"] for event in sent]
        assert states == ["accepted"] * 4
        other = client.post(
            "/statements",
            content=json.dumps({**attributes, "id": "another", "data": plain(a_warning())}),
            headers={"content-type": "application/cloudevents+json"},
        )
        assert other.status_code == 422
        assert "id of the CloudEvent" in other.json()["detail"]


def test_errors_are_problems_in_words_and_repeat_nothing(running: Broker, desks: OpenDesk) -> None:
    """Without a token, without the right, unreadable, another's, too many: each says what to do."""
    address = desks(ADVOCATE)
    event = a_warning()
    with (
        httpx.Client(base_url=f"{address}/api/v1") as nobody,
        door(address, token(running, ADVOCATE, "read")) as reader,
        door(address, token(running, ADVOCATE, "publish")) as writer,
    ):
        secret = "Xq-invented-name"
        anothers = msgspec.structs.replace(event, publisher=SANDWELL)
        found = {
            401: nobody.get("/news"),
            403: reader.post("/statements", json=plain(event)),
            404: reader.get("/statements/nothing"),
            400: writer.post(
                "/statements", content=b"{", headers={"content-type": "application/json"}
            ),
            413: writer.post("/statements", json=[{}] * 501),
            415: writer.post("/statements", content=secret, headers={"content-type": "text/plain"}),
            422: writer.post("/statements", json=plain(anothers)),
        }
        for status, answer in found.items():
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
            assert secret not in answer.text
        several = writer.post("/statements", json=[plain(anothers), plain(event)]).json()
        assert [one["kept"] for one in several] == [False, True]


def test_a_token_that_was_revoked_or_replaced_opens_nothing(
    running: Broker, desks: OpenDesk
) -> None:
    """At once, on a desk that goes on running."""
    address = desks(ADVOCATE)
    old, new = (made_token(running, "case-system") for _ in range(2))
    with door(address, old) as before, door(address, new) as now:
        assert before.get("/news").status_code == 401
        assert now.get("/news").status_code == 200
        command = [sys.executable, "-m", "broker.cli", "desk", "revoke", ADVOCATE, "case-system"]
        subprocess.run(command, env=environment(running), check=True, capture_output=True)
        assert now.get("/news").status_code == 401


def made_token(running: Broker, name: str) -> dict[str, str]:
    """The header of a system of that name."""
    made = subprocess.run(
        [sys.executable, "-m", "broker.cli", "desk", "token", ADVOCATE, name],
        env=environment(running),
        capture_output=True,
        text=True,
        check=True,
    )
    return {"Authorization": f"Bearer {made.stdout.strip()}"}


def environment(running: Broker) -> dict[str, str]:
    """What the command line needs to know."""
    return {"PATH": "/usr/bin:/bin", "BROKER_DATA_DIR": str(running.settings.data_dir)}


class Receiver:
    """A system that waits for webhooks; it fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = 503 if len(receiver.answers) < failures else 204
                receiver.answers.append(status)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((headers, body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listens no more."""
        self._server.shutdown()


def test_a_webhook_brings_every_message_signed_and_in_order_though_the_other_side_fails(
    running: Broker, desks: OpenDesk
) -> None:
    """503 twice, then on: nothing is left out; the signature is by the secret that was shown once."""
    receiver = Receiver(failures=2)
    header = token(running, ADVOCATE, "publish", "webhooks")
    with door(desks(ADVOCATE), header) as client:
        made = client.put("/webhooks/case-system", json={"url": receiver.url}).json()
        events = [a_warning() for _ in range(3)]
        client.post("/statements", json=[plain(event) for event in events])
        wanted = {event.event_id for event in events}
        ends = time.monotonic() + WITHIN_S
        seen: list[dict[str, Any]] = []
        while time.monotonic() < ends and wanted - {one["statement_id"] for one in seen}:
            time.sleep(0.2)
            fine = list(zip(receiver.got, receiver.answers, strict=False))
            seen = [json.loads(body)["data"] for (_, body), status in fine if status == 204]
        assert wanted <= {one["statement_id"] for one in seen}
        numbers = [one["number"] for one in seen]
        assert numbers == sorted(set(numbers))
        assert receiver.got[0][1] == receiver.got[1][1] == receiver.got[2][1]

        headers, body = receiver.got[-1]
        event = from_http_event(HTTPMessage(headers=headers, body=body))
        assert event.get_type() == "uk.safeguarding.receipt.v1"
        Webhook(made["secret"]).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(made["secret"]).verify(body + b" ", headers)
        assert client.delete("/webhooks/case-system").status_code == 204
        receiver.close()


def test_a_webhook_leads_only_where_the_settings_say(running: Broker, desks: OpenDesk) -> None:
    """No other host, no plain http, no name and password in the address."""
    with door(desks(ADVOCATE), token(running, ADVOCATE, "webhooks")) as client:
        for url in (
            "https://evil.example/hook",
            "http://169.254.169.254/",
            "http://localhost:1/",
            "https://user:word@127.0.0.1/",
            "file:///etc/passwd",
        ):
            answer = client.put("/webhooks/case-system", json={"url": url})
            assert answer.status_code == 422, url


def test_the_description_is_there_for_everybody_and_names_every_door(desks: OpenDesk) -> None:
    """OpenAPI 3.1 without a token, each operation with its errors, and no page in it."""
    found = httpx.get(f"{desks(ADVOCATE)}/openapi.json")
    described = found.json()
    assert described["openapi"].startswith("3.1")
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    for path in described["paths"].values():
        for operation in path.values():
            assert {"401", "403", "422"} <= set(operation["responses"])
            assert operation["summary"]
    for name in ("ConcernEvent", "Action", "Problem", "AlertView"):
        assert name in described["components"]["schemas"]
