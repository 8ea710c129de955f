#include "fleet/outbox.h"

#include "core/ident.h"
#include "core/limits.h"
#include "core/log.h"
#include "fleet/fleet_priv.h"
#include "store/events.h"
#include "store/profiles.h"
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 20, ACKS_MAX = 1000 };

/* What we know of one cluster at this site, on this stream. */
typedef struct Known {
    int64_t site, sent;
} Known;

OutboxVerdict outbox_decide(OutboxRow row, int64_t site, int64_t sent)
{
    if (sent >= row.desired)
        return OUTBOX_NOTHING; /* on its way; the site answers or the stream breaks */
    if (row.deleted)
        return OUTBOX_DELETE;
    return site >= row.desired ? OUTBOX_NOTHING : OUTBOX_CONFIG;
}

static Known *known(Session *x, const char *cluster_id)
{
    Known *k = map_get(x->sent, cluster_id);
    if (!k) {
        k = xnew(Known);
        k->site = -1;
        map_put(x->sent, cluster_id, k);
    }
    return k;
}

void outbox_done(Session *x)
{
    timer_stop(x->look);
    x->look = NULL;
}

void outbox_free(Session *x)
{
    for (MapIter it = {0}; map_next(x->sent, &it);)
        free(it.value);
    map_free(x->sent);
}

/* ---- the comparison ---- */

enum {
    C_ID,
    C_NAME,
    C_NS,
    C_DESIRED,
    C_ACKED,
    C_DELETED,
    C_VOLUMES,
    C_CONFIG,
    C_PAUSED,
    C_PROTECTED,
    C_PROFILE,
    C_PROFILE_VERSION
};

#define LOOK_SQL                                                                              \
    "SELECT c.id, c.name, c.namespace, c.desired_version, c.acked_version,"                   \
    " c.deleted_at IS NOT NULL, c.delete_volumes, c.config, c.paused, c.deletion_protection," \
    " p.name, c.profile_version FROM clusters c JOIN profiles p ON p.id = c.profile_id"       \
    " LEFT JOIN unnest($2::uuid[], $3::bigint[]) AS h (id, v) ON h.id = c.id"                 \
    " WHERE c.satellite_id = $1 AND (c.deleted_at IS NOT NULL OR c.acked_version <"           \
    " c.desired_version OR coalesce(h.v, -1) < c.desired_version) ORDER BY c.desired_version"

/* What was accepted once is sent: the site checks it by rules of its own. */
static void spec_of(Arena *a, const PgResult *r, int i, ClusterSpec *ret)
{
    Profile p;
    profile_from_doc(a, pg_get(r, i, C_CONFIG), &p);
    cluster_spec_from_profile(ret, &p, p.postgres.image);
    ret->cluster_id = arena_strdup(a, pg_get(r, i, C_ID));
    ret->name = arena_strdup(a, pg_get(r, i, C_NAME));
    ret->ns = arena_strdup(a, pg_get(r, i, C_NS));
    ret->config_version = pg_get_int(r, i, C_DESIRED);
    ret->profile_name = arena_strdup(a, pg_get(r, i, C_PROFILE));
    ret->profile_version = (uint32_t)pg_get_int(r, i, C_PROFILE_VERSION);
    ret->deletion_protection = pg_get_bool(r, i, C_PROTECTED);
    ret->paused = pg_get_bool(r, i, C_PAUSED);
}

static bool send_config(Session *x, const PgResult *r, int i)
{
    AUTO_ARENA a = arena_new();
    SatelliteDown m = {.id = "", .kind = DOWN_CLUSTER_CONFIG};
    spec_of(a, r, i, &m.cluster);
    x->f->stats.configs_sent++;
    log_info("fleet", "config sent", "satellite=%s cluster=%s/%s version=%lld", x->name,
             m.cluster.ns, m.cluster.name, (long long)m.cluster.config_version);
    return session_send(x, &m);
}

static bool send_delete(Session *x, const PgResult *r, int i)
{
    SatelliteDown m = {.id = "",
                       .kind = DOWN_DELETE_CLUSTER,
                       .delete_cluster = {.cluster_id = pg_get(r, i, C_ID),
                                          .name = pg_get(r, i, C_NAME),
                                          .ns = pg_get(r, i, C_NS),
                                          .config_version = pg_get_int(r, i, C_DESIRED),
                                          .delete_volumes = pg_get_bool(r, i, C_VOLUMES)}};
    log_info("fleet", "delete sent", "satellite=%s cluster=%s/%s version=%s", x->name,
             pg_get(r, i, C_NS), pg_get(r, i, C_NAME), pg_get(r, i, C_DESIRED));
    return session_send(x, &m);
}

