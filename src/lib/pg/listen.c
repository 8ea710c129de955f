#include "pg/pg_priv.h"

#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 15000, ANSWER_MS = 10000 };

struct PgListen {
    Loop *l;
    char *conninfo, *sql;
    void (*on_notify)(void *ctx, const char *channel, const char *payload);
    void (*on_up)(void *ctx);
    void *ctx;
    PgRaw *raw;
    Timer *timer; /* reconnect while down, probe while up */
    Backoff backoff;
    unsigned refs;
    bool up, stopped;
};

static void unref(PgListen *li)
{
    if (--li->refs == 0) {
        free(li->conninfo);
        free(li->sql);
        free(li);
    }
}

static void rearm(PgListen *li, uint64_t ms, TimerFn fn)
{
    timer_stop(li->timer);
    li->timer = timer_start(li->l, ms, 0, fn, li);
}

static void probe(void *ctx);

static void probed(void *ctx, const Error *err, PgResult *r)
{
    (void)r;
    if (!err)
        rearm(ctx, PROBE_MS, probe);
}

/* A link that is half open never says so by itself; an unanswered question does. */
static void probe(void *ctx)
{
    PgListen *li = ctx;
    if (pg_raw_idle(li->raw))
        pg_raw_exec(li->raw, &(PgStmt){.sql = "SELECT 1"}, probed, li);
}

static void start_over(void *ctx);

static void listening(void *ctx, const Error *err, PgResult *r)
{
    PgListen *li = ctx;
    (void)r;
    if (err) { /* a standby refuses LISTEN, for one; on_down may follow, which re-arms just so */
        rearm(li, backoff_next(&li->backoff) + 20, start_over);
        return;
    }
    li->up = true;
    backoff_reset(&li->backoff);
    rearm(li, PROBE_MS, probe);
    li->refs++;
    if (li->on_up)
        li->on_up(li->ctx);
    unref(li);
}

static void raw_up(void *ctx)
{
    PgListen *li = ctx;
    pg_raw_exec(li->raw, &(PgStmt){.sql = li->sql, .script = true}, listening, li);
}

static void reconnect(void *ctx);

static void raw_down(void *ctx, const Error *err)
{
    PgListen *li = ctx;
    (void)err;
    pg_raw_free(li->raw);
    li->raw = NULL;
    li->up = false;
    rearm(li, backoff_next(&li->backoff) + 20, reconnect);
}

static void raw_notify(void *ctx, const char *channel, const char *payload)
{
    PgListen *li = ctx;
    li->refs++;
    if (!li->stopped)
        li->on_notify(li->ctx, channel, payload);
    unref(li);
}

static const PgRawEvents EVENTS = {raw_up, raw_down, raw_notify};

static void reconnect(void *ctx)
{
    PgListen *li = ctx;
    PgRawConfig cfg = {.conninfo = li->conninfo,
                       .application_name = "pg-swarm listen",
                       .statement_timeout_ms = ANSWER_MS};
    timer_stop(li->timer);
    li->timer = NULL;
    li->raw = pg_raw_open(li->l, &cfg, &EVENTS, li);
}

static void start_over(void *ctx)
{
    PgListen *li = ctx;
    pg_raw_free(li->raw);
    reconnect(li);
}

PgListen *pg_listen(Loop *l, const char *conninfo, const char *const *channels,
                    void (*on_notify)(void *ctx, const char *channel, const char *payload),
                    void (*on_up)(void *ctx), void *ctx)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF sql = {0};
    PgListen *li = xnew(PgListen);
    for (; *channels; channels++)
        strbuf_addf(&sql, "LISTEN %s;", pg_quote_ident(a, *channels));
    li->l = l;
    li->conninfo = xstrdup(conninfo);
    li->sql = xstrdup(strbuf_str(&sql));
    li->on_notify = on_notify;
    li->on_up = on_up;
    li->ctx = ctx;
    li->backoff = (Backoff){.base_ms = 200, .max_ms = 5000};
    li->refs = 1;
    reconnect(li);
    return li;
}

bool pg_listen_up(const PgListen *li)
{
    return li->up;
}

void pg_listen_stop(PgListen *li)
{
    if (!li || li->stopped)
        return;
    li->stopped = true;
    timer_stop(li->timer);
    li->timer = NULL;
    pg_raw_free(li->raw);
    li->raw = NULL;
    unref(li);
}
