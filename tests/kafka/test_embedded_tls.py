"""The embedded Kafka takes any properties, TLS with client certificates among them."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.shell.embedded import EmbeddedKafka
from broker.shell.topics import TopicsError, ensure_topics

pytestmark = pytest.mark.kafka


def self_signed() -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own authority, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


async def test_tls_with_client_certificates_needs_only_properties(tmp_path: Path) -> None:
    """A client with the certificate creates topics; one without it, or without TLS, cannot."""
    certificate, key = self_signed()
    properties = {
        "listeners": "SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": "SSL://127.0.0.1:{port}",
        "inter.broker.listener.name": "SSL",
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": certificate,
        "ssl.keystore.key": key,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": certificate,
        "ssl.client.auth": "required",
    }
    both = tmp_path / "client.pem"
    both.write_text(key + certificate)
    stranger = ssl.create_default_context(cadata=certificate)
    known = ssl.create_default_context(cadata=certificate)
    known.load_cert_chain(both)
    with EmbeddedKafka(tmp_path / "kafka", properties=properties) as kafka:
        accepted = {"security_protocol": "SSL", "ssl_context": known}
        created = await ensure_topics(kafka.bootstrap, ["A1"], security=accepted)
        assert "alerts.v1.A1" in created
        refused = {"security_protocol": "SSL", "ssl_context": stranger}
        for security in (refused, {}):
            with pytest.raises(TopicsError, match="does not do as asked"):
                await ensure_topics(
                    kafka.bootstrap, ["A2"], security={"request_timeout_ms": 2000, **security}
                )
