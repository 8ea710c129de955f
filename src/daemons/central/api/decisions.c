#include "store/decisions.h"

#include "api/call.h"
#include "svc/clusters.h"

typedef struct Listing {
    ApiCall *call;
    Page page;
    int64_t since_us;
} Listing;

static void on_decisions(void *ctx, const Error *err, const ObjList *items, int64_t total,
                         const char *next)
{
    if (err)
        call_reply_err(ctx, err);
    else
        call_reply_list(ctx, &schema_DECISION, items, total, next);
}

static void on_cluster(void *ctx, const Error *err, const ClusterRow *row)
{
    Listing *l = ctx;
    if (err) {
        call_reply_err(l->call, err);
        return;
    }
    DecisionFilter f = {.satellite_id = row->satellite_id,
                        .ns = row->api.ns,
                        .cluster = row->api.name,
                        .since_us = l->since_us};
    decision_list(l->call->app, l->call->a, &f, &l->page, on_decisions, l->call);
}

void api_CLUSTER_DECISIONS(ApiCall *c)
{
    Listing *l = arena_new_of(c->a, Listing);
    l->call = c;
    if (call_page(c, &l->page) && call_query_time(c, "since", &l->since_us))
        cluster_find(c->app, NULL, c->a, call_param(c, "id"), on_cluster, l);
}
