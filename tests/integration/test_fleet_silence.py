"""A satellite that says nothing for 30 s is cut and called offline, once; its return is told too."""
import grpc
import pytest

from central_util import Central, Postgres, Satellite, pb, put_cluster, wait_until


@pytest.fixture
def central():
    pg = Postgres()
    c = Central(pg.database()).start()
    yield c
    c.remove()
    pg.remove()


def kinds(central):
    return [r[0] for r in central.sql("SELECT kind FROM events WHERE kind LIKE 'satellite.o%' ORDER BY id")]


def test_silence(central):
    sat = Satellite(central, "edge-a").enrol()
    cid = put_cluster(central, sat)
    st = sat.connect()
    wait_until("the stream is cut", lambda: st.code, 90)
    assert st.code == grpc.StatusCode.UNAVAILABLE and "silent" in st.details
    wait_until("its end is seen", lambda: not central.admin().get("/api/v1/satellites/edge-a")["connected"])
    wait_until("said to be offline", lambda: kinds(central) == ["satellite.offline"], 90)
    assert "silent since" in central.sql("SELECT reason FROM cluster_list WHERE id = %s", cid)[0][0]
    st = sat.connect()
    wait_until("said to be back", lambda: kinds(central) == ["satellite.offline", "satellite.online"])
    wait_until("nothing is wrong", lambda: central.sql("SELECT reason FROM cluster_list WHERE id = %s", cid) == [("",)])
    st.send(heartbeat=pb.satellite.Heartbeat(at_us=1))
    st.wait("heartbeat_ack")
    sat.close()
