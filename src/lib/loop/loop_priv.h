/* loop/loop_priv.h - inside of the facade. */
#pragma once
#include "core/vec.h"
#include "loop/loop.h"
#include <pthread.h>
#include <uv.h>

typedef struct Call {
    void (*fn)(void *);
    void *ctx;
} Call;
typedef VEC(Call) CallList;

struct Loop {
    uv_loop_t uv;
    uv_async_t wake; /* loop_post rang */
    /* Deferred calls run after the events of a turn and again before it waits for new ones; `busy`
     * runs while there are any, so that it does not wait at all. */
    uv_prepare_t before_wait;
    uv_check_t after_events;
    uv_idle_t busy;
    CallList deferred, spare;
    pthread_mutex_t lock; /* guards posted */
    CallList posted;
    bool closing;
    char read_buf[64 * 1024];
};

ErrCode uv_err(Error *err, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
void proc_abandon(Proc *p);
void free_owner(uv_handle_t *h); /* close callback: the struct around the handle is h->data */

/* All addresses of a name; exactly one of err and list, which the receiver frees with
 * uv_freeaddrinfo. */
typedef void (*ResolveListFn)(void *ctx, const Error *err, struct addrinfo *list);
Resolve *loop_resolve_list(Loop *l, const char *host, const char *port, ResolveListFn done,
                           void *ctx);
