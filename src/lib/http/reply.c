#include "http/server_priv.h"
#include <stdio.h>

void http_reply_header(HttpReq *r, const char *name, const char *value)
{
    char *clean = arena_strdup(r->arena, value);
    size_t n = 0;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c >= 0x20 && *c != 0x7f)
            clean[n++] = *c;
    clean[n] = 0;
    HttpHeader h = {arena_strdup(r->arena, name), clean};
    vec_push(&r->reply, h);
}

static void check_once(const HttpReq *r)
{
    if (r->answered || r->begun)
        BUG("%s %s is answered twice", r->method, r->path);
}

void http_reply(HttpReq *r, int status, const char *content_type, StrView body)
{
    check_once(r);
    if (content_type)
        http_reply_header(r, "Content-Type", content_type);
    if (r->conn)
        r->transport->head(r, status, body, true);
    http_req_bury(r);
}

void http_reply_begin(HttpReq *r, int status, const char *content_type)
{
    check_once(r);
    r->begun = true;
    if (content_type)
        http_reply_header(r, "Content-Type", content_type);
    if (r->conn)
        r->transport->head(r, status, (StrView){0}, false);
}

void http_reply_chunk(HttpReq *r, const void *p, size_t n)
{
    if (!r->begun || r->answered)
        BUG("%s %s: a chunk outside of a streamed answer", r->method, r->path);
    if (r->conn && n && !r->head_only)
        r->transport->data(r, (StrView){p, n});
}

size_t http_chunk_unsent(const HttpReq *r)
{
    return r->conn ? r->transport->unsent(r) : 0;
}

void http_reply_end(HttpReq *r)
{
    if (!r->begun || r->answered)
        BUG("%s %s: the end of no streamed answer", r->method, r->path);
    if (r->conn)
        r->transport->end(r);
    http_req_bury(r);
}

/* ---- errors ---- */

static void add_json_text(StrBuf *b, const char *s)
{
    strbuf_addc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            strbuf_addc(b, '\\');
        if (c < 0x20)
            strbuf_addf(b, "\\u%04x", c);
        else
            strbuf_addc(b, *s);
    }
    strbuf_addc(b, '"');
}

void http_reply_err_with(HttpReq *r, int status, const Error *err, const char *more)
{
    AUTO_STRBUF b = {0};
    bool text_ok = utf8_valid(err->msg, strlen(err->msg));
    strbuf_addf(&b, "{\"error\":{\"code\":\"%s\",\"message\":", err_name(err->code));
    add_json_text(&b, text_ok ? err->msg : "the input is not UTF-8 text");
    strbuf_addf(&b, "%s%s,\"request_id\":", more ? "," : "", more ? more : "");
    add_json_text(&b, r->request_id);
    strbuf_adds(&b, "}}\n");
    http_reply(r, status, "application/json", (StrView){b.p, b.n});
}

void http_reply_err(HttpReq *r, const Error *err)
{
    http_reply_err_with(r, err_http(err->code), err, NULL);
}

void http_req_refuse(HttpReq *r, int status, const char *reason)
{
    Error err;
    ErrCode code = err_from_http(status);
    if (status == 414 || status == 431)
        code = ERR_TOO_LARGE;
    else if (status == 408)
        code = ERR_TIMEOUT;
    else if (code == ERR_INTERNAL || code == ERR_OK || code == ERR_USAGE)
        code = ERR_MALFORMED;
    if (!r->request_id[0])
        http_req_name(r);
    r->srv->stats.bad_requests++;
    r->keep_alive = false;
    err_set(&err, code, "%s", reason);
    http_reply_err_with(r, status, &err, NULL);
}
