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

/* ---- deferred calls ---- */

static void run_deferred(uv_async_t *h)
{
    Loop *l = h->data;
    pthread_mutex_lock(&l->lock);
    Deferred *d = l->head;
    l->head = l->tail = NULL;
    if (!d)
        uv_unref((uv_handle_t *)&l->wake);
    pthread_mutex_unlock(&l->lock);
    while (d) {
        Deferred *next = d->next;
        d->fn(d->ctx);
        free(d);
        d = next;
    }
    pthread_mutex_lock(&l->lock);
    if (!l->head)
        uv_unref((uv_handle_t *)&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void loop_post(Loop *l, void (*fn)(void *), void *ctx)
{
    Deferred *d = xnew(Deferred);
    d->fn = fn;
    d->ctx = ctx;
    pthread_mutex_lock(&l->lock);
    if (l->tail)
        l->tail->next = d;
    else
        l->head = d;
    l->tail = d;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

void loop_defer(Loop *l, void (*fn)(void *), void *ctx)
{
    uv_ref((uv_handle_t *)&l->wake); /* a pending call keeps the loop alive */
    loop_post(l, fn, ctx);
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
    l->wake.data = l;
    uv_async_init(&l->uv, &l->wake, run_deferred);
    uv_unref((uv_handle_t *)&l->wake);
    return l;
}

static void close_left(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void loop_free(Loop *l)
{
    if (!l)
        return;
    l->closing = true;
    uv_walk(&l->uv, close_left, NULL);
    while (uv_loop_close(&l->uv) == UV_EBUSY)
        uv_run(&l->uv, UV_RUN_ONCE);
    while (l->head) {
        Deferred *d = l->head;
        l->head = d->next;
        free(d);
    }
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

static void free_handle(uv_handle_t *h)
{
    free(h->data);
}

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
    if (t)
        uv_close((uv_handle_t *)&t->uv, free_handle);
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
        uv_close((uv_handle_t *)&w->uv, free_handle);
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
        uv_close((uv_handle_t *)&s->uv, free_handle);
}

/* ---- names ---- */

struct Resolve {
    uv_getaddrinfo_t uv;
    ResolveFn done;
    void *ctx;
    char host[256];
};

static void on_resolved(uv_getaddrinfo_t *h, int status, struct addrinfo *res)
{
    Resolve *r = h->data;
    if (r->done) {
        Error err;
        if (status)
            uv_err(&err, status, "look up %s", r->host);
        r->done(r->ctx, status ? &err : NULL, status ? NULL : res->ai_addr);
    }
    uv_freeaddrinfo(res);
    free(r);
}

static void resolve_failed(void *ctx)
{
    Resolve *r = ctx;
    Error err;
    err_set(&err, ERR_INVALID, "look up %s: not a host and port", r->host);
    if (r->done)
        r->done(r->ctx, &err, NULL);
    free(r);
}

Resolve *loop_resolve(Loop *l, const char *host, const char *port, ResolveFn done, void *ctx)
{
    Resolve *r = xnew(Resolve);
    r->uv.data = r;
    r->done = done;
    r->ctx = ctx;
    snprintf(r->host, sizeof r->host, "%s", host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    if (uv_getaddrinfo(&l->uv, &r->uv, on_resolved, host, port, &hints))
        loop_defer(l, resolve_failed, r);
    return r;
}

void resolve_cancel(Resolve *r)
{
    if (r) {
        r->done = NULL;
        uv_cancel((uv_req_t *)&r->uv);
    }
}
