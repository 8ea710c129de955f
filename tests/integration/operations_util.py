"""A site as central sees it, on which one cluster lives: it receives operations, and tells of them what a test wants."""
from central_util import Satellite, pb, put_cluster, wait_until

H, S = pb.health, pb.satellite
NOW = 1_800_000_000_000_000  # of the site's clock, microseconds


class Site:
    """A satellite with one cluster that runs, prod-pg-0 its primary."""

    def __init__(self, central, name, replicas=3):
        self.central, self.name = central, name
        self.sat = Satellite(central, name).enrol()
        self.cid = put_cluster(central, self.sat)
        self.cluster = f"prod-pg@{name}"
        self.stream, self.clock = None, NOW
        if replicas != 3:
            central.sql("UPDATE clusters SET config = jsonb_set(config, '{replicas}', %s) WHERE id = %s",
                        str(replicas), self.cid)

    def connect(self, central=None):
        self.stream = self.sat.connect(central, applied=[S.AppliedCluster(cluster_id=self.cid, applied_version=10 ** 9)])
        return self.stream

    def up(self):
        self.connect()
        pods = [H.InstanceHealth(pod_name=f"prod-pg-{i}", role=H.INSTANCE_ROLE_REPLICA if i else H.INSTANCE_ROLE_PRIMARY,
                                 ready=True, wal_receiver_active=bool(i)) for i in range(3)]
        self.stream.send(health=H.ClusterHealthReport(
            cluster_id=self.cid, name="prod-pg", namespace="databases", state=H.CLUSTER_STATE_RUNNING, instances=pods,
            replicas_wanted=3, primary_pod="prod-pg-0", at_us=NOW))
        wait_until("health is stored", lambda: self.central.sql("SELECT 1 FROM cluster_health WHERE cluster_id = %s", self.cid))
        return self

    def ask(self, kind, rest=None, **body):
        return (rest or self.central.admin()).call("POST", f"/api/v1/clusters/{self.cluster}/{kind}", body)

    def start(self, kind="switchover", **body):
        """The id of a new operation that the site has received."""
        status, op = self.ask(kind, **body)
        assert status == 202, op
        field = "switchover" if kind == "switchover" else "member_operation"
        self.stream.wait(field, lambda m: m.operation_id == op["id"])
        return op["id"]

    def progress(self, op, step, status, at=None, **kw):
        self.clock += 1000
        self.stream.send(operation_progress=S.OperationProgress(
            operation_id=op, cluster_name="prod-pg", namespace="databases", step=step, status=status,
            at_us=at or self.clock, **dict({"step_name": f"step {step}"}, **kw)))

    def result(self, op, outcome, **kw):
        self.stream.send(operation_result=S.OperationResult(operation_id=op, outcome=outcome, success=outcome == "done", **kw))

    def op(self, op, rest=None):
        return (rest or self.central.admin()).get(f"/api/v1/operations/{op}")

    def until(self, op, check, what="the operation is so"):
        if isinstance(check, str):
            want = check
            return wait_until(f"operation is {want}", lambda: (o := self.op(op))["state"] == want and o)
        return wait_until(what, lambda: check(o := self.op(op)) and o)

    def end(self, op, outcome="done"):
        self.result(op, outcome)
        return wait_until("it has ended", lambda: (o := self.op(op))["finished_at"] and o)

    def beat(self):
        """What central had sent on this stream before it read this has arrived."""
        self.clock += 1000
        self.stream.send(heartbeat=S.Heartbeat(at_us=self.clock))
        self.stream.wait("heartbeat_ack", lambda m: m.at_us == self.clock)

    def away(self):
        """The stream ends, and central has noted it."""
        self.stream.close()
        wait_until("away", lambda: not self.central.admin().get(f"/api/v1/satellites/{self.name}")["connected"])

    def close(self):
        self.sat.close()
