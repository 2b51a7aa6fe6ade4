"""Who may do what at Kafka, from the list alone: every role against every topic, both ways."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.acls import (
    MAPPING_RULES,
    PROCESSES,
    SUPER_USERS,
    Acl,
    Operation,
    Pattern,
    Resource,
    acls_of,
    allowed,
    organisation_principal,
    process_principal,
    surplus,
    too_wide,
)
from broker.shell.topics import Access, TopicsError, load_topics

TOPICS = load_topics()
DESK, ONE, OTHER, LONGER = "DUTY-DESK", "SCH-1", "E1", "SCH-10"
ORGANISATIONS = (DESK, ONE, OTHER, LONGER)
ACLS = acls_of(TOPICS, ORGANISATIONS)
OWN_WRITE, OWN_READ = ("concerns", "actions"), ("alerts", "receipts", "withdrawn")
FIXED = ("parts.v1", "decisions.v1", "progress.v1", "held.v1", "manual.v1")
PRINCIPALS = {
    **{code: organisation_principal(code) for code in ORGANISATIONS},
    **{f"process {role}": process_principal(role) for role in PROCESSES},
    "nobody": "User:process-nobody",
    "anonymous": "User:ANONYMOUS",
}
WRITES = {
    "process intake": {"parts.v1", "decisions.v1"},
    "process decide": {"parts.v1", "decisions.v1", "held.v1"},
    "process ledger": {"progress.v1", "manual.v1"}
    | {f"{kind}.v1.{code}" for kind in OWN_READ for code in ORGANISATIONS},
    "process clock": {f"actions.v1.{DESK}"},
    **{code: {f"{kind}.v1.{code}" for kind in OWN_WRITE} for code in ORGANISATIONS},
}
READS = {
    "process intake": {f"{kind}.v1.{code}" for kind in OWN_WRITE for code in ORGANISATIONS},
    "process decide": {"parts.v1"},
    "process ledger": {"decisions.v1", "progress.v1"},
    **{code: {f"{kind}.v1.{code}" for kind in OWN_READ} for code in ORGANISATIONS},
}
READS[DESK] |= {"held.v1", "manual.v1"}
EVERY_TOPIC = (
    *FIXED,
    *(f"{kind}.v1.{code}" for kind in (*OWN_WRITE, *OWN_READ) for code in ORGANISATIONS),
)


@pytest.mark.parametrize("who", PRINCIPALS)
def test_every_role_reads_and_writes_what_is_its_own_and_nothing_else(who: str) -> None:
    """The whole matrix: each role against each topic of each organisation."""
    for topic in EVERY_TOPIC:
        for operation, may in ((Operation.WRITE, WRITES), (Operation.READ, READS)):
            expected = topic in may.get(who, set())
            found = allowed(ACLS, PRINCIPALS[who], operation, Resource.TOPIC, topic)
            assert found == expected, f"{who} {operation.name} {topic}"


@pytest.mark.parametrize("code", ORGANISATIONS)
def test_an_organisation_may_use_topics_and_groups_only_and_make_or_change_nothing(
    code: str,
) -> None:
    """No right on the cluster, none on transactions, and of operations only read and write."""
    own = [acl for acl in ACLS if acl.principal == organisation_principal(code)]

    assert {acl.resource for acl in own} == {Resource.TOPIC, Resource.GROUP}
    assert {acl.operation for acl in own} == {Operation.READ, Operation.WRITE}
    assert all(acl.name == f"{code}." for acl in own if acl.resource is Resource.GROUP)
    assert all(acl.pattern is Pattern.LITERAL for acl in own if acl.resource is Resource.TOPIC)


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(ORGANISATIONS, 2)))
def test_no_organisation_joins_the_groups_of_another(one: str, other: str) -> None:
    """Nor of one whose code begins like its own."""
    principal = organisation_principal(one)
    for purpose in ("alerts", "", "x.y"):
        name = f"{other}.{purpose}"
        assert not allowed(ACLS, principal, Operation.READ, Resource.GROUP, name)
    assert allowed(ACLS, principal, Operation.READ, Resource.GROUP, f"{one}.alerts")
    for group in TOPICS.access.groups.values():
        assert not allowed(ACLS, principal, Operation.READ, Resource.GROUP, group)


def test_only_the_ledger_writes_in_its_transactions() -> None:
    """One transactional id for each partition of decisions.v1, and no other holder of any."""
    holders = {
        (acl.name, acl.principal) for acl in ACLS if acl.resource is Resource.TRANSACTIONAL_ID
    }

    assert holders == {(f"ledger-s{n}", process_principal("ledger")) for n in range(2)}


def test_nobody_at_all_has_a_right_on_the_cluster() -> None:
    """What changes Kafka itself is the operator's, who stands outside the list."""
    assert not [acl for acl in ACLS if acl.resource is Resource.CLUSTER]
    assert not [acl for acl in ACLS if acl.principal in SUPER_USERS.split(";")]


