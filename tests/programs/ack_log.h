/* ack_log.h - what the load writers and the prober saw, a line each, and their one way of asking a
 * server.
 *
 *   A ID SENT_US ACKED_US ADDR TIMELINE   a write was acknowledged; ID 0: a probe's
 *   W ID US TEXT                          it was with a warning (a cancelled synchronous wait)
 *   E US TEXT                             a write or a connection failed
 *   N US                                  a write had no answer within its limit
 *   S US NAME STATE                       a node became writable, readonly or silent
 *   T FROM_US FOR_US WHAT                 this machine stood still: a processor, or its disk
 *
 * Times are CLOCK_MONOTONIC, so logs of one machine can be merged. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;

static inline int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void nap_us(int64_t us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    if (us > 0)
        nanosleep(&t, NULL);
}

static inline void log_to(const char *path)
{
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
}

/* One write() a line: threads and processes may share a log. */
__attribute__((format(printf, 1, 2))) static inline void log_line(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    for (int i = 0; i < n; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[n++] = '\n';
    if (write(log_fd, line, (size_t)n) != n) {
        perror("log");
        _exit(2);
    }
}

/* The next result, or NULL when the server was silent until `deadline`. Who stood still over the
 * deadline looks once more: what has come is an answer. */
static inline PGresult *result_before(PGconn *c, int64_t deadline)
{
    while (PQisBusy(c)) {
        struct pollfd p = {PQsocket(c), POLLIN, 0};
        int64_t left = deadline - now_us();
        if (PQsocket(c) < 0)
            return NULL;
        int n = poll(&p, 1, left > 0 ? (int)(left / 1000) + 1 : 0);
        if (n <= 0 && left <= 0)
            return NULL;
        if (p.revents && !PQconsumeInput(c))
            break;
    }
    return PQgetResult(c);
}

/* One statement with one parameter. NULL: no answer within the limit; the connection is of no use
 * then. */
static inline PGresult *ask(PGconn *c, const char *sql, const char *param, int64_t limit_us)
{
    int64_t deadline = now_us() + limit_us;
    if (!PQsendQueryParams(c, sql, param ? 1 : 0, NULL, &param, NULL, NULL, 0))
        return NULL;
    PGresult *first = result_before(c, deadline), *more;
    /* The rows come before the commit: an error behind them means that nothing was acknowledged. */
    while (first && (more = result_before(c, deadline)) != NULL) {
        bool failed = PQresultStatus(more) == PGRES_FATAL_ERROR;
        PQclear(failed ? first : more);
        if (failed)
            first = more;
    }
    /* Silent behind the rows: nothing was acknowledged either. */
    if (first && PQtransactionStatus(c) == PQTRANS_ACTIVE) {
        PQclear(first);
        first = NULL;
    }
    return first;
}
