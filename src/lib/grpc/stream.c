#include "core/limits.h"
#include "grpc/stream_priv.h"
#include "grpc/text.h"
#include <stdlib.h>

/* ---- life ---- */

GrpcStream *call_new(const StreamRole *role, Loop *l, StreamList *list, size_t max_message)
{
    GrpcStream *s = xnew(GrpcStream);
    s->role = role;
    s->loop = l;
    s->framer.max_message = max_message;
    s->refs = 1;
    s->list = list;
    s->next = list->first;
    if (s->next)
        s->next->prev = s;
    list->first = s;
    list->n++;
    return s;
}

void call_ref(GrpcStream *s)
{
    s->refs++;
}

static void meta_done(MetaList *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->at[i].name);
    vec_done(m);
}

void call_unref(GrpcStream *s)
{
    if (--s->refs)
        return;
    meta_done(&s->meta);
    meta_done(&s->sent_meta);
    grpc_frame_done(&s->framer);
    strbuf_done(&s->held);
    strbuf_done(&s->early);
    free(s->message);
    free(s->path_copy);
    free(s);
}

static void leave_list(GrpcStream *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        s->list->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->list->n--;
    s->list = NULL;
}

void call_end(GrpcStream *s)
{
    if (s->ended)
        return;
    s->ended = true;
    timer_stop(s->timer);
    s->timer = NULL;
    leave_list(s);
    if (s->h2)
        h2_stream_set_data(s->h2, NULL);
    s->h2 = NULL;
    s->role->on_end(s);
    call_unref(s);
}

static void end_now(void *ctx)
{
    GrpcStream *s = ctx;
    call_end(s);
    call_unref(s);
}

void call_end_later(GrpcStream *s)
{
    if (s->end_due || s->ended)
        return;
    s->end_due = true;
    call_ref(s);
    loop_defer(s->loop, end_now, s);
}

void call_verdict(GrpcStream *s, GrpcCode code, const char *message)
{
    if (s->has_status)
        return;
    s->has_status = true;
    s->code = code;
    s->message = xstrdup(message ? message : "");
}

/* ---- deadline ---- */

static void on_deadline(void *ctx)
{
    GrpcStream *s = ctx;
    call_ref(s);
    s->role->fail(s, GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
    call_unref(s);
}

void call_set_deadline(GrpcStream *s, uint64_t timeout_ms)
{
    const uint64_t forever = 365ull * 24 * 3600 * 1000;
    if (timeout_ms >= forever)
        return;
    s->deadline = loop_now(s->loop) + timeout_ms;
    s->timer = timer_start(s->loop, timeout_ms, 0, on_deadline, s);
}

uint64_t grpc_stream_time_left_ms(const GrpcStream *s)
{
    if (!s->deadline)
        return UINT64_MAX;
    uint64_t now = loop_now(s->loop);
    return s->deadline > now ? s->deadline - now : 0;
}

/* ---- receiving ---- */

static void break_off(GrpcStream *s, GrpcCode code, const char *message)
{
    s->broken = true;
    if (s->stats)
        s->stats->bad_frames++;
    s->role->fail(s, code, message);
}

/* Deliver what is whole in `in`, until the user pauses; returns what is left. */
static StrView deliver(GrpcStream *s, StrView in)
{
    s->delivering = true;
    while (!s->paused && !s->broken && !s->ended) {
        StrView msg;
        GrpcCode code;
        Error err;
        GrpcFrameResult r = grpc_frame_next(&s->framer, &in, &msg, &code, &err);
        if (r == GRPC_FRAME_MORE)
            break;
        if (r == GRPC_FRAME_BAD) {
            break_off(s, code, err.msg);
            break;
        }
        if (s->stats)
            s->stats->messages_in++;
        s->role->on_message(s, msg);
        grpc_frame_done(&s->framer);
    }
    s->delivering = false;
    return in;
}

static void consume(GrpcStream *s, size_t n)
{
    if (s->h2 && n)
        h2_consume(s->h2, n);
}

static void tell_half_close(GrpcStream *s)
{
    if (!s->half_closed || s->half_close_told || s->held.n || s->broken || s->ended || s->paused)
        return;
    s->half_close_told = true;
    if (grpc_frame_at_edge(&s->framer))
        s->role->on_half_close(s);
    else
        break_off(s, GRPC_INTERNAL, "the stream ended inside a message");
}

void call_take_data(GrpcStream *s, const char *p, size_t n)
{
    call_ref(s);
    StrView rest = sv_n(p, n);
    if (s->held.n == 0 && !s->delivering)
        rest = deliver(s, rest);
    if (s->broken || s->ended)
        rest.n = 0;
    strbuf_add(&s->held, rest.p, rest.n);
    consume(s, n - rest.n);
    call_unref(s);
}

void call_take_half_close(GrpcStream *s)
{
    call_ref(s);
    s->half_closed = true;
    tell_half_close(s);
    call_unref(s);
}

static void deliver_held(void *ctx)
{
    GrpcStream *s = ctx;
    if (!s->ended && !s->paused && !s->delivering) {
        StrBuf held = s->held;
        s->held = (StrBuf){0};
        StrView rest = deliver(s, sv_n(held.p, held.n));
        consume(s, held.n - (s->broken ? 0 : rest.n));
        if (!s->broken && !s->ended)
            strbuf_add(&s->held, rest.p, rest.n);
        strbuf_done(&held);
        tell_half_close(s);
    }
    call_unref(s);
}

void grpc_stream_pause(GrpcStream *s)
{
    s->paused = true;
}

void grpc_stream_resume(GrpcStream *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    call_ref(s);
    loop_defer(s->loop, deliver_held, s);
}

/* ---- metadata ---- */

static bool is_reserved(StrView name)
{
    static const char *const names[] = {"te", "content-type", "content-length", "host", NULL};
    for (const char *const *n = names; *n; n++)
        if (sv_eqs(name, *n))
            return true;
    return name.n == 0 || name.p[0] == ':' || sv_starts(name, "grpc-");
}

static void meta_push(MetaList *m, StrView name, StrView value, bool trailing)
{
    MetaItem item = {.name = xmalloc(name.n + value.n + 2), .trailing = trailing};
    memcpy(item.name, name.p, name.n);
    item.name[name.n] = 0;
    char *to = item.name + name.n + 1;
    if (value.n)
        memcpy(to, value.p, value.n);
    to[value.n] = 0;
    item.value = sv_n(to, value.n);
    vec_push(m, item);
}

static void keep_meta(GrpcStream *s, const H2Field *f)
{
    AUTO_ARENA a = arena_new_sized(f->value.n + 64);
    StrView value = f->value;
    if (grpc_is_bin(f->name)) {
        value.p = grpc_bin_decode(a, f->value, &value.n);
        if (!value.p)
            return;
    }
    meta_push(&s->meta, f->name, value, false);
}

void call_take_meta(GrpcStream *s, const H2Headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        if (!is_reserved(h->at[i].name))
            keep_meta(s, &h->at[i]);
}

StrView grpc_stream_meta(const GrpcStream *s, const char *name)
{
    for (size_t i = 0; i < s->meta.n; i++)
        if (str_eq(s->meta.at[i].name, name))
            return s->meta.at[i].value;
    return (StrView){0};
}

void call_add_field(FieldList *f, const char *name, StrView value)
{
    vec_push(f, ((H2Field){sv(name), value}));
}

/* A header value must not carry control bytes, whatever the application put there. */
static StrView clean_text(Arena *a, StrView v)
{
    char *out = sv_dup(a, v);
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] > 0x7e)
            out[i] = ' ';
    return sv_n(out, v.n);
}

