/* loop/stream.h - byte streams: TCP and unix sockets, as connecting ends and as listeners.
 *
 * Reading uses one 64 KiB buffer per loop, so data is only valid inside on_read. Writing copies
 * nothing when the kernel takes it all at once; what is left is queued, and stream_unsent says how
 * much. After on_close (called exactly once, never from inside another call of yours) the Stream is
 * gone. */
#pragma once
#include "loop/loop.h"
#include <sys/socket.h>

typedef struct Stream Stream;
typedef struct StreamEvents {
    void (*on_read)(void *ctx, const char *data, size_t n);
    void (*on_eof)(void *ctx); /* the peer will send no more; NULL: close */
    void (*on_drain)(
        void *ctx); /* the queue became empty after having had something in it; may be NULL */
    void (*on_close)(void *ctx, const Error *err); /* err NULL: orderly */
} StreamEvents;

/* Set before the first byte: from on_accept, or from the connect callback. */
void stream_set_events(Stream *s, const StreamEvents *ev, void *ctx);
/* Stop and go on reading: backpressure. A stream starts reading at stream_set_events. */
void stream_pause(Stream *s);
void stream_resume(Stream *s);
void stream_write(Stream *s, const void *p, size_t n);
size_t stream_unsent(const Stream *s);
void stream_shutdown(Stream *s); /* end of our side, after the queue */
void stream_close(Stream *s);    /* at once; on_close(NULL) follows in a later turn */
Loop *stream_loop(const Stream *s);
/* "192.0.2.7:4711" or "unix"; valid as long as the stream. */
const char *stream_peer(const Stream *s);
int stream_fd(const Stream *s);

typedef struct Dial Dial;
typedef void (*DialFn)(void *ctx, const Error *err, Stream *s); /* exactly one of err and s */
/* addr: "host:port", "[v6]:port" or "unix:/path". Exactly one call of done, never from inside. */
Dial *stream_dial(Loop *l, const char *addr, uint64_t timeout_ms, DialFn done, void *ctx);
void dial_cancel(Dial *d); /* done will not be called */

typedef struct Listener Listener;
typedef void (*AcceptFn)(void *ctx, Stream *s);
/* addr as above, host may be empty for all addresses, port 0 for a free one. A stale unix socket
 * file is replaced. */
ErrCode listener_open(Loop *l, const char *addr, AcceptFn fn, void *ctx, Listener **ret,
                      Error *err) MUST_USE;
/* Take over a descriptor that already listens (socket activation, the sandbox's port broker). */
ErrCode listener_adopt(Loop *l, int fd, AcceptFn fn, void *ctx, Listener **ret,
                       Error *err) MUST_USE;
Stream *stream_adopt(Loop *l, int fd);         /* a connected socket; the stream owns it */
const char *listener_addr(const Listener *ln); /* with the port that was really taken */
int listener_port(const Listener *ln);
void listener_close(Listener *ln);
