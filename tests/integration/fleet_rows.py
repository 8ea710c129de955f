"""Satellites as rows, for tests of what central decides: no stream, no site."""
import hashlib
import json
import uuid


def add_satellite(postgres, central, name, state="approved", **labels):
    """The id of a new satellite."""
    sid = str(uuid.uuid4())
    sha = hashlib.sha256(sid.encode()).hexdigest()
    postgres.psql(central.database, f"""
        INSERT INTO satellites (id, name, state, labels, key_sha256, csr_pem)
        VALUES ('{sid}', '{name}', '{state}', '{json.dumps(labels)}', decode('{sha}', 'hex'), '')""")
    return sid


def profile(name, **more):
    """The smallest PROFILE_INPUT, and what a test wants beside it."""
    return {"name": name, "storage": {"size": "10Gi"}, "postgres": {"version": "15"}, **more}


def make_profile(central, name, **more):
    a = central.call("POST", "/api/v1/profiles", profile(name, **more))
    assert a.status == 201, a
    return a.json
