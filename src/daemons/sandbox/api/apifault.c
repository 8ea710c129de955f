/* The API as a bad neighbour: slow, failing, gone. And the private path by which faults are asked
 * for, which stays good. */
#include "api/request.h"
#include "core/ident.h"
#include "core/log.h"
#include "faults/faults.h"
#include <stdio.h>
#include <stdlib.h>

static const char PATH[] = "/sandbox/faults";
enum { DRAIN_MS = 50 };

/* ---- late and wrong answers ---- */

typedef struct Held {
    ApiReq *r;
    void (*go)(ApiReq *r);
    Timer *timer;
} Held;

static void held_end(void *ctx)
{
    Held *h = ctx;
    timer_stop(h->timer);
    free(h);
}

static bool by_chance(int rate)
{
    uint32_t n;
    random_bytes(&n, sizeof n);
    return (int)(n % 100) < rate;
}

static void fail(ApiReq *r, int status)
{
    Error err;
    r->kind = NULL;
    err_set(&err,
            status == 429   ? ERR_EXHAUSTED
            : status == 503 ? ERR_UNAVAILABLE
                            : ERR_INTERNAL,
            "the sandbox was told to answer so");
    reply_error(r, &err);
}

static void go_on(ApiReq *r, void (*go)(ApiReq *r))
{
    const ApiSlow *slow = &r->srv->slow;
    if (r->srv->down)
        fail(r, 503);
    else if (slow->fail && by_chance(slow->rate))
        fail(r, slow->fail);
    else
        go(r);
}

static void on_late(void *ctx)
{
    Held *h = ctx;
    ApiReq *r = h->r;
    void (*go)(ApiReq *) = h->go;
    http_on_gone(r->http, NULL, NULL);
    held_end(h);
    go_on(r, go);
}

bool fault_hold(ApiReq *r, void (*go)(ApiReq *r))
{
    ApiServer *s = r->srv;
    if (!s->down && !s->slow.delay_ms && !s->slow.fail)
        return false;
    if (s->down || !s->slow.delay_ms) {
        go_on(r, go);
        return true;
    }
    Held *h = xnew(Held);
    *h = (Held){.r = r, .go = go};
    h->timer = timer_start(s->app->loop, s->slow.delay_ms, 0, on_late, h);
    http_on_gone(r->http, held_end, h);
    return true;
}

void api_slow(ApiServer *s, const ApiSlow *slow)
{
    s->slow = *slow;
}

/* ---- away ---- */

static void end_followers(ApiServer *s)
{
    while (s->followers)
        s->followers->end(s->followers);
}

static void on_drained(void *ctx)
{
    http_server_free(ctx);
}

static void on_back(void *ctx)
{
    ApiServer *s = ctx;
    Error err;
    void (*back)(void *) = s->back;
    void *their = s->back_ctx;
    if (api_up(s, &err)) {
        log_error("api", "cannot come back", "error=%s", log_quote(err.msg));
        return;
    }
    if (back)
        back(their);
}

void api_down(ApiServer *s, uint64_t for_ms, void (*back)(void *ctx), void *ctx)
{
    s->down = true;
    s->back = back;
    s->back_ctx = ctx;
    timer_stop(s->back_timer);
    s->back_timer = for_ms ? timer_start(s->app->loop, for_ms, 0, on_back, s) : NULL;
    end_followers(s);
    /* What pods have open ends with the server that held it; whoever asks now is refused. */
    if (s->inner)
        http_server_drain(s->inner, DRAIN_MS, on_drained, s->inner);
    s->inner = NULL;
}

ErrCode api_up(ApiServer *s, Error *err)
{
    AUTO_ARENA a = arena_new();
    timer_stop(s->back_timer);
    s->back_timer = NULL;
    s->back = NULL;
    if (s->down && s->app->net.api_fd > 0) {
        HttpServerConfig cfg = api_server_config(s);
        cfg.addr = arena_printf(a, "%s:%d", s->app->net.gateway, s->app->net.api_port);
        ErrCode rc = http_server_start(s->app->loop, &cfg, &s->inner, err);
        if (rc)
            return rc;
    }
    s->down = false;
    return ERR_OK;
}

/* ---- the private path ---- */

bool is_fault_path(const char *path)
{
    return str_eq(path, PATH);
}

static bool is_admin(ApiReq *r, Error *err)
{
    if (auth_identify(r->srv->app->auth, r->a, http_header(r->http, "authorization"), &r->who, err))
        return false;
    for (const char *const *g = r->who.groups; *g; g++)
        if (str_eq(*g, "system:masters"))
            return true;
    err_set(err, ERR_FORBIDDEN, "forbidden: User \"%s\" cannot make faults", r->who.name);
    return false;
}

static void on_done(void *ctx, const Error *err, const cJSON *answer)
{
    ApiReq *r = ctx;
    if (err)
        reply_error(r, err);
    else
        reply_json(r, 200, answer);
}

void handle_faults(ApiReq *r)
{
    Error err = {0};
    cJSON *req = NULL;
    Faults *f = r->srv->app->faults;
    if (!is_admin(r, &err)) {
        reply_error(r, &err);
    } else if (!f) {
        err_set(&err, ERR_UNIMPLEMENTED, "this site has no node, so nothing in it can go wrong");
        reply_error(r, &err);
    } else if (str_eq(r->method, "GET")) {
        AUTO_JSON list = faults_list(f);
        reply_json(r, 200, list);
    } else if (!str_eq(r->method, "POST")) {
        reply_method(r);
    } else if (body_parse(r, &req, &err)) {
        reply_error(r, &err);
    } else {
        faults_do(f, req, on_done, r);
    }
}
