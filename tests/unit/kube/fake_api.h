/* tests/unit/kube/fake_api.h - an HTTP/1.1 server that follows a script: for what a real API server
 * does not do on request (broken watch lines, 410, 429, silence). Included by one test file. */
#pragma once
#include "core/str.h"
#include "loop/stream.h"
#include <stdio.h>
#include <stdlib.h>

/* Steps are short on purpose: what is left out is false. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

typedef struct FakeStep {
    const char *expect; /* the request line and headers must hold this */
    const char *reply;  /* raw bytes; NULL: hold the connection open in silence */
    bool bytewise;      /* one write per byte */
    bool hold;          /* stay open behind the reply */
} FakeStep;

typedef struct FakeApi {
    Loop *l;
    Listener *ln;
    const FakeStep *steps;
    size_t n, at;
    struct FakeConn *conns;
    bool empty;              /* no connection is left */
    char requests[32][2048]; /* head and body of each, in order */
} FakeApi;

typedef struct FakeConn {
    struct FakeConn *next;
    FakeApi *api;
    Stream *s;
    StrBuf in;
} FakeConn;

static void fake_answer(FakeConn *c, const FakeStep *st)
{
    if (!st->reply)
        return;
    for (size_t i = 0, n = strlen(st->reply); i < n; i += st->bytewise ? 1 : n)
        stream_write(c->s, st->reply + i, st->bytewise ? 1 : n);
    if (!st->hold)
        stream_shutdown(c->s);
}

static bool fake_request_complete(const StrBuf *in)
{
    const char *end = in->p ? strstr(in->p, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    const char *cl = strcasestr(in->p, "content-length:");
    size_t body = cl && cl < end ? (size_t)atol(cl + 15) : 0;
    return in->n >= (size_t)(end - in->p) + 4 + body;
}

static void fake_read(void *ctx, const char *data, size_t n)
{
    FakeConn *c = ctx;
    FakeApi *f = c->api;
    strbuf_add(&c->in, data, n);
    if (!fake_request_complete(&c->in))
        return;
    assert_true(f->at < f->n && f->at < 32);
    snprintf(f->requests[f->at], sizeof f->requests[0], "%s", c->in.p);
    const FakeStep *st = &f->steps[f->at++];
    if (!strstr(c->in.p, st->expect))
        fail_msg("request %zu: want %s in\n%s", f->at, st->expect, c->in.p);
    strbuf_reset(&c->in);
    fake_answer(c, st);
}

static void fake_close(void *ctx, const Error *err)
{
    FakeConn *c = ctx;
    (void)err;
    for (FakeConn **at = &c->api->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    c->api->empty = !c->api->conns;
    strbuf_done(&c->in);
    free(c);
}

static void fake_accept(void *ctx, Stream *s)
{
    static const StreamEvents EV = {.on_read = fake_read, .on_close = fake_close};
    FakeConn *c = xnew(FakeConn);
    c->api = ctx;
    c->s = s;
    c->next = c->api->conns;
    c->api->conns = c;
    c->api->empty = false;
    stream_set_events(s, &EV, c);
}

static void fake_start(FakeApi *f, Loop *l, const FakeStep *steps, size_t n)
{
    Error err;
    *f = (FakeApi){.l = l, .steps = steps, .n = n, .empty = true};
    assert_int_equal(listener_open(l, "127.0.0.1:0", fake_accept, f, &f->ln, &err), ERR_OK);
}

static void fake_stop(FakeApi *f)
{
    listener_close(f->ln);
    for (FakeConn *c = f->conns; c; c = c->next)
        stream_close(c->s);
    assert_true(loop_run_until(f->l, &f->empty, 60000));
}
