/* launcher/logpipe.h - everything PostgreSQL and the tools write: to our own stdout, and line by
 * line to whoever asked.
 *
 * Neither reader can hold PostgreSQL up: what stdout does not take is kept up to a limit and then
 * dropped and counted. */
#pragma once
#include "core/launcher_proto.h"

typedef struct LogPipe {
    int read_fd, write_fd; /* write_fd is what children get as stderr */
    StrBuf out;            /* waits for stdout */
    StrBuf line;           /* without its end yet */
    uint64_t dropped;      /* bytes that stdout never got */
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
} LogPipe;

ErrCode logpipe_open(LogPipe *lp, Error *err) MUST_USE;
bool logpipe_read(LogPipe *lp);  /* read_fd is readable; false: nothing more for now */
void logpipe_flush(LogPipe *lp); /* stdout is writable */
void logpipe_done(LogPipe *lp);  /* what is left goes out, unless stdout is stuck */
static inline bool logpipe_waits(const LogPipe *lp)
{
    return lp->out.n > 0;
}
