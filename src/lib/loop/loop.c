#include "loop/loop.h"

#include "loop/loop_priv.h"
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ErrCode uv_err(Error *err, int rc, const char *fmt, ...)
{
    char head[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    if (rc == UV_EAI_NONAME || rc == UV_EAI_AGAIN || rc == UV_EAI_NODATA || rc == UV_EAI_FAIL)
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", head, uv_strerror(rc));
    return err_errno(err, -rc, "%s", head);
}

void free_owner(uv_handle_t *h)
{
    free(h->data);
}

/* ---- deferred calls ---- */

static void stay_busy(uv_idle_t *h)
{
    (void)h; /* its being active keeps the loop from waiting */
}

static void run_deferred(Loop *l)
{
    if (l->deferred.n == 0)
        return;
    CallList now = l->deferred;
    l->deferred = l->spare;
    l->spare = (CallList){0};
    for (size_t i = 0; i < now.n; i++)
        now.at[i].fn(now.at[i].ctx);
    now.n = 0;
    vec_done(&l->spare);
    l->spare = now;
    if (l->deferred.n == 0)
        uv_idle_stop(&l->busy);
}

static void on_before_wait(uv_prepare_t *h)
{
    run_deferred(h->data);
}

static void on_after_events(uv_check_t *h)
{
    run_deferred(h->data);
}

void loop_defer(Loop *l, void (*fn)(void *), void *ctx)
{
    vec_push(&l->deferred, ((Call){fn, ctx}));
    if (l->deferred.n == 1 && !l->closing)
        uv_idle_start(&l->busy, stay_busy);
}

static void on_wake(uv_async_t *h)
{
    Loop *l = h->data;
    pthread_mutex_lock(&l->lock);
    CallList now = l->posted;
    l->posted = (CallList){0};
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < now.n; i++)
        now.at[i].fn(now.at[i].ctx);
    vec_done(&now);
}

void loop_post(Loop *l, void (*fn)(void *), void *ctx)
{
    pthread_mutex_lock(&l->lock);
    vec_push(&l->posted, ((Call){fn, ctx}));
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

/* ---- the loop itself ---- */

Loop *loop_new(void)
{
    Loop *l = xnew(Loop);
    int rc = uv_loop_init(&l->uv);
    if (rc)
        BUG("uv_loop_init: %s", uv_strerror(rc));
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&l->lock, NULL);
    uv_async_init(&l->uv, &l->wake, on_wake);
    uv_prepare_init(&l->uv, &l->before_wait);
    uv_check_init(&l->uv, &l->after_events);
    uv_idle_init(&l->uv, &l->busy);
    l->wake.data = l->before_wait.data = l->after_events.data = l;
    uv_prepare_start(&l->before_wait, on_before_wait);
    uv_check_start(&l->after_events, on_after_events);
    /* Only `busy` keeps the loop alive, and only while there is something to call. */
    uv_unref((uv_handle_t *)&l->wake);
    uv_unref((uv_handle_t *)&l->before_wait);
    uv_unref((uv_handle_t *)&l->after_events);
    return l;
}

static bool is_ours(const Loop *l, const uv_handle_t *h)
{
    return h == (const uv_handle_t *)&l->wake || h == (const uv_handle_t *)&l->before_wait ||
           h == (const uv_handle_t *)&l->after_events || h == (const uv_handle_t *)&l->busy;
}

static void free_children(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (h->type == UV_PROCESS && !uv_is_closing(h))
        proc_abandon(h->data);
}

static void close_left(uv_handle_t *h, void *arg)
{
    if (!uv_is_closing(h))
        uv_close(h, is_ours(arg, h) ? NULL : free_owner);
}

/* What was closed or deferred just before gets its last calls; then the rest is closed in
 * silence. */