def test_an_empty_or_missing_list_means_nobody() -> None:
    """A topic without readers, a file without access: no right is made up."""
    spec = next(one for one in TOPICS.topics if one.name == "parts.v1")
    silent = spec.model_copy(update={"readers": (), "writers": ()})
    bare = TOPICS.model_copy(update={"topics": (silent,), "access": Access()})

    assert acls_of(bare, []) == ()
    assert acls_of(TOPICS.model_copy(update={"access": Access()}), []) == tuple(
        acl for acl in acls_of(TOPICS, []) if "broker-" not in acl.name and "-s" not in acl.name
    )


def test_the_desk_and_the_clock_have_nothing_where_the_desk_is_not_connected() -> None:
    """Rights come from the register of connected organisations, not from a name alone."""
    without = acls_of(TOPICS, [ONE])

    assert not [acl for acl in without if DESK in acl.name or DESK in acl.principal]
    assert not [acl for acl in without if acl.principal == process_principal("clock")]


@given(st.text(max_size=70) | st.from_regex(r"(process-)?[A-Za-z0-9-]{0,64}", fullmatch=True))
def test_no_code_can_be_called_like_a_process(code: str) -> None:
    """A code is refused, or its principal is no process's; and Kafka's rules say the same."""
    try:
        principal = organisation_principal(code)
    except TopicsError:
        principal = ""
    assert not principal.startswith("User:process-")
    assert principal in ("", f"User:{code}")
    if principal:
        assert mapped(f"CN={code},OU=organisation") == code
    assert mapped(f"CN=process-{code},OU=organisation") == "process-nobody"


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ("CN=ORG-1,OU=organisation", "ORG-1"),
        ("CN=ORG-1,OU=organisation,O=Council,C=GB", "ORG-1"),
        ("CN=ledger,OU=process", "process-ledger"),
        ("CN=ledger,OU=organisation", "ledger"),
        ("CN=process-ledger,OU=organisation", "process-nobody"),
        ("CN=process-ledger,OU=process", "process-nobody"),
        ("CN=ORG-1", "process-nobody"),
        ("CN=ORG-1,OU=organisations", "process-nobody"),
        ("CN=broker,OU=organisation", "broker"),
        ("OU=process,CN=broker", "process-nobody"),
        ("CN=a\\,OU=process,OU=organisation", "process-nobody"),
    ],
)
def test_the_name_of_a_certificate_makes_one_principal(name: str, principal: str) -> None:
    """The unit decides what the name is; what fits no rule is nobody."""
    assert mapped(name) == principal


def mapped(name: str) -> str:
    """As Kafka's SslPrincipalMapper does it: the first rule that fits the whole name."""
    for rule in re.findall(r"RULE:(.*?)/(.*?)/(?:,|$)", MAPPING_RULES):
        pattern, replacement = rule
        found = re.fullmatch(pattern.replace("^", "").removesuffix("$"), name)
        if found:
            return str(found.expand(replacement.replace("$1", r"\1")))
    raise AssertionError("the last rule fits everything")


def test_what_a_removed_organisation_had_is_surplus_and_what_others_have_is_not() -> None:
    """The rights of one that left, and strange ones of those that stay, go; the rest stays."""
    after = acls_of(TOPICS, [code for code in ORGANISATIONS if code != OTHER])
    extra = Acl(
        organisation_principal(ONE),
        Resource.CLUSTER,
        Pattern.LITERAL,
        "kafka-cluster",
        Operation.ALTER,
    )
    stranger = Acl("User:x", Resource.TOPIC, Pattern.LITERAL, f"alerts.v1.{ONE}", Operation.READ)
    foreign = Acl("User:x", Resource.TOPIC, Pattern.LITERAL, "invoices", Operation.READ)

    gone = surplus(after, {*ACLS, extra, stranger, foreign}, TOPICS)

    assert set(gone) == (set(ACLS) - set(after)) | {extra, stranger}
    assert organisation_principal(OTHER) in {acl.principal for acl in gone}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [(Pattern.LITERAL, "*"), (Pattern.PREFIXED, "alerts"), (Pattern.PREFIXED, "")],
)
def test_a_right_that_reaches_over_the_brokers_topics_is_found(pattern: Pattern, name: str) -> None:
    """Somebody who may read everything may read alerts too."""
    wide = Acl("User:backup", Resource.TOPIC, pattern, name, Operation.READ)
    narrow = Acl("User:backup", Resource.TOPIC, Pattern.PREFIXED, "invoices.", Operation.READ)

    assert too_wide({*ACLS, wide, narrow}, (), TOPICS) == (wide,)
    assert too_wide(ACLS, (), TOPICS) == ()
