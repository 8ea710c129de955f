/* http/ws_client.h - the client end of a WebSocket (RFC 6455): dial, TLS, upgrade, messages.
 *
 * Exactly one on_close ends it, after which the WsClient is gone; it never comes from inside
 * another call of yours. There is no reconnect here: whoever follows a topic knows from where to
 * resume. A peer that is silent for two pings (10 s) is gone: ERR_UNAVAILABLE. */
#pragma once
#include "core/str.h"
#include "loop/loop.h"

typedef struct WsClient WsClient;

typedef struct WsClientSpec {
    const char *url;            /* "https://host:port/path?query" or http:// */
    const char *ca_pem;         /* whom to trust; NULL: the system's store */
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    uint64_t timeout_ms;        /* until the upgrade is answered; 0: 10,000 */
    size_t max_message;         /* 0: 64 MiB */
    void (*on_open)(void *ctx); /* may be NULL */
    void (*on_message)(void *ctx, const char *text, size_t n); /* valid inside only */
    void (*on_close)(void *ctx, const Error *err);             /* err NULL: closed in order */
    void *ctx;
} WsClientSpec;

ErrCode ws_client_open(Loop *l, const WsClientSpec *spec, WsClient **ret, Error *err) MUST_USE;
void ws_client_send(WsClient *w, const char *text, size_t n);
void ws_client_close(WsClient *w); /* on_close(NULL) follows */
