#include "http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
    DEFAULT_CONNECT_MS = 5000,
    DEFAULT_TIMEOUT_MS = 30000,
    DEFAULT_BODY = 64 << 20,
    ANSWER_HEADERS = 64 * 1024, /* more are not kept */
    MAX_CONNS_PER_HOST = 256,   /* beyond, calls wait */
};

/* libcurl must not be re-entered from its callbacks, and the owner's on_data runs inside one. So
 * starting, resuming and cancelling from there only marks the call and arms `kick`, which does the
 * work in a later turn. `busy` counts how deep we are in libcurl or in an owner's callback; the
 * client is only freed at 0. */
struct HttpClient {
    Loop *loop;
    CURLM *multi;
    Timer *timer; /* libcurl's own clock; NULL: it wants none */
    Timer *kick;
    struct Watch *watches;
    HttpCall *calls;
    char *ca_pem, *cert_pem, *key_pem, *user_agent, *unix_socket;
    bool insecure, dying;
    unsigned busy;
    uint64_t connect_ms;
};

typedef struct Watch {
    struct Watch *next;
    HttpClient *client;
    curl_socket_t fd;
    FdWatch *fdw;
} Watch;

struct HttpCall {
    HttpCall *next, **link;
    HttpClient *client;
    CURL *easy;
    struct curl_slist *headers;
    char *body, *what; /* what: "GET https://host/path", for error texts */
    StrBuf resp_body, resp_headers;
    size_t limit;
    uint64_t idle_ms;
    Timer *idle;
    HttpCallSpec spec; /* only callbacks and ctx are used after the start */
    Error err;         /* what we know better than libcurl */
    char curl_err[CURL_ERROR_SIZE];
    bool added, paused, want_resume, cancelled, ended;
};

static const struct {
    CURLcode curl;
    ErrCode code;
    const char *text;
} CURL_ERRORS[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID, "not an http or https address"},
    {CURLE_URL_MALFORMAT, ERR_INVALID, "not a valid address"},
    {CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE, "the name of the host is not known"},
    {CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE, "cannot connect"},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, "no answer in time"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_UNAVAILABLE, "the server's certificate is not trusted"},
    {CURLE_SSL_CONNECT_ERROR, ERR_UNAVAILABLE, "the TLS handshake failed"},
    {CURLE_GOT_NOTHING, ERR_UNAVAILABLE, "the server closed the connection without an answer"},
    {CURLE_SEND_ERROR, ERR_UNAVAILABLE, "the connection broke while sending"},
    {CURLE_RECV_ERROR, ERR_UNAVAILABLE, "the connection broke while receiving"},
    {CURLE_PARTIAL_FILE, ERR_UNAVAILABLE, "the answer broke off"},
    {CURLE_HTTP2, ERR_UNAVAILABLE, "the HTTP/2 connection broke"},
    {CURLE_HTTP2_STREAM, ERR_UNAVAILABLE, "the server ended the HTTP/2 stream"},
    {CURLE_WEIRD_SERVER_REPLY, ERR_UNAVAILABLE, "the answer is not HTTP"},
    {CURLE_SSL_CERTPROBLEM, ERR_INVALID, "our client certificate or its key is not usable"},
    {CURLE_SSL_CACERT_BADFILE, ERR_INVALID, "the CA certificate is not usable"},
};

/* ---- libcurl's sockets and timer on our loop ---- */

static void after_curl(HttpClient *c);

static void drive(HttpClient *c, curl_socket_t fd, int mask)
{
    int running;
    c->busy++;
    curl_multi_socket_action(c->multi, fd, mask, &running);
    after_curl(c);
}

static void on_fd(void *ctx, int events, bool failed)
{
    Watch *w = ctx;
    int mask =
        (events & FD_READ ? CURL_CSELECT_IN : 0) | (events & FD_WRITE ? CURL_CSELECT_OUT : 0);
    drive(w->client, w->fd, failed ? CURL_CSELECT_ERR : mask);
}

static void watch_drop(HttpClient *c, curl_socket_t fd)
{
    for (Watch **at = &c->watches; *at; at = &(*at)->next) {
        Watch *w = *at;
        if (w->fd != fd)
            continue;
        *at = w->next;
        fdwatch_stop(w->fdw);
        free(w);
        return;
    }
}

