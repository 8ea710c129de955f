"""How a satellite becomes a known one, and what an unknown one gets: nothing. Over TLS, with stock grpcio."""
import shutil
import subprocess
import tempfile

import grpc
import pytest

from central_util import BIN, PASSWORD, Central, Postgres, Rest, Satellite, Stream, pb, wait_until

R = pb.registration


@pytest.fixture(scope="module")
def postgres():
    pg = Postgres()
    yield pg
    pg.remove()


@pytest.fixture(scope="module")
def central(postgres):
    c = Central(postgres.database(), plaintext=True).start()
    yield c
    c.remove()


def refused(fn):
    with pytest.raises(grpc.RpcError) as e:
        fn()
    return e.value.code()


def test_init_is_idempotent(central):
    with open(f"{central.dir}/token", encoding="ascii") as f:
        token = f.read()
    out = central.init().stdout
    assert "is there already" in out
    with open(f"{central.dir}/token", encoding="ascii") as f:
        assert f.read() == token
    assert central.admin().get("/api/v1/auth/whoami")["role"] == "admin"


@pytest.mark.parametrize("machines", [1, 2])
def test_inits_at_once(postgres, machines):
    """One whose caller was killed goes on beside the next; two pods of central may begin together, with the same key."""
    first = Central(postgres.database(), folder=tempfile.mkdtemp(prefix="pgs-central-"))
    folders = [first.dir] + [tempfile.mkdtemp(prefix="pgs-central-") for _ in range(machines - 1)]
    try:
        for folder in folders:
            with open(f"{folder}/password", "w", encoding="ascii") as f:
                f.write(PASSWORD + "\n")
            if machines > 1:
                with open(f"{folder}/key", "w", encoding="ascii") as f:
                    f.write("ab" * 32 + "\n")
        at_once = [subprocess.Popen([f"{BIN}/pg-swarm-central", "init", "--admin", "ann", "--password-file", f"{d}/password",
                                     "--ca-out", f"{d}/ca.crt", "--token-out", f"{d}/token"],
                                    env=dict(first.env, PGSWARM_KEY_FILE=f"{d}/key"), stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True) for d in folders for _ in range(4 // machines)]
        said = [p.communicate(timeout=120)[0] for p in at_once]
        assert [p.returncode for p in at_once] == [0] * 4, said
        assert len({open(f"{d}/ca.crt", encoding="ascii").read() for d in folders}) == 1
        assert sum("admin ann made" in text for text in said) == 1, said
        assert "is there already" in first.init().stdout
    finally:
        for folder in folders:
            shutil.rmtree(folder)


def test_another_key_file_is_refused(central, postgres):
    other = Central(central.conninfo, folder=central.dir)
    other.env["PGSWARM_KEY_FILE"] = f"{central.dir}/other-key"
    with pytest.raises(Exception) as e:
        other.init()
    assert "does not open with this key file" in e.value.stderr


def test_registration_is_idempotent_by_key(central):
    s = Satellite(central, "idem", tier="edge")
    first = s.register()
    again = s.register()
    assert again.satellite_id == first.satellite_id and again.temp_token != first.temp_token
    assert refused(lambda: s.check(temp_token=first.temp_token)) == grpc.StatusCode.UNAUTHENTICATED
    assert s.check().state == R.APPROVAL_STATE_PENDING
    assert s.check().certificate_pem == ""
    row = next(x for x in central.admin().get("/api/v1/satellites?state=pending")["items"] if x["id"] == s.id)
    assert row["name"] == "idem" and row["labels"] == {"tier": "edge"} and row["connected"] is False
    # Another site may say the same about itself: it is another one.
    assert Satellite(central, "idem").register().satellite_id != first.satellite_id


@pytest.mark.parametrize("bad", [
    {"csr_pem": "no certificate request"},
    {"csr_pem": ""},
    {"labels": {"not a label": "x"}},
    {"k8s_cluster_name": "x" * 300},
])
def test_bad_registrations(central, bad):
    assert refused(lambda: Satellite(central, "bad").register(**bad)) == grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_ids_and_tokens(central):
    s = Satellite(central, "guess")
    s.register()
    for kw in ({"temp_token": "0" * 64}, {"temp_token": ""}, {"satellite_id": "not-a-uuid"}):
        assert refused(lambda: s.check(**kw)) == grpc.StatusCode.UNAUTHENTICATED
    central.sql("UPDATE satellites SET temp_token_expires = now() - interval '1 s' WHERE id = %s", s.id)
    assert refused(s.check) == grpc.StatusCode.UNAUTHENTICATED


def test_approved(central):
    s = Satellite(central, "edge-a").enrol()
    again = s.check()
    assert again.auth_token == s.token and again.certificate_pem == s.cert and again.name == "edge-a"
    assert "BEGIN CERTIFICATE" in again.ca_pem
    other = Satellite(central, "edge-a")
    other.register()
    status, body = central.admin().call("POST", f"/api/v1/satellites/{other.id}/approve", {"name": "edge-a"})
    assert status == 409 and "edge-a" in body["error"]["message"]
    status, body = central.admin().call("POST", f"/api/v1/satellites/{s.id}/approve", {"name": "edge-b"})
    assert status == 412, body


def test_rejected_gets_nothing(central):
    s = Satellite(central, "nope")
    s.register()
    assert central.admin().call("POST", f"/api/v1/satellites/{s.id}/reject")[0] == 200
    r = s.check()
    assert r.state == R.APPROVAL_STATE_REJECTED and not r.certificate_pem and not r.auth_token


def test_streams_without_credentials(central):
    with central.channel() as ch:
        assert Stream(ch).hello().ended() == grpc.StatusCode.UNAUTHENTICATED
    # A certificate that somebody else signed does not survive the handshake.
    from fake_central import CA
    import tempfile
    s = Satellite(central, "forged")
    s.register()
    with tempfile.TemporaryDirectory() as folder:
        forged = CA(folder).sign_client(s.csr, s.id)
    with central.channel(s.key.encode(), forged.encode()) as ch:
        assert Stream(ch).hello().ended() == grpc.StatusCode.UNAVAILABLE
    for meta in (None, [("authorization", "Bearer " + "0" * 64)], [("authorization", "Basic abc")]):
        with grpc.insecure_channel(f"127.0.0.1:{central.plain_port}") as ch:
            assert Stream(ch, metadata=meta).hello().ended() == grpc.StatusCode.UNAUTHENTICATED
    # The TLS listener takes no token, the plaintext one no word for it.
    ok = Satellite(central, "tokens").enrol()
    with central.channel() as ch:
        assert Stream(ch, metadata=[("authorization", f"Bearer {ok.token}")]).hello().ended() == \
            grpc.StatusCode.UNAUTHENTICATED
    with grpc.insecure_channel(f"127.0.0.1:{central.plain_port}") as ch:
        st = Stream(ch, metadata=[("authorization", f"Bearer {ok.token}")]).hello()
        st.send(heartbeat=pb.satellite.Heartbeat(at_us=7))
        assert st.wait("heartbeat_ack").at_us == 7


def test_revoked_is_cut(central):
    s = Satellite(central, "gone").enrol()
    stream = s.connect()
    status, body = central.admin().call("POST", "/api/v1/satellites/gone/revoke")
    assert status == 200 and body["state"] == "revoked"
    assert stream.ended() == grpc.StatusCode.PERMISSION_DENIED
    assert s.open().hello().ended() == grpc.StatusCode.PERMISSION_DENIED
    with grpc.insecure_channel(f"127.0.0.1:{central.plain_port}") as ch:
        assert Stream(ch, metadata=[("authorization", f"Bearer {s.token}")]).hello().ended() == \
            grpc.StatusCode.PERMISSION_DENIED
    assert s.check().state == R.APPROVAL_STATE_REJECTED
    assert central.admin().call("DELETE", f"/api/v1/satellites/{s.id}")[0] == 204
    s.close()


def test_passwords_roles_and_audit(central):
    anon, admin = Rest(central), central.admin()
    assert anon.call("POST", "/api/v1/auth/login", {"name": "ann", "password": "wrong horse"})[0] == 401
    assert anon.call("POST", "/api/v1/auth/login", {"name": "nobody", "password": "wrong horse"})[0] == 401
    status, body = anon.call("POST", "/api/v1/auth/login", {"name": "ann", "password": "correct horse battery"})
    assert status in (200, 201), body
    assert Rest(central, body["token"]).get("/api/v1/auth/whoami")["name"] == "ann"
    assert admin.call("POST", "/api/v1/users", {"name": "vic", "role": "viewer", "password": "long enough"})[0] == 201
    assert admin.call("POST", "/api/v1/users", {"name": "vic", "role": "viewer", "password": "long enough"})[0] == 409
    status, body = anon.call("POST", "/api/v1/auth/login", {"name": "vic", "password": "long enough"})
    viewer = Rest(central, body["token"])
    s = Satellite(central, "for-viewer")
    s.register()
    assert viewer.get("/api/v1/satellites")["total"] >= 1
    before = central.sql("SELECT count(*) FROM audit")[0][0]
    for method, path in (("POST", f"/api/v1/satellites/{s.id}/approve"), ("POST", f"/api/v1/satellites/{s.id}/reject"),
                         ("POST", "/api/v1/users"), ("DELETE", f"/api/v1/satellites/{s.id}")):
        assert viewer.call(method, path, {"name": "x"} if method == "POST" else None)[0] == 403, path
    assert central.sql("SELECT count(*) FROM audit")[0][0] == before
    assert admin.call("POST", f"/api/v1/satellites/{s.id}/approve", {"name": "for-viewer"})[0] == 200
    rows = central.sql("SELECT user_name, action, object FROM audit ORDER BY id DESC LIMIT 1")
    assert rows == [("ann", "satellite.approve", "satellite/for-viewer")]
    assert admin.call("DELETE", "/api/v1/users/ann")[0] == 412  # the last admin
    assert admin.call("DELETE", "/api/v1/users/vic")[0] == 204
    wait_until("tokens of a removed user end", lambda: viewer.call("GET", "/api/v1/satellites")[0] == 401)


def test_secrets_are_nowhere_in_the_clear(central):
    """Neither tokens nor keys, in no table and no log."""
    s = Satellite(central, "secret").enrol()
    with open(f"{central.dir}/token", encoding="ascii") as f:
        admin_token = f.read().strip()
    dump = "\n".join(str(central.sql(f"SELECT * FROM {t}")) for t in
                     ("satellites", "tokens", "users", "secrets", "events", "audit"))
    for secret in (s.token, s.temp, admin_token, "correct horse battery", "PRIVATE KEY"):
        assert secret not in dump and secret not in central.log()


def test_random_bytes_on_every_port(central):
    """They end in a closed connection; central goes on."""
    import random
    import socket
    rnd = random.Random(7)
    pid = central.proc.pid
    for port in (central.http_port, central.grpc_port, central.plain_port):
        for start in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
                try:
                    s.sendall(start + rnd.randbytes(20000))
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass  # reset: as good
    assert central.proc.poll() is None and central.proc.pid == pid
    assert central.admin().call("GET", "/healthz")[0] == 200
    s = Satellite(central, "after-noise")
    assert s.register().satellite_id


def test_unknown_methods_and_wrong_users_of_the_port(central):
    with central.channel() as ch:
        call = ch.unary_unary("/pgswarm.v1.RegistrationService/Nothing")
        assert refused(lambda: call(b"", timeout=30)) == grpc.StatusCode.UNIMPLEMENTED
        call = ch.unary_unary("/pgswarm.v1.RegistrationService/Register")
        assert refused(lambda: call(b"\xff\xff\xff", timeout=30)) == grpc.StatusCode.INVALID_ARGUMENT
        health = ch.unary_unary("/grpc.health.v1.Health/Check")
        assert health(b"", timeout=30) == b"\x08\x01"  # SERVING


# ---- enrolment tokens ----

def token_for(central, name, **more):
    status, body = central.admin().call("POST", "/api/v1/enrolment-tokens", {"name": name, **more})
    assert status == 201 and len(body["token"]) == 64 and body["name"] == name, body
    return body


def shown(central, sid):
    return central.admin().get(f"/api/v1/satellites/{sid}")


def test_a_token_admits_its_satellite_once(central):
    t = token_for(central, "tok-a", labels={"tier": "edge"})
    s = Satellite(central, "tok-a", tier="forged", rack="7")
    r = s.register(enrolment_token=t["token"])
    assert r.note == ""
    row = shown(central, r.satellite_id)
    assert row["state"] == "approved" and row["labels"] == {"tier": "edge", "rack": "7"}  # the token's word counts
    answer = s.check()
    assert answer.state == R.APPROVAL_STATE_APPROVED and answer.name == "tok-a"
    s.cert, s.token = answer.certificate_pem, answer.auth_token
    s.connect()
    s.close()
    # The same satellite asks again (it crashed before it wrote down the answer): no second use, no second row.
    assert s.register(enrolment_token=t["token"]).note == ""
    audit = central.sql("SELECT user_name, action, object, after ->> 'enrolment_token' FROM audit WHERE object ="
                        " 'satellite/tok-a' ORDER BY id")
    assert [a[:3] for a in audit] == [("ann", "enrolment.create", "satellite/tok-a"),
                                      ("ann", "satellite.enrol", "satellite/tok-a")] and audit[1][3] == t["id"]
    # Another key with it waits, and both sides are told why.
    other = Satellite(central, "tok-a")
    r = other.register(enrolment_token=t["token"])
    assert "used by another satellite" in r.note and "approve" in r.note
    assert shown(central, r.satellite_id)["state"] == "pending" and other.check().state == R.APPROVAL_STATE_PENDING
    wait_until("an event", lambda: [e for e in central.admin().get("/api/v1/events?kind=satellite.enrolment")["items"]
                                    if e["satellite"] == "tok-a" and "used by another satellite" in e["message"]])
    [info] = [i for i in central.admin().get("/api/v1/enrolment-tokens")["items"] if i["id"] == t["id"]]
    assert info["used_at"] and "token" not in info


@pytest.mark.parametrize("what", ["unknown", "of another name", "expired", "deleted"])
def test_a_token_that_admits_nobody(central, what):
    name = "bad-" + what.replace(" ", "-")
    t = token_for(central, name)
    token, said = t["token"], "none of central's"
    if what == "unknown":
        token = "0" * 64
    elif what == "expired":
        central.sql("UPDATE enrolment_tokens SET expires_at = now() WHERE id = %s", t["id"])
        said = "has expired"
    elif what == "deleted":
        assert central.admin().call("DELETE", f"/api/v1/enrolment-tokens/{t['id']}")[0] == 204
        assert central.admin().call("DELETE", f"/api/v1/enrolment-tokens/{t['id']}")[0] == 404
    else:
        name, said = "quite-another", f"is for satellite '{name}', not for 'quite-another'"
    s = Satellite(central, name)
    r = s.register(enrolment_token=token)
    assert said in r.note and shown(central, r.satellite_id)["state"] == "pending"
    if what == "of another name":  # it is still good for its own satellite
        assert central.sql("SELECT used_at FROM enrolment_tokens WHERE id = %s", t["id"]) == [(None,)]
    # An admin may let it in all the same.
    assert central.admin().call("POST", f"/api/v1/satellites/{r.satellite_id}/approve", {})[0] == 200


def test_a_token_lifts_no_revocation_and_takes_no_name(central):
    s = Satellite(central, "was-here").enrol()
    t = token_for(central, "was-here")
    twin = Satellite(central, "was-here")
    r = twin.register(enrolment_token=t["token"])
    assert "belongs to another approved satellite" in r.note
    assert central.sql("SELECT used_at FROM enrolment_tokens WHERE id = %s", t["id"]) == [(None,)]
    assert central.admin().call("POST", "/api/v1/satellites/was-here/revoke")[0] == 200
    assert "revoked" in s.register(enrolment_token=t["token"]).note
    assert s.check().state == R.APPROVAL_STATE_REJECTED
    assert twin.register(enrolment_token=t["token"]).note == ""  # the name is free now


def test_who_may_make_tokens_and_what_is_kept(central):
    viewer = central.admin().call("POST", "/api/v1/tokens", {"role": "viewer", "description": "looks"})[1]["token"]
    assert Rest(central, viewer).call("POST", "/api/v1/enrolment-tokens", {"name": "x"})[0] == 403
    assert Rest(central).call("POST", "/api/v1/enrolment-tokens", {"name": "x"})[0] == 401
    status, body = central.admin().call("POST", "/api/v1/enrolment-tokens", {"name": "Not A Name", "ttl_hours": 9999})
    assert status == 422 and {f["field"] for f in body["error"]["fields"]} == {"name", "ttl_hours"}
    t = token_for(central, "kept")
    dump = str(central.sql("SELECT * FROM enrolment_tokens")) + str(central.sql("SELECT * FROM audit"))
    assert t["token"] not in dump and t["token"] not in central.log()
