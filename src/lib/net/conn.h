/* net/conn.h - one connection: a stream, TLS or plain, with ALPN known. What h1, h2 and ws stand
 * on.
 *
 * Same contract as loop/stream.h; on_open comes first, when the handshake (if any) is done, and
 * never from inside conn_server or conn_client. What is written in one turn of the loop goes out as
 * one write at its end. After conn_pause, what was read already (at most 64 KiB) may still come. */
#pragma once
#include "loop/stream.h"
#include "net/tls.h"

typedef struct Conn Conn;
typedef struct ConnEvents {
    void (*on_open)(void *ctx);
    void (*on_read)(void *ctx, const char *data, size_t n);
    void (*on_eof)(void *ctx);   /* the peer sends no more; NULL: flush, then close */
    void (*on_drain)(void *ctx); /* all is with the kernel again; may be NULL */
    /* Last chance to conn_write before this turn's output goes out; asked for by conn_wake. May be
     * NULL. */
    void (*on_flush)(void *ctx);
    void (*on_close)(void *ctx, const Error *err); /* exactly once; the Conn is gone afterwards */
} ConnEvents;

/* tls NULL: plain. host: for SNI and name check of a client, else NULL. Takes the stream over. */
Conn *conn_server(Stream *s, TlsCtx *tls, const ConnEvents *ev, void *ctx);
Conn *conn_client(Stream *s, TlsCtx *tls, const char *host, const ConnEvents *ev, void *ctx);
/* Change who listens: a protocol was chosen, or changed (WebSocket). on_open does not come again.
 */
void conn_set_events(Conn *c, const ConnEvents *ev, void *ctx);
void conn_write(Conn *c, const void *p, size_t n);
void conn_wake(Conn *c);           /* on_flush, once, at the end of this turn */
size_t conn_unsent(const Conn *c); /* bytes, of TLS records too */
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
