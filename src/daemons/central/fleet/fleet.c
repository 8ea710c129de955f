#include "core/log.h"
#include "fleet/fleet_priv.h"
#include "store/store.h"
#include "svc/ratelimit.h"
#include "svc/registration.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    BEAT_MS = 10000,
    SWEEP_MS = 1000,
    HELLO_LIMIT_MS = 15000,
    REGISTER_HITS = 300,
    REGISTER_WINDOW_MS = 60000
};

/* ---- silence ---- */

static void sweep(void *ctx)
{
    Fleet *f = ctx;
    uint64_t now = loop_now(f->app->loop);
    for (size_t i = 0; i < f->all.n; i++) {
        Session *x = f->all.at[i];
        if (x->state == SESSION_LIVE && now - x->heard_ms > FLEET_SILENCE_MS)
            session_end(x, GRPC_UNAVAILABLE, "silent for 30 s");
        else if (x->state < SESSION_LIVE && now - x->opened_ms > HELLO_LIMIT_MS)
            session_end(x, GRPC_DEADLINE_EXCEEDED, "no hello in time");
        else if (x->state == SESSION_ENDING && now - x->heard_ms > 2 * FLEET_SILENCE_MS && x->s)
            grpc_stream_cancel(x->s); /* does not even take our farewell */
    }
}

/* ---- the beat: this central lives, these satellites were heard ---- */

/* The streams that are still ours come back; a central that another one took for dead makes its own
 * row again. */
#define BEAT_SQL                                                                              \
    "WITH me AS (INSERT INTO centrals (id, host, version) VALUES ($1, $2, $3)"                \
    " ON CONFLICT (id) DO UPDATE SET seen_at = now()),"                                       \
    " dead AS (DELETE FROM centrals WHERE seen_at < now() - interval '60 s' AND id <> $1)"    \
    " UPDATE streams SET seen_at = CASE WHEN satellite_id = ANY ($4::uuid[]) THEN now() ELSE" \
    " seen_at END WHERE central_id = $1 RETURNING satellite_id, epoch"

static void check_ownership(Fleet *f, const PgResult *r)
{
    AUTO_ARENA a = arena_new();
    Map *ours = map_new();
    for (int i = 0; i < pg_rows(r); i++)
        map_put(ours, pg_get(r, i, 0), arena_strdup(a, pg_get(r, i, 1)));
    for (size_t i = 0; i < f->all.n; i++) {
        Session *x = f->all.at[i];
        int64_t epoch = 0;
        const char *text = *x->id ? map_get(ours, x->id) : NULL;
        if (x->state != SESSION_LIVE || loop_now(f->app->loop) - x->opened_ms < BEAT_MS)
            continue;
        if (!text || !str_to_i64(text, &epoch) || epoch != x->epoch)
            session_end(x, GRPC_ABORTED, "another stream of this satellite took over");
    }
    map_free(ours);
}

static void beaten(void *ctx, const Error *err, PgResult *r)
{
    Fleet *f = ctx;
    f->beating = false;
    if (err)
        log_warn("fleet", "the database does not take our beat", "err=%s", log_quote(err->msg));
    else
        check_ownership(f, r);
}

static void beat(void *ctx)
{
    Fleet *f = ctx;
    PgArray heard = {0};
    char host[256] = "";
    if (f->beating || f->app->draining)
        return;
    for (size_t i = 0; i < f->all.n; i++) {
        Session *x = f->all.at[i];
        if (x->state == SESSION_LIVE && x->heard)
            pgarray_text(&heard, x->id);
        x->heard = false;
        if (x->look_again)
            outbox_look(x);
    }
    gethostname(host, sizeof host - 1);
    f->beating = true;
    pg_query(f->app->writers, BEAT_SQL,
             PG_PARAMS(pg_text(f->app->central_id), pg_text(host), pg_text(PGSWARM_VERSION),
                       pgarray_param(&heard)),
             beaten, f);
    pgarrays_done(&heard, 1);
}

/* ---- news from the database ---- */

