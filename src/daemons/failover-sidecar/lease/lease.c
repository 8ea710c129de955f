#include "lease/lease.h"

#include "core/clock.h"
#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

enum { WATCH_IDLE_MS = 60 * 1000 };

struct Lease {
    LeaseConfig cfg;
    char selector[LEASE_TEXT + 16];
    KubeWatch *watch;
    KubeCall *write, *read;
    Timer *write_timer;
    cJSON *seen; /* the object as last seen */
    LeaseInfo info;
    bool known;
    uint64_t renewed_at; /* when we saw the last renewal */
    uint64_t sent_at;
    LeaseDone done;
};

static bool differs(const LeaseInfo *a, const LeaseInfo *b)
{
    return a->exists != b->exists || a->epoch != b->epoch || a->system_id != b->system_id ||
           !str_eq(a->holder, b->holder) || !str_eq(a->primary_addr, b->primary_addr);
}

static void take(Lease *l, const cJSON *obj)
{
    LeaseInfo next = {0};
    if (obj)
        lease_parse(obj, &next);
    bool renewed =
        !l->known || !str_eq(next.renewed, l->info.renewed) || !str_eq(next.holder, l->info.holder);
    bool changed = !l->known || differs(&next, &l->info);
    cJSON_Delete(l->seen);
    l->seen = obj ? cJSON_Duplicate(obj, true) : NULL;
    l->info = next;
    l->known = true;
    if (renewed)
        l->renewed_at = clock_boot_ms();
    if (changed)
        l->cfg.on_change(l->cfg.ctx);
}

/* A watch may lag behind an answer we already have. */
static bool is_older(const Lease *l, const cJSON *obj)
{
    uint64_t have, got;
    return l->seen && str_to_u64(l->info.rv, &have) &&
           str_to_u64(str_or(kube_str(obj, "metadata.resourceVersion"), ""), &got) && got <= have;
}

static void on_event(void *ctx, KubeEvent ev, const cJSON *obj)
{
    Lease *l = ctx;
    if (ev == KUBE_DELETED)
        take(l, NULL);
    else if (ev == KUBE_SYNCED && !l->known)
        take(l, NULL);
    else if (obj && !is_older(l, obj))
        take(l, obj);
}

static void on_state(void *ctx, bool connected, const Error *err)
{
    Lease *l = ctx;
    if (connected)
        log_info("lease", "watching", "lease=%s", l->cfg.name);
    else
        log_warn("lease", "the API server does not answer", "err=%s",
                 log_quote(err ? err->msg : ""));
}

Lease *lease_new(const LeaseConfig *cfg)
{
    Lease *l = xnew(Lease);
    l->cfg = *cfg;
    snprintf(l->selector, sizeof l->selector, "metadata.name=%s", cfg->name);
    l->watch = kube_watch(cfg->kube, &(KubeWatchSpec){.kind = &KUBE_LEASE,
                                                      .ns = cfg->ns,
                                                      .field_selector = l->selector,
                                                      .on_event = on_event,
                                                      .on_state = on_state,
                                                      .idle_ms = WATCH_IDLE_MS,
                                                      .ctx = l});
    return l;
}

void lease_free(Lease *l)
{
    if (!l)
        return;
    kube_watch_stop(l->watch);
    kube_cancel(l->write);
    kube_cancel(l->read);
    timer_stop(l->write_timer);
    cJSON_Delete(l->seen);
    free(l);
}

bool lease_known(const Lease *l)
{
    return l->known;
}

const LeaseInfo *lease_info(const Lease *l)
{
    return &l->info;
}

uint64_t lease_age_ms(const Lease *l)
{
    return clock_boot_ms() - l->renewed_at;
}

bool lease_expired(const Lease *l)
{
    return l->info.exists && lease_age_ms(l) > (uint64_t)l->info.seconds * 1000;
}

bool lease_busy(const Lease *l)
{
    return l->done || l->read;
}

static void finish(Lease *l, const Error *err)
{
    LeaseDone done = l->done;
    timer_stop(l->write_timer);
    l->write_timer = NULL;
    l->done = NULL;
    done(l->cfg.ctx, err, l->sent_at);
}

static void on_read(void *ctx, const Error *err, const cJSON *obj)
{
    Lease *l = ctx;
    l->read = NULL;
    if (!err)
        take(l, obj);
    else if (err->code == ERR_NOT_FOUND)
        take(l, NULL);
}

static void on_written(void *ctx, const Error *err, const cJSON *obj)
{
    Lease *l = ctx;
    l->write = NULL;
    if (!err)
        take(l, obj);
    else if (err->code == ERR_CONFLICT || err->code == ERR_EXISTS || err->code == ERR_NOT_FOUND)
        l->read = kube_get(l->cfg.kube, &KUBE_LEASE, l->cfg.ns, l->cfg.name, on_read, l);
    finish(l, err);
}

/* An answer that comes after the lease could have run out is of no use; what was written or not
 * shows in the next read. */
static void on_too_slow(void *ctx)
{
    Lease *l = ctx;
    kube_cancel(l->write);
    l->write = NULL;
    Error err;
    err_set(&err, ERR_TIMEOUT, "the API server did not answer within %u ms",
            l->cfg.seconds * 1000 / 3);
    finish(l, &err);
}

static void begin(Lease *l, LeaseDone done)
{
    l->done = done;
    l->sent_at = clock_boot_ms();
    l->write_timer =
        timer_start(kube_loop(l->cfg.kube), l->cfg.seconds * 1000 / 3, 0, on_too_slow, l);
}

void lease_create(Lease *l, const LeaseClaim *claim, LeaseDone done)
{
    cJSON *body = lease_create_body(claim);
    begin(l, done);
    l->write = kube_create(l->cfg.kube, &KUBE_LEASE, l->cfg.ns, body, on_written, l);
    cJSON_Delete(body);
}

void lease_renew(Lease *l, const LeaseClaim *claim, LeaseDone done)
{
    cJSON *body = lease_update_body(l->seen, claim);
    begin(l, done);
    l->write = kube_update(l->cfg.kube, &KUBE_LEASE, l->cfg.ns, body, on_written, l);
    cJSON_Delete(body);
}
