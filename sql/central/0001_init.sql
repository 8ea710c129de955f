-- The first schema of central. Forward only: a later change is a new file.
--
-- What should be: profiles, profile_versions, deployment_rules, clusters (desired_version against acked_version).
-- What is: cluster_health, instances, events. Who may: users, tokens, satellites. Who did: audit.
-- Every change that another central or a screen must see is told on channel `pgswarm` (see tell() below).

-- ---- who we are ----

CREATE TABLE centrals (
    id          uuid PRIMARY KEY,                      -- made at each start of a process
    host        text NOT NULL,
    version     text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now()     -- older than 30 s: that process is gone
);

-- Small sealed values: the CA key, server keys, a check value that tells a wrong key file from the right one.
CREATE TABLE secrets (
    name        text PRIMARY KEY CHECK (name <> ''),
    sealed      bytea NOT NULL,                        -- nonce and secretbox
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name           text NOT NULL UNIQUE CHECK (name ~ '^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,62}$'),
    role           text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash  text NOT NULL,                      -- argon2id, libsodium's text form; '' = no password
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_login_at  timestamptz
);

CREATE TABLE tokens (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    sha256        bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    description   text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,                         -- NULL: until it is ended
    last_used_at  timestamptz
);
CREATE INDEX tokens_user ON tokens (user_id, created_at);

CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    user_name   text NOT NULL,                         -- a copy: the row outlives the user
    role        text NOT NULL,
    action      text NOT NULL,                         -- the route's: "profile.update"
    object      text NOT NULL DEFAULT '',              -- "profile/std", "satellite/edge-a"
    peer        text NOT NULL DEFAULT '',              -- address of the caller
    request_id  text NOT NULL DEFAULT '',
    status      int  NOT NULL,                         -- HTTP status of the answer
    before      jsonb,
    after       jsonb
);
CREATE INDEX audit_at ON audit (at DESC);
CREATE INDEX audit_object ON audit (object, id DESC);

-- ---- labels ----

-- A selector as central's code writes it: [{"op":"in"|"notin"|"exists"|"absent","k":KEY,"v":[VALUE..]}, ..]; all must hold.
CREATE FUNCTION labels_select(labels jsonb, selector jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM jsonb_array_elements(selector) t
         WHERE NOT CASE t ->> 'op'
               WHEN 'in' THEN coalesce((t -> 'v') ? (labels ->> (t ->> 'k')), false)
               WHEN 'notin' THEN NOT coalesce((t -> 'v') ? (labels ->> (t ->> 'k')), false)
               WHEN 'exists' THEN labels ? (t ->> 'k')
               ELSE NOT labels ? (t ->> 'k') END)
$$;

-- ---- satellites ----

CREATE TABLE satellites (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name                 text NOT NULL CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    state                text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'rejected', 'revoked')),
    hostname             text NOT NULL DEFAULT '',
    k8s_cluster          text NOT NULL DEFAULT '',
    region               text NOT NULL DEFAULT '',
    labels               jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
    version              text NOT NULL DEFAULT '',
    kubernetes_version   text NOT NULL DEFAULT '',
    storage_classes      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(storage_classes) = 'array'),
    peer                 text NOT NULL DEFAULT '',     -- address it registered from
    -- Enrolment. The request's public key is the identity: registering again with it is the same satellite.
    key_sha256           bytea NOT NULL UNIQUE CHECK (length(key_sha256) = 32),
    csr_pem              text NOT NULL,
    temp_token_sha256    bytea UNIQUE,
    temp_token_expires   timestamptz,
    auth_token_sha256    bytea UNIQUE,                 -- the token itself is derived, never stored
    certificate_pem      text NOT NULL DEFAULT '',
    certificate_sha256   text NOT NULL DEFAULT '',     -- hex, of the newest one
    certificate_expires  timestamptz,
    -- The stream.
    last_event_seq       bigint NOT NULL DEFAULT 0,
    last_seen            timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    row_version          bigint NOT NULL DEFAULT 1     -- ETag
);
-- A name belongs to one admitted satellite; what is pending, rejected or revoked blocks nobody.
CREATE UNIQUE INDEX satellites_name ON satellites (name) WHERE state = 'approved';
CREATE INDEX satellites_labels ON satellites USING gin (labels jsonb_path_ops);
CREATE INDEX satellites_state ON satellites (state, name);

