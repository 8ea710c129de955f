#include "healthz.h"

#include <inttypes.h>

enum { MAX_CONNS = 32, BODY_LIMIT = 1024 };

static void ready(HttpReq *r, const Member *m)
{
    AUTO_ARENA a = arena_new_sized(1024);
    const char *why = member_why(m);
    const char *text =
        arena_printf(a, "%s %s epoch=%" PRIu64 "%s%s\n", member_ready(m) ? "ready" : "not ready",
                     member_state_name(member_state(m)), member_epoch(m), *why ? " " : "", why);
    http_reply(r, member_ready(m) ? 200 : 503, "text/plain", sv(text));
}

static void handle(void *ctx, HttpReq *r)
{
    const char *path = http_path(r);
    if (!str_eq(http_method(r), "GET"))
        http_reply(r, 405, "text/plain", SV("GET only\n"));
    else if (str_eq(path, "/healthz"))
        http_reply(r, 200, "text/plain", SV("ok\n"));
    else if (str_eq(path, "/readyz"))
        ready(r, ctx);
    else
        http_reply(r, 404, "text/plain", SV("/healthz and /readyz are here\n"));
}

ErrCode healthz_start(Loop *l, const Config *cfg, Member *m, HttpServer **ret, Error *err)
{
    HttpServerConfig hc = {.addr = cfg->health_addr,
                           .body_limit = BODY_LIMIT,
                           .max_conns = MAX_CONNS,
                           .handler = handle,
                           .ctx = m};
    return http_server_start(l, &hc, ret, err);
}
