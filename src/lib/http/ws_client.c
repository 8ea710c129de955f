#include "http/ws_client.h"

#include "core/ident.h"
#include "core/limits.h"
#include "net/conn.h"
#include "net/ws.h"
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_MS = 10000, MESSAGE_MAX = 64 * 1024 * 1024, PING_MS = 5000, CLOSE_MS = 1000 };

struct WsClient {
    Arena *arena; /* of what was given at open */
    Loop *loop;
    WsClientSpec spec;
    const char *host, *authority, *path;
    char key[32], accept[WS_ACCEPT_LEN + 1];
    TlsCtx *tls;
    Dial *dial;
    Conn *conn;
    Ws *ws;
    Timer *timer; /* first of the upgrade, then of pings */
    StrBuf head;
    Error err;
    bool failed, closing;
    bool heard; /* since the last ping */
};

static void release(void *ctx)
{
    WsClient *w = ctx;
    void (*on_close)(void *, const Error *) = w->spec.on_close;
    void *user = w->spec.ctx;
    Error err = w->err;
    bool failed = w->failed;
    timer_stop(w->timer);
    ws_free(w->ws);
    tls_ctx_free(w->tls);
    strbuf_done(&w->head);
    arena_free(w->arena);
    free(w);
    on_close(user, failed ? &err : NULL);
}

static void fail(WsClient *w, ErrCode code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(WsClient *w, ErrCode code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!w->failed && !w->closing)
        err_setv(&w->err, code, fmt, ap);
    va_end(ap);
    w->failed |= !w->closing;
    w->closing = true;
    if (w->conn)
        conn_close(w->conn); /* on_closed releases */
    else
        loop_defer(w->loop, release, w);
}

static void flush(WsClient *w)
{
    AUTO_STRBUF out = {0};
    ws_pull(w->ws, &out);
    if (out.n)
        conn_write(w->conn, out.p, out.n);
    if (ws_over(w->ws))
        conn_shutdown(w->conn);
}

static void on_message(void *ctx, const char *p, size_t n, bool binary)
{
    WsClient *w = ctx;
    (void)binary;
    if (!w->closing)
        w->spec.on_message(w->spec.ctx, p, n);
}

static void on_ping(void *ctx)
{
    WsClient *w = ctx;
    if (w->closing)
        return;
    if (!w->heard) { /* not even a pong: a link that is dead without a word */
        fail(w, ERR_UNAVAILABLE, "%s is silent", w->authority);
        return;
    }
    w->heard = false;
    ws_ping(w->ws);
    flush(w);
}

/* Value of a header line in a complete head, or an empty view. */
static StrView head_field(StrView head, const char *name)
{
    size_t n = strlen(name);
    while (head.n) {
        StrView line = sv_cut(&head, '\n');
        if (line.n > n && line.p[n] == ':' && sv_ieqs(sv_n(line.p, n), name)) {
            line.p += n + 1, line.n -= n + 1;
            if (sv_ends(line, "\r"))
                line.n--;
            return sv_trim(line);
        }
    }
    return (StrView){0};
}

static void upgraded(WsClient *w)
{
    static const WsEvents EV = {.on_message = on_message};
    w->ws = ws_new(true, w->spec.max_message ? w->spec.max_message : MESSAGE_MAX, &EV, w);
    timer_stop(w->timer);
    w->timer = timer_start(w->loop, PING_MS, PING_MS, on_ping, w);
    if (w->spec.on_open)
        w->spec.on_open(w->spec.ctx);
}

/* The head is complete: 101 with the right key, or the server's word why not. */
static bool check_head(WsClient *w, StrView head)
{
    if (sv_starts(head, "HTTP/1.1 101 ") &&
        sv_eqs(head_field(head, "sec-websocket-accept"), w->accept))
        return true;
    int status =
        head.n > 12 ? (head.p[9] - '0') * 100 + (head.p[10] - '0') * 10 + head.p[11] - '0' : 0;
    fail(w, status >= 400 ? err_from_http(status) : ERR_UNAVAILABLE,
         "%s answered the WebSocket request with HTTP %d", w->authority, status);
    return false;
}

static void on_read(void *ctx, const char *data, size_t n)
{
    WsClient *w = ctx;
    if (w->closing)
        return;
    w->heard = true;
    if (!w->ws) {
        strbuf_add(&w->head, data, n);
        const char *end = memmem(w->head.p, w->head.n, "\r\n\r\n", 4);
        if (!end && w->head.n > LIMIT_HTTP_HEADERS)
            fail(w, ERR_TOO_LARGE, "%s: answer to the WebSocket request is too long", w->authority);
        if (!end)
            return;
        size_t head_n = (size_t)(end + 4 - w->head.p);
        if (!check_head(w, sv_n(w->head.p, head_n)))
            return;
        upgraded(w);
        if (!w->closing)
            ws_recv(w->ws, w->head.p + head_n, w->head.n - head_n);
        strbuf_done(&w->head);
    } else {
        ws_recv(w->ws, data, n);
    }
    if (!w->closing)
        flush(w);
}

