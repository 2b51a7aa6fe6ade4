"""Who is let in and who is not: a provider that lies, sessions that end, limits, and roles."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from litestar import Litestar, Request, get
from litestar.testing import TestClient

from broker.desk import consultations, oidc, sessions
from broker.desk.app import application_of
from broker.desk.doors import DeskError, check
from broker.desk.id_token import REASONS, Expected, SignInRefusedError, checked, values_at
from broker.desk.parts import DeskPart
from broker.desk.people import Role
from broker.desk.running import RunningDesk
from broker.desk.sealing import AtRest
from broker.desk.serve import server_of
from broker.desk.settings import DeskSettings
from broker.desk.signing_in import onward
from broker.desk.store import DeskStore
from broker.reference import load_reference
from broker.shell.settings import Settings
from tests.desk.conftest import in_thread
from tests.desk.hostile_provider import CLIENT, HostileProvider, hostile, query_of
from tests.desk.test_doors import token_of

SANDWELL = "E08000028"
BASE = "http://localhost:8450"
ROLES = {"duty": (Role.DUTY,), "review": (Role.REVIEWER,)}


@pytest.fixture
def liar() -> Iterator[HostileProvider]:
    """A provider that says what it is told to say."""
    with hostile() as made:
        yield made


def a_desk(folder: Path, **own: Any) -> RunningDesk:
    """A desk without Kafka, its files in `folder`."""
    settings = Settings(data_dir=folder)
    given_as = DeskSettings(organisation=SANDWELL, **own)
    check(given_as)
    at_rest = AtRest.of(settings.keys_dir, SANDWELL)
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    store = DeskStore(given_as.folder(folder), at_rest, (sessions.SCHEMA, oidc.SCHEMA))
    return RunningDesk(given_as, settings, reference, store)


def asking(folder: Path, liar: HostileProvider, **own: Any) -> RunningDesk:
    """A desk that asks that provider."""
    asked = {
        "base_url": BASE,
        "oidc_issuer": liar.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": "secret",
        "oidc_roles": ROLES,
    }
    return a_desk(folder, **(asked | own))


def browser_at(desk: RunningDesk) -> TestClient[Litestar]:
    """A browser of nobody at a desk."""
    return TestClient(application_of(desk, []), base_url=BASE)


@contextlib.contextmanager
def another_browser(client: TestClient[Litestar]) -> Iterator[TestClient[Litestar]]:
    """Inside the block requests come from a browser of somebody else; afterwards from the first again."""
    own = list(client.cookies.jar)
    client.cookies.clear()
    yield client
    client.cookies.clear()
    for cookie in own:
        client.cookies.jar.set_cookie(cookie)


def tried(client: TestClient[Litestar], liar: HostileProvider, **instead: str) -> httpx.Response:
    """One attempt to sign in; `instead` is put into the answer's address."""
    sent = client.get("/oidc/start?next=/account", follow_redirects=False)
    asked = query_of(sent.headers["location"])
    liar.nonce = asked["nonce"]
    answer = {"code": "a-code", "state": asked["state"]} | instead
    return client.get("/oidc/back", params=answer, follow_redirects=False)


