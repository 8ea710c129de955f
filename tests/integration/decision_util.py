"""Decisions of a member, hashed here by the published rule, independently of the C code."""
import hashlib


def canonical(d):
    def text(s):
        b = s.encode()
        return b"%d:%s," % (len(b), b)

    return (b"pg-swarm decision 1," + text(d["prev"]) + text(d["member"]) + text(d["chain"])
            + b"%d,%d,%d," % (d["number"], d["at_us"], d["epoch"])
            + text(d["kind"]) + text(d["saw"]) + text(d["did"]) + text(d["why"]))


def chain(member, notes, name="00c0ffee00c0ffee", start_us=1_700_000_000_000_000):
    """notes: (epoch, kind, saw, did, why) in order."""
    out, prev = [], ""
    for i, (epoch, kind, saw, did, why) in enumerate(notes):
        d = {"member": member, "chain": name, "number": i + 1, "at_us": start_us + i * 100_000, "epoch": epoch,
             "kind": kind, "saw": saw, "did": did, "why": why, "prev": prev}
        d["hash"] = prev = hashlib.sha256(canonical(d)).hexdigest()
        out.append(d)
    return out


def data(d):
    """As the map of an EventReport."""
    m = {k: str(v) for k, v in d.items() if k not in ("member", "kind")}
    m["decision"] = d["kind"]
    return m
