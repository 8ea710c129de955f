/* net/ws.h - WebSocket frames (RFC 6455), either end, on wslay: bytes in, bytes and messages out,
 * no I/O.
 *
 * Pings are answered, close frames too; text is checked to be UTF-8; a message longer than the
 * limit, in more than 64 fragments, or a breach of the protocol ends the session with the code that
 * the RFC wants (1009, 1008, 1002, 1007). Functions may be called from inside the events. */
#pragma once
#include "core/str.h"

typedef struct Ws Ws;

enum {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL = 1002,
    WS_POLICY = 1008,
    WS_TOO_BIG = 1009,
    WS_TRY_LATER = 1013,
};
enum { WS_MAX_FRAGMENTS = 64, WS_ACCEPT_LEN = 28 };

typedef struct WsEvents {
    /* Valid inside the call only. */
    void (*on_message)(void *ctx, const char *p, size_t n, bool binary);
} WsEvents;

Ws *ws_new(bool client, size_t max_message, const WsEvents *ev, void *ctx);
void ws_free(Ws *w);
/* Take what came. After a close frame or an error, what comes is ignored. */
void ws_recv(Ws *w, const char *p, size_t n);
/* Append what there is to send. */
void ws_pull(Ws *w, StrBuf *out);
/* Nothing more will be read or sent: after the last ws_pull, close the connection. */
bool ws_over(const Ws *w);
void ws_send(Ws *w, const void *p, size_t n, bool binary); /* nothing after ws_close */
void ws_ping(Ws *w);
void ws_close(Ws *w, int code, const char *reason); /* the first counts; reason may be NULL */
int ws_close_code(const Ws *w); /* of the close frame that came; 0: none came or it had none */

/* Is this a Sec-WebSocket-Key: base64 of 16 bytes? Then ret gets the Sec-WebSocket-Accept. */
bool ws_accept_key(const char *key, char ret[WS_ACCEPT_LEN + 1]);
