#include "faults/parts.h"

#include "api/api.h"
#include "core/log.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[FAULT_KINDS] = {
    [FAULT_PARTITION] = "partition", [FAULT_FILL_DISK] = "fill-disk", [FAULT_CLOCK] = "clock",
    [FAULT_SLOW_API] = "slow-api",   [FAULT_API_DOWN] = "api-down",
};

/* ---- the list ---- */

Fault *fault_add(Faults *f, const Fault *like)
{
    Fault *x = xnew(Fault);
    *x = *like;
    x->ns = xstrdup(str_or(like->ns, ""));
    x->pod = xstrdup(str_or(like->pod, ""));
    x->arg = xstrdup(str_or(like->arg, ""));
    x->what = xstrdup(str_or(like->what, ""));
    x->since_us = store_now_us(f->app->store);
    x->op = f->op;
    vec_push(&f->list, x);
    log_info("faults", "begins", "kind=%s pod=%s what=%s", kind_names[x->kind], log_quote(x->pod),
             log_quote(x->what));
    return x;
}

static void fault_free(Fault *x)
{
    free(x->ns);
    free(x->pod);
    free(x->arg);
    free(x->what);
    free(x);
}

void fault_remove(Faults *f, size_t i)
{
    const Fault *x = f->list.at[i];
    log_info("faults", "ends", "kind=%s pod=%s what=%s", kind_names[x->kind], log_quote(x->pod),
             log_quote(x->what));
    fault_free(f->list.at[i]);
    vec_remove(&f->list, i);
}

Faults *faults_new(App *app)
{
    Faults *f = xnew(Faults);
    f->app = app;
    f->cuts = cuts_new(f);
    return f;
}

void faults_free(Faults *f)
{
    if (!f)
        return;
    cuts_free(f->cuts);
    for (size_t i = 0; i < f->list.n; i++)
        fault_free(f->list.at[i]);
    vec_done(&f->list);
    free(f);
}

cJSON *faults_list(Faults *f)
{
    cJSON *body = cJSON_CreateObject(), *items = js_arr(body, "items");
    for (size_t i = 0; i < f->list.n; i++) {
        const Fault *x = f->list.at[i];
        cJSON *o = cJSON_CreateObject();
        js_set_str(o, "kind", kind_names[x->kind]);
        js_set_str(o, "namespace", x->ns);
        js_set_str(o, "pod", x->pod);
        js_set_str(o, "what", x->what);
        js_set(o, "since", js_now(x->since_us));
        cJSON_AddItemToArray(items, o);
    }
    list_stopped(f, items);
    return body;
}

/* ---- for the kubelet ---- */

bool faults_net_changed(Faults *f, void (*done)(void *ctx, const Error *err), void *ctx)
{
    for (size_t i = 0; f && i < f->list.n; i++)
        if (f->list.at[i]->kind == FAULT_PARTITION) {
            cuts_apply(f->cuts, done, ctx);
            return true;
        }
    return false;
}

int64_t faults_clock(const Faults *f, const char *ns, const char *pod)
{
    for (size_t i = 0; f && i < f->list.n; i++) {
        const Fault *x = f->list.at[i];
        if (x->kind == FAULT_CLOCK && str_eq(x->ns, ns) && str_eq(x->pod, pod))
            return x->offset_s;
    }
    return 0;
}

/* ---- the site's API ---- */

static void forget_site(Faults *f, FaultKind kind)
{
    for (size_t i = f->list.n; i-- > 0;)
        if (f->list.at[i]->kind == kind)
            fault_remove(f, i);
}

ErrCode fault_slow_api(Op *op, Error *err)
{
    const ApiSlow slow = {.delay_ms = (uint64_t)js_int(op->req, "delay_ms", 0),
                          .fail = (int)js_int(op->req, "fail", 0),
                          .rate = (int)js_int(op->req, "rate", 100)};
    if (slow.delay_ms > 600000)
        return err_set(err, ERR_INVALID, "delay: %llu ms; 0 to 10 minutes is right",
                       (unsigned long long)slow.delay_ms);
    if (slow.fail && slow.fail != 429 && slow.fail != 500 && slow.fail != 503)
        return err_set(err, ERR_INVALID, "fail: %d; 429, 500 or 503 is right", slow.fail);
    if (slow.rate < 1 || slow.rate > 100)
        return err_set(err, ERR_INVALID, "rate: %d%%; 1%% to 100%% is right", slow.rate);
    forget_site(op->f, FAULT_SLOW_API);
    api_slow(op->f->app->api, &slow);
    if (!slow.delay_ms && !slow.fail)
        return ERR_OK;
    char *what =
        arena_printf(op->a, "answers come %llu ms late", (unsigned long long)slow.delay_ms);
    if (slow.fail)
        what = arena_printf(op->a, "%s; %d%% are a %d", what, slow.rate, slow.fail);
    fault_add(op->f, &(Fault){.kind = FAULT_SLOW_API, .what = what});
    op_say(op, NULL, "%s", what);
    return ERR_OK;
}

static void on_api_back(void *ctx)
{
    forget_site(ctx, FAULT_API_DOWN);
}

ErrCode fault_api_down(Op *op, Error *err)
{
    int64_t ms = js_int(op->req, "for_ms", 0);
    if (ms < 0 || ms > (int64_t)24 * 3600 * 1000)
        return err_set(err, ERR_INVALID, "for: %lld ms; up to 24 hours is right", (long long)ms);
    forget_site(op->f, FAULT_API_DOWN);
    api_down(op->f->app->api, (uint64_t)ms, on_api_back, op->f);
    char *what = ms ? arena_printf(op->a, "nobody answers, for %lld ms", (long long)ms)
                    : arena_strdup(op->a, "nobody answers");
    fault_add(op->f, &(Fault){.kind = FAULT_API_DOWN, .what = what});
    op_say(op, NULL, "%s", what);
    return ERR_OK;
}

