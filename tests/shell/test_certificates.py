"""Certificates of the development authority: whose, for how long, renewed in time, told in words."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from ruamel.yaml import YAML

from broker.commands.kafka_keys import as_shell, as_strimzi, rights
from broker.shell.acls import Pattern, Resource
from broker.shell.certificates import (
    AUTHORITY_NAME,
    RENEW_WITHIN,
    VALID_FOR,
    authority_of,
    check_valid,
    held_certificates,
    make_certificates,
    pair_of,
    read_certificate,
    rotate_certificates,
)
from broker.shell.denials import Denials, count_denials
from broker.shell.keys import KeysError
from broker.shell.security import security_of_organisation, security_of_process
from broker.shell.settings import Settings
from broker.shell.topics import TopicsError

NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.UTC)
ROOT = Path(__file__).resolve().parents[2]
ROLES = ["broker", "clock", "controller", "decide", "intake", "ledger", "operator"]


def named(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> str:
    return str(certificate.subject.get_attributes_for_oid(kind)[0].value)


def test_each_organisation_and_process_has_one_and_a_second_run_makes_none(tmp_path: Path) -> None:
    """Files of its owner alone; the authority says that it is for development."""
    made = make_certificates(tmp_path, ["A", "B"], NOW)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    before = {path: path.read_bytes() for path in files}

    assert sorted(made[1:]) == ["A", "B", *ROLES]
    assert make_certificates(tmp_path, ["A", "B"], NOW) == []
    assert before == {path: path.read_bytes() for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert "not for live use" in AUTHORITY_NAME
    assert named(read_certificate(authority_of(tmp_path)), NameOID.COMMON_NAME) == AUTHORITY_NAME


def test_the_unit_says_whether_it_is_an_organisations_or_a_processs(tmp_path: Path) -> None:
    """An organisation called `ledger` is not the ledger."""
    make_certificates(tmp_path, ["ledger"], NOW)
    organisation = read_certificate(pair_of(tmp_path, "ledger", process=False).certificate)
    process = read_certificate(pair_of(tmp_path, "ledger", process=True).certificate)

    assert named(organisation, NameOID.COMMON_NAME) == named(process, NameOID.COMMON_NAME)
    assert named(organisation, NameOID.ORGANIZATIONAL_UNIT_NAME) == "organisation"
    assert named(process, NameOID.ORGANIZATIONAL_UNIT_NAME) == "process"
    for code in ("process-ledger", "../broker", ""):
        with pytest.raises(TopicsError, match="cannot be a name"):
            make_certificates(tmp_path, [code], NOW)


def test_one_that_ends_soon_is_renewed_and_the_others_are_kept(tmp_path: Path) -> None:
    """Renewal comes before the end: nobody is locked out by a date."""
    make_certificates(tmp_path, ["A"], NOW)
    path = pair_of(tmp_path, "A", process=False).certificate
    ends = read_certificate(path).not_valid_after_utc
    early = make_certificates(tmp_path, ["A"], ends - RENEW_WITHIN - datetime.timedelta(days=1))
    late = make_certificates(tmp_path, ["A"], ends - RENEW_WITHIN + datetime.timedelta(days=1))

    assert ends - NOW == VALID_FOR
    assert early == []
    assert "A" in late
    assert "the development authority" not in late
    assert read_certificate(path).not_valid_after_utc > ends


def test_a_new_authority_signs_all_anew(tmp_path: Path) -> None:
    """Certificates of an authority that is gone are worth nothing."""
    make_certificates(tmp_path, ["A"], NOW)
    authority_of(tmp_path).unlink()
    made = make_certificates(tmp_path, ["A"], NOW)

    assert sorted(made[1:]) == ["A", *(role for role in ROLES if role != "controller")]


def test_a_folder_that_was_moved_gets_new_ones(tmp_path: Path) -> None:
    """Each certificate names the list of revoked ones by its path: at the old one there is none."""
    make_certificates(tmp_path / "old", ["A", "kafka"], NOW)
    (tmp_path / "old").rename(tmp_path / "new")

    assert sorted(make_certificates(tmp_path / "new", ["A", "kafka"], NOW)) == sorted(
        ["A", "kafka", *(role for role in ROLES if role != "controller")]
    )
    assert make_certificates(tmp_path / "new", ["A", "kafka"], NOW) == []


def test_a_revoked_one_is_replaced_and_listed(tmp_path: Path) -> None:
    """The old serial number is on the authority's list; the new one is not."""
    make_certificates(tmp_path, ["A", "B"], NOW)
    path = pair_of(tmp_path, "A", process=False).certificate
    old = read_certificate(path)
    rotate_certificates(tmp_path, [("A", False)], revoke=True, now=NOW)
    rotate_certificates(tmp_path, [("B", False)], revoke=False, now=NOW)
    revoked = x509.load_pem_x509_crl((tmp_path / "kafka" / "revoked.crl").read_bytes())

    assert [one.serial_number for one in revoked] == [old.serial_number]
    assert read_certificate(path).serial_number != old.serial_number
    assert not [one for one in held_certificates(tmp_path) if one.revoked]
    path.write_bytes(old.public_bytes(Encoding.PEM))
    assert [one.owner for one in held_certificates(tmp_path) if one.revoked] == ["A"]


