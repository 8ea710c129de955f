#include "launcher/client.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/vec.h"
#include "loop/stream.h"

enum { RETRY_MS = 200 };

typedef struct Pending {
    uint32_t id;
    LauncherDone done; /* one of the two */
    LauncherAnswer answer;
    void *ctx;
    Error err; /* set: to be told in the next turn */
} Pending;

struct LauncherClient {
    Loop *loop;
    LauncherEvents ev;
    void *ctx;
    char *addr;
    Dial *dial;
    Stream *stream;
    Timer *retry, *fail_timer;
    StrBuf in, state_bytes;
    LpMsg state; /* its texts point into state_bytes */
    bool has_state, last_word;
    uint32_t next_id;
    VEC(Pending) pending;
};

static void dial(void *ctx);

static void retry_later(LauncherClient *c)
{
    timer_stop(c->retry);
    c->retry = timer_start(c->loop, RETRY_MS, 0, dial, c);
}

static void tell(const Pending *p, const Error *err, const LpMsg *m)
{
    if (p->answer)
        p->answer(p->ctx, err, err ? NULL : m);
    else
        p->done(p->ctx, err);
}

static void tell_failed(void *ctx)
{
    LauncherClient *c = ctx;
    timer_stop(c->fail_timer);
    c->fail_timer = NULL;
    for (size_t i = 0; i < c->pending.n;) {
        Pending p = c->pending.at[i];
        if (!p.err.code) {
            i++;
            continue;
        }
        vec_remove(&c->pending, i);
        tell(&p, &p.err, NULL);
        i = 0; /* done may have called us */
    }
}

static void fail_later(LauncherClient *c)
{
    if (!c->fail_timer)
        c->fail_timer = timer_start(c->loop, 0, 0, tell_failed, c);
}

static void answer(LauncherClient *c, const LpMsg *m)
{
    for (size_t i = 0; i < c->pending.n; i++) {
        Pending p = c->pending.at[i];
        if (p.id != m->id || p.err.code)
            continue;
        vec_remove(&c->pending, i);
        Error err = {0};
        uint64_t code = m->num[LPF_CODE];
        if (code)
            err_set(&err, code < ERR_CODE_COUNT ? (ErrCode)code : ERR_INTERNAL, "launcher: %s",
                    str_or(m->text[LPF_MESSAGE], "no reason given"));
        tell(&p, code ? &err : NULL, m);
        return;
    }
}

/* The texts of the state must outlive the read buffer. */
static void keep_state(LauncherClient *c, const char *frame, size_t n)
{
    strbuf_reset(&c->state_bytes);
    strbuf_add(&c->state_bytes, frame, n);
    c->has_state = lp_decode(c->state_bytes.p, c->state_bytes.n, &c->state) > 0;
    c->ev.on_state(c->ctx);
}

static void on_read(void *ctx, const char *data, size_t n)
{
    LauncherClient *c = ctx;
    strbuf_add(&c->in, data, n);
    size_t at = 0;
    LpMsg m;
    ptrdiff_t used = 0;
    while (c->stream && (used = lp_decode(c->in.p + at, c->in.n - at, &m)) > 0) {
        if (m.type == LP_RESULT)
            answer(c, &m);
        else if (m.type == LP_STATE)
            keep_state(c, c->in.p + at, (size_t)used);
        else if (m.type == LP_LOG && c->ev.on_line)
            c->ev.on_line(c->ctx, str_or(m.text[LPF_LINE], ""), m.num[LPF_DROPPED]);
        at += (size_t)used;
    }
    if (c->stream && used < 0) {
        log_error("launcher", "bytes that are no frame", "%s", "");
        stream_close(c->stream);
    }
    strbuf_consume(&c->in, at);
}

static void on_close(void *ctx, const Error *err)
{
    LauncherClient *c = ctx;
    log_warn("launcher", "connection lost", "err=%s", log_quote(err ? err->msg : ""));
    c->stream = NULL;
    /* A launcher that ended with PostgreSQL down has said all there is to say, and it stays true
     * until another one starts. */
    c->last_word = c->has_state && c->state.num[LPF_TERMINATING] &&
                   c->state.num[LPF_PG] == LP_PG_DOWN && !c->state.num[LPF_JOB];
    c->has_state = c->last_word;
    strbuf_reset(&c->in);
    for (size_t i = 0; i < c->pending.n; i++)
        err_set(&c->pending.at[i].err, ERR_UNAVAILABLE, "the connection to the launcher broke");
    fail_later(c);
    retry_later(c);
    c->ev.on_state(c->ctx);
}

static void send_frame(LauncherClient *c, const LpMsg *m)
{
    AUTO_STRBUF b = {0};
    lp_encode(&b, m);
    stream_write(c->stream, b.p, b.n);
    explicit_bzero(b.p, b.n); /* it may hold a password */
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    static const StreamEvents EVENTS = {.on_read = on_read, .on_close = on_close};
    LauncherClient *c = ctx;
    c->dial = NULL;
    if (err) {
        retry_later(c);
        return;
    }
    c->stream = s;
    c->has_state = c->last_word = false;
    stream_set_events(s, &EVENTS, c);
    send_frame(c, &(LpMsg){.type = LP_WATCH, .id = 1});
    if (c->ev.on_line)
        send_frame(c, &(LpMsg){.type = LP_LOGS, .id = 2});
}

static void dial(void *ctx)
{
    LauncherClient *c = ctx;
    c->dial = stream_dial(c->loop, c->addr, 2000, on_dialled, c);
}

LauncherClient *launcher_client_new(Loop *l, const char *run_dir, const LauncherEvents *ev,
                                    void *ctx)
{
    LauncherClient *c = xnew(LauncherClient);
    c->loop = l;
    c->ev = *ev;
    c->ctx = ctx;
    c->addr = xasprintf("unix:%s/launcher.sock", run_dir);
    c->next_id = 16;
    dial(c);
    return c;
}

static void on_closed_for_good(void *ctx, const Error *err)
{
    (void)ctx, (void)err;
}

static void ignore_read(void *ctx, const char *data, size_t n)
{
    (void)ctx, (void)data, (void)n;
}

void launcher_client_free(LauncherClient *c)
{
    static const StreamEvents NOBODY = {.on_read = ignore_read, .on_close = on_closed_for_good};
    if (!c)
        return;
    dial_cancel(c->dial);
    timer_stop(c->retry);
    timer_stop(c->fail_timer);
    if (c->stream) {
        stream_set_events(c->stream, &NOBODY, NULL);
        stream_close(c->stream);
    }
    strbuf_done(&c->in);
    strbuf_done(&c->state_bytes);
    vec_done(&c->pending);
    free(c->addr);
    free(c);
}

const LpMsg *launcher_state(const LauncherClient *c)
{
    return (c->stream || c->last_word) && c->has_state ? &c->state : NULL;
}

static void call(LauncherClient *c, LpMsg *m, Pending p)
{
    p.id = m->id = ++c->next_id;
    if (!c->stream)
        err_set(&p.err, ERR_UNAVAILABLE, "there is no connection to the launcher");
    vec_push(&c->pending, p);
    if (p.err.code)
        fail_later(c);
    else
        send_frame(c, m);
}

void launcher_call(LauncherClient *c, LpMsg *m, LauncherDone done, void *ctx)
{
    call(c, m, (Pending){.done = done, .ctx = ctx});
}

void launcher_ask(LauncherClient *c, LpMsg *m, LauncherAnswer done, void *ctx)
{
    call(c, m, (Pending){.answer = done, .ctx = ctx});
}
