#include "store/enrolment.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- registering ---- */

typedef struct Registering {
    void (*done)(void *ctx, const Error *err, const char *satellite_id);
    void *ctx;
} Registering;

static void registered(void *ctx, const Error *err, PgResult *r)
{
    Registering g = *(Registering *)ctx;
    free(ctx);
    g.done(g.ctx, err, err ? NULL : pg_get(r, 0, 0));
}

void enrol_register(App *app, const EnrolNew *n,
                    void (*done)(void *ctx, const Error *err, const char *satellite_id), void *ctx)
{
    Registering *g = xnew(Registering);
    *g = (Registering){done, ctx};
    /* Labels and name of an approved one belong to the operator; what the site is follows. */
    pg_query(app->pool,
             "INSERT INTO satellites AS s (name, hostname, k8s_cluster, region, labels, version,"
             " kubernetes_version, peer, key_sha256, csr_pem, temp_token_sha256,"
             " temp_token_expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
             " now() + $12 * interval '1 h') ON CONFLICT (key_sha256) DO UPDATE SET"
             " hostname = excluded.hostname, k8s_cluster = excluded.k8s_cluster,"
             " region = excluded.region, version = excluded.version,"
             " kubernetes_version = excluded.kubernetes_version, peer = excluded.peer,"
             " labels = CASE WHEN s.state = 'pending' THEN excluded.labels ELSE s.labels END,"
             " temp_token_sha256 = excluded.temp_token_sha256,"
             " temp_token_expires = excluded.temp_token_expires, updated_at = now() RETURNING id",
             PG_PARAMS(
                 pg_text(n->name), pg_text(n->req->hostname), pg_text(n->req->k8s_cluster_name),
                 pg_text(n->req->region), pg_text(n->labels_json), pg_text(n->req->version),
                 pg_text(n->req->kubernetes_version), pg_text(n->peer), pg_bytes(n->key_sha256, 32),
                 pg_text(n->req->csr_pem), pg_bytes(n->temp_sha256, 32), pg_int(TEMP_TOKEN_HOURS)),
             registered, g);
}

/* ---- asking for approval ---- */

typedef struct Checking {
    Arena *arena;
    EnrolDone done;
    void *ctx;
} Checking;

static void checked(void *ctx, const Error *err, PgResult *r)
{
    Checking *k = ctx;
    Error why;
    if (!err && pg_rows(r) == 0) {
        err_set(&why, ERR_UNAUTHENTICATED,
                "unknown satellite or temporary token, or the token is older than %d hours: "
                "register again",
                TEMP_TOKEN_HOURS);
        err = &why;
    }
    if (err) {
        k->done(k->ctx, err, NULL);
        return;
    }
    Arena *a = k->arena;
    EnrolRow row = {.id = arena_strdup(a, pg_get(r, 0, 0)),
                    .name = arena_strdup(a, pg_get(r, 0, 1)),
                    .state = arena_strdup(a, pg_get(r, 0, 2)),
                    .csr_pem = arena_strdup(a, pg_get(r, 0, 3)),
                    .certificate_pem = arena_strdup(a, pg_get(r, 0, 4)),
                    .certificate_expires_us = pg_get_int(r, 0, 5),
                    .created_us = pg_get_int(r, 0, 6)};
    k->done(k->ctx, NULL, &row);
}

void enrol_check(App *app, Arena *a, const char *id, const unsigned char temp_sha256[32],
                 EnrolDone done, void *ctx)
{
    Checking *k = arena_new_of(a, Checking);
    *k = (Checking){a, done, ctx};
    pg_query(
        app->pool,
        "SELECT id, name, state, csr_pem, certificate_pem, " STORE_US(
            "certificate_expires") ", " STORE_US("created_at") " FROM satellites WHERE id::text = "
                                                               "$1 AND temp_token_sha256"
                                                               " = $2 AND temp_token_expires > "
                                                               "now()",
        PG_PARAMS(pg_text(id), pg_bytes(temp_sha256, 32)), checked, k);
}

typedef struct Issuing {
    AppDone done;
    void *ctx;
} Issuing;

static void issued(void *ctx, const Error *err, PgResult *r)
{
    Issuing k = *(Issuing *)ctx;
    Error why;
    free(ctx);
    if (!err && pg_affected(r) == 0) {
        err_set(&why, ERR_PRECONDITION, "the satellite is not approved any more");
        err = &why;
    }
    k.done(k.ctx, err);
}

