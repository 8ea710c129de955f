/* net/conn.h - one connection: a stream, TLS or plain, with ALPN known. What h1, h2 and ws stand
 * on.
 *
 * Same contract as loop/stream.h; on_open comes first, when the handshake (if any) is done. */
#pragma once
#include "loop/stream.h"
#include "net/tls.h"

typedef struct Conn Conn;
typedef struct ConnEvents {
    void (*on_open)(void *ctx);
    void (*on_read)(void *ctx, const char *data, size_t n);
    void (*on_drain)(void *ctx);                   /* may be NULL */
    void (*on_close)(void *ctx, const Error *err); /* exactly once; the Conn is gone afterwards */
} ConnEvents;

/* tls NULL: plain. host: for SNI and name check of a client, else NULL. Takes the stream over. */
Conn *conn_server(Stream *s, TlsCtx *tls, const ConnEvents *ev, void *ctx);
Conn *conn_client(Stream *s, TlsCtx *tls, const char *host, const ConnEvents *ev, void *ctx);
void conn_write(Conn *c, const void *p,
                size_t n); /* queued; gathered into one write per turn of the loop */
size_t conn_unsent(const Conn *c);
void conn_pause(Conn *c);
void conn_resume(Conn *c);
void conn_shutdown(Conn *c);          /* flush, then close */
void conn_close(Conn *c);             /* at once */
const char *conn_alpn(const Conn *c); /* "" when none */
const char *conn_peer(const Conn *c);
bool conn_is_tls(const Conn *c);
/* PEM of the verified peer certificate, or NULL; lives as long as the connection. */
const char *conn_peer_cert(Conn *c);
Loop *conn_loop(const Conn *c);
