"""Identity: identifiers stated together name one child, in whatever order the events arrive."""

from hypothesis import given
from hypothesis import strategies as st

from broker.intake import AliasEntry, identifier_token, older_of, resolve
from broker.model.types import Identifier, IdentifierScheme

TOKENS = st.sampled_from([f"token-{letter}" for letter in "abcdefgh"])
STATEMENTS = st.lists(st.lists(TOKENS, min_size=1, max_size=3, unique=True), max_size=12)


def replayed(statements: list[list[str]], times: int = 1) -> dict[str, AliasEntry]:
    """Alias rows after all statements, each seen `times` times, written as the shell writes them."""
    rows: dict[str, AliasEntry] = {}
    for number, stated in enumerate(statements):
        for _ in range(times):
            found = resolve(stated, "alone", rows, f"{number:03d}")
            for token, entry in found.entries:
                rows[token] = older_of(rows.get(token), entry)
    return rows


def canonical(token: str, rows: dict[str, AliasEntry]) -> str:
    """Where the chain from a token ends."""
    while rows[token].canonical != token:
        token = rows[token].canonical
    return token


def components(statements: list[list[str]]) -> dict[str, frozenset[str]]:
    """The naive answer: merge groups that overlap until none do."""
    groups: list[frozenset[str]] = []
    for stated in statements:
        touching = [group for group in groups if group & set(stated)]
        rest = [group for group in groups if not group & set(stated)]
        groups = [*rest, frozenset(stated).union(*touching)]
    return {token: group for group in groups for token in group}


@given(STATEMENTS)
def test_tokens_share_a_canonical_token_exactly_if_events_connect_them(
    statements: list[list[str]],
) -> None:
    """Two identifiers are one child if a chain of events states them together, else never."""
    rows = replayed(statements)
    groups = components(statements)

    for one in groups:
        for other in groups:
            same = canonical(one, rows) == canonical(other, rows)
            assert same == (groups[one] == groups[other])


@given(STATEMENTS)
def test_reading_an_event_again_changes_no_row(statements: list[list[str]]) -> None:
    """After a crash intake reads records again: the alias table must not move."""
    assert replayed(statements, times=2) == replayed(statements)


@given(STATEMENTS)
def test_the_oldest_token_wins(statements: list[list[str]]) -> None:
    """State moves to the older token: a group's canonical token was stated first of the group."""
    rows = replayed(statements)
    order = [token for stated in statements for token in sorted(stated)]
    groups = components(statements)

    for token, group in groups.items():
        first = min(
            (statements.index(next(s for s in statements if one in s)), one) for one in group
        )
        assert canonical(token, rows) == first[1], order


def test_a_join_names_the_younger_token() -> None:
    """Two known children stated together: the younger's state is to be moved."""
    rows = replayed([["a"], ["b"]])

    found = resolve(["a", "b"], "alone", rows, "002")

    assert (found.token, found.joined) == ("a", ("b",))


def test_without_identifiers_a_subject_stands_alone() -> None:
    """No identifier, no link: names and dates of birth are never used."""
    assert resolve([], "alone", {}, "000").token == "alone"


def test_a_token_depends_on_key_scheme_and_value_but_not_on_spacing() -> None:
    """`943 476 5919` and `9434765919` are one NHS number; a local id of that value is another thing."""
    nhs = Identifier(scheme=IdentifierScheme.NHS_NUMBER, value="943 476 5919")
    same = Identifier(scheme=IdentifierScheme.NHS_NUMBER, value="9434765919")
    local = Identifier(scheme=IdentifierScheme.LOCAL, value="9434765919", system="niche")

    assert identifier_token(b"k", nhs) == identifier_token(b"k", same)
    assert identifier_token(b"k", nhs) != identifier_token(b"k", local)
    assert identifier_token(b"k", nhs) != identifier_token(b"other", nhs)
    assert "9434765919" not in identifier_token(b"k", nhs)