void enrol_issue(App *app, const char *id, const ClientCert *cert,
                 const unsigned char auth_sha256[32], AppDone done, void *ctx)
{
    Issuing *k = xnew(Issuing);
    *k = (Issuing){done, ctx};
    pg_query(app->pool,
             "UPDATE satellites SET certificate_pem = $2, certificate_sha256 = $3,"
             " certificate_expires = to_timestamp($4::bigint / 1000000.0), auth_token_sha256 = $5"
             " WHERE id = $1 AND state = 'approved'",
             PG_PARAMS(pg_text(id), pg_text(cert->pem), pg_text(cert->sha256_hex),
                       pg_int(cert->not_after_us), pg_bytes(auth_sha256, 32)),
             issued, k);
}

/* ---- streams ---- */

typedef struct Admitting {
    AdmitDone done;
    void *ctx;
} Admitting;

static void admitted(void *ctx, const Error *err, PgResult *r)
{
    Admitting k = *(Admitting *)ctx;
    Error why;
    Admitted s = {0};
    free(ctx);
    if (!err && pg_rows(r) == 0) {
        err_set(&why, ERR_UNAUTHENTICATED, "no satellite with these credentials");
        err = &why;
    } else if (!err && !str_eq(pg_get(r, 0, 2), "approved")) {
        err_set(&why, ERR_FORBIDDEN, "satellite '%s' is %s", pg_get(r, 0, 1), pg_get(r, 0, 2));
        err = &why;
    }
    if (err) {
        k.done(k.ctx, err, NULL);
        return;
    }
    snprintf(s.id, sizeof s.id, "%s", pg_get(r, 0, 0));
    snprintf(s.name, sizeof s.name, "%s", pg_get(r, 0, 1));
    s.last_event_seq = pg_get_int(r, 0, 3);
    s.epoch = pg_get_int(r, 0, 4);
    k.done(k.ctx, NULL, &s);
}

void enrol_admit(App *app, const AdmitAsk *ask, AdmitDone done, void *ctx)
{
    Admitting *k = xnew(Admitting);
    *k = (Admitting){done, ctx};
    pg_query(app->pool,
             "WITH s AS (SELECT id, name, state, last_event_seq FROM satellites WHERE"
             " id::text = $1 OR auth_token_sha256 = $2),"
             " up AS (INSERT INTO streams AS t (satellite_id, central_id, epoch, peer)"
             " SELECT id, $3, nextval('stream_epoch'), $4 FROM s WHERE state = 'approved'"
             " ON CONFLICT (satellite_id) DO UPDATE SET central_id = excluded.central_id,"
             " epoch = excluded.epoch, peer = excluded.peer, connected_at = now(), seen_at = now()"
             " RETURNING satellite_id, epoch),"
             " back AS (UPDATE satellites t SET offline_since = NULL, row_version ="
             " t.row_version + 1 FROM up WHERE t.id = up.satellite_id AND t.offline_since IS NOT"
             " NULL RETURNING t.name),"
             " e AS (INSERT INTO events (at, severity, kind, satellite, message, source)"
             " SELECT now(), 'info', 'satellite.online', name, 'satellite ''' || name || ''' is"
             " back', 'central' FROM back RETURNING id)"
             " SELECT s.id, s.name, s.state, s.last_event_seq, up.epoch,"
             " (SELECT pg_notify('pgswarm', 'events I ' || id || '-' || id) FROM e) FROM s"
             " LEFT JOIN up ON up.satellite_id = s.id",
             PG_PARAMS(pg_text(ask->satellite_id),
                       ask->token_sha256 ? pg_bytes(ask->token_sha256, 32) : pg_null(),
                       pg_text(app->central_id), pg_text(ask->peer)),
             admitted, k);
}

void enrol_leave(App *app, const char *satellite_id, int64_t epoch, AppDone done, void *ctx)
{
    pg_query(app->writers,
             "WITH gone AS (DELETE FROM streams WHERE satellite_id = $1 AND epoch = $2 RETURNING"
             " seen_at) UPDATE satellites SET last_seen = greatest(last_seen, gone.seen_at)"
             " FROM gone WHERE id = $1",
             PG_PARAMS(pg_text(satellite_id), pg_int(epoch)), store_acked, store_ack(done, ctx));
}