static Watch *watch_find(HttpClient *c, curl_socket_t fd)
{
    Watch *w = c->watches;
    while (w && w->fd != fd)
        w = w->next;
    return w;
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *ctx, void *sock_ctx)
{
    (void)easy, (void)sock_ctx;
    HttpClient *c = ctx;
    if (what == CURL_POLL_REMOVE) {
        watch_drop(c, fd);
        return 0;
    }
    int ev = (what & CURL_POLL_IN ? FD_READ : 0) | (what & CURL_POLL_OUT ? FD_WRITE : 0);
    Watch *w = watch_find(c, fd);
    if (w) {
        fdwatch_update(w->fdw, ev);
        return 0;
    }
    w = xnew(Watch);
    w->client = c;
    w->fd = fd;
    w->next = c->watches;
    c->watches = w;
    w->fdw = fdwatch_start(c->loop, fd, ev, on_fd, w);
    return 0;
}

/* The watch must go before the descriptor: its number may come back as another connection's. */
static int closesocket_cb(void *ctx, curl_socket_t fd)
{
    watch_drop(ctx, fd);
    return close(fd);
}

static void on_curl_timer(void *ctx)
{
    drive(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_cb(CURLM *multi, long ms, void *ctx)
{
    (void)multi;
    HttpClient *c = ctx;
    if (ms < 0) {
        timer_stop(c->timer);
        c->timer = NULL;
    } else if (c->timer) {
        timer_again(c->timer, (uint64_t)ms);
    } else {
        c->timer = timer_start(c->loop, (uint64_t)ms, 0, on_curl_timer, c);
    }
    return 0;
}

/* ---- the end of a call ---- */

static void call_free(HttpCall *call)
{
    HttpClient *c = call->client;
    if (call->added)
        curl_multi_remove_handle(c->multi, call->easy);
    curl_easy_cleanup(call->easy);
    if ((*call->link = call->next))
        call->next->link = call->link;
    timer_stop(call->idle);
    curl_slist_free_all(call->headers);
    strbuf_done(&call->resp_body);
    strbuf_done(&call->resp_headers);
    free(call->body);
    free(call->what);
    free(call);
}

static const char *find_header(const HttpResponse *r, const char *name)
{
    HttpCall *call = r->priv;
    size_t n = strlen(name);
    for (char *line = call->resp_headers.p; line && *line; line += strlen(line) + 1)
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1;
    return NULL;
}

static void explain(HttpCall *call, CURLcode rc)
{
    /* What curl calls HTTP/0.9 is any answer that does not start like HTTP. */
    if (rc == CURLE_UNSUPPORTED_PROTOCOL && strstr(call->curl_err, "HTTP/0.9"))
        rc = CURLE_WEIRD_SERVER_REPLY;
    ErrCode code = ERR_UNAVAILABLE;
    const char *text = call->curl_err[0] ? call->curl_err : curl_easy_strerror(rc);
    for (size_t i = 0; i < sizeof CURL_ERRORS / sizeof *CURL_ERRORS; i++)
        if (CURL_ERRORS[i].curl == rc) {
            code = CURL_ERRORS[i].code;
            text = CURL_ERRORS[i].text;
        }
    long os = 0;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os);
    const char *detail = rc == CURLE_COULDNT_CONNECT && os ? strerror((int)os) : "";
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CONNECT_ERROR)
        detail = call->curl_err;
    err_set(&call->err, code, "%s: %s%s%s", call->what, text, *detail ? ": " : "", detail);
}

static void call_end(HttpCall *call, CURLcode rc)
{
    call->ended = true;
    if (rc && !call->err.code)
        explain(call, rc);
    if (call->err.code) {
        call->spec.on_done(call->spec.ctx, &call->err, NULL);
    } else {
        long status = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        HttpResponse resp = {
            .status = (int)status,
            .body = {strbuf_str(&call->resp_body), call->resp_body.n},
            .header = find_header,
            .priv = call,
        };
        call->spec.on_done(call->spec.ctx, NULL, &resp);
    }
    call_free(call);
}

static void client_destroy(HttpClient *c)
{
    while (c->calls)
        call_free(c->calls);
    curl_multi_cleanup(c->multi);
    while (c->watches)
        watch_drop(c, c->watches->fd);
    timer_stop(c->timer);
    timer_stop(c->kick);
    free(c->ca_pem);
    free(c->cert_pem);
    free(c->key_pem);
    free(c->user_agent);
    free(c->unix_socket);
    free(c);
}

static void leave(HttpClient *c)
{
    if (--c->busy == 0 && c->dying)
        client_destroy(c);
}

/* Hand out what has ended. Called with busy held; gives it back. */
static void after_curl(HttpClient *c)
{
    CURLMsg *msg;
    int left;
    while (!c->dying && (msg = curl_multi_info_read(c->multi, &left))) {
        HttpCall *call = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        if (call->cancelled)
            call_free(call);
        else
            call_end(call, msg->data.result);
    }
    leave(c);
}

