-- Operations: long jobs of one cluster, with an owner, steps and one of four ends.
--
-- What was asked for stands here until the site has told how it ended; the central that holds the site's stream sends it, and
-- sends it again, by comparison. state `unknown` without finished_at: nothing was heard for long, it may go on.

CREATE TABLE operations (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq                 bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- the order of lists
    kind                text NOT NULL CHECK (kind IN ('switchover', 'failover', 'fence', 'unfence', 'reinit', 'restart', 'pause', 'resume')),
    cluster_id          uuid REFERENCES clusters ON DELETE SET NULL,
    satellite_id        uuid NOT NULL,                 -- no reference: an operation outlives its site's record
    -- Names are copies: it outlives its cluster too.
    cluster             text NOT NULL,
    namespace           text NOT NULL,
    satellite           text NOT NULL,
    params              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(params) = 'object'),
    state               text NOT NULL CHECK (state IN ('scheduled', 'pending', 'running', 'waiting', 'done', 'rolled_back', 'failed', 'unknown')),
    step                int NOT NULL DEFAULT 0,
    steps_total         int NOT NULL DEFAULT 0,
    steps               jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(steps) = 'array'),  -- OPERATION_STEP of the REST interface
    target              text NOT NULL DEFAULT '',
    primary_pod         text NOT NULL DEFAULT '',
    point_of_no_return  boolean NOT NULL DEFAULT false,
    requested_by        text NOT NULL,
    -- What a person said to it; sent until its effect is seen.
    aborted_by          text NOT NULL DEFAULT '',
    continue_step       int NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL DEFAULT now(),
    scheduled_at        timestamptz,
    sent_at             timestamptz,                   -- NULL: no site has seen it, so it can end here
    started_at          timestamptz,
    heard_at            timestamptz,
    finished_at         timestamptz,
    error               text NOT NULL DEFAULT '',
    detail              text NOT NULL DEFAULT '',
    CHECK (state = 'unknown' OR (finished_at IS NOT NULL) = (state IN ('done', 'rolled_back', 'failed'))),
    CHECK (state <> 'scheduled' OR scheduled_at IS NOT NULL)
);
-- One at a time. One that is only planned keeps nobody from acting now; it waits when its time comes.
CREATE UNIQUE INDEX operations_active ON operations (cluster_id) WHERE finished_at IS NULL AND state <> 'scheduled';
CREATE UNIQUE INDEX operations_planned ON operations (cluster_id) WHERE state = 'scheduled';
CREATE INDEX operations_unfinished ON operations (satellite_id) WHERE finished_at IS NULL;
CREATE INDEX operations_due ON operations (scheduled_at) WHERE state = 'scheduled';
CREATE INDEX operations_cluster ON operations (cluster, seq DESC);
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;

-- reason: why it does not go on now, from what is true now.
CREATE VIEW operation_list AS
SELECT o.*, CASE
       WHEN o.state = 'scheduled' AND o.scheduled_at > now() THEN ''
       WHEN o.state = 'scheduled' THEN 'another operation of this cluster has not ended'
       WHEN o.state = 'waiting' AND o.aborted_by <> '' THEN 'is told to abort'
       WHEN o.state = 'waiting' THEN 'waits for continue or abort'
       WHEN o.state = 'pending' AND o.sent_at IS NULL AND NOT x.connected THEN 'satellite ' || o.satellite ||
            ' is not connected; it begins when the satellite is back'
       WHEN o.state = 'pending' AND o.sent_at IS NULL THEN 'is about to be sent to satellite ' || o.satellite
       WHEN o.state = 'pending' THEN 'sent to satellite ' || o.satellite || ', no answer yet'
       WHEN o.state = 'unknown' AND o.finished_at IS NULL THEN 'nothing was heard of it since ' ||
            to_char(coalesce(o.heard_at, o.sent_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ', it may go on' ||
            CASE WHEN x.connected THEN '' ELSE '; satellite ' || o.satellite || ' is not connected' END
       ELSE '' END AS reason
  FROM operations o
  CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM streams st JOIN centrals c ON c.id = st.central_id
                                      WHERE st.satellite_id = o.satellite_id AND c.seen_at > now() - interval '30 s') AS connected) x;

-- A cluster that goes takes no more orders; what nobody has seen did not happen, what somebody has may have.
CREATE FUNCTION end_operations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE operations SET state = CASE WHEN sent_at IS NULL THEN 'rolled_back' ELSE 'unknown' END, finished_at = now(),
           error = 'the cluster was removed' WHERE cluster_id = OLD.id AND finished_at IS NULL;
    RETURN OLD;
END $$;
CREATE TRIGGER end_operations BEFORE DELETE ON clusters FOR EACH ROW EXECUTE FUNCTION end_operations();

CREATE FUNCTION tell_operation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pgswarm', 'operations ' || left(TG_OP, 1) || ' ' || NEW.id || ' ' || NEW.satellite_id);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON operations FOR EACH ROW EXECUTE FUNCTION tell_operation();
-- That it was heard of is nobody's news.
CREATE TRIGGER tell_update AFTER UPDATE ON operations FOR EACH ROW
    WHEN ((OLD.state, OLD.step, OLD.steps_total, OLD.steps, OLD.target, OLD.point_of_no_return, OLD.aborted_by, OLD.continue_step,
           OLD.sent_at, OLD.finished_at, OLD.error, OLD.detail) IS DISTINCT FROM
          (NEW.state, NEW.step, NEW.steps_total, NEW.steps, NEW.target, NEW.point_of_no_return, NEW.aborted_by, NEW.continue_step,
           NEW.sent_at, NEW.finished_at, NEW.error, NEW.detail))
    EXECUTE FUNCTION tell_operation();