static void states_known(void *ctx, const Error *err, PgResult *r)
{
    Fleet *f = ctx;
    if (err) {
        log_warn("fleet", "states of satellites not read", "err=%s", log_quote(err->msg));
        return;
    }
    for (int i = 0; i < pg_rows(r); i++) {
        Session *x = map_get(f->by_satellite, pg_get(r, i, 0));
        if (x && str_eq(pg_get(r, i, 1), "approved"))
            continue;
        if (x)
            session_end(x, GRPC_PERMISSION_DENIED, "this satellite is not approved any more");
    }
}

void fleet_check_states(Fleet *f, const char *satellite_id)
{
    PgArray ids = {0};
    for (size_t i = 0; i < f->all.n; i++)
        if (*f->all.at[i]->id && (!satellite_id || str_eq(f->all.at[i]->id, satellite_id)))
            pgarray_text(&ids, f->all.at[i]->id);
    if (ids.b.n)
        pg_query(f->app->writers,
                 "SELECT i.id, coalesce(s.state, 'gone') FROM unnest($1::uuid[]) AS i (id)"
                 " LEFT JOIN satellites s ON s.id = i.id",
                 PG_PARAMS(pgarray_param(&ids)), states_known, f);
    pgarrays_done(&ids, 1);
}

static void on_change(void *ctx, const Change *c)
{
    Fleet *f = ctx;
    Session *x;
    if (c->kind == CHANGE_RESYNC) {
        fleet_check_states(f, NULL);
        for (size_t i = 0; i < f->all.n; i++) {
            outbox_look(f->all.at[i]);
            orders_look(f->all.at[i]);
        }
    } else if (c->kind == CHANGE_SATELLITE && c->op != 'I') {
        fleet_check_states(f, c->id);
    } else if (c->kind == CHANGE_CLUSTER && (x = map_get(f->by_satellite, c->satellite_id))) {
        outbox_look(x);
    } else if (c->kind == CHANGE_OPERATION && (x = map_get(f->by_satellite, c->satellite_id))) {
        orders_look(x);
    } else if (c->kind == CHANGE_STREAM && c->op == 'U' &&
               (x = map_get(f->by_satellite, c->satellite_id)) && x->epoch < c->epoch) {
        session_end(x, GRPC_ABORTED, "a newer stream of this satellite took over");
    }
}

/* ---- the object ---- */

#define CONNECT "/pgswarm.v1.SatelliteStreamService/Connect"
#define REGISTER "/pgswarm.v1.RegistrationService/Register"
#define APPROVAL "/pgswarm.v1.RegistrationService/CheckApproval"

Fleet *fleet_new(App *app)
{
    Fleet *f = xnew(Fleet);
    f->app = app;
    f->by_satellite = map_new();
    f->logs = map_new();
    f->registrations = ratelimit_new(REGISTER_HITS, REGISTER_WINDOW_MS);
    f->tls[0] = (GrpcMethod){CONNECT, session_tls, f};
    f->plain[0] = (GrpcMethod){CONNECT, session_plain, f};
    f->tls[1] = f->plain[1] =
        (GrpcMethod){REGISTER, registration_register, registration_new(app, f->registrations)};
    f->tls[2] = f->plain[2] = (GrpcMethod){APPROVAL, registration_approval, f->tls[1].ctx};
    changes_subscribe(app->changes, on_change, f);
    f->sweep = timer_start(app->loop, SWEEP_MS, SWEEP_MS, sweep, f);
    f->beat = timer_start(app->loop, 0, BEAT_MS, beat, f);
    return f;
}

void fleet_free(Fleet *f)
{
    if (!f)
        return;
    timer_stop(f->beat);
    timer_stop(f->sweep);
    registration_free(f->tls[1].ctx);
    ratelimit_free(f->registrations);
    map_free(f->by_satellite);
    vec_done(&f->all);
    logs_free(f);
    free(f);
}

const GrpcMethod *fleet_methods(Fleet *f, bool plaintext)
{
    return plaintext ? f->plain : f->tls;
}

const FleetStats *fleet_stats(const Fleet *f)
{
    return &f->stats;
}

bool fleet_holds(const Fleet *f, const char *satellite_id)
{
    const Session *x = map_get(f->by_satellite, satellite_id);
    return x && session_live(x);
}
