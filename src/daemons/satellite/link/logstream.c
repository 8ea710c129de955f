#include "link/logstream.h"

#include "core/clock.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUEUE = 256, FLUSH_MS = 250, QUEUE_HIGH = 500 };

typedef struct Line {
    int64_t at_us;
    LogLevel level;
    char *at, *msg, *fields;
} Line;

struct LogStream {
    Loop *l;
    Link *link;
    pthread_mutex_t lock; /* lines come from any thread */
    Line ring[QUEUE];
    size_t first, n;
    uint64_t dropped, dropped_untold;
    bool flush_asked, ending;
    Timer *timer;
};

static void line_free(Line *l)
{
    free(l->at);
    free(l->msg);
    free(l->fields);
    *l = (Line){0};
}

static bool take(LogStream *s, Line *ret)
{
    pthread_mutex_lock(&s->lock);
    bool some = s->n > 0;
    if (some) {
        *ret = s->ring[s->first];
        s->ring[s->first] = (Line){0};
        s->first = (s->first + 1) % QUEUE;
        s->n--;
    }
    pthread_mutex_unlock(&s->lock);
    return some;
}

static void send_entry(LogStream *s, const LogEntry *entry)
{
    if (link_send(s->link, &(SatelliteUp){.id = "", .kind = UP_LOG, .log = *entry}))
        s->dropped++;
}

static void tell_dropped(LogStream *s)
{
    char fields[48];
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->dropped_untold;
    s->dropped_untold = 0;
    pthread_mutex_unlock(&s->lock);
    if (!n)
        return;
    snprintf(fields, sizeof fields, "lines=%" PRIu64, n);
    send_entry(s, &(LogEntry){clock_wall_us(), log_level_name(LOG_WARN), "logstream",
                              "lines were dropped", fields});
}

static void flush(void *ctx)
{
    LogStream *s = ctx;
    Line line;
    timer_stop(s->timer);
    s->timer = NULL;
    pthread_mutex_lock(&s->lock);
    s->flush_asked = false;
    pthread_mutex_unlock(&s->lock);
    if (!link_is_accepted(s->link))
        return; /* kept, the oldest go first */
    while (link_queued(s->link) < QUEUE_HIGH && take(s, &line)) {
        send_entry(
            s, &(LogEntry){line.at_us, log_level_name(line.level), line.at, line.msg, line.fields});
        line_free(&line);
    }
    tell_dropped(s);
}

static void arm(void *ctx)
{
    LogStream *s = ctx;
    if (!s->timer && !s->ending)
        s->timer = timer_start(s->l, FLUSH_MS, 0, flush, s);
}

static void sink(void *ctx, LogLevel level, const char *at, const char *msg, const char *fields)
{
    LogStream *s = ctx;
    pthread_mutex_lock(&s->lock);
    if (s->n == QUEUE) {
        line_free(&s->ring[s->first]);
        s->first = (s->first + 1) % QUEUE;
        s->n--;
        s->dropped++;
        s->dropped_untold++;
    }
    s->ring[(s->first + s->n++) % QUEUE] =
        (Line){clock_wall_us(), level, xstrdup(at), xstrdup(msg), xstrdup(fields)};
    bool ask = !s->flush_asked;
    s->flush_asked = true;
    pthread_mutex_unlock(&s->lock);
    if (ask)
        loop_post(s->l, arm, s);
}

LogStream *logstream_start(Loop *l, Link *link)
{
    LogStream *s = xnew(LogStream);
    s->l = l;
    s->link = link;
    pthread_mutex_init(&s->lock, NULL);
    log_set_sink(sink, s);
    return s;
}

static void free_now(void *ctx)
{
    LogStream *s = ctx;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void logstream_free(LogStream *s)
{
    Line line;
    if (!s)
        return;
    log_set_sink(NULL, NULL);
    timer_stop(s->timer);
    s->ending = true;
    while (take(s, &line))
        line_free(&line);
    loop_post(s->l, free_now, s); /* behind an arm() that may still be on its way */
}

uint64_t logstream_dropped(const LogStream *s)
{
    return s ? s->dropped : 0;
}
