#include "lease/lease.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/vec.h"
#include <stdio.h>
#include <stdlib.h>

enum { WATCH_IDLE_MS = 60 * 1000, WATCH_RETRY_MS = 2000, EDIT_TRIES = 8 };

typedef struct Edit {
    LeaseEdit e;
    Arena *arena; /* of its notes */
    unsigned tries;
} Edit;

struct Lease {
    LeaseConfig cfg;
    char selector[LEASE_TEXT + 16];
    KubeWatch *watch;
    KubeCall *write, *read;
    Timer *write_timer, *read_timer;
    cJSON *seen; /* the object as last seen */
    LeaseInfo info;
    bool known;
    uint64_t renewed_at; /* when we saw the last renewal */
    uint64_t read_at;    /* when a read that was answered was sent; 0: none */
    uint64_t sent_at;
    LeaseDone done;
    LeaseDone read_done; /* of lease_read; NULL: nobody waits */
    uint64_t read_sent_at;
    VEC(Edit *) edits;
    KubeCall *edit_call;
    Timer *pump;
};

static void pump_soon(Lease *l);
static void read_again(void *ctx);

static void take(Lease *l, const cJSON *obj)
{
    LeaseInfo next;
    memset(&next, 0, sizeof next);
    if (obj)
        lease_parse(obj, &next);
    bool renewed = !l->known || next.exists != l->info.exists ||
                   !str_eq(next.renewed, l->info.renewed) || !str_eq(next.holder, l->info.holder);
    bool changed = !l->known || !lease_same(&next, &l->info);
    cJSON_Delete(l->seen);
    l->seen = obj ? cJSON_Duplicate(obj, true) : NULL;
    memcpy(&l->info, &next, sizeof next);
    l->known = true;
    if (renewed)
        l->renewed_at = clock_boot_ms();
    pump_soon(l);
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

static bool same_version(const Lease *l, const cJSON *obj)
{
    return l->seen && str_eq(l->info.rv, kube_str(obj, "metadata.resourceVersion"));
}

static uint32_t patience_ms(const Lease *l)
{
    return l->cfg.seconds * 1000 / 3;
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
                                                      .retry_max_ms = WATCH_RETRY_MS,
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
    kube_cancel(l->edit_call);
    timer_stop(l->write_timer);
    timer_stop(l->read_timer);
    timer_stop(l->pump);
    for (size_t i = 0; i < l->edits.n; i++)
        arena_free(l->edits.at[i]->arena);
    for (size_t i = 0; i < l->edits.n; i++)
        free(l->edits.at[i]);
    vec_done(&l->edits);
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
    return l->done || l->read || l->edit_call;
}

/* An answer may come after the watch's event of a later write. */
static void take_answer(Lease *l, const cJSON *obj)
{
    if (!is_older(l, obj))
        take(l, obj);
}

static void finish(Lease *l, const Error *err)
{
    LeaseDone done = l->done;
    timer_stop(l->write_timer);
    l->write_timer = NULL;
    l->done = NULL;
    done(l->cfg.ctx, err, l->sent_at);
    pump_soon(l);
}

static void on_read(void *ctx, const Error *err, const cJSON *obj)
{
    Lease *l = ctx;
    LeaseDone done = l->read_done;
    bool absent = err && err->code == ERR_NOT_FOUND;
    l->read = NULL;
    l->read_done = NULL;
    timer_stop(l->read_timer);
    l->read_timer = NULL;
    if (!err || absent) {
        l->read_at = l->read_sent_at;
        if (absent || !is_older(l, obj) || same_version(l, obj))
            take(l, obj);
    }
    if (err && !absent && !l->known) /* doubted, and no event may ever come */
        l->read_timer = timer_start(kube_loop(l->cfg.kube), WATCH_RETRY_MS, 0, read_again, l);
    if (done)
        done(l->cfg.ctx, absent ? NULL : err, l->read_sent_at);
    else
        l->cfg.on_change(l->cfg.ctx); /* somebody may have waited for us not to be busy */
    pump_soon(l);
}

static void on_read_too_slow(void *ctx)
{
    Lease *l = ctx;
    kube_cancel(l->read);
    Error err;
    err_set(&err, ERR_TIMEOUT, "the API server did not answer within %u ms", patience_ms(l));
    on_read(l, &err, NULL);
}

static void read_again(void *ctx)
{
    Lease *l = ctx;
    if (l->read)
        return;
    timer_stop(l->read_timer);
    l->read_sent_at = clock_boot_ms();
    l->read_timer = timer_start(kube_loop(l->cfg.kube), patience_ms(l), 0, on_read_too_slow, l);
    l->read = kube_get(l->cfg.kube, &KUBE_LEASE, l->cfg.ns, l->cfg.name, on_read, l);
}

static void on_written(void *ctx, const Error *err, const cJSON *obj)
{
    Lease *l = ctx;
    l->write = NULL;
    if (!err)
        take_answer(l, obj);
    else
        read_again(l); /* a conflict, or nobody knows whether it was written */
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
    err_set(&err, ERR_TIMEOUT, "the API server did not answer within %u ms", patience_ms(l));
    read_again(l);
    finish(l, &err);
}

static void begin(Lease *l, LeaseDone done)
{
    l->done = done;
    l->sent_at = clock_boot_ms();
    l->write_timer = timer_start(kube_loop(l->cfg.kube), patience_ms(l), 0, on_too_slow, l);
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

void lease_read(Lease *l, LeaseDone done)
{
    l->read_done = done;
    read_again(l);
}

bool lease_reading(const Lease *l)
{
    return l->read;
}

uint64_t lease_read_at(const Lease *l)
{
    return l->read_at;
}

void lease_doubt(Lease *l)
{
    l->known = false;
    read_again(l);
}

/* ---- edits ---- */

static void edit_end(Lease *l, const Error *err)
{
    Edit *e = l->edits.at[0];
    LeaseEdit told = e->e;
    vec_remove(&l->edits, 0);
    arena_free(e->arena);
    free(e);
    pump_soon(l);
    told.done(told.ctx, err);
    l->cfg.on_change(l->cfg.ctx);
}

static void on_edited(void *ctx, const Error *err, const cJSON *obj)
{
    Lease *l = ctx;
    Edit *e = l->edits.at[0];
    l->edit_call = NULL;
    if (!err)
        take_answer(l, obj);
    if (err && err->code == ERR_CONFLICT && ++e->tries < EDIT_TRIES) {
        read_again(l); /* and when that is answered, the pump goes on */
        pump_soon(l);
        return;
    }
    if (err)
        read_again(l);
    edit_end(l, err);
}

static void pump(void *ctx)
{
    Lease *l = ctx;
    timer_stop(l->pump);
    l->pump = NULL;
    if (!l->edits.n || lease_busy(l) || !l->known)
        return; /* whatever is under way pumps again */
    Edit *e = l->edits.at[0];
    Error err = {0};
    if (!l->info.exists)
        err_set(&err, ERR_NOT_FOUND, "there is no lease %s", l->cfg.name);
    else if (e->e.still && !e->e.still(e->e.ctx, &l->info))
        err_set(&err, ERR_CONFLICT, "the lease is not as it was any more");
    if (err.code) {
        edit_end(l, &err);
        return;
    }
    cJSON *body = lease_notes_body(l->seen, e->e.notes, e->e.n);
    l->edit_call = kube_update(l->cfg.kube, &KUBE_LEASE, l->cfg.ns, body, on_edited, l);
    cJSON_Delete(body);
}

static void pump_soon(Lease *l)
{
    if (l->edits.n && !l->pump)
        l->pump = timer_start(kube_loop(l->cfg.kube), 0, 0, pump, l);
}

void lease_edit(Lease *l, const LeaseEdit *given)
{
    Edit *e = xnew(Edit);
    e->e = *given;
    e->arena = arena_new_sized(512);
    for (size_t i = 0; i < e->e.n; i++) {
        LeaseNote *note = &e->e.notes[i];
        note->key = arena_strdup(e->arena, note->key);
        note->value = note->value ? arena_strdup(e->arena, note->value) : NULL;
    }
    vec_push(&l->edits, e);
    pump_soon(l);
}
