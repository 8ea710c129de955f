/* loop/loop_priv.h - inside of the facade. */
#pragma once
#include "loop/loop.h"
#include <pthread.h>
#include <uv.h>

typedef struct Deferred {
    struct Deferred *next;
    void (*fn)(void *);
    void *ctx;
} Deferred;

struct Loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_mutex_t lock; /* guards head and tail */
    Deferred *head, *tail;
    bool closing;
    char read_buf[64 * 1024];
};

ErrCode uv_err(Error *err, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
