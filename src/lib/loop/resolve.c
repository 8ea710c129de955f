#include "loop/loop.h"

#include "loop/loop_priv.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

struct Resolve {
    uv_getaddrinfo_t uv;
    Loop *loop;
    ResolveFn done;         /* one address... */
    ResolveListFn done_all; /* ...or all of them; both NULL: cancelled */
    void *ctx;
    char host[256];
};

static void on_resolved(uv_getaddrinfo_t *h, int status, struct addrinfo *list)
{
    Resolve *r = h->data;
    Error err;
    if (status)
        uv_err(&err, status, "look up %s", r->host);
    if (r->done_all) {
        r->done_all(r->ctx, status ? &err : NULL, list);
        list = NULL;
    } else if (r->done && !r->loop->closing) {
        r->done(r->ctx, status ? &err : NULL, status ? NULL : list->ai_addr);
    }
    uv_freeaddrinfo(list);
    free(r);
}

static void refuse(void *ctx)
{
    Resolve *r = ctx;
    Error err;
    err_set(&err, ERR_INVALID, "look up %s: not a host and port", r->host);
    if (r->done_all)
        r->done_all(r->ctx, &err, NULL);
    else if (r->done)
        r->done(r->ctx, &err, NULL);
    free(r);
}

static Resolve *start(Loop *l, const char *host, const char *port, const Resolve *like)
{
    Resolve *r = xnew(Resolve);
    *r = *like;
    r->loop = l;
    r->uv.data = r;
    snprintf(r->host, sizeof r->host, "%s", host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    if (uv_getaddrinfo(&l->uv, &r->uv, on_resolved, host, port, &hints))
        loop_defer(l, refuse, r);
    return r;
}

Resolve *loop_resolve(Loop *l, const char *host, const char *port, ResolveFn done, void *ctx)
{
    return start(l, host, port, &(Resolve){.done = done, .ctx = ctx});
}

Resolve *loop_resolve_list(Loop *l, const char *host, const char *port, ResolveListFn done,
                           void *ctx)
{
    return start(l, host, port, &(Resolve){.done_all = done, .ctx = ctx});
}

void resolve_cancel(Resolve *r)
{
    if (!r)
        return;
    r->done = NULL;
    r->done_all = NULL;
    uv_cancel((uv_req_t *)&r->uv);
}
