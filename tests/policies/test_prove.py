"""The proofs over law and agreements, with the real tools where they are; and how answers are read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.decide import policies_of
from broker.decide.cedar import Policy
from broker.policies import PolicyFileError
from broker.shell.prove import main
from broker.shell.prove.analysis import Analysis, Environment, analysis_of, environments_of
from broker.shell.prove.answers import NoAnswerError, read_answer
from broker.shell.prove.command import forbidden_facts
from broker.shell.prove.difference import disclosures_added
from broker.shell.prove.proofs import EVERYTHING, prove
from broker.shell.prove.properties import Property, read_properties
from broker.shell.prove.rules import (
    Rules,
    attributes_of,
    facts_read,
    load_rules,
    read_without_agreements,
    words_of,
)
from broker.shell.prove.tools import ToolMissingError, Tools, find_tools, install_tools

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"
SCHEMA = (POLICIES / "law" / "broker.cedarschema").read_text(encoding="utf-8")
PROPERTIES = read_properties(POLICIES)
VERIFIED = "✓ Policy set 1 implies policy set 2: VERIFIED\n"
REFUTED = """\
✗ Policy set 1 implies policy set 2: DOES NOT HOLD
  Counterexample found:
principal: Recipient::"candidate", action: Action::"disclose", resource: FieldGroup::"address"
context: {capacity: ["home", "a]b"], kind: "school", cross_border: true}
entities: [
  FieldGroup::"existence",
]
"""


@pytest.fixture(scope="module")
def tools() -> Tools:
    """Cedar and cvc5 from the cache; `make prove` brings them there."""
    try:
        return find_tools()
    except ToolMissingError as missing:
        pytest.skip(f"NOTHING WAS PROVED ABOUT THE POLICIES: {missing}")


@pytest.fixture(scope="module")
def analysis(tools: Tools) -> Iterator[Analysis]:
    """One analysis for all tests: it asks nothing twice."""
    with analysis_of(tools, POLICIES / "law" / "broker.cedarschema") as found:
        yield found


@pytest.fixture(scope="module")
def rules() -> Rules:
    """What the broker loads."""
    return load_rules(POLICIES)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the policies that a test may spoil."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("prop", PROPERTIES.properties, ids=lambda prop: prop.id)
def test_a_property_is_proved_and_each_planted_fault_is_found(
    prop: Property, analysis: Analysis, rules: Rules
) -> None:
    """For every request that there can be, by Cedar's own analysis of what the broker loads."""
    findings = prove(analysis, rules, prop)

    assert [one.title for one in findings if not one.as_expected] == []
    assert len(findings) == 1 + prop.whatever_agreements_say + len(prop.faults)


@pytest.mark.slow
def test_every_prohibition_is_needed_by_a_property(analysis: Analysis, rules: Rules) -> None:
    """Taken out, each prohibition breaks a promise: so none can be lost and everything still be proved.

    Those behind a setting are left out: whoever answers for the broker may switch them off. If this
    fails for a new one, say in policies/law/properties.yaml what it promises.
    """
    promises = [one.never for one in PROPERTIES.properties if one.whatever_agreements_say]
    broken = " || ".join(f"({one})" for one in promises)
    most = policies_of(f'@id("m") permit (principal, action, resource) unless {{ {broken} }};')
    needed = {
        one.id
        for one in rules.prohibitions
        if any(
            not answer.holds
            for answer in analysis.everywhere(
                "implies", rules.changed([one.id], EVERYTHING).all, most
            )
        )
    }
    switched = {one.id for one in rules.prohibitions if "setting" in one.annotations}

    assert {one.id for one in rules.prohibitions} - needed <= switched
    assert all(
        one.holds for one in analysis.everywhere("implies", rules.changed([], EVERYTHING).all, most)
    )


def test_every_kind_of_request_is_asked_about(analysis: Analysis) -> None:
    """One environment a run: all that the schema allows are gone through."""
    assert {one.action for one in analysis.environments} == {
        'Action::"disclose"',
        'Action::"disclose_existence"',
        'Action::"disclose_fate"',
    }
    assert {(one.principal, one.resource) for one in analysis.environments} == {
        ("Recipient", "FieldGroup")
    }