-- Which central holds the stream of a satellite. The highest epoch wins; a central that sees a higher one cuts its own.
CREATE SEQUENCE stream_epoch;
CREATE TABLE streams (
    satellite_id  uuid PRIMARY KEY REFERENCES satellites ON DELETE CASCADE,
    central_id    uuid NOT NULL REFERENCES centrals ON DELETE CASCADE,
    epoch         bigint NOT NULL,
    peer          text NOT NULL DEFAULT '',
    connected_at  timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now()   -- written at most every 10 s
);
CREATE INDEX streams_central ON streams (central_id);

-- ---- profiles are git ----

CREATE TABLE git_objects (
    oid   bytea PRIMARY KEY CHECK (length(oid) = 20),
    kind  smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),  -- 1 commit 2 tree 3 blob 4 tag, as git numbers them
    data  bytea NOT NULL                                   -- without git's header, not compressed (TOAST does that)
);

CREATE TABLE profiles (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    version     int  NOT NULL DEFAULT 1 CHECK (version >= 1),  -- the newest, also the ETag
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- The refs of git: refs/heads/NAME is the newest row, refs/tags/NAME/vN is row N.
CREATE TABLE profile_versions (
    profile_id  uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
    version     int  NOT NULL CHECK (version >= 1),
    commit_oid  bytea NOT NULL REFERENCES git_objects,
    doc         jsonb NOT NULL CHECK (jsonb_typeof(doc) = 'object'),  -- PROFILE_INPUT of that version, for lists and diffs
    author      text NOT NULL,
    message     text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile_id, version)
);

-- version is a major ("17") or an exact release ("17.5"); an image in the profile itself overrides this table.
CREATE TABLE postgres_versions (
    version     text NOT NULL CHECK (version ~ '^1[3-8](\.[0-9]{1,2})?$'),
    variant     text NOT NULL CHECK (variant ~ '^[a-z0-9]([-a-z0-9.]{0,30}[a-z0-9])?$'),
    image       text NOT NULL CHECK (image <> '' AND image !~ '[[:space:]]'),
    major       int GENERATED ALWAYS AS (split_part(version, '.', 1)::int) STORED,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, variant)
);
INSERT INTO postgres_versions (version, variant, image)
SELECT m::text, 'default', 'postgres:' || m FROM generate_series(13, 18) m;

CREATE TABLE deployment_rules (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name          text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    profile_id    uuid NOT NULL REFERENCES profiles ON DELETE RESTRICT,
    selector      jsonb NOT NULL CHECK (jsonb_typeof(selector) = 'object'),
    namespace     text NOT NULL DEFAULT 'default' CHECK (namespace ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    cluster_name  text NOT NULL CHECK (cluster_name ~ '^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$'),
    version       int NOT NULL DEFAULT 1,              -- ETag
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace, cluster_name, name)
);
CREATE INDEX deployment_rules_profile ON deployment_rules (profile_id);

-- ---- clusters: what should be ----

