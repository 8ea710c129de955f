-- Leadership and durability of each cluster, ready to be shown; and what its members decided.

ALTER TABLE cluster_health ADD COLUMN ha jsonb NOT NULL DEFAULT '{}'; -- HA_SUMMARY of the REST interface

-- A record is kept as it was said: its hash is over its texts. Two that differ under one number are both kept: that is a finding.
CREATE TABLE decisions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    satellite_id  uuid NOT NULL,
    namespace     text NOT NULL,
    cluster       text NOT NULL,
    member        text NOT NULL,
    chain         text NOT NULL,
    number        bigint NOT NULL,
    hash          text NOT NULL,
    at            timestamptz NOT NULL,                -- the member's clock
    data          jsonb NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (satellite_id, namespace, member, chain, number, hash)
);
CREATE INDEX decisions_cluster ON decisions (satellite_id, namespace, cluster, id DESC);
CREATE INDEX decisions_received ON decisions (received_at);
