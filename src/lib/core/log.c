#include "core/log.h"

#include "core/clock.h"
#include "core/limits.h"
#include "core/str.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const LEVELS[] = {"trace", "debug", "info", "warn", "error"};

static struct {
    char program[32];
    LogLevel level;
    LogSink sink;
    void *sink_ctx;
    pthread_mutex_t lock;
} state = {.program = "pgswarm", .level = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

void log_init(const char *program, LogLevel level)
{
    snprintf(state.program, sizeof state.program, "%s", program);
    state.level = level;
}

void log_set_level(LogLevel level)
{
    __atomic_store_n(&state.level, level, __ATOMIC_RELAXED);
}

LogLevel log_level(void)
{
    return __atomic_load_n(&state.level, __ATOMIC_RELAXED);
}

bool log_level_from_name(const char *name, LogLevel *ret)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++)
        if (name && strcmp(name, LEVELS[i]) == 0) {
            *ret = (LogLevel)i;
            return true;
        }
    return false;
}

const char *log_level_name(LogLevel level)
{
    return level < LOG_LEVEL_COUNT ? LEVELS[level] : "?";
}

void log_set_sink(LogSink sink, void *ctx)
{
    pthread_mutex_lock(&state.lock);
    state.sink = sink;
    state.sink_ctx = ctx;
    pthread_mutex_unlock(&state.lock);
}

static bool plain(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '\\' || *s == 0x7f || *s == '=')
            return false;
    return true;
}

const char *log_quote(const char *value)
{
    static _Thread_local char ring[8][1024];
    static _Thread_local unsigned turn;
    if (!value)
        value = "";
    if (strlen(value) < sizeof ring[0] && plain(value))
        return value;
    char *out = ring[turn++ % 8], *o = out, *end = out + sizeof ring[0] - 8;
    *o++ = '"';
    for (const unsigned char *s = (const unsigned char *)value; *s && o < end; s++) {
        if (*s == '"' || *s == '\\')
            *o++ = '\\', *o++ = (char)*s;
        else if (*s == '\n')
            *o++ = '\\', *o++ = 'n';
        else if (*s < ' ' || *s == 0x7f)
            o += snprintf(o, 5, "\\x%02x", *s);
        else
            *o++ = (char)*s;
    }
    *o++ = '"';
    *o = 0;
    return out;
}

static void write_all(const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(STDERR_FILENO, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return; /* nowhere left to say so */
        p += w;
        n -= (size_t)w;
    }
}

void log_write(LogLevel level, const char *at, const char *msg, const char *fields, ...)
{
    if (level < log_level())
        return;
    char line[LIMIT_LOG_LINE], text[LIMIT_LOG_LINE / 2], ts[CLOCK_RFC3339_LEN + 1];
    va_list ap;
    va_start(ap, fields);
    vsnprintf(text, sizeof text, fields, ap);
    va_end(ap);
    clock_rfc3339(ts, clock_wall_us());
    int n = snprintf(line, sizeof line, "ts=%s level=%s prog=%s at=%s msg=%s%s%s\n", ts,
                     LEVELS[level], state.program, at, log_quote(msg), *text ? " " : "", text);
    if (n >= (int)sizeof line) {
        n = (int)sizeof line - 1;
        line[n - 1] = '\n';
    }
    pthread_mutex_lock(&state.lock);
    write_all(line, (size_t)n);
    if (state.sink)
        state.sink(state.sink_ctx, level, at, msg, text);
    pthread_mutex_unlock(&state.lock);
}
