#include "api/api.h"
#include "api/call.h"
#include "core/clock.h"
#include "fleet/fleet.h"

typedef struct Health {
    ApiCall *call;
    ApiHealthz h;
} Health;

static void on_alive(void *ctx, const Error *err, PgResult *r)
{
    Health *h = ctx;
    (void)r;
    h->h.database = !err;
    h->h.status = err ? "degraded" : "ok";
    call_reply_obj(h->call, err ? 503 : 200, &schema_HEALTHZ, &h->h, 0);
}

void api_HEALTHZ(ApiCall *c)
{
    Health *h = arena_new_of(c->a, Health);
    h->call = c;
    h->h.satellites_connected = (int64_t)fleet_stats(c->app->fleet)->streams;
    pg_query(c->app->pool, "SELECT 1", PG_NO_PARAMS, on_alive, h);
}

void api_OPENAPI(ApiCall *c)
{
    call_reply_json(c, 200, sv(api_openapi(c->a)));
}

void api_VERSION(ApiCall *c)
{
    char started[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(started, c->app->started_at_us);
    ApiVersion v = {.version = PGSWARM_VERSION,
                    .api = "v1",
                    .schema_version = c->app->schema_version,
                    .started_at_text = started};
    call_reply_obj(c, 200, &schema_VERSION, &v, 0);
}