def is_in(client: TestClient[Litestar]) -> bool:
    """Whether the browser is signed in."""
    return client.get("/account", follow_redirects=False).status_code == 200


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says that it needs no signature."""
    pieces = (
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()
        for one in ({"alg": "none"}, claims)
    )
    return f"{'.'.join(pieces)}."


def by_another(claims: dict[str, Any]) -> str:
    """A token by a key that the provider does not show."""
    key = ECKey.generate_key("P-256", {"kid": "own"})
    return jwt.encode({"alg": "ES256", "kid": "own"}, claims, key)


def by_the_secret(claims: dict[str, Any]) -> str:
    """A token by what the desk knows as well."""
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("secret"), algorithms=["HS256"])


def test_what_the_provider_states_truly_lets_in(tmp_path: Path, liar: HostileProvider) -> None:
    """By code, with PKCE: the verifier that is shown later is what was hashed before."""
    with browser_at(asking(tmp_path, liar)) as client:
        sent = client.get("/oidc/start?next=/account", follow_redirects=False)
        asked = query_of(sent.headers["location"])
        liar.nonce = asked["nonce"]
        answer = {"code": "a-code", "state": asked["state"], "iss": liar.issuer}
        back = client.get("/oidc/back", params=answer, follow_redirects=False)
        assert (back.status_code, back.headers["location"]) == (303, "/account")
        assert "staff-7" in client.get("/account").text
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    (exchanged,) = liar.asked
    hashed = hashlib.sha256(exchanged["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
    assert exchanged["authorization"].startswith("Basic ")


LIES: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Any]], str] | None]] = {
    "another nonce": ("nonce_wrong", {"nonce": "other"}, None),
    "no nonce": ("nonce_wrong", {"nonce": None}, None),
    "another audience": ("audience_wrong", {"aud": "payroll"}, None),
    "two audiences": ("audience_wrong", {"aud": [CLIENT, "payroll"]}, None),
    "made for another": ("audience_wrong", {"aud": [CLIENT, "payroll"], "azp": "payroll"}, None),
    "another issuer": ("issuer_wrong", {"iss": "https://elsewhere.example"}, None),
    "expired": ("time_wrong", {"exp": 1_700_000_000}, None),
    "kept for long": ("time_wrong", {"iat": 1_700_000_000}, None),
    "not yet": ("time_wrong", {"nbf": 4_000_000_000}, None),
    "of tomorrow": ("time_wrong", {"iat": 4_000_000_000}, None),
    "for ever": ("time_wrong", {"exp": None}, None),
    "time in words": ("time_wrong", {"exp": "never"}, None),
    "a name as reference": ("no_reference", {"sub": "Sal Invented"}, None),
    "a mail address as reference": ("no_reference", {"sub": "sal@council.example"}, None),
    "no reference": ("no_reference", {"sub": None}, None),
    "no signature": ("signature_wrong", {}, unsigned),
    "another's signature": ("signature_wrong", {}, by_another),
    "a shared secret": ("signature_wrong", {}, by_the_secret),
    "no token": ("signature_wrong", {}, lambda _: "x.y.z"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_the_provider_lets_nobody_in(
    lie: str, tmp_path: Path, liar: HostileProvider
) -> None:
    """The page says in words what was wrong; the browser has no session."""
    reason, liar.claims, token = LIES[lie]
    liar.token = token or liar.signed
    with browser_at(asking(tmp_path, liar)) as client:
        refused = tried(client, liar)
        assert refused.status_code == 403
        assert REASONS[reason][1:] in httpx_text(refused)
        assert not is_in(client)


def httpx_text(answer: httpx.Response) -> str:
    """The text of a page, apostrophes as they are read."""
    return answer.text.replace("&#39;", "'")


def test_an_answer_counts_once_and_in_the_browser_that_asked(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """Made up, of another browser, a second time, of another provider, or a refusal: nobody is let in."""
    desk = asking(tmp_path, liar)
    with browser_at(desk) as client:
        assert tried(client, liar, state="made-up").status_code == 403
        assert tried(client, liar, iss="https://elsewhere.example").status_code == 403
        refused = tried(client, liar, error="access_denied", code="")
        assert refused.status_code == 403
        assert not is_in(client)
        sent = client.get("/oidc/start", follow_redirects=False)
        asked = query_of(sent.headers["location"])
        liar.nonce, answer = asked["nonce"], {"code": "a-code", "state": asked["state"]}
        with another_browser(client) as other:
            assert other.get("/oidc/back", params=answer).status_code == 403
            other.get("/oidc/start", follow_redirects=False)
            assert other.get("/oidc/back", params=answer).status_code == 403
            assert not is_in(other)
        assert client.get("/oidc/back", params=answer, follow_redirects=False).status_code == 303
        client.cookies.delete(next(one for one in client.cookies if "session" in one))
        assert client.get("/oidc/back", params=answer).status_code == 403
        assert not is_in(client)


def test_an_answer_that_comes_too_late_counts_no_more(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """After ten minutes what was begun is forgotten."""
    desk = asking(tmp_path, liar)
    with browser_at(desk) as client:
        sent = client.get("/oidc/start", follow_redirects=False)
        desk.store.execute("UPDATE going SET until = ?", (time.time() - 1,))
        answer = {"code": "a-code", "state": query_of(sent.headers["location"])["state"]}
        assert REASONS["not_asked_here"][1:] in client.get("/oidc/back", params=answer).text


def test_a_second_factor_is_asked_for_and_looked_for(tmp_path: Path, liar: HostileProvider) -> None:
    """A desk that wants one asks the provider for it, and lets nobody in by a statement without it."""
    with browser_at(asking(tmp_path, liar, oidc_acr=("mfa", "phr"))) as client:
        sent = client.get("/oidc/start", follow_redirects=False)
        assert query_of(sent.headers["location"])["acr_values"] == "mfa phr"
        assert REASONS["too_weak"][1:] in tried(client, liar).text
        liar.claims = {"acr": "pwd"}
        assert REASONS["too_weak"][1:] in tried(client, liar).text
        liar.claims = {"acr": "phr"}
        assert tried(client, liar).status_code == 303
        assert is_in(client)


def test_a_provider_of_another_name_or_none_is_not_asked(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """Metadata of another issuer is not believed; one that does not answer is said to be away."""
    liar.described = {"issuer": "https://elsewhere.example"}
    with browser_at(asking(tmp_path, liar)) as client:
        assert client.get("/oidc/start", follow_redirects=False).status_code == 403
    gone = DeskSettings(oidc_issuer="http://127.0.0.1:9").oidc_issuer
    with browser_at(asking(tmp_path, liar, oidc_issuer=gone)) as client:
        answer = client.get("/oidc/start", follow_redirects=False)
        assert answer.status_code == 503
        assert "does not answer" in answer.text


def test_a_new_key_of_the_provider_is_learned(tmp_path: Path, liar: HostileProvider) -> None:
    """After a rotation somebody is let in without the desk being started anew."""
    desk = asking(tmp_path, liar)
    app = application_of(desk, [])
    with TestClient(app, base_url=BASE) as client:
        assert tried(client, liar).status_code == 303
        liar.key = ECKey.generate_key("P-256", {"kid": "own", "use": "sig"})
        liar.shown_keys = [liar.key]
        app.state.provider._keys_at -= oidc.KEYS_AGAIN_AFTER_S + 1
        assert tried(client, liar).status_code == 303


def test_only_roles_that_the_desk_gives_and_has(tmp_path: Path, liar: HostileProvider) -> None:
    """A group that is not in the table gives nothing; a role of another desk is none here."""
    liar.claims = {"roles": ["duty", "review", "admin"]}
    with browser_at(asking(tmp_path, liar)) as client:
        tried(client, liar)
        assert "duty" in client.get("/account").text
        assert "reviewer" not in client.get("/account").text
    for stated in (["admin"], ["review"], [], None, {"duty": True}, 7):
        liar.claims = {"roles": stated}
        with browser_at(asking(tmp_path, liar)) as client:
            refused = tried(client, liar)
            assert refused.status_code == 403
            assert "You have no role at this desk" in refused.text
            assert not is_in(client)


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.text() | st.integers() | st.none(),
            lambda of: (
                st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=3), of, max_size=3)
            ),
        ),
        max_size=3,
    ),
    st.text(max_size=8),
)
def test_any_claim_gives_texts_or_nothing(claims: dict[str, Any], path: str) -> None:
    """Whatever a provider puts there, reading it ends well, and only texts come out."""
    assert all(isinstance(one, str) for one in values_at(claims, path))


def test_roles_may_lie_deeper() -> None:
    """As some providers nest them."""
    assert values_at({"realm_access": {"roles": ["a", "b"]}}, "realm_access.roles") == {"a", "b"}
    assert values_at({"https://x.example/roles": "a"}, "https://x.example/roles") == {"a"}


def test_a_session_ends_when_idle_and_at_last_anyhow(tmp_path: Path, liar: HostileProvider) -> None:
    """After so long without a request, and after so long whatever; what is asked for then leads back."""
    desk = asking(tmp_path, liar, idle_minutes=5, session_hours=2)
    with browser_at(desk) as client:
        for column in ("idle_until", "ends_at"):
            tried(client, liar)
            assert is_in(client)
            idle, longest = desk.store.one("SELECT max(idle_until), max(ends_at) FROM session")
            assert 200 < idle - time.time() <= 300
            assert 7000 < longest - time.time() <= 7200
            desk.store.execute(f"UPDATE session SET {column} = ?", (time.time() - 1,))
            ended = client.get("/account?page=2", follow_redirects=False)
            assert ended.headers["location"] == "/sign-in?next=/account%3Fpage%3D2"
            live = {"HX-Request": "true", "HX-Current-URL": f"{BASE}/account?page=2"}
            piece = client.get("/account", headers=live, follow_redirects=False)
            assert piece.headers["hx-redirect"] == "/sign-in?next=/account%3Fpage%3D2"
            assert piece.text == ""


def test_a_request_puts_the_end_off(tmp_path: Path, liar: HostileProvider) -> None:
    """Whoever works is not signed out in the middle of it."""
    desk = asking(tmp_path, liar, idle_minutes=5)
    with browser_at(desk) as client:
        tried(client, liar)
        desk.store.execute("UPDATE session SET idle_until = ?", (time.time() + 60,))
        assert is_in(client)
        (idle,) = desk.store.one("SELECT max(idle_until) FROM session")
        assert idle - time.time() > 200


def test_a_session_has_a_new_number_at_each_sign_in_and_none_after_its_end(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """A number that the browser brought is never taken; one that was signed out opens nothing again."""
    with browser_at(asking(tmp_path, liar)) as client:
        tried(client, liar)
        name = next(one for one in client.cookies if "session" in one)
        first = client.cookies[name]
        tried(client, liar)
        second = client.cookies[name]
        assert first != second
        for number in (first, "planted"):
            client.cookies.clear()
            client.cookies.set(name, number)
            assert not is_in(client)
        client.cookies.clear()
        client.cookies.set(name, second)
        assert is_in(client)
        token = token_of(client.get("/account").text)
        client.post("/sign-out", data={"_csrf_token": token})
        client.cookies.set(name, second)
        assert not is_in(client)


@get("/slow")
async def slow(request: Request[Any, Any, Any], desk: RunningDesk) -> str:
    """A page that is still being made when the person signs out in another tab."""
    consultations.shows_nobody()
    desk.store.execute("DELETE FROM session")
    request.session["seen"] = True
    return "made"


def test_a_session_that_was_ended_does_not_come_back(tmp_path: Path, liar: HostileProvider) -> None:
    """An answer that was under way when somebody signed out does not write the session anew."""
    desk = asking(tmp_path, liar)
    app = application_of(desk, [DeskPart(handlers=(slow,))])
    with TestClient(app, base_url=BASE) as client:
        tried(client, liar)
        assert client.get("/slow").text == "made"
        assert desk.store.all("SELECT * FROM session") == []
        assert not is_in(client)


def test_nothing_of_a_session_can_be_read_from_the_disk(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """Neither the number that opens it, nor the name; nor the secrets of an attempt under way."""
    with browser_at(asking(tmp_path, liar)) as client:
        tried(client, liar)
        sent = client.get("/oidc/start", follow_redirects=False)
        secrets = [*client.cookies.values(), query_of(sent.headers["location"])["nonce"]]
        with sqlite3.connect(tmp_path / "desk" / SANDWELL / "desk.db") as rows:
            everything = "".join(map(repr, rows.iterdump()))
    assert "INSERT INTO" in everything
    assert "Sal Invented" not in everything
    assert not [one for one in secrets if one in everything]


def test_people_and_addresses_have_limits_of_their_own(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """Whoever asks too often is held up, and nobody else at the same address; signing in has its own."""
    desk = asking(tmp_path, liar, requests_a_minute=10, sign_ins_a_minute=4)
    with browser_at(desk) as client:
        tried(client, liar)
        codes = [client.get("/account").status_code for _ in range(11)]
        assert codes == [200] * 10 + [429]
        with another_browser(client) as second:
            liar.claims = {"sub": "staff-8"}
            tried(second, liar)
            assert is_in(second)
            assert tried_status(second) == 429
        assert client.get("/account").status_code == 429


def tried_status(client: TestClient[Litestar]) -> int:
    """What a further attempt to sign in is answered with."""
    return client.get("/oidc/start", follow_redirects=False).status_code


def test_only_the_proxy_before_it_is_believed(tmp_path: Path, liar: HostileProvider) -> None:
    """What a request says of its own address counts from the proxy, and from nobody else."""

    async def codes(trusted: str) -> list[int]:
        desk = asking(
            tmp_path / (trusted or "none"), liar, sign_ins_a_minute=2, trusted_proxies=trusted
        )
        config = server_of(application_of(desk, []), desk.own)
        config.load()
        transport = httpx.ASGITransport(config.loaded_app, client=("127.0.0.1", 5))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            asked = [
                await client.get("/oidc/start", headers={"X-Forwarded-For": f"192.0.2.{number}"})
                for number in range(4)
            ]
        return [one.status_code for one in asked]

    assert in_thread(lambda: asyncio.run(codes("127.0.0.1"))) == [303] * 4
    assert in_thread(lambda: asyncio.run(codes(""))) == [303, 303, 429, 429]


@pytest.mark.parametrize(
    "own",
    [
        {"development": True, "host": "0.0.0.0"},
        {"development": True, "base_url": "https://desk.example"},
        {},
        {"base_url": BASE, "oidc_issuer": "https://idp.example", "oidc_client_id": "x"},
        {
            "base_url": "http://desk.example",
            "oidc_issuer": "https://idp.example",
            "oidc_client_id": "x",
            "oidc_roles": ROLES,
        },
        {
            "base_url": BASE,
            "oidc_issuer": "http://idp.example",
            "oidc_client_id": "x",
            "oidc_roles": ROLES,
        },
    ],
)
def test_a_desk_that_anybody_or_nobody_could_enter_is_not_opened(own: dict[str, Any]) -> None:
    """Invented people on an address that others reach; no provider; no roles; words sent in the open."""
    with pytest.raises(DeskError, match="BROKER_DESK_"):
        check(DeskSettings(organisation=SANDWELL, **own))


def test_in_development_a_page_by_another_name_is_refused(tmp_path: Path) -> None:
    """A site whose name is made to lead to this machine cannot sign anybody in."""
    with browser_at(a_desk(tmp_path, development=True)) as client:
        assert client.get("/sign-in").status_code == 200
        assert client.get("/sign-in", headers={"Host": "evil.example:8450"}).status_code == 403


def test_behind_tls_cookies_belong_to_this_host_alone(
    tmp_path: Path, liar: HostileProvider
) -> None:
    """`__Host-` and Secure on each, and the browser is told to come by TLS only."""
    desk = asking(tmp_path, liar, base_url="https://localhost:8450")
    with TestClient(application_of(desk, []), base_url="https://localhost:8450") as client:
        seen = [client.get("/oidc/start", follow_redirects=False), tried(client, liar)]
        cookies = [one for answer in seen for one in answer.headers.get_list("set-cookie")]
        assert {one.split("-")[2] for one in cookies} >= {"going", "session"}
        for cookie in cookies:
            assert cookie.startswith("__Host-desk-")
            assert "; Secure" in cookie
            assert "HttpOnly" in cookie
            assert "Domain" not in cookie
            assert "Path=/;" in f"{cookie};"
        assert all("max-age" in one.headers["strict-transport-security"] for one in seen)


@given(st.text(alphabet=st.sampled_from("/\\.:@ab\t\n "), max_size=8) | st.text(max_size=20))
def test_one_comes_back_to_this_desk_and_nowhere_else(stated: str) -> None:
    """Whatever stands behind `next`, a browser stays at this host."""
    led = onward(stated)
    assert led.startswith("/")
    assert led[1:2] not in {"/", "\\"}
    assert httpx.URL(BASE).join(led).host == "localhost"


KEY = ECKey.generate_key("P-256", {"kid": "own"})
KEYS = {"keys": [KEY.as_dict(private=False)]}


@given(
    issued=st.integers(-5000, 5000),
    lasts=st.integers(-5000, 5000),
    audience=st.sampled_from(["a", "b"]),
)
def test_a_token_is_taken_only_in_its_time_and_for_its_service(
    issued: int, lasts: int, audience: str
) -> None:
    """Against the rule in one line, with clocks up to a minute apart."""
    now = 1_800_000_000
    claims = {
        "iss": "i",
        "aud": audience,
        "nonce": "n",
        "iat": now + issued,
        "exp": now + issued + lasts,
    }
    token = jwt.encode({"alg": "ES256", "kid": "own"}, claims, KEY)
    fine = audience == "a" and -660 <= issued <= 60 and issued + lasts > -60
    try:
        checked(token, KEYS, Expected("i", "a", "n", now))
    except SignInRefusedError:
        assert not fine
    else:
        assert fine