static void settle(Loop *l)
{
    for (int turn = 0; turn < 8 && (l->deferred.n || l->uv.closing_handles); turn++)
        uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_free(Loop *l)
{
    if (!l)
        return;
    settle(l);
    l->closing = true;
    uv_walk(&l->uv, free_children, l);
    uv_walk(&l->uv, close_left, l);
    while (uv_loop_close(&l->uv) == UV_EBUSY)
        uv_run(&l->uv, UV_RUN_ONCE);
    vec_done(&l->deferred);
    vec_done(&l->spare);
    vec_done(&l->posted);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void loop_run(Loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(Loop *l)
{
    uv_stop(&l->uv);
}

uint64_t loop_now(Loop *l)
{
    return uv_now(&l->uv);
}

static void set_flag(void *flag)
{
    *(bool *)flag = true;
}

bool loop_run_until(Loop *l, const bool *done, uint64_t timeout_ms)
{
    bool late = false;
    uv_update_time(&l->uv);
    Timer *t = timeout_ms ? timer_start(l, timeout_ms, 0, set_flag, &late) : NULL;
    while (!*done && !late)
        if (!uv_run(&l->uv, UV_RUN_ONCE) && !*done)
            break;
    timer_stop(t);
    return *done;
}

/* ---- timers ---- */

struct Timer {
    uv_timer_t uv;
    TimerFn fn;
    void *ctx;
    uint64_t repeat;
};

static void on_timer(uv_timer_t *h)
{
    Timer *t = h->data;
    t->fn(t->ctx);
}

Timer *timer_start(Loop *l, uint64_t after_ms, uint64_t repeat_ms, TimerFn fn, void *ctx)
{
    Timer *t = xnew(Timer);
    uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    t->fn = fn;
    t->ctx = ctx;
    t->repeat = repeat_ms;
    uv_timer_start(&t->uv, on_timer, after_ms, repeat_ms);
    return t;
}

void timer_again(Timer *t, uint64_t after_ms)
{
    uv_timer_start(&t->uv, on_timer, after_ms, t->repeat);
}

void timer_stop(Timer *t)
{
    if (t && !uv_is_closing((uv_handle_t *)&t->uv))
        uv_close((uv_handle_t *)&t->uv, free_owner);
}

/* ---- foreign descriptors ---- */

struct FdWatch {
    uv_poll_t uv;
    FdFn fn;
    void *ctx;
};

static void on_fd(uv_poll_t *h, int status, int events)
{
    FdWatch *w = h->data;
    int ev = (events & UV_READABLE ? FD_READ : 0) | (events & UV_WRITABLE ? FD_WRITE : 0);
    w->fn(w->ctx, status < 0 ? FD_READ | FD_WRITE : ev, status < 0);
}

FdWatch *fdwatch_start(Loop *l, int fd, int events, FdFn fn, void *ctx)
{
    FdWatch *w = xnew(FdWatch);
    int rc = uv_poll_init(&l->uv, &w->uv, fd);
    if (rc)
        BUG("watch descriptor %d: %s", fd, uv_strerror(rc));
    w->uv.data = w;
    w->fn = fn;
    w->ctx = ctx;
    fdwatch_update(w, events);
    return w;
}

void fdwatch_update(FdWatch *w, int events)
{
    int ev = (events & FD_READ ? UV_READABLE : 0) | (events & FD_WRITE ? UV_WRITABLE : 0);
    if (ev)
        uv_poll_start(&w->uv, ev, on_fd);
    else
        uv_poll_stop(&w->uv);
}

void fdwatch_stop(FdWatch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->uv, free_owner);
}

/* ---- work on the thread pool ---- */

typedef struct Work {
    uv_work_t uv;
    void (*work)(void *);
    void (*done)(void *);
    void *ctx;
} Work;

static void do_work(uv_work_t *h)
{
    Work *w = h->data;
    w->work(w->ctx);
}

static void work_done(uv_work_t *h, int status)
{
    (void)status;
    Work *w = h->data;
    w->done(w->ctx);
    free(w);
}

void loop_work(Loop *l, void (*work)(void *), void (*done)(void *), void *ctx)
{
    Work *w = xnew(Work);
    w->uv.data = w;
    w->work = work;
    w->done = done;
    w->ctx = ctx;
    uv_queue_work(&l->uv, &w->uv, do_work, work_done);
}

/* ---- signals ---- */

struct SigWatch {
    uv_signal_t uv;
    void (*fn)(void *, int);
    void *ctx;
};

static void on_signal(uv_signal_t *h, int signum)
{
    SigWatch *s = h->data;
    s->fn(s->ctx, signum);
}

SigWatch *sigwatch_start(Loop *l, int signum, void (*fn)(void *, int), void *ctx)
{
    SigWatch *s = xnew(SigWatch);
    uv_signal_init(&l->uv, &s->uv);
    s->uv.data = s;
    s->fn = fn;
    s->ctx = ctx;
    uv_signal_start(&s->uv, on_signal, signum);
    uv_unref((uv_handle_t *)&s->uv);
    return s;
}

void sigwatch_stop(SigWatch *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->uv, free_owner);
}
