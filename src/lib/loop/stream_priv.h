/* loop/stream_priv.h - what stream.c, dial.c and listen.c share. */
#pragma once
#include "loop/loop_priv.h"
#include "loop/stream.h"

enum { PEER_LEN = 56, HOST_LEN = 128, PORT_LEN = 16 };

typedef union SockHandle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
} SockHandle;

struct Stream {
    SockHandle uv;
    Loop *loop;
    StreamEvents ev;
    void *ctx;
    Error *err; /* why it failed; in malloc memory, for streams are many and failures few */
    bool closing, owner_closed, reading, had_queue;
    char peer[PEER_LEN];
};

Stream *stream_new(Loop *l, bool is_unix);
/* It is connected: note the peer, set the socket's options. */
void stream_ready(Stream *s);
/* Close one that nobody was given yet. */
void stream_discard(Stream *s);
void sock_text(char *out, size_t cap, const struct sockaddr *sa);
/* Split "host:port" or "[v6]:port"; host may be empty. */
bool split_addr(const char *addr, char host[HOST_LEN], char port[PORT_LEN]);