/* ---- work put off to a turn of its own ---- */

static void call_add(HttpCall *call)
{
    CURLMcode rc = curl_multi_add_handle(call->client->multi, call->easy);
    call->added = rc == CURLM_OK;
    if (!call->added) {
        err_set(&call->err, ERR_INTERNAL, "%s: %s", call->what, curl_multi_strerror(rc));
        call_end(call, CURLE_FAILED_INIT);
    }
}

static void call_unpause(HttpCall *call)
{
    call->want_resume = call->paused = false;
    if (call->idle)
        timer_again(call->idle, call->idle_ms);
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
}

static void on_kick(void *ctx)
{
    HttpClient *c = ctx;
    c->busy++;
    timer_stop(c->kick);
    c->kick = NULL;
    /* The list changes only at its head while we walk, or by the call itself. */
    for (HttpCall *call = c->calls, *next; call && !c->dying; call = next) {
        next = call->next;
        if (call->cancelled)
            call_free(call);
        else if (call->err.code && !call->ended)
            call_end(call, CURLE_OK);
        else if (!call->added)
            call_add(call);
        else if (call->want_resume)
            call_unpause(call);
    }
    after_curl(c);
}

static void kick(HttpClient *c)
{
    if (!c->kick)
        c->kick = timer_start(c->loop, 0, 0, on_kick, c);
}

/* ---- what libcurl tells while a call runs ---- */

static void on_idle(void *ctx)
{
    HttpCall *call = ctx;
    if (call->paused)
        return;
    err_set(&call->err, ERR_TIMEOUT, "%s: nothing came for %llu ms", call->what,
            (unsigned long long)call->idle_ms);
    call->client->busy++;
    HttpClient *c = call->client;
    call_end(call, CURLE_OK);
    leave(c);
}

static size_t header_cb(char *data, size_t size, size_t n, void *ctx)
{
    HttpCall *call = ctx;
    (void)size;
    StrView line = {data, n};
    if (call->idle)
        timer_again(call->idle, call->idle_ms);
    while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
        line.n--;
    if (sv_starts(line, "HTTP/"))
        strbuf_reset(&call->resp_headers); /* of the last answer, not of a 100 before it */
    StrView value = line, name = sv_cut(&value, ':');
    if (call->cancelled || !value.p || call->resp_headers.n + n > ANSWER_HEADERS)
        return n;
    value = sv_trim(value);
    strbuf_add(&call->resp_headers, name.p, name.n);
    strbuf_addc(&call->resp_headers, ':');
    strbuf_add(&call->resp_headers, value.p, value.n);
    strbuf_addc(&call->resp_headers, 0);
    return n;
}

static size_t write_cb(char *data, size_t size, size_t n, void *ctx)
{
    HttpCall *call = ctx;
    (void)size;
    if (call->cancelled)
        return 0;
    if (call->idle)
        timer_again(call->idle, call->idle_ms);
    if (call->limit && call->resp_body.n + n > call->limit) {
        err_set(&call->err, ERR_TOO_LARGE, "%s: the answer is larger than %zu bytes", call->what,
                call->limit);
        return 0;
    }
    if (!call->spec.on_data) {
        strbuf_add(&call->resp_body, data, n);
        return n;
    }
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!call->spec.on_data(call->spec.ctx, (int)status, data, n) && !call->cancelled) {
        call->paused = true;
        curl_easy_pause(call->easy, CURLPAUSE_RECV);
    }
    return n;
}

/* ---- setting up ---- */

static char *describe(const HttpCallSpec *spec)
{
    size_t n = strcspn(spec->url, "?#"); /* a query may carry a secret */
    return xasprintf("%s %.*s", spec->method, (int)n, spec->url);
}

static bool has_header(const HttpCallSpec *spec, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *h = spec->headers; h && *h; h++)
        if (strncasecmp(*h, name, n) == 0 && (*h)[n] == ':')
            return true;
    return false;
}

static void set_request(HttpCall *call, const HttpCallSpec *spec)
{
    CURL *e = call->easy;
    bool sends = spec->body.n || str_eq(spec->method, "POST") || str_eq(spec->method, "PUT") ||
                 str_eq(spec->method, "PATCH");
    curl_easy_setopt(e, CURLOPT_URL, spec->url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    if (sends) {
        call->body = xmalloc(spec->body.n + 1);
        if (spec->body.n)
            memcpy(call->body, spec->body.p, spec->body.n);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body.n);
    }
    if (str_eq(spec->method, "HEAD"))
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, spec->method);
    for (const char *const *h = spec->headers; h && *h; h++)
        call->headers = curl_slist_append(call->headers, *h);
    call->headers = curl_slist_append(call->headers, "Expect:");
    if (!has_header(spec, "Content-Type"))
        call->headers = curl_slist_append(call->headers, "Content-Type:");
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
}

