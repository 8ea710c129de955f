#include "svc/clusters.h"

#include "api/call.h"
#include "fleet/fleet.h"
#include "store/events.h"
#include "store/health.h"

enum { EVENTS_SHOWN = 20 };

/* ---- list ---- */

static void on_list(void *ctx, const Error *err, const StrBuf *json)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_json(ctx, 200, sv_n(json->p, json->n));
}

void api_CLUSTER_LIST(ApiCall *c)
{
    ClusterFilter f = {
        .states = call_query(c, "state"),
        .satellite = call_query(c, "satellite"),
        .profile = call_query(c, "profile"),
        .ns = call_query(c, "namespace"),
        .rule = call_query(c, "rule"),
        .name = call_query(c, "name"),
        .selector = call_query(c, "selector"),
        .sort = call_query(c, "sort"),
        .after = call_query(c, "after"),
    };
    if (call_query_u32(c, "limit", CLUSTER_PAGE_MAX, &f.limit))
        cluster_list_json(c->app, c->a, &f, on_list, c);
}

/* ---- show: row, instances, events, one after the other ---- */

typedef struct Show {
    ApiCall *call;
    ClusterRow row;
    const char *instances, *ha;
} Show;

static void put_endpoint(JsonOut *j, const char *key, const ApiEndpoint *e)
{
    json_key(j, key);
    fields_encode(j, &schema_ENDPOINT, e);
}

static void on_events(void *ctx, const Error *err, const ObjList *items, int64_t total,
                      const char *next)
{
    Show *s = ctx;
    AUTO_STRBUF b = {0};
    (void)total, (void)next;
    if (err) {
        call_reply_err(s->call, err);
        return;
    }
    JsonOut j = json_out(&b);
    json_obj(&j);
    fields_encode_members(&j, &schema_CLUSTER, &s->row.api);
    json_put_raw(&j, "ha", sv(s->ha));
    json_put_raw(&j, "instances", sv(s->instances));
    put_endpoint(&j, "rw", &s->row.rw);
    put_endpoint(&j, "ro", &s->row.ro);
    json_put_raw(&j, "config", sv(s->row.config));
    json_key(&j, "events");
    json_arr(&j);
    for (size_t i = 0; i < items->n; i++)
        fields_encode(&j, &schema_EVENT, &((const ApiEvent *)items->at)[i]);
    json_arr_end(&j);
    json_obj_end(&j);
    http_reply_header(s->call->http, "ETag",
                      arena_printf(s->call->a, "\"%lld\"", (long long)s->row.api.config_version));
    call_reply_json(s->call, 200, sv_n(b.p, b.n));
}

static void on_instances(void *ctx, const Error *err, const char *instances, const char *ha)
{
    Show *s = ctx;
    if (err) {
        call_reply_err(s->call, err);
        return;
    }
    s->instances = instances;
    s->ha = ha;
    EventFilter f = {
        .cluster = s->row.api.name, .ns = s->row.api.ns, .satellite = s->row.api.satellite};
    event_list(s->call->app, s->call->a, &f, &(Page){.limit = EVENTS_SHOWN}, on_events, s);
}

static void on_shown(void *ctx, const Error *err, const ClusterRow *row)
{
    Show *s = ctx;
    if (err) {
        call_reply_err(s->call, err);
        return;
    }
    s->row = *row;
    health_show(s->call->app, s->call->a, row->api.id, on_instances, s);
}

void api_CLUSTER_SHOW(ApiCall *c)
{
    Show *s = arena_new_of(c->a, Show);
    s->call = c;
    cluster_find(c->app, NULL, c->a, call_param(c, "id"), on_shown, s);
}

/* ---- delete ---- */

typedef struct Delete {
    ApiCall *call;
    bool volumes;
    int64_t if_match;
} Delete;

static void on_removed(void *ctx, const Error *err, const ClusterRow *row)
{
    Delete *d = ctx;
    if (err)
        call_reply_err(d->call, err);
    else
        call_reply_obj(d->call, 202, &schema_CLUSTER, &row->api, row->api.config_version);
}

static void remove_found(void *ctx, const Error *err, const ClusterRow *row)
{
    Delete *d = ctx;
    ApiCall *c = d->call;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "cluster/%s/%s@%s", row->api.ns, row->api.name, row->api.satellite);
    call_before(c, &schema_CLUSTER, &row->api);
    ClusterRemoval in = {.cluster = row,
                         .delete_volumes = d->volumes,
                         .if_match = d->if_match,
                         .audit = call_audit_row(c, 202)};
    in.audit.after = d->volumes ? "{\"volumes\":\"delete\"}" : "{\"volumes\":\"keep\"}";
    cluster_remove(c->app, c->a, &in, on_removed, d);
}

void api_CLUSTER_DELETE(ApiCall *c)
{
    Delete *d = arena_new_of(c->a, Delete);
    const char *volumes = call_query(c, "volumes");
    d->call = c;
    d->volumes = str_eq(volumes, "delete");
    if (volumes && !d->volumes && !str_eq(volumes, "keep"))
        call_reply_bad(c, "volumes", volumes, "delete or keep");
    else if (call_if_match(c, &d->if_match))
        cluster_find(c->app, NULL, c->a, call_param(c, "id"), remove_found, d);
}

/* ---- credentials: asked of the site each time, never kept here ---- */

static void on_credentials(void *ctx, const Error *err, const CredentialReply *r)
{
    ApiCall *c = ctx;
    Error why;
    if (!err && !str_empty(r->error)) {
        err_set(&why, ERR_UNAVAILABLE, "the site: %s", r->error);
        err = &why;
    }
    if (err) {
        call_reply_err(c, err);
        return;
    }
    ApiCredentials out = {.user = r->user,
                          .password = "",
                          .database = "postgres",
                          .rw = {r->rw.host, r->rw.port},
                          .ro = {r->ro.host, r->ro.port}};
    /* The audit row shows who asked for what, not what the answer was. */
    call_after(c, &schema_CREDENTIALS, &out);
    out.password = r->password;
    call_reply_obj(c, 200, &schema_CREDENTIALS, &out, 0);
}

static void credentials_of(void *ctx, const Error *err, const ClusterRow *row)
{
    ApiCall *c = ctx;
    if (err) {
        call_reply_err(c, err);
        return;
    }
    call_object(c, "cluster/%s/%s@%s", row->api.ns, row->api.name, row->api.satellite);
    fleet_credentials(c->app->fleet, row->satellite_id, row->api.ns, row->api.name, on_credentials,
                      c);
}

void api_CLUSTER_CREDENTIALS(ApiCall *c)
{
    cluster_find(c->app, NULL, c->a, call_param(c, "id"), credentials_of, c);
}
