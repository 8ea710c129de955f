#include "rejoin/rejoin.h"

#include <stdlib.h>

struct Rejoin {
    RejoinConfig rc;
    Timer *timer;
    void (*done)(void *ctx, const Error *err);
    void *ctx;
};

static void answer(void *ctx)
{
    Rejoin *r = ctx;
    Error err;
    err_set(&err, ERR_UNIMPLEMENTED, "coming back behind another leader is not built yet");
    timer_stop(r->timer);
    r->timer = NULL;
    r->done(r->ctx, &err);
}

Rejoin *rejoin_new(const RejoinConfig *rc)
{
    Rejoin *r = xnew(Rejoin);
    r->rc = *rc;
    return r;
}

void rejoin_free(Rejoin *r)
{
    if (r)
        timer_stop(r->timer);
    free(r);
}

void rejoin_start(Rejoin *r, const RejoinTarget *t, void (*done)(void *ctx, const Error *err),
                  void *ctx)
{
    (void)t;
    r->done = done;
    r->ctx = ctx;
    r->timer = timer_start(r->rc.loop, 0, 0, answer, r);
}

void rejoin_note_wal_gone(Rejoin *r)
{
    (void)r;
}

void rejoin_tidy(Rejoin *r, bool streaming, uint64_t now)
{
    (void)r, (void)streaming, (void)now;
}

const char *rejoin_doing(const Rejoin *r)
{
    (void)r;
    return "";
}
