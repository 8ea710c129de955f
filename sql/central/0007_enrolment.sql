-- Tokens that admit one new satellite without an admin standing by: made beforehand, for one name, once, for a while.
CREATE TABLE enrolment_tokens (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sha256      bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    name        text NOT NULL CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),   -- of the satellite
    labels      jsonb NOT NULL DEFAULT '{}',           -- it gets them beside those it reports
    created_by  text NOT NULL,                         -- a copy: the row outlives the user
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    used_by     uuid                                   -- the satellite; asking again by the same one is no second use
);