static bool send_row(Session *x, const PgResult *r, int i)
{
    OutboxRow row = {pg_get_int(r, i, C_DESIRED), pg_get_int(r, i, C_ACKED),
                     pg_get_bool(r, i, C_DELETED)};
    Known *k = known(x, pg_get(r, i, C_ID));
    bool sent = true;
    switch (outbox_decide(row, k->site, k->sent)) {
    case OUTBOX_NOTHING:
        return true;
    case OUTBOX_CONFIG:
        sent = send_config(x, r, i);
        break;
    case OUTBOX_DELETE:
        sent = send_delete(x, r, i);
        break;
    }
    if (sent)
        k->sent = row.desired;
    return sent;
}

static void looked(void *ctx, const Error *err, PgResult *r)
{
    Session *x = ctx;
    x->looking = false;
    if (session_live(x) && err) {
        log_warn("fleet", "comparison failed", "satellite=%s err=%s", x->name, log_quote(err->msg));
        timer_stop(x->look);
        x->look = NULL;
        x->look_again = true; /* the beat of the fleet tries again */
    } else if (session_live(x)) {
        bool again = x->look_again;
        x->look_again = false;
        for (int i = 0; i < pg_rows(r); i++)
            if (!send_row(x, r, i)) {
                x->look_again = true; /* on_drain goes on */
                break;
            }
        if (again)
            outbox_look(x);
    }
    session_unref(x);
}

/* What it runs already needs no sending, only noting. Rows are locked in one order. */
#define NOTE_SQL                                                                                 \
    "UPDATE clusters c SET acked_version = greatest(c.acked_version, h.v),"                      \
    " applied_version = h.v, config_state = CASE WHEN c.deleted_at IS NOT NULL THEN 'deleting'"  \
    " WHEN h.v >= c.desired_version THEN 'applied' ELSE c.config_state END,"                     \
    " config_error = CASE WHEN h.v >= c.desired_version THEN '' ELSE c.config_error END"         \
    " FROM (SELECT k.id, t.v FROM unnest($2::uuid[], $3::bigint[]) AS t (id, v) JOIN clusters k" \
    " ON k.id = t.id WHERE k.satellite_id = $1 AND t.v >= 0 ORDER BY k.id FOR NO KEY UPDATE OF " \
    "k) h"                                                                                       \
    " WHERE c.id = h.id AND (c.applied_version <> h.v OR (h.v >= c.desired_version AND"          \
    " c.config_state NOT IN ('applied', 'deleting')))"

/* ---- what the site says is stored one after the other: what it said first must not come last
 * ---- */

typedef struct Acking {
    struct Acking *next;
    Arena *arena;
    Session *x;
    ConfigAck a;
} Acking;

static void store_next(Session *x);

static void drop_acks(Session *x)
{
    while (x->acks) {
        Acking *k = x->acks;
        x->acks = k->next;
        arena_free(k->arena);
    }
    x->n_acks = 0;
    x->note_due = false;
}

static void stored(Session *x, const Error *err)
{
    x->storing = false;
    if (err && err->code == ERR_CANCELLED)
        drop_acks(x); /* central ends; the site says it all again to the next one */
    store_next(x);
    session_unref(x);
}

static void note_stored(void *ctx, const Error *err, PgResult *r)
{
    Session *x = ctx;
    (void)r;
    if (err) {
        log_warn("fleet", "what the site has is not stored", "satellite=%s err=%s", x->name,
                 log_quote(err->msg));
        x->note = x->look_again = true; /* the beat of the fleet tries again */
    }
    stored(x, err);
}

static void ack_stored(void *ctx, const Error *err, PgResult *r)
{
    Acking *k = ctx;
    Session *x = k->x;
    (void)r;
    if (err) {
        log_warn("fleet", "acknowledgement not stored", "satellite=%s cluster=%s/%s err=%s",
                 x->name, log_quote(k->a.ns), log_quote(k->a.name), log_quote(err->msg));
        *known(x, k->a.cluster_id) = (Known){.site = -1}; /* sent again, it is answered again */
        x->look_again = true;
    }
    arena_free(k->arena);
    stored(x, err);
}

/* Id and version of each cluster that the site has spoken of. */
static void sites(const Session *x, PgArray arr[2])
{
    for (MapIter it = {0}; map_next(x->sent, &it);) {
        pgarray_text(&arr[0], it.key);
        pgarray_int(&arr[1], ((Known *)it.value)->site);
    }
}

static void store_note(Session *x)
{
    PgArray arr[2] = {0};
    sites(x, arr);
    pg_query(x->f->app->writers, NOTE_SQL,
             PG_PARAMS(pg_text(x->id), pgarray_param(&arr[0]), pgarray_param(&arr[1])), note_stored,
             x);
    pgarrays_done(arr, 2);
}

static void look(void *ctx)
{
    Session *x = ctx;
    PgArray arr[2] = {0};
    timer_stop(x->look);
    x->look = NULL;
    sites(x, arr);
    x->looking = true;
    x->look_again = false;
    x->note_due = x->note_due || x->note;
    x->note = false;
    store_next(x);
    session_ref(x);
    pg_query(x->f->app->writers, LOOK_SQL,
             PG_PARAMS(pg_text(x->id), pgarray_param(&arr[0]), pgarray_param(&arr[1])), looked, x);
    pgarrays_done(arr, 2);
}

