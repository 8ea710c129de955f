#include "model/ha.h"

#define DUP(field) r.field = arena_strdup(a, r.field)

static StrList dup_names(Arena *a, StrList l)
{
    StrList r = strlist_dup(a, l);
    for (size_t i = 0; i < r.n; i++)
        r.at[i] = arena_strdup(a, r.at[i]);
    return r;
}

HaFacts ha_facts_dup(Arena *a, const HaFacts *h)
{
    HaFacts r = *h;
    DUP(lease_holder);
    DUP(durability);
    DUP(sync_in_force);
    DUP(sync_step);
    DUP(fence_operation);
    DUP(paused_by);
    r.sync_names = dup_names(a, h->sync_names);
    if (!h->followers.n)
        r.followers.at = NULL;
    else
        r.followers.at = arena_memdup(a, h->followers.at, h->followers.n * sizeof(FollowerHealth));
    for (size_t i = 0; i < r.followers.n; i++) {
        FollowerHealth *f = &((FollowerHealth *)r.followers.at)[i];
        f->pod_name = arena_strdup(a, f->pod_name);
        f->state = arena_strdup(a, f->state);
        f->sync_state = arena_strdup(a, f->sync_state);
    }
    return r;
}

HaSummary ha_summary_dup(Arena *a, const HaSummary *h)
{
    HaSummary r = *h;
    DUP(durability);
    DUP(sync);
    DUP(lease_holder);
    DUP(loss);
    DUP(loss_text);
    DUP(fenced_pod);
    DUP(fence_operation);
    DUP(paused_by);
    r.sync_names = dup_names(a, h->sync_names);
    return r;
}

static void put_names(JsonOut *j, const StrList *l)
{
    json_key(j, "sync_names");
    json_arr(j);
    for (size_t i = 0; i < l->n; i++)
        json_str(j, l->at[i]);
    json_arr_end(j);
}

static void put_text(JsonOut *j, const char *key, const char *s)
{
    json_put_str(j, key, str_or(s, ""));
}

static void put_followers(JsonOut *j, const ObjList *l)
{
    json_key(j, "followers");
    json_arr(j);
    for (size_t i = 0; i < l->n; i++) {
        const FollowerHealth *f = &((const FollowerHealth *)l->at)[i];
        json_obj(j);
        put_text(j, "pod", f->pod_name);
        json_put_uint(j, "epoch", f->epoch);
        put_text(j, "state", f->state);
        put_text(j, "sync_state", f->sync_state);
        json_put_int(j, "lag_bytes", f->lag_bytes);
        json_put_int(j, "replay_lag_bytes", f->replay_lag_bytes);
        json_put_f64(j, "lag_seconds", f->lag_seconds);
        json_put_f64(j, "silent_seconds", f->silent_seconds);
        json_obj_end(j);
    }
    json_arr_end(j);
}

void ha_facts_json(JsonOut *j, const HaFacts *h)
{
    json_obj(j);
    put_text(j, "lease_holder", h->lease_holder);
    json_put_uint(j, "lease_epoch", h->lease_epoch);
    json_put_int(j, "lease_age_ms", h->lease_age_ms);
    json_put_uint(j, "lease_seconds", h->lease_seconds);
    put_text(j, "durability", h->durability);
    json_put_bool(j, "sync_recorded", h->sync_recorded);
    json_put_uint(j, "sync_k", h->sync_k);
    put_names(j, &h->sync_names);
    json_put_bool(j, "sync_degraded", h->sync_degraded);
    put_text(j, "sync_in_force", h->sync_in_force);
    put_text(j, "sync_step", h->sync_step);
    json_put_bool(j, "api_away", h->api_away);
    json_put_bool(j, "fenced", h->fenced);
    put_text(j, "fence_operation", h->fence_operation);
    json_put_bool(j, "paused", h->paused);
    put_text(j, "paused_by", h->paused_by);
    json_put_bool(j, "sealed", h->sealed);
    put_followers(j, &h->followers);
    json_obj_end(j);
}

void ha_summary_json(JsonOut *j, const HaSummary *h)
{
    json_obj(j);
    put_text(j, "durability", h->durability);
    put_text(j, "sync", h->sync);
    json_put_uint(j, "sync_k", h->sync_k);
    put_names(j, &h->sync_names);
    json_put_uint(j, "epoch", h->epoch);
    json_put_uint(j, "timeline", h->timeline_id);
    put_text(j, "lease_holder", h->lease_holder);
    json_put_int(j, "lease_age_ms", h->lease_age_ms);
    json_put_uint(j, "lease_seconds", h->lease_seconds);
    put_text(j, "failover_loss", h->loss);
    json_put_int(j, "failover_loss_bytes", h->loss_bytes);
    put_text(j, "failover_loss_text", h->loss_text);
    put_text(j, "fenced_pod", h->fenced_pod);
    put_text(j, "fence_operation", h->fence_operation);
    json_put_bool(j, "paused", h->paused);
    put_text(j, "paused_by", h->paused_by);
    json_put_bool(j, "api_away", h->api_away);
    json_obj_end(j);
}