def test_environments_are_all_pairs_of_each_action_in_each_namespace() -> None:
    """An action that applies to nothing makes no request; a name with a quote stays one name."""
    schema = {
        "N": {
            "actions": {
                'a"b': {"appliesTo": {"principalTypes": ["P", "Q"], "resourceTypes": ["R"]}},
                "none": {},
            }
        }
    }

    assert list(environments_of(schema)) == [
        Environment("N::P", 'N::Action::"a\\"b"', "N::R"),
        Environment("N::Q", 'N::Action::"a\\"b"', "N::R"),
    ]


def test_a_proof_that_fails_is_a_surprise_and_shows_why(analysis: Analysis, rules: Rules) -> None:
    """A promise that the policies do not keep is not reported as kept."""
    claim = "Nobody is ever told anything about harm, which is not so."
    false = PROPERTIES.properties[0].model_copy(
        update={"says": claim, "never": 'resource == FieldGroup::"harm"'}
    )
    loaded = prove(analysis, rules, false)[0]

    assert not loaded.as_expected
    assert "harm" in loaded.checked.violations[0]


def test_a_fault_that_breaks_nothing_is_a_surprise(analysis: Analysis, rules: Rules) -> None:
    """A planted fault that is not found shows that the property says less than it seems to."""
    prop = next(one for one in PROPERTIES.properties if one.id == "england-only")
    misspelt = prop.model_copy(update={"never": 'context.country == "Wals" && !(true || false)'})
    findings = prove(analysis, rules, misspelt)

    assert [one.as_expected for one in findings] == [True, True, False]


def test_a_property_that_does_not_fit_the_schema_is_a_surprise(
    analysis: Analysis, rules: Rules
) -> None:
    """A misspelt fact is an error of the tool, and no proof."""
    prop = PROPERTIES.properties[0].model_copy(update={"never": "context.contry"})

    with pytest.raises(NoAnswerError, match="exit code"):
        prove(analysis, rules, prop)


def test_what_a_changed_bundle_adds_is_listed_by_group_and_clause(
    analysis: Analysis, rules: Rules
) -> None:
    """A new clause adds what no other permits; a prohibition taken out lets old clauses through."""
    clause = """
      @id("new/plan-to-charities") @agreement("new")
      permit (principal, action == Action::"disclose", resource == FieldGroup::"safety_plan")
      when { context.agreements.contains("new") && context.kind == "charity" };
    """
    wider = rules.changed(["law/placement-hidden"], clause)
    added = disclosures_added(analysis, wider, rules)
    by_group = {
        one.group: {other.clause for other in added if other.group == one.group} for one in added
    }

    assert disclosures_added(analysis, rules, rules) == []
    assert disclosures_added(analysis, rules, wider) == []
    assert by_group["safety_plan"] == {"new/plan-to-charities"}
    assert "national-baseline/police-address" in by_group["address"]
    assert set(by_group) <= {"safety_plan", "address", "placement"}
    assert 'kind "charity"' in next(one.example for one in added if one.group == "safety_plan")


