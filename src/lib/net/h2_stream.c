#include "net/h2_priv.h"

#include <stdlib.h>

/* ---- life ---- */

H2Stream *h2_stream_new(H2 *h, int32_t id)
{
    H2Stream *s = xnew(H2Stream);
    s->h = h;
    s->id = id;
    s->next = h->streams;
    if (s->next)
        s->next->prev = s;
    h->streams = s;
    h->stream_count++;
    return s;
}

static void drop_queue(H2Stream *s)
{
    while (s->head) {
        Piece *p = s->head;
        s->head = p->next;
        free(p);
    }
    s->tail = NULL;
    s->unsent = s->queued = 0;
}

void h2_stream_drop(H2Stream *s, int h2_error)
{
    H2 *h = s->h;
    if (s->prev)
        s->prev->next = s->next;
    else
        h->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    h->stream_count--;
    if (s->unconsumed && h2_error != H2_LINK_LOST)
        nghttp2_session_consume_connection(h->ng, s->unconsumed);
    if (s->announced)
        h->ev.on_close(h->ctx, s, h2_error);
    drop_queue(s);
    free(s->trailers);
    free(s);
}

/* ---- sending ---- */

nghttp2_nv *h2_nv(const H2Field *f, size_t n)
{
    nghttp2_nv *nv = xcalloc(n, sizeof *nv);
    for (size_t i = 0; i < n; i++)
        nv[i] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)f[i].name.p,
            .namelen = f[i].name.n,
            .value = (uint8_t *)(uintptr_t)(f[i].value.p ? f[i].value.p : ""),
            .valuelen = f[i].value.n,
        };
    return nv;
}

/* The same in one block of its own memory. */
static nghttp2_nv *copy_nv(const H2Field *f, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += f[i].name.n + f[i].value.n;
    nghttp2_nv *nv = xmalloc(n * sizeof *nv + bytes + 1);
    uint8_t *to = (uint8_t *)(nv + n);
    for (size_t i = 0; i < n; i++) {
        nv[i] = (nghttp2_nv){.namelen = f[i].name.n, .valuelen = f[i].value.n};
        nv[i].name = memcpy(to, f[i].name.p, f[i].name.n);
        to += f[i].name.n;
        nv[i].value = f[i].value.n ? memcpy(to, f[i].value.p, f[i].value.n) : to;
        to += f[i].value.n;
    }
    return nv;
}

/* Move up to cap queued bytes to buf. */
static size_t take(H2Stream *s, uint8_t *buf, size_t cap)
{
    size_t got = 0;
    while (s->head && got < cap) {
        Piece *p = s->head;
        size_t n = p->n - p->done < cap - got ? p->n - p->done : cap - got;
        memcpy(buf + got, p->data + p->done, n);
        got += n;
        p->done += n;
        if (p->done < p->n)
            break;
        s->head = p->next;
        s->queued--;
        free(p);
    }
    if (!s->head)
        s->tail = NULL;
    s->unsent -= got;
    return got;
}

static ssize_t on_provide(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t cap,
                          uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)user;
    H2Stream *s = source->ptr;
    size_t n = take(s, buf, cap);
    if (s->head)
        return (ssize_t)n;
    if (!s->ending) {
        s->deferred = n == 0;
        return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    }
    s->ended = true;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(ng, id, s->trailers, s->trailers_n);
    }
    return (ssize_t)n;
}

nghttp2_data_provider h2_provider(H2Stream *s)
{
    return (nghttp2_data_provider){.source.ptr = s, .read_callback = on_provide};
}

/* An answer that is complete before the request is: the spec has the server reset the rest. Not any
 * earlier than here: nghttp2 drops what is queued on a stream that is being reset. */
void h2_stream_sent(H2Stream *s, const nghttp2_frame *frame)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (end && !s->h->cfg.client && !s->remote_ended) {
        s->resetting = true;
        nghttp2_submit_rst_stream(s->h->ng, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
    }
    if (s->to_drain && !s->head && !s->resetting) {
        s->to_drain = false;
        if (s->h->ev.on_drain)
            s->h->ev.on_drain(s->h->ctx, s);
    }
}

static void resume(H2Stream *s)
{
    if (s->deferred) {
        s->deferred = false;
        nghttp2_session_resume_data(s->h->ng, s->id);
    }
    h2_wake(s->h);
}

void h2_respond(H2Stream *s, const H2Field *f, size_t n, bool end)
{
    nghttp2_nv *nv = h2_nv(f, n);
    nghttp2_data_provider body = h2_provider(s);
    s->ending = s->ended = end;
    nghttp2_submit_response(s->h->ng, s->id, nv, n, end ? NULL : &body);
    free(nv);
    h2_wake(s->h);
}

void h2_send(H2Stream *s, StrView head, StrView body)
{
    size_t n = head.n + body.n;
    if (s->ending || s->resetting || n == 0)
        return;
    Piece *p = xmalloc(sizeof *p + n);
    p->next = NULL;
    p->n = n;
    p->done = 0;
    if (head.n)
        memcpy(p->data, head.p, head.n);
    if (body.n)
        memcpy(p->data + head.n, body.p, body.n);
    if (s->tail)
        s->tail->next = p;
    else
        s->head = p;
    s->tail = p;
    s->unsent += n;
    s->queued++;
    s->to_drain = true;
    resume(s);
}

void h2_send_end(H2Stream *s)
{
    if (s->ending || s->resetting)
        return;
    s->ending = true;
    resume(s);
}

void h2_send_trailers(H2Stream *s, const H2Field *f, size_t n)
{
    if (s->ending || s->resetting)
        return;
    s->trailers = copy_nv(f, n);
    s->trailers_n = n;
    h2_send_end(s);
}

void h2_consume(H2Stream *s, size_t n)
{
    n = n < s->unconsumed ? n : s->unconsumed;
    s->unconsumed -= n;
    nghttp2_session_consume(s->h->ng, s->id, n);
    if (nghttp2_session_want_write(s->h->ng))
        h2_wake(s->h);
}

void h2_reset(H2Stream *s, int h2_error)
{
    if (s->resetting)
        return;
    s->resetting = true;
    nghttp2_submit_rst_stream(s->h->ng, NGHTTP2_FLAG_NONE, s->id, (uint32_t)h2_error);
    h2_wake(s->h);
}

/* ---- what is known of it ---- */

size_t h2_unsent(const H2Stream *s)
{
    return s->unsent;
}

size_t h2_queued(const H2Stream *s)
{
    return s->queued;
}

void h2_stream_set_data(H2Stream *s, void *data)
{
    s->data = data;
}

void *h2_stream_data(const H2Stream *s)
{
    return s->data;
}

H2 *h2_stream_session(const H2Stream *s)
{
    return s->h;
}

int32_t h2_stream_id(const H2Stream *s)
{
    return s->id;
}