void outbox_look(Session *x)
{
    if (!session_live(x))
        return;
    if (x->looking)
        x->look_again = true;
    else if (!x->look)
        x->look = timer_start(x->f->app->loop, LOOK_MS, 0, look, x);
}

/* ---- what the site says ---- */

void outbox_hello(Session *x, const Hello *h)
{
    const AppliedCluster *at = h->applied.at;
    for (size_t i = 0; i < h->applied.n; i++)
        if (uuid_valid(at[i].cluster_id)) {
            known(x, at[i].cluster_id)->site = at[i].applied_version;
            x->note = true;
        }
    outbox_look(x);
}

/* ---- acknowledgements ---- */

/* A refusal is kept with its reason; anything newer that is wished makes it pending again. */
#define ACK_SQL                                                                              \
    "UPDATE clusters SET acked_version = greatest(acked_version, $3::bigint),"               \
    " applied_version = $4, config_state = CASE WHEN deleted_at IS NOT NULL THEN 'deleting'" \
    " WHEN $3::bigint < desired_version AND $4::bigint < desired_version THEN 'pending'"     \
    " WHEN $5 THEN 'refused' ELSE 'applied' END,"                                            \
    " config_error = CASE WHEN $5 THEN $6 ELSE '' END, updated_at = now()"                   \
    " WHERE id = $1 AND satellite_id = $2 AND $3::bigint >= acked_version"

#define DELETED_SQL                                                                          \
    "WITH gone AS (DELETE FROM clusters WHERE id = $1 AND satellite_id = $2 AND deleted_at"  \
    " IS NOT NULL AND desired_version <= $3::bigint RETURNING name, namespace),"             \
    " e AS (INSERT INTO events (at, severity, kind, cluster, namespace, satellite, message," \
    " source) SELECT now(), 'info', 'cluster.deleted', name, namespace, $4, 'the site has"   \
    " removed cluster ' || namespace || '/' || name, 'central' FROM gone RETURNING id)"      \
    " SELECT pg_notify('pgswarm', 'events I ' || id || '-' || id) FROM e"

static void store_one(Acking *k)
{
    const ConfigAck *a = &k->a;
    Session *x = k->x;
    if (a->result == ACK_DELETED)
        pg_query(x->f->app->writers, DELETED_SQL,
                 PG_PARAMS(pg_text(a->cluster_id), pg_text(x->id), pg_int(a->config_version),
                           pg_text(x->name)),
                 ack_stored, k);
    else
        pg_query(x->f->app->writers, ACK_SQL,
                 PG_PARAMS(pg_text(a->cluster_id), pg_text(x->id), pg_int(a->config_version),
                           pg_int(a->applied_version), pg_bool(a->result == ACK_REFUSED),
                           pg_text(a->error)),
                 ack_stored, k);
}

static void store_next(Session *x)
{
    Acking *k = x->acks;
    if (x->storing || (!x->note_due && !k))
        return;
    x->storing = true;
    session_ref(x);
    if (x->note_due) { /* with all that was acknowledged up to now */
        x->note_due = false;
        store_note(x);
        return;
    }
    x->acks = k->next;
    x->n_acks--;
    store_one(k);
}

static void ack_later(Session *x, const ConfigAck *a)
{
    if (x->n_acks >= ACKS_MAX) {
        *known(x, a->cluster_id) = (Known){.site = -1}; /* sent again, it is answered again */
        x->look_again = true;
        return;
    }
    Arena *arena = arena_new_sized(512);
    Acking *k = arena_new_of(arena, Acking);
    *k = (Acking){.arena = arena, .x = x, .a = *a};
    k->a.cluster_id = arena_strdup(arena, a->cluster_id);
    k->a.ns = arena_strdup(arena, str_or(a->ns, ""));
    k->a.name = arena_strdup(arena, str_or(a->name, ""));
    k->a.error = arena_strdup(arena, str_or(a->error, ""));
    if (!x->acks)
        x->acks_tail = &x->acks;
    *x->acks_tail = k;
    x->acks_tail = &k->next;
    x->n_acks++;
    store_next(x);
}

void outbox_ack(Session *x, const ConfigAck *a)
{
    if (!uuid_valid(a->cluster_id)) {
        x->f->stats.bad_messages++;
        return;
    }
    Known *k = known(x, a->cluster_id);
    bool refused = a->result == ACK_REFUSED;
    k->site = a->result == ACK_DELETED ? -1 : a->applied_version;
    if (refused)
        k->sent = a->config_version > k->sent ? a->config_version : k->sent;
    log_info("fleet", "config acknowledged",
             "satellite=%s cluster=%s/%s version=%lld result=%s%s%s", x->name, log_quote(a->ns),
             log_quote(a->name), (long long)a->config_version, ack_result_name(a->result),
             refused ? " error=" : "", refused ? log_quote(a->error) : "");
    ack_later(x, a);
}
