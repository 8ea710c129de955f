/* core/log.h - structured log lines on stderr, one per call, in logfmt:
 *   ts=2026-11-23T03:08:37.123Z level=info prog=satellite at=operator msg="reconciled"
 * cluster=databases/prod-pg took_ms=212 `fields` is a printf format that yields ready key=value
 * pairs; text values from outside go through %s of log_quote. The level can change at run time
 * (SetLogLevel). Lines longer than LIMIT_LOG_LINE are cut. Thread-safe. */
#pragma once
#include "core/arena.h"
#include <stdbool.h>

typedef enum LogLevel {
    LOG_TRACE,
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_LEVEL_COUNT
} LogLevel;

void log_init(const char *program, LogLevel level);
void log_set_level(LogLevel level);
LogLevel log_level(void);
bool log_level_from_name(const char *name, LogLevel *ret);
const char *log_level_name(LogLevel level);

/* Every line is also handed to the sink (for streaming to central); the sink must not log. NULL
 * removes it. */
typedef void (*LogSink)(void *ctx, LogLevel level, const char *at, const char *msg,
                        const char *fields);
void log_set_sink(LogSink sink, void *ctx);

/* at: the module, one word. msg: a constant sentence, no data in it. fields: format of key=value
 * pairs, "" for none. */
void log_write(LogLevel level, const char *at, const char *msg, const char *fields, ...)
    PRINTF_LIKE(4, 5);
#define log_trace(...) log_write(LOG_TRACE, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* A value safe to stand behind `key=`: quoted and escaped when it has blanks, quotes or control
 * bytes. Points into one of eight thread-local buffers of 1 KiB, so use it within the same log call
 * only. */
const char *log_quote(const char *value);
