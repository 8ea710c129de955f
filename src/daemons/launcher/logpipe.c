#include "logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum { OUT_MAX = 64 * 1024, READ_SIZE = 4096, DRAIN_MS = 1000 };

ErrCode logpipe_open(LogPipe *lp, Error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return err_errno(err, errno, "log pipe");
    /* Only our end: PostgreSQL expects to block on a full stderr. */
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK))
        return err_errno(err, errno, "log pipe");
    lp->read_fd = fds[0];
    lp->write_fd = fds[1];
    return ERR_OK;
}

static void split_lines(LogPipe *lp, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            lp->on_line(lp->ctx, strbuf_str(&lp->line));
            strbuf_reset(&lp->line);
        } else if (lp->line.n < LP_LOG_LINE - 1 && p[i]) {
            strbuf_addc(&lp->line, p[i]);
        }
    }
}

bool logpipe_read(LogPipe *lp)
{
    char buf[READ_SIZE];
    ssize_t n = read(lp->read_fd, buf, sizeof buf);
    if (n <= 0)
        return false; /* we hold the other end, so it is "not now" */
    if (lp->out.n + (size_t)n <= OUT_MAX)
        strbuf_add(&lp->out, buf, (size_t)n);
    else
        lp->dropped += (uint64_t)n;
    split_lines(lp, buf, (size_t)n);
    return true;
}

/* A writable pipe takes PIPE_BUF bytes without blocking, so no more than that at a time; and whole
 * lines, for our own records may come in between. */
static size_t next_piece(const StrBuf *out)
{
    size_t most = out->n < PIPE_BUF ? out->n : PIPE_BUF;
    for (size_t n = most; n > 0; n--)
        if (out->p[n - 1] == '\n')
            return n;
    return most;
}

void logpipe_flush(LogPipe *lp)
{
    size_t n = next_piece(&lp->out);
    ssize_t w = write(STDOUT_FILENO, lp->out.p, n);
    if (w < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (w < 0)
        w = (ssize_t)lp->out.n; /* nobody will ever read it */
    strbuf_consume(&lp->out, (size_t)w);
    if (lp->dropped && lp->out.n == 0) {
        strbuf_addf(&lp->out, "pg-swarm-launcher: %llu bytes of log were dropped here\n",
                    (unsigned long long)lp->dropped);
        lp->dropped = 0;
    }
}

void logpipe_done(LogPipe *lp)
{
    while (logpipe_read(lp))
        ;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    while (logpipe_waits(lp) && poll(&out, 1, DRAIN_MS) > 0)
        logpipe_flush(lp);
    close(lp->read_fd);
    close(lp->write_fd);
    strbuf_done(&lp->out);
    strbuf_done(&lp->line);
}