static void on_open(void *ctx)
{
    WsClient *w = ctx;
    AUTO_STRBUF b = {0};
    strbuf_addf(&b,
                "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
                w->path, w->authority, w->key);
    for (const char *const *h = w->spec.headers; h && *h; h++)
        strbuf_addf(&b, "%s\r\n", *h);
    strbuf_adds(&b, "\r\n");
    conn_write(w->conn, b.p, b.n);
}

static void on_closed(void *ctx, const Error *err)
{
    WsClient *w = ctx;
    w->conn = NULL;
    if (err && !w->closing) {
        w->err = *err;
        w->failed = true;
    } else if (!w->closing && !(w->ws && ws_over(w->ws))) {
        err_set(&w->err, ERR_UNAVAILABLE, "%s closed the connection", w->authority);
        w->failed = true;
    }
    loop_defer(w->loop, release, w);
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    static const ConnEvents EV = {.on_open = on_open, .on_read = on_read, .on_close = on_closed};
    WsClient *w = ctx;
    w->dial = NULL;
    if (err)
        fail(w, err->code, "%s", err->msg);
    else
        w->conn = conn_client(s, w->tls, w->host, &EV, w);
}

static void on_late(void *ctx)
{
    WsClient *w = ctx;
    dial_cancel(w->dial);
    w->dial = NULL;
    fail(w, ERR_TIMEOUT, "%s did not answer the WebSocket request in time", w->authority);
}

/* "https://host:port/path" into its parts; the port may be missing. */
static ErrCode split_url(WsClient *w, bool *ret_tls, const char **ret_addr, Error *err)
{
    const char *url = w->spec.url;
    bool tls = str_starts(url, "https://");
    if (!tls && !str_starts(url, "http://"))
        return err_set(err, ERR_INVALID, "'%s' is not an http or https URL", url);
    const char *rest = strstr(url, "://") + 3, *slash = strchr(rest, '/');
    w->authority = slash ? arena_strndup(w->arena, rest, (size_t)(slash - rest))
                         : arena_strdup(w->arena, rest);
    w->path = slash ? arena_strdup(w->arena, slash) : "/";
    const char *colon = strrchr(w->authority, ':'), *bracket = strrchr(w->authority, ']');
    bool has_port = colon && (!bracket || colon > bracket);
    w->host = has_port ? arena_strndup(w->arena, w->authority, (size_t)(colon - w->authority))
                       : w->authority;
    *ret_addr =
        has_port ? w->authority : arena_printf(w->arena, "%s:%s", w->authority, tls ? "443" : "80");
    *ret_tls = tls;
    return ERR_OK;
}

static const char *const *copy_list(Arena *a, const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    const char **out = arena_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = arena_strdup(a, list[i]);
    return out;
}

static ErrCode prepare(WsClient *w, const char **ret_addr, Error *err)
{
    static const char *const ALPN[] = {"http/1.1", NULL};
    unsigned char raw[16];
    bool tls = false;
    random_bytes(raw, sizeof raw);
    snprintf(w->key, sizeof w->key, "%s", base64_encode(w->arena, raw, sizeof raw));
    if (!ws_accept_key(w->key, w->accept))
        BUG("our own WebSocket key '%s' is none", w->key);
    ErrCode rc = split_url(w, &tls, ret_addr, err);
    if (rc || !tls)
        return rc;
    TlsConfig cfg = {.ca_pem = w->spec.ca_pem, .verify = TLS_VERIFY_REQUIRED, .alpn = ALPN};
    return tls_client_new(&cfg, &w->tls, err);
}

ErrCode ws_client_open(Loop *l, const WsClientSpec *spec, WsClient **ret, Error *err)
{
    WsClient *w = xnew(WsClient);
    const char *addr = NULL;
    w->arena = arena_new();
    w->loop = l;
    w->spec = *spec;
    w->spec.url = arena_strdup(w->arena, spec->url);
    w->spec.headers = copy_list(w->arena, spec->headers);
    ErrCode rc = prepare(w, &addr, err);
    if (rc) {
        tls_ctx_free(w->tls);
        arena_free(w->arena);
        free(w);
        return rc;
    }
    uint64_t ms = spec->timeout_ms ? spec->timeout_ms : CONNECT_MS;
    w->timer = timer_start(l, ms, 0, on_late, w);
    w->dial = stream_dial(l, addr, 0, on_dialled, w);
    *ret = w;
    return ERR_OK;
}

void ws_client_send(WsClient *w, const char *text, size_t n)
{
    if (w->closing || !w->ws)
        return;
    ws_send(w->ws, text, n, false);
    flush(w);
}

/* The peer does not answer our farewell. */
static void on_close_late(void *ctx)
{
    WsClient *w = ctx;
    if (w->conn)
        conn_close(w->conn);
}

void ws_client_close(WsClient *w)
{
    if (!w || w->closing)
        return;
    w->closing = true;
    dial_cancel(w->dial);
    if (w->ws) {
        ws_close(w->ws, WS_NORMAL, NULL);
        AUTO_STRBUF out = {0};
        ws_pull(w->ws, &out);
        conn_write(w->conn, out.p, out.n);
    }
    if (w->conn) {
        timer_stop(w->timer);
        w->timer = timer_start(w->loop, CLOSE_MS, 0, on_close_late, w);
        conn_shutdown(w->conn);
    } else {
        loop_defer(w->loop, release, w);
    }
}