def test_what_is_wrong_with_a_certificate_is_said(tmp_path: Path) -> None:
    """Expired, not yet valid, missing, no certificate at all: what, where, what to do."""
    make_certificates(tmp_path / "keys", ["A"], NOW)
    pair = pair_of(tmp_path / "keys", "A", process=False)
    settings = Settings(data_dir=tmp_path)

    check_valid(pair.certificate, NOW)
    with pytest.raises(KeysError, match=r"kafka\.pem expired on 2027-11-24.*broker keys make"):
        check_valid(pair.certificate, NOW + VALID_FOR)
    with pytest.raises(KeysError, match=r"valid only from.*clock"):
        check_valid(pair.certificate, NOW - datetime.timedelta(hours=1))
    with pytest.raises(KeysError, match=r"no certificate .*broker keys make.*plaintext"):
        security_of_organisation(settings, "B")
    make_certificates(tmp_path / "keys", ["A", "B"])
    pair_of(tmp_path / "keys", "B", process=False).key.unlink()
    with pytest.raises(KeysError, match=r"kafka\.key is missing"):
        security_of_organisation(settings, "B")
    pair.certificate.write_text("nothing")
    with pytest.raises(KeysError, match="is no certificate in PEM"):
        security_of_organisation(settings, "A")


def test_real_certificates_come_by_setting(tmp_path: Path) -> None:
    """What is set is used, whatever the key folder holds; plaintext only where it is asked for."""
    make_certificates(tmp_path / "theirs", ["X"])
    pair = pair_of(tmp_path / "theirs", "X", process=False)
    settings = Settings(
        data_dir=tmp_path,
        kafka_ca=authority_of(tmp_path / "theirs"),
        kafka_certificate=pair.certificate,
        kafka_key=pair.key,
    )

    assert Settings().kafka_security == "ssl"
    assert security_of_organisation(settings, "X")["security_protocol"] == "SSL"
    opened = settings.model_copy(update={"kafka_security": "plaintext"})
    assert security_of_process(opened, "intake") == {"security_protocol": "PLAINTEXT"}


def test_the_strimzi_users_are_the_rights() -> None:
    """The file in deploy/ is what the topics file and the register say, right by right."""
    path = ROOT / "deploy" / "strimzi" / "kafka-users.yaml"
    text = path.read_text(encoding="utf-8")
    users = list(YAML(typ="safe").load_all(text))
    stated = {
        (user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["patternType"],
         acl["resource"]["name"], operation)
        for user in users
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }  # fmt: skip
    kinds = {Resource.TOPIC: "topic", Resource.GROUP: "group"}
    patterns = {Pattern.LITERAL: "literal", Pattern.PREFIXED: "prefix"}
    expected = {
        (acl.principal.removeprefix("User:").lower(), kinds.get(acl.resource, "transactionalId"),
         patterns[acl.pattern], acl.name, acl.operation.name.capitalize())
        for acl in rights(Settings())
    }  # fmt: skip

    assert text == as_strimzi(Settings()), "broker keys acls --strimzi > deploy/strimzi/..."
    assert stated == expected
    assert all("quotas" in user["spec"] for user in users if "process-" not in str(user))


def test_the_shell_commands_are_as_many_as_the_rights() -> None:
    """One `--operation` for each right, and one quota for each organisation."""
    script = as_shell(Settings())

    assert script.count("--operation ") == len(rights(Settings()))
    assert script.count("--entity-name ") == script.count("producer_byte_rate=") > 0


def test_denials_are_counted_by_whom_what_and_which_kind() -> None:
    """Names of resources are not looked at; a line of another kind counts for nothing."""
    denied = (
        "2026 Principal = User:{} is Denied operation = {} from host = 127.0.0.1 on resource = "
        "{}:LITERAL:{} for request = Fetch with resourceRefCount = 1 based on rule DefaultDeny"
    )
    lines = [
        denied.format("A", "READ", "Topic", "alerts.v1.B"),
        denied.format("A", "READ", "Topic", "(withheld)"),
        denied.format("A", "ALTER_CONFIGS", "Cluster", "kafka-cluster"),
        denied.format("process-nobody", "DESCRIBE", "Group", "x is Denied operation = READ"),
        "2026 [SocketServer] Failed authentication with /127.0.0.1 (SSL handshake failed)",
        "2026 something else",
    ]

    assert count_denials(lines) == (
        Denials("A", "alter_configs", "cluster", 1),
        Denials("A", "read", "topic", 2),
        Denials("process-nobody", "describe", "group", 1),
        Denials("unknown", "connect", "cluster", 1),
    )
