"""How every client of Kafka, and the embedded Kafka itself, is secured: the one place that says so.

A client shows the certificate of the one it acts for and trusts one authority. The embedded Kafka
takes nobody without a certificate; its controller's listener knows no certificate but its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from broker.shell.acls import KAFKA_ITSELF, MAPPING_RULES, OPERATOR, SUPER_USERS
from broker.shell.certificates import (
    CONTROLLER,
    Pair,
    authority_of,
    check_valid,
    make_certificates,
    pair_of,
)
from broker.shell.denials import denials_log
from broker.shell.embedded import EmbeddedKafka
from broker.shell.epochs import write_private
from broker.shell.keys import KeysError
from broker.shell.settings import Settings

PLAINTEXT: Mapping[str, Any] = {"security_protocol": "PLAINTEXT"}
FULL_COMPILER = "-XX:TieredStopAtLevel=4"
"""Java's second compiler, which knows the processor's AES: as any Kafka for live use runs. It takes 7 s
more of the processor at the start, so the embedded Kafka does without (docs/adr/0018)."""
AES = "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"
CHACHA = "TLS_CHACHA20_POLY1305_SHA256"
CHECK_REVOCATION = (
    "-Dcom.sun.net.ssl.checkRevocation=true",
    "-Dcom.sun.security.enableCRLDP=true",
)
"""Java looks into the list that a client's certificate names (broker/shell/certificates.py)."""


def security_of_organisation(settings: Settings, code: str) -> Mapping[str, Any]:
    """Arguments of aiokafka's clients for one organisation.

    Raises KeysError where its certificate is missing, unreadable or not valid now.
    """
    return _security(settings, code, process=False)


def security_of_process(settings: Settings, role: str) -> Mapping[str, Any]:
    """The same for a process of the broker."""
    return _security(settings, role, process=True)


def security_of_operator(settings: Settings) -> Mapping[str, Any]:
    """The same for whoever makes topics, rights and quotas."""
    return _security(settings, OPERATOR, process=True)


def embedded_kafka(
    settings: Settings,
    organisations: Sequence[str],
    *,
    quiet: bool = False,
    full_compiler: bool = False,
) -> EmbeddedKafka:
    """The embedded Kafka of a data folder, not yet started, as `broker up` runs it.

    Makes the certificates that are missing or end soon. With BROKER_KAFKA_SECURITY=plaintext it is
    open to everybody on this machine.
    """
    java = (FULL_COMPILER,) if full_compiler else ()
    folder = settings.data_dir / "kafka"
    if settings.kafka_security == "plaintext":
        return EmbeddedKafka(folder, java=java, quiet=quiet)
    make_certificates(settings.keys_dir, organisations)
    return EmbeddedKafka(
        folder,
        properties=server_properties(settings.keys_dir, prefers_aes=full_compiler),
        java=(*CHECK_REVOCATION, *java),
        denials=denials_log(settings.data_dir),
        quiet=quiet,
    )


def server_properties(keys_dir: Path, *, prefers_aes: bool = False) -> dict[str, str]:
    """Kafka's properties: TLS with required client certificates, rights, names by mapping rules."""
    authority = authority_of(keys_dir).read_text()
    own = _store("", pair_of(keys_dir, KAFKA_ITSELF, process=True), authority)
    # Organisations' certificates are no certificates there: the controller knows only itself.
    alone = pair_of(keys_dir, CONTROLLER, process=True)
    controller = _store("listener.name.controller.", alone, alone.certificate.read_text())
    return {
        "listeners": "SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": "SSL://127.0.0.1:{port}",
        "inter.broker.listener.name": "SSL",
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:SSL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": SUPER_USERS,
        "ssl.cipher.suites": f"{AES},{CHACHA}" if prefers_aes else f"{CHACHA},{AES}",
        "ssl.principal.mapping.rules": MAPPING_RULES,
        **own,
        **controller,
    }


def _store(prefix: str, pair: Pair, authority: str) -> dict[str, str]:
    return {
        f"{prefix}ssl.client.auth": "required",
        f"{prefix}ssl.enabled.protocols": "TLSv1.3",
        f"{prefix}ssl.keystore.type": "PEM",
        f"{prefix}ssl.keystore.location": str(_together(pair).resolve()),
        f"{prefix}ssl.truststore.type": "PEM",
        f"{prefix}ssl.truststore.certificates": authority,
    }


def _together(pair: Pair) -> Path:
    """Key and certificate in one file beside them, as Kafka reads them: never in its properties."""
    path = pair.key.with_suffix(".store")
    write_private(path, pair.key.read_bytes() + pair.certificate.read_bytes())
    return path


def _security(settings: Settings, owner: str, *, process: bool) -> Mapping[str, Any]:
    if settings.kafka_security == "plaintext":
        return PLAINTEXT
    authority, pair = files_of(settings, owner, process=process)
    check_valid(pair.certificate)
    try:
        context = ssl.create_default_context(cafile=str(authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pair.certificate, pair.key)
    except FileNotFoundError:
        raise KeysError(
            f"{authority} or {pair.key} is missing: `broker keys make` makes those of the "
            "demonstration; for others set BROKER_KAFKA_CA and BROKER_KAFKA_KEY"
        ) from None
    except (OSError, ssl.SSLError) as error:
        raise KeysError(
            f"{pair.certificate} and {pair.key} are no certificate with its key, or {authority} is no "
            f"authority ({type(error).__name__})"
        ) from error
    return {"security_protocol": "SSL", "ssl_context": context}


def files_of(settings: Settings, owner: str, *, process: bool) -> tuple[Path, Pair]:
    """The authority, and the certificate and key of `owner`: those set, else of the key folder."""
    held = pair_of(settings.keys_dir, owner, process=process)
    return settings.kafka_ca or authority_of(settings.keys_dir), Pair(
        settings.kafka_certificate or held.certificate, settings.kafka_key or held.key
    )
