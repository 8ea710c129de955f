#include "probe/deep.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "loop/stream.h"
#include <stdlib.h>

enum { EVERY_MS = 1000, PATIENCE_MS = 2000, MISSES = 2, STALL_MS = 500 };

/* StartupMessage, protocol 3.0: length, version, "user" "postgres". */
static const char HELLO[] = "\0\0\0\x17\0\3\0\0user\0postgres\0";

struct Deep {
    DeepConfig cfg;
    char *addr;
    Dial *dial;
    Stream *stream;
    Timer *timer, *patience;
    uint64_t begun_at;
    unsigned misses;
    bool alive; /* it answered at least once */
};

static void nothing_read(void *ctx, const char *data, size_t n)
{
    (void)ctx, (void)data, (void)n;
}

static void nothing_closed(void *ctx, const Error *err)
{
    (void)ctx, (void)err;
}

static void drop(Deep *d)
{
    static const StreamEvents NOBODY = {.on_read = nothing_read, .on_close = nothing_closed};
    dial_cancel(d->dial);
    d->dial = NULL;
    if (!d->stream)
        return;
    stream_set_events(d->stream, &NOBODY, NULL);
    stream_close(d->stream);
    d->stream = NULL;
}

static void over(Deep *d, bool answered)
{
    drop(d);
    timer_again(d->patience, UINT32_MAX);
    timer_again(d->timer, EVERY_MS);
    if (answered) {
        d->misses = 0;
        d->alive = true;
        return;
    }
    /* Woken late: it was we who did not look. */
    if (clock_boot_ms() - d->begun_at > PATIENCE_MS + STALL_MS)
        return;
    d->misses++;
    log_warn("deep", "PostgreSQL did not answer a new connection", "misses=%u", d->misses);
    if (deep_frozen(d))
        d->cfg.on_frozen(d->cfg.ctx);
}

static void on_read(void *ctx, const char *data, size_t n)
{
    (void)data;
    if (n)
        over(ctx, true);
}

/* Closed without a word: there is somebody who closes. */
static void on_close(void *ctx, const Error *err)
{
    (void)err;
    Deep *d = ctx;
    d->stream = NULL;
    over(d, true);
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    static const StreamEvents EVENTS = {.on_read = on_read, .on_close = on_close};
    Deep *d = ctx;
    d->dial = NULL;
    if (err) {
        /* No socket yet, or no more: the launcher tells what that means. A full backlog waits. */
        over(d, err->code != ERR_TIMEOUT);
        return;
    }
    d->stream = s;
    stream_set_events(s, &EVENTS, d);
    stream_write(s, HELLO, sizeof HELLO);
}

static void begin(void *ctx)
{
    Deep *d = ctx;
    d->begun_at = clock_boot_ms();
    timer_again(d->patience, PATIENCE_MS);
    d->dial = stream_dial(d->cfg.loop, d->addr, PATIENCE_MS * 2, on_dialled, d);
}

static void on_patience(void *ctx)
{
    over(ctx, false);
}

Deep *deep_new(const DeepConfig *cfg)
{
    Deep *d = xnew(Deep);
    d->cfg = *cfg;
    d->addr = xasprintf("unix:%s/.s.PGSQL.%u", cfg->run_dir, cfg->port);
    d->patience = timer_start(cfg->loop, UINT32_MAX, 0, on_patience, d);
    d->timer = timer_start(cfg->loop, EVERY_MS, 0, begin, d);
    return d;
}

void deep_free(Deep *d)
{
    if (!d)
        return;
    drop(d);
    timer_stop(d->timer);
    timer_stop(d->patience);
    free(d->addr);
    free(d);
}

bool deep_frozen(const Deep *d)
{
    return d && d->alive && d->misses >= MISSES;
}