-- One counter for all clusters: a cluster that is removed and made again still only sees growing versions.
CREATE SEQUENCE config_version;
CREATE TABLE clusters (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name                 text NOT NULL CHECK (name ~ '^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$'),
    namespace            text NOT NULL CHECK (namespace ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    satellite_id         uuid NOT NULL REFERENCES satellites ON DELETE RESTRICT,
    rule_id              uuid REFERENCES deployment_rules ON DELETE SET NULL,
    profile_id           uuid NOT NULL REFERENCES profiles ON DELETE RESTRICT,
    profile_version      int NOT NULL,
    config               jsonb NOT NULL CHECK (jsonb_typeof(config) = 'object'),  -- the effective PROFILE_INPUT, image resolved
    paused               boolean NOT NULL DEFAULT false,
    deletion_protection  boolean NOT NULL DEFAULT false,
    desired_version      bigint NOT NULL DEFAULT nextval('config_version'),
    -- The answer of the site: acked_version is the newest version it answered, applied_version what runs there.
    acked_version        bigint NOT NULL DEFAULT 0,
    applied_version      bigint NOT NULL DEFAULT 0,
    config_state         text NOT NULL DEFAULT 'pending' CHECK (config_state IN ('pending', 'applied', 'refused', 'deleting')),
    config_error         text NOT NULL DEFAULT '',
    -- The tombstone: set means "remove it"; the row goes when the site says DELETED.
    deleted_at           timestamptz,
    delete_volumes       boolean NOT NULL DEFAULT false,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE (satellite_id, namespace, name),
    FOREIGN KEY (profile_id, profile_version) REFERENCES profile_versions ON DELETE RESTRICT
);
CREATE INDEX clusters_name ON clusters (name, namespace);
CREATE INDEX clusters_rule ON clusters (rule_id);
CREATE INDEX clusters_profile ON clusters (profile_id, profile_version);
CREATE INDEX clusters_unacked ON clusters (satellite_id) WHERE acked_version < desired_version;

-- ---- clusters: what is ----

CREATE TABLE cluster_health (
    cluster_id       uuid PRIMARY KEY REFERENCES clusters ON DELETE CASCADE,
    state            text NOT NULL CHECK (state IN ('unknown', 'creating', 'running', 'degraded', 'failed', 'deleting', 'paused', 'updating')),
    reason           text NOT NULL DEFAULT '',
    replicas         int NOT NULL DEFAULT 0,           -- wanted there, primary included
    ready            int NOT NULL DEFAULT 0,
    primary_pod      text NOT NULL DEFAULT '',
    lag_bytes        bigint NOT NULL DEFAULT 0,        -- the worst of the replicas
    lag_seconds      double precision NOT NULL DEFAULT 0,
    applied_version  bigint NOT NULL DEFAULT 0,
    rw_host          text NOT NULL DEFAULT '',
    rw_port          int NOT NULL DEFAULT 0,
    ro_host          text NOT NULL DEFAULT '',
    ro_port          int NOT NULL DEFAULT 0,
    at               timestamptz NOT NULL,             -- the site's clock
    received_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX cluster_health_state ON cluster_health (state) WHERE state <> 'running';

-- doc is INSTANCE of the REST interface (databases, tables, slow queries and all), ready to be shown.
CREATE TABLE instances (
    cluster_id  uuid NOT NULL REFERENCES clusters ON DELETE CASCADE,
    pod         text NOT NULL,
    role        text NOT NULL CHECK (role IN ('unknown', 'primary', 'replica', 'failed_primary')),
    ready       boolean NOT NULL,
    doc         jsonb NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, pod)
) WITH (fillfactor = 70);

-- Names are copies: an event outlives its cluster and its satellite.
CREATE TABLE events (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    satellite_id  uuid,                                -- NULL: central's own
    seq           bigint,                              -- of the satellite; NULL: central's own
    satellite     text NOT NULL DEFAULT '',
    at            timestamptz NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    severity      text NOT NULL CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    kind          text NOT NULL,
    cluster       text NOT NULL DEFAULT '',
    namespace     text NOT NULL DEFAULT '',
    pod           text NOT NULL DEFAULT '',
    message       text NOT NULL,
    data          jsonb NOT NULL DEFAULT '{}',
    source        text NOT NULL DEFAULT '',
    operation_id  text NOT NULL DEFAULT '',
    UNIQUE (satellite_id, seq)
);
CREATE INDEX events_cluster ON events (cluster, namespace, id DESC) WHERE cluster <> '';
CREATE INDEX events_satellite ON events (satellite, id DESC);
CREATE INDEX events_kind ON events (kind, id DESC);
CREATE INDEX events_severity ON events (severity, id DESC) WHERE severity <> 'info';
CREATE INDEX events_at ON events (at);

-- ---- one row a cluster, as lists show it ----

-- state is what a person should read: the wish where it rules (deleting, paused), else what the site reports.
CREATE VIEW cluster_list AS
SELECT c.id, c.name, c.namespace, c.satellite_id, s.name AS satellite, s.labels AS satellite_labels,
       CASE WHEN c.deleted_at IS NOT NULL THEN 'deleting'
            WHEN c.paused THEN 'paused'
            WHEN h.cluster_id IS NULL AND c.config_state = 'refused' THEN 'failed'
            ELSE coalesce(h.state, 'creating') END AS state,
       CASE WHEN c.config_state = 'refused' THEN c.config_error ELSE coalesce(h.reason, '') END AS reason,
       c.profile_id, p.name AS profile, c.profile_version, c.rule_id, coalesce(r.name, '') AS rule, c.paused,
       c.deletion_protection, c.desired_version AS config_version, c.acked_version, c.applied_version, c.config_state,
       c.config_error, coalesce((c.config ->> 'replicas')::int, 0) AS replicas, coalesce(h.ready, 0) AS ready,
       coalesce(h.primary_pod, '') AS primary_pod, coalesce(h.lag_bytes, 0) AS lag_bytes,
       coalesce(h.lag_seconds, 0) AS lag_seconds, coalesce(h.rw_host, '') AS rw_host, coalesce(h.rw_port, 0) AS rw_port,
       coalesce(h.ro_host, '') AS ro_host, coalesce(h.ro_port, 0) AS ro_port, h.at AS health_at, c.deleted_at,
       c.created_at, greatest(c.updated_at, h.received_at) AS updated_at
  FROM clusters c
  JOIN satellites s ON s.id = c.satellite_id
  JOIN profiles p ON p.id = c.profile_id
  LEFT JOIN deployment_rules r ON r.id = c.rule_id
  LEFT JOIN cluster_health h ON h.cluster_id = c.id;

-- ---- telling ----

-- NOTIFY pgswarm with "TABLE OP ID SATELLITE_ID" (OP: I U D; SATELLITE_ID only for clusters and streams). Health and events
-- come in batches, so their writers send one message a batch: "health U ID,ID,..." and "events I FIRST-LAST".
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    r record;
    site text := '';
BEGIN
    IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
    IF TG_TABLE_NAME = 'clusters' THEN site := ' ' || r.satellite_id; END IF;
    PERFORM pg_notify('pgswarm', TG_TABLE_NAME || ' ' || left(TG_OP, 1) || ' ' || r.id || site);
    RETURN NULL;
END $$;

CREATE FUNCTION tell_stream() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('pgswarm', 'streams D ' || OLD.epoch || ' ' || OLD.satellite_id);
    ELSIF TG_OP = 'INSERT' OR OLD.epoch <> NEW.epoch THEN
        PERFORM pg_notify('pgswarm', 'streams U ' || NEW.epoch || ' ' || NEW.satellite_id);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tell AFTER INSERT OR DELETE ON satellites FOR EACH ROW EXECUTE FUNCTION tell();
-- last_seen and last_event_seq change all the time and are nobody's news.
CREATE TRIGGER tell_update AFTER UPDATE ON satellites FOR EACH ROW
    WHEN (OLD.row_version IS DISTINCT FROM NEW.row_version OR OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON clusters FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON profiles FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON deployment_rules FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON streams FOR EACH ROW EXECUTE FUNCTION tell_stream();