def test_the_command_compares_two_folders(
    tools: Tools, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--against OLD` shows the disclosures that a changed file adds, and those taken away."""
    replace(copy / "law" / "2-duties.cedar", "context.cross_border", "true")

    assert main(["--against", str(POLICIES), "--policies", str(copy)]) == 0
    added, taken = capsys.readouterr().out.split(f"disclosed by {POLICIES}")
    assert 'address [Action::"disclose"] by ca1989-sch2-4-2' in added
    assert "cross_border false" not in added
    assert "nothing, as Cedar proves" in taken


@pytest.mark.parametrize(
    "attribute", ["provenance: String", "child_ethnicity?: String", "sex: Long"]
)
def test_an_attribute_that_no_rule_may_read_fails_the_proof(copy: Path, attribute: str) -> None:
    """Before any tool is asked: a rule that could see provenance, ethnicity or sex could use it."""
    replace(
        copy / "law" / "broker.cedarschema",
        "  country: String,",
        f"  country: String,\n  {attribute},",
    )
    said: list[str] = []

    assert main(["--policies", str(copy), "--no-install"], said.append) == 1
    assert f"a rule could read {attribute.partition(':')[0].rstrip('?')}" in said[-1]


def test_the_schema_has_no_attribute_that_no_rule_may_read() -> None:
    """Provenance, ethnicity and sex are not among the facts; nor are names, tokens and the weight."""
    assert forbidden_facts(PROPERTIES, SCHEMA) == []
    assert {"provenance", "ethnicity", "sex"} <= set(PROPERTIES.facts_that_no_rule_may_read)
    assert {"capacity", "source_identifiable", "serves_placement"} <= attributes_of(SCHEMA)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("provenance: String,", True),
        ('"sourceProvenance" ?: Set<String>,', True),
        ("type T = { a: { deep: { sex: Bool } } };", True),
        ("// provenance: String", False),
        ('entity G enum ["provenance"];', False),
        ("sextet: Bool", False),
    ],
)
def test_attributes_are_found_wherever_they_stand(line: str, seen: bool) -> None:
    """Nested, optional, quoted or run together; not in a comment and not as an entity's name."""
    assert bool(forbidden_facts(PROPERTIES, f"{SCHEMA}\n{line}")) is seen
    assert words_of("childEthnicity_code") == {"child", "ethnicity", "code"}


def test_a_proof_and_a_refutation_are_told_apart_by_their_text() -> None:
    """The exit code is 0 for both."""
    proved, refuted = (
        read_answer("implies", 0, VERIFIED, ""),
        read_answer("implies", 0, REFUTED, ""),
    )

    assert proved.holds
    assert not refuted.holds
    assert proved.counterexample == ""
    assert refuted.facts(["kind", "capacity", "absent"]).startswith('address, capacity ["home"')
    assert "entities" not in refuted.counterexample


@pytest.mark.parametrize(
    ("returncode", "stdout", "stderr"),
    [
        (0, "", ""),
        (0, "VERIFIED\n", ""),
        (0, "all is well\n", ""),
        (1, VERIFIED, ""),
        (101, "", "thread 'main' panicked at src/main.rs:1:1"),
        (0, VERIFIED, "thread 'tokio' panicked at solver"),
        (0, VERIFIED + VERIFIED, ""),
        (0, VERIFIED + REFUTED, ""),
        (0, VERIFIED + "  but see the counterexample\n", ""),
        (0, "warning: old schema\n" + VERIFIED, ""),
        (0, VERIFIED.replace("✓", "✗"), ""),
        (0, REFUTED.replace("✗", "✓"), ""),
        (0, VERIFIED.replace("VERIFIED", "NOT VERIFIED"), ""),
        (0, "✓ Policy never errors: VERIFIED\n", ""),
        (1, "", "Analysis failed: CVC5 solver not found"),
    ],
)
def test_whatever_is_not_plainly_an_answer_is_a_surprise(
    returncode: int, stdout: str, stderr: str
) -> None:
    """Nothing, garbage, a panic, two verdicts, a verdict on another question: none is a proof."""
    with pytest.raises(NoAnswerError, match="cedar symcc implies"):
        read_answer("implies", returncode, stdout, stderr)


def test_a_solver_that_fails_is_a_surprise(tools: Tools, rules: Rules, tmp_path: Path) -> None:
    """A solver that goes away without an answer has proved nothing."""
    broken = tmp_path / "cvc5"
    broken.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    broken.chmod(0o700)

    with (
        analysis_of(Tools(tools.cedar, broken), rules.schema) as analysis,
        pytest.raises(NoAnswerError),
    ):
        analysis.everywhere("implies", rules.all, rules.all[:1])


def test_no_tool_and_no_cargo_fails_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and the next step, not a silent pass."""
    monkeypatch.setenv("BROKER_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CEDAR", "CVC5"):
        monkeypatch.delenv(name, raising=False)
    said: list[str] = []

    assert main([], said.append) == 1
    assert "cargo is missing" in said[-1]
    assert "CEDAR=/path/to/cedar" in said[-1]
    assert main(["--no-install"], said.append) == 1
    assert "no Cedar command line" in said[-1]


def test_a_named_tool_that_is_not_the_right_one_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, or a Cedar without its analysis, is refused by name."""
    other = tmp_path / "cedar"
    other.write_text("#!/bin/sh\necho cedar-policy-cli 4.0.0\n", encoding="utf-8")
    other.chmod(0o700)
    monkeypatch.setenv("CEDAR", str(other))

    with pytest.raises(ToolMissingError, match=r"is not version"):
        find_tools()
    with pytest.raises(ToolMissingError, match=r"mend or unset"):
        install_tools(print)


def test_a_misspelt_key_of_a_property_is_named(copy: Path) -> None:
    """A property that is not understood is an error of the file, not one proof less."""
    replace(
        copy / "law" / "properties.yaml", "    never: context.recipient_unsafe", "    nevr: true"
    )

    with pytest.raises(PolicyFileError, match="unsafe-recipient-is-told-nothing"):
        read_properties(copy)


def test_a_fault_must_change_something_that_is_there(rules: Rules) -> None:
    """Taking out what is not there would plant no fault at all."""
    with pytest.raises(ValueError, match="no policy 'law/no-such-rule'"):
        rules.changed(["law/no-such-rule"], "")
    with pytest.raises(ValueError, match="is there already"):
        rules.changed([], '@id("law/no-nexus") permit (principal, action, resource);')


def test_the_policies_proved_are_those_that_are_loaded(rules: Rules) -> None:
    """Law, duties and every clause of every agreement, under the ids that reasons name."""
    ids = {one.id for one in rules.all}

    assert len(ids) == len(rules.all)
    assert {"law/source-identity", "ca1989-sch2-4-2", "national-baseline/police"} <= ids
    assert {one.id for one in rules.duties} < {one.id for one in rules.permits}
    assert all(not one.is_permit for one in rules.prohibitions)


def one_policy(condition: str) -> Policy:
    [policy] = policies_of(f'@id("x") permit (principal, action, resource) when {{ {condition} }};')
    return policy


def test_reading_a_policy_without_agreements_takes_away_just_that_fact() -> None:
    """`isEmpty` becomes true, any id is not contained, and all else stays as it was."""
    without = one_policy('context.kind == "police" && true && [""].contains("x")')
    given = one_policy(
        'context.kind == "police" && context.agreements.isEmpty() && context.agreements.contains("x")'
    )

    assert read_without_agreements(given.body) == without.body
    assert facts_read(given.body) == {"agreements", "kind"}


def test_the_shim_answers_as_the_solver_program_does(tools: Tools) -> None:
    """SMT-LIB in, answers out: unsat and sat with a model, after a reset, and errors as errors."""
    if not tools.cvc5.is_dir():
        pytest.skip("CVC5 names a program, so the package is not used here")
    script = """
      (set-option :produce-models true)
      (declare-const a Bool)
      (assert (and a (not a)))
      (check-sat)
      (reset)
      (set-option :produce-models true)
      (declare-const b Bool)
      (assert b)
      (check-sat)
      (get-model)
      (exit)
    """
    lines = "\n".join(line.strip() for line in script.splitlines())
    words = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "broker/shell/prove/smtlib.py"),
        str(tools.cvc5),
    ]
    answered = subprocess.run(words, input=lines, capture_output=True, text=True, check=True).stdout
    failed = subprocess.run(
        words, check=False, input="(assert c)\n(check-sat)\n", capture_output=True, text=True
    )

    assert answered.splitlines() == ["unsat", "sat", "(", "(define-fun b () Bool true)", ")"]
    assert failed.returncode == 1
    assert failed.stdout.startswith('(error "')