void call_add_meta_field(Arena *a, FieldList *f, const char *name, StrView value)
{
    bool bin = grpc_is_bin(sv(name));
    call_add_field(f, name, bin ? sv(grpc_bin_encode(a, value)) : clean_text(a, value));
}

void grpc_stream_reply_meta(GrpcStream *s, GrpcMeta meta, bool trailing)
{
    meta_push(&s->sent_meta, sv(meta.name), meta.value, trailing);
}

/* ---- sending ---- */

bool call_queue_full(const GrpcStream *s)
{
    size_t bytes = s->h2 ? h2_unsent(s->h2) : s->early.n;
    return grpc_stream_queued(s) >= LIMIT_GRPC_QUEUE || bytes >= LIMIT_GRPC_MESSAGE;
}

ErrCode grpc_stream_send(GrpcStream *s, StrView msg, Error *err)
{
    if (s->ended || s->sent_end || s->broken)
        return err_set(err, ERR_CANCELLED, "the call is over");
    if (call_queue_full(s))
        return err_set(err, ERR_EXHAUSTED, "%zu messages wait for the peer already",
                       grpc_stream_queued(s));
    unsigned char prefix[GRPC_PREFIX_LEN];
    grpc_prefix(prefix, msg.n);
    StrView head = sv_n((char *)prefix, sizeof prefix);
    if (s->stats)
        s->stats->messages_out++;
    if (!s->h2) {
        strbuf_add(&s->early, head.p, head.n);
        strbuf_add(&s->early, msg.p, msg.n);
        s->early_n++;
        return ERR_OK;
    }
    if (s->stats && !s->headers_sent)
        grpc_stream_accept(s);
    h2_send(s->h2, head, msg);
    return ERR_OK;
}

size_t grpc_stream_queued(const GrpcStream *s)
{
    return s->h2 ? h2_queued(s->h2) : s->early_n;
}

void grpc_stream_cancel(GrpcStream *s)
{
    if (s->ended)
        return;
    call_verdict(s, GRPC_CANCELLED, "cancelled");
    s->broken = true;
    if (s->h2)
        h2_reset(s->h2, H2_CANCEL);
    call_end_later(s);
}

/* ---- what is known of it ---- */

void grpc_stream_set_data(GrpcStream *s, void *data)
{
    s->data = data;
}

void *grpc_stream_data(const GrpcStream *s)
{
    return s->data;
}

const char *grpc_stream_path(const GrpcStream *s)
{
    return s->path;
}

static Conn *conn_of(const GrpcStream *s)
{
    return s->h2 ? h2_conn(h2_stream_session(s->h2)) : NULL;
}

const char *grpc_stream_peer(const GrpcStream *s)
{
    Conn *c = conn_of(s);
    return c ? conn_peer(c) : "";
}

const char *grpc_stream_peer_cert(GrpcStream *s)
{
    Conn *c = conn_of(s);
    return c ? conn_peer_cert(c) : NULL;
}