/* ---- heal ---- */

static bool healed_by(const Fault *x, const Targets *t, bool everything)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(x->ns, t->at[i]->ns) && str_eq(x->pod, t->at[i]->name))
            return true;
    return everything;
}

static ErrCode heal_one(Op *op, const Fault *x, Error *err)
{
    AUTO_ARENA a = arena_new();
    const Obj *o;
    Pod *p;
    switch (x->kind) {
    case FAULT_FILL_DISK:
        return fill_disk_heal(op->f, x, err);
    case FAULT_CLOCK: /* it begins again with the right one */
        o = store_get(op->f->app->store, a, K(POD), x->ns, x->pod);
        p = o ? kubelet_pod(op->f->app, o->uid) : NULL;
        if (p)
            pod_kill_all(p);
        return ERR_OK;
    case FAULT_SLOW_API:
        api_slow(op->f->app->api, &(ApiSlow){0});
        return ERR_OK;
    case FAULT_API_DOWN:
        return api_up(op->f->app->api, err);
    case FAULT_PARTITION: /* they end together, by a round of the filters */
    case FAULT_KINDS:
        return ERR_OK;
    }
    return ERR_OK;
}

static void say_healed(Op *op, const Fault *x)
{
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "pod", x->pod);
    js_set_str(o, "namespace", x->ns);
    js_set_str(o, "what", arena_printf(op->a, "healed: %s", x->what));
    cJSON_AddItemToArray(op->items, o);
}

static void thaw_all(Op *op, const Targets *t, bool everything)
{
    const StoreQuery q = {.kind = K(POD)};
    const Obj **pods = everything ? store_list(op->f->app->store, op->a, &q, NULL) : t->at;
    for (; pods && *pods; pods++) {
        Pod *p = kubelet_pod(op->f->app, (*pods)->uid);
        size_t n = p ? pod_thaw(p) : 0;
        if (n)
            op_say(op, *pods, "healed: %zu stopped processes go on", n);
    }
}

static ErrCode fault_heal(Op *op, Error *err)
{
    Targets t;
    ErrCode rc = targets_pick_any(op, &t, err);
    bool everything = !rc && t.n == 0;
    if (rc)
        return rc;
    for (size_t i = op->f->list.n; i-- > 0;) {
        const Fault *x = op->f->list.at[i];
        if (!healed_by(x, &t, everything))
            continue;
        Error one;
        if (heal_one(op, x, &one)) {
            rc = rc ? rc : err_copy(err, &one);
            continue; /* it stays listed, for it is still there */
        }
        say_healed(op, x);
        fault_remove(op->f, i);
    }
    thaw_all(op, &t, everything);
    return rc;
}

/* ---- the request ---- */

void op_say(Op *op, const Obj *pod, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "namespace", pod ? pod->ns : "");
    js_set_str(o, "pod", pod ? pod->name : "");
    js_set_str(o, "what", arena_vprintf(op->a, fmt, ap));
    va_end(ap);
    cJSON_AddItemToArray(op->items, o);
}

static const struct {
    const char *kind;
    ErrCode (*run)(Op *op, Error *err);
    bool filters; /* packet filters are to be set before it is done */
} ops[] = {
    {"kill", fault_kill, false},         {"stop", fault_stop, false},
    {"cont", fault_cont, false},         {"partition", fault_partition, true},
    {"heal", fault_heal, true},          {"slow-api", fault_slow_api, false},
    {"api-down", fault_api_down, false}, {"fill-disk", fault_fill_disk, false},
    {"clock", fault_clock_set, false},
};

/* What was asked for, until it is answered. */
typedef struct Pending {
    Faults *f;
    FaultsDone done;
    void *ctx;
    cJSON *answer;
    uint64_t op;
    Error err;
} Pending;

static void answer(void *ctx)
{
    Pending *p = ctx;
    p->done(p->ctx, p->err.code ? &p->err : NULL, p->err.code ? NULL : p->answer);
    cJSON_Delete(p->answer);
    free(p);
}

static void on_filters(void *ctx, const Error *err)
{
    Pending *p = ctx;
    if (err && !p->err.code)
        p->err = *err;
    for (size_t i = p->f->list.n; err && i-- > 0;) /* what could not be done is not there */
        if (p->f->list.at[i]->op == p->op)
            fault_remove(p->f, i);
    answer(p);
}

void faults_do(Faults *f, const cJSON *req, FaultsDone done, void *ctx)
{
    AUTO_ARENA a = arena_new();
    Pending *p = xnew(Pending);
    *p = (Pending){.f = f, .done = done, .ctx = ctx, .answer = cJSON_CreateObject(), .op = ++f->op};
    Op op = {.f = f, .a = a, .req = req, .items = js_arr(p->answer, "items")};
    const char *kind = js_text(req, "kind");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!str_eq(ops[i].kind, kind))
            continue;
        ErrCode rc = ops[i].run(&op, &p->err);
        if (!rc)
            p->err.code = ERR_OK;
        if (ops[i].filters && (!rc || str_eq(kind, "heal")))
            cuts_apply(f->cuts, on_filters, p);
        else
            loop_defer(f->app->loop, answer, p);
        return;
    }
    err_set(&p->err, ERR_INVALID, "kind: '%s' is no fault", kind);
    loop_defer(f->app->loop, answer, p);
}
