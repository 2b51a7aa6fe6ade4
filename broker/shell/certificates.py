"""Certificates for Kafka: a development authority, Kafka's own two, and one for each client.

`<keys>/kafka/` holds the authority, Kafka's certificates, one for each process and the list of
revoked ones; `<keys>/organisations/<code>/kafka.pem` is an organisation's. Keys are EC P-256, files
have mode 0600. What is missing, or ends within RENEW_WITHIN, is made anew at each start of
`broker up`; the authority never signs for longer than it lasts itself. A real deployment brings
certificates of its own (BROKER_KAFKA_CA, BROKER_KAFKA_CERTIFICATE, BROKER_KAFKA_KEY).
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from broker.shell.acls import KAFKA_ITSELF, OPERATOR, PROCESSES, checked_code
from broker.shell.keys import KeysError

VALID_FOR = datetime.timedelta(days=365)
"""How long a certificate of the development authority is valid."""
AUTHORITY_FOR = datetime.timedelta(days=3650)
RENEW_WITHIN = datetime.timedelta(days=30)
"""A certificate that ends sooner than this is made anew at the next start."""
CLOCKS_DIFFER = datetime.timedelta(minutes=5)
AUTHORITY_NAME = "Development authority, not for live use"
ORGANISATION_UNIT, PROCESS_UNIT = "organisation", "process"
HOSTS = ("localhost",)
ADDRESSES = ("127.0.0.1",)
CONTROLLER = "controller"
SHOW_BYTES = 16


class Pair(msgspec.Struct, frozen=True):
    """Where a certificate (with its authority's behind it) and its private key lie."""

    certificate: Path
    key: Path


class Held(msgspec.Struct, frozen=True):
    """What may be known of one certificate: whose, its fingerprint (SHA-256, hex), until when."""

    owner: str
    unit: str
    fingerprint: str
    valid_until: datetime.datetime
    revoked: bool


def authority_of(keys_dir: Path) -> Path:
    """The certificate by which a client knows Kafka, and Kafka its clients."""
    return keys_dir / "kafka" / "ca.pem"


def pair_of(keys_dir: Path, owner: str, *, process: bool) -> Pair:
    """Where an organisation's or a process's certificate lies. Raises KeysError for no code."""
    if process:
        folder = keys_dir / "kafka"
        return Pair(folder / f"{owner}.pem", folder / f"{owner}.key")
    folder = keys_dir / "organisations" / checked_code(owner)
    return Pair(folder / "kafka.pem", folder / "kafka.key")


def revoked_of(keys_dir: Path) -> Path:
    """The list of revoked certificates (X.509 CRL, PEM), which the embedded Kafka reads."""
    return keys_dir / "kafka" / "revoked.crl"


def make_certificates(
    keys_dir: Path, organisations: Sequence[str], now: datetime.datetime | None = None
) -> list[str]:
    """Makes every certificate that is missing or ends soon; returns whose, in order.

    Two who do so at once do it one after the other.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    with alone_with_certificates(keys_dir):
        return _make(keys_dir, organisations, moment)


def rotate_certificates(
    keys_dir: Path,
    owners: Sequence[tuple[str, bool]],
    *,
    revoke: bool,
    now: datetime.datetime | None = None,
) -> list[str]:
    """New certificates for these (name, whether a process) now; the old ones are revoked or run out.

    Raises KeysError where one has no certificate yet.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    with alone_with_certificates(keys_dir):
        for owner, process in owners:
            pair = pair_of(keys_dir, owner, process=process)
            old = read_certificate(pair.certificate)
            if revoke:
                take_back(keys_dir, old, moment)
            _issue(keys_dir, owner, pair, moment, process=process)
    return [owner for owner, _ in owners]


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises KeysError that says what to do."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except FileNotFoundError:
        raise KeysError(
            f"there is no certificate {path}: `broker keys make` makes those of the demonstration; "
            "for others set BROKER_KAFKA_CA, BROKER_KAFKA_CERTIFICATE and BROKER_KAFKA_KEY; a Kafka for "
            "development that is open to everybody is used with BROKER_KAFKA_SECURITY=plaintext"
        ) from None
    except (OSError, ValueError, IndexError) as error:
        raise KeysError(f"{path} is no certificate in PEM ({type(error).__name__})") from error


def check_valid(path: Path, now: datetime.datetime | None = None) -> None:
    """Raises KeysError, with what to do, where a certificate is not valid now."""
    moment = now or datetime.datetime.now(datetime.UTC)
    found = read_certificate(path)
    if moment >= found.not_valid_after_utc:
        raise KeysError(
            f"the certificate {path} expired on {found.not_valid_after_utc:%Y-%m-%d}: Kafka refuses "
            "it. `broker keys make` renews those of the demonstration; a real one comes from whoever "
            "signed it"
        )
    if moment < found.not_valid_before_utc:
        raise KeysError(
            f"the certificate {path} is valid only from {found.not_valid_before_utc:%Y-%m-%d %H:%M} "
            "UTC: see that this machine's clock is right"
        )


def held_certificates(keys_dir: Path) -> list[Held]:
    """Every certificate under a key folder, by unit and owner. Raises KeysError for a broken one."""
    authority = authority_of(keys_dir)
    if not authority.exists():
        raise KeysError(f"there is no authority {authority}: run `broker keys make`")
    organisations = keys_dir / "organisations"
    paths = [*(keys_dir / "kafka").glob("*.pem"), *organisations.glob("*/kafka.pem")]
    revoked = _revoked_serials(keys_dir)
    held = []
    for path in paths:
        found = read_certificate(path)
        unit = _one(found.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)
        held.append(
            Held(
                owner=_one(found.subject, NameOID.COMMON_NAME) or "",
                unit=unit or "authority",
                fingerprint=found.fingerprint(hashes.SHA256()).hex()[: SHOW_BYTES * 2],
                valid_until=found.not_valid_after_utc,
                revoked=found.serial_number in revoked,
            )
        )
    return sorted(held, key=lambda one: (one.unit, one.owner))


# ------------------------------------------------------------------------------------- the steps


def _make(keys_dir: Path, organisations: Sequence[str], now: datetime.datetime) -> list[str]:
    made = []
    authority = authority_of(keys_dir)
    if _due(authority, now):
        _make_authority(keys_dir, now)
        made.append("the development authority")
    signer, revoked = read_certificate(authority), revoked_of(keys_dir)
    for name in (KAFKA_ITSELF, CONTROLLER, OPERATOR, *PROCESSES):
        pair = pair_of(keys_dir, name, process=True)
        if _due(pair.certificate, now, None if name == CONTROLLER else signer, revoked):
            if name == CONTROLLER:
                _self_sign(pair, now)
            else:
                _issue(keys_dir, name, pair, now, process=True)
            made.append(name)
    for code in dict.fromkeys(organisations):
        pair = pair_of(keys_dir, code, process=False)
        if _due(pair.certificate, now, signer, revoked):
            pair.certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _issue(keys_dir, code, pair, now, process=False)
            made.append(code)
    return made


def _due(
    path: Path,
    now: datetime.datetime,
    signer: x509.Certificate | None = None,
    revoked: Path = Path(),
) -> bool:
    """Whether a certificate is missing, ends soon, or was signed by an authority of before."""
    if not path.exists():
        return True
    found = read_certificate(path)
    if found.not_valid_after_utc - now < RENEW_WITHIN:
        return True
    if signer is None:
        return False
    try:
        found.verify_directly_issued_by(signer)
    except Exception:  # noqa: BLE001 -- each of several errors says the same: another signer
        return True
    # A folder that was moved has its list of revoked ones elsewhere than its certificates say.
    points = found.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return [one.full_name[0].value for one in points if one.full_name] != [
        revoked.resolve().as_uri()
    ]


def _make_authority(keys_dir: Path, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    certificate = (
        _builder(name, name, key, now, now + AUTHORITY_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = keys_dir / "kafka"
    _write(folder / "ca.key", _private_pem(key))
    _write(authority_of(keys_dir), _pem(certificate))
    _write_revoked(keys_dir, [], now)


def _issue(
    keys_dir: Path, owner: str, pair: Pair, now: datetime.datetime, *, process: bool
) -> None:
    """Signs a certificate for a new key of `owner`."""
    signer, signing = read_certificate(authority_of(keys_dir)), _authority_key(keys_dir)
    key = ec.generate_private_key(ec.SECP256R1())
    unit = PROCESS_UNIT if process else ORGANISATION_UNIT
    until = min(now + VALID_FOR, signer.not_valid_after_utc)
    builder = _builder(_name(owner, unit), signer.subject, key, now, until)
    # Where the authority says that a certificate was taken back: the embedded Kafka looks there.
    place = x509.UniformResourceIdentifier(revoked_of(keys_dir).resolve().as_uri())
    points = [x509.DistributionPoint([place], None, None, None)]
    certificate = (
        _with_hosts(builder, serves=owner == KAFKA_ITSELF and process)
        .add_extension(x509.CRLDistributionPoints(points), critical=False)
        .sign(signing, hashes.SHA256())
    )
    _write(pair.key, _private_pem(key))
    _write(pair.certificate, _pem(certificate) + _pem(signer))


def _self_sign(pair: Pair, now: datetime.datetime) -> None:
    """The controller's certificate: its own authority, so that it knows no client but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(KAFKA_ITSELF, PROCESS_UNIT)
    builder = _with_hosts(_builder(name, name, key, now, now + AUTHORITY_FOR), serves=True)
    _write(pair.key, _private_pem(key))
    _write(pair.certificate, _pem(builder.sign(key, hashes.SHA256())))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(until)
    )


def _with_hosts(builder: x509.CertificateBuilder, *, serves: bool) -> x509.CertificateBuilder:
    """What the certificate is for: a client, or one that is a server on this machine too."""
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if serves:
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOSTS]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in ADDRESSES]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def take_back(keys_dir: Path, old: x509.Certificate, now: datetime.datetime) -> None:
    """Puts a certificate on the list, once; for who is alone with certificates."""
    _write_revoked(keys_dir, [*_revoked_serials(keys_dir), old.serial_number], now)


def _revoked_serials(keys_dir: Path) -> list[int]:
    path = revoked_of(keys_dir)
    if not path.exists():
        return []
    return [one.serial_number for one in x509.load_pem_x509_crl(path.read_bytes())]


def _write_revoked(keys_dir: Path, serials: Sequence[int], now: datetime.datetime) -> None:
    """The list, valid for as long as the authority: it changes only by being written here."""
    signer = read_certificate(authority_of(keys_dir))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.subject)
        .last_update(now - CLOCKS_DIFFER)
        .next_update(signer.not_valid_after_utc)
    )
    for serial in dict.fromkeys(serials):
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(revoked.build())
    signed = builder.sign(_authority_key(keys_dir), hashes.SHA256())
    _write(revoked_of(keys_dir), signed.public_bytes(serialization.Encoding.PEM))


def _authority_key(keys_dir: Path) -> ec.EllipticCurvePrivateKey:
    path = keys_dir / "kafka" / "ca.key"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise KeysError(
            f"the development authority's key {path} cannot be read ({type(error).__name__}): "
            "without it no certificate can be signed here"
        ) from error
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _name(owner: str, unit: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, owner),
        ]
    )


def _one(name: x509.Name, kind: x509.ObjectIdentifier) -> str | None:
    found = name.get_attributes_for_oid(kind)
    return str(found[0].value) if found else None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.replace(path)


@contextmanager
def alone_with_certificates(keys_dir: Path) -> Iterator[None]:
    """Nobody else makes certificates in this folder meanwhile."""
    folder = keys_dir / "kafka"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys_dir.chmod(0o700)
    lock = os.open(folder / "making.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