static void set_blob(CURL *e, CURLoption opt, const char *pem)
{
    /* CURL_BLOB_NOCOPY: the client's strings outlive every call. */
    struct curl_blob blob = {(void *)(uintptr_t)pem, strlen(pem), CURL_BLOB_NOCOPY};
    curl_easy_setopt(e, opt, &blob);
}

static void set_tls(const HttpClient *c, CURL *e)
{
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca_pem) {
        set_blob(e, CURLOPT_CAINFO_BLOB, c->ca_pem);
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL); /* else the system's CAs are trusted as well */
    }
    if (c->cert_pem) {
        curl_easy_setopt(e, CURLOPT_SSLCERTTYPE, "PEM");
        curl_easy_setopt(e, CURLOPT_SSLKEYTYPE, "PEM");
        set_blob(e, CURLOPT_SSLCERT_BLOB, c->cert_pem);
        set_blob(e, CURLOPT_SSLKEY_BLOB, c->key_pem);
    }
    if (c->insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_transport(HttpCall *call, uint64_t timeout_ms)
{
    HttpClient *c = call->client;
    CURL *e = call->easy;
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Not HTTP/2: libcurl 7.88 forgets a stream for which another one of its connection has read.
     * Its owner hears of it with the next bytes or a second later, and elections wait that long. */
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
    if (timeout_ms != UINT64_MAX)
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                         (long)(timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS));
    else /* a watch: it waits for hours with its buffer in hand, a dozen of them in one process */
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 4096L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, c->user_agent);
    if (c->unix_socket)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, closesocket_cb);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, write_cb);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_err);
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
}

HttpCall *http_call(HttpClient *c, const HttpCallSpec *spec)
{
    HttpCall *call = xnew(HttpCall);
    call->client = c;
    call->spec = *spec;
    call->what = describe(spec);
    call->limit = spec->body_limit || spec->on_data ? spec->body_limit : DEFAULT_BODY;
    call->easy = curl_easy_init();
    if (!call->easy)
        BUG("curl_easy_init gave nothing");
    set_transport(call, spec->timeout_ms);
    set_tls(c, call->easy);
    set_request(call, spec);
    call->idle_ms = spec->idle_timeout_ms;
    if (call->idle_ms)
        call->idle = timer_start(c->loop, call->idle_ms, 0, on_idle, call);
    call->link = &c->calls;
    if ((call->next = c->calls))
        call->next->link = &call->next;
    c->calls = call;
    kick(c);
    return call;
}

void http_call_resume(HttpCall *call)
{
    if (!call || !call->paused || call->ended)
        return;
    call->want_resume = true;
    kick(call->client);
}

void http_call_cancel(HttpCall *call)
{
    if (!call || call->ended || call->cancelled)
        return;
    call->cancelled = true;
    timer_stop(call->idle);
    call->idle = NULL;
    if (call->client->busy)
        kick(call->client);
    else
        call_free(call);
}

ErrCode http_client_new(Loop *l, const HttpClientConfig *cfg, HttpClient **ret, Error *err)
{
    static bool initialised;
    if (!initialised && curl_global_init(CURL_GLOBAL_ALL))
        return err_set(err, ERR_INTERNAL, "libcurl does not start");
    initialised = true;
    if (!cfg->cert_pem != !cfg->key_pem)
        return err_set(err, ERR_INVALID, "a client certificate and its key come together");
    HttpClient *c = xnew(HttpClient);
    c->loop = l;
    c->ca_pem = xstrdup(cfg->ca_pem);
    c->cert_pem = xstrdup(cfg->cert_pem);
    c->key_pem = xstrdup(cfg->key_pem);
    c->insecure = cfg->insecure;
    c->connect_ms = cfg->connect_timeout_ms ? cfg->connect_timeout_ms : DEFAULT_CONNECT_MS;
    c->user_agent = xstrdup(str_or(cfg->user_agent, "pg-swarm/" PGSWARM_VERSION));
    c->unix_socket = xstrdup(cfg->unix_socket);
    c->multi = curl_multi_init();
    if (!c->multi)
        BUG("curl_multi_init gave nothing");
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)MAX_CONNS_PER_HOST);
    *ret = c;
    return ERR_OK;
}

void http_client_free(HttpClient *c)
{
    if (!c || c->dying)
        return;
    c->dying = true;
    for (HttpCall *call = c->calls; call; call = call->next)
        call->cancelled = true;
    if (!c->busy)
        client_destroy(c);
}
