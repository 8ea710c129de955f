#include "kubelet/crilog.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct CriLog {
    char *path;
    int fd;
    off_t size;
    StrBuf rest[2]; /* stdout, stderr */
};

static void emit(StrBuf *out, const char *head, char tag, const char *p, size_t n)
{
    strbuf_addf(out, "%s %c ", head, tag);
    strbuf_add(out, p, n);
    strbuf_addc(out, '\n');
}

void crilog_format(StrBuf *out, StrBuf *rest, const char *head, StrView data, bool end)
{
    while (data.n) {
        const char *nl = memchr(data.p, '\n', data.n);
        size_t n = nl ? (size_t)(nl - data.p) : data.n;
        size_t room = LIMIT_LOG_LINE - rest->n, take = n < room ? n : room;
        strbuf_add(rest, data.p, take);
        bool whole = nl && take == n;
        if (whole || rest->n == LIMIT_LOG_LINE) {
            emit(out, head, whole ? 'F' : 'P', strbuf_str(rest), rest->n);
            strbuf_reset(rest);
        }
        take += whole;
        data.p += take;
        data.n -= take;
    }
    if (end && rest->n) { /* a last line without its end */
        emit(out, head, 'P', strbuf_str(rest), rest->n);
        strbuf_reset(rest);
    }
}

static void reopen(CriLog *l)
{
    struct stat st;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    l->size = l->fd >= 0 && fstat(l->fd, &st) == 0 ? st.st_size : 0;
}

static void rotate(CriLog *l)
{
    char *old = xasprintf("%s.1", l->path);
    if (rename(l->path, old) < 0)
        log_warn("kubelet", "container log not rotated", "file=%s error=%s", log_quote(l->path),
                 log_quote(strerror(errno)));
    free(old);
    reopen(l);
}

static void put(CriLog *l, bool is_stderr, StrView data, bool end)
{
    AUTO_STRBUF out = {0};
    char at[CLOCK_RFC3339_LEN + 1], head[64];
    clock_rfc3339(at, clock_wall_us());
    snprintf(head, sizeof head, "%s %s", at, is_stderr ? "stderr" : "stdout");
    crilog_format(&out, &l->rest[is_stderr], head, data, end);
    if (out.n == 0 || l->fd < 0)
        return;
    ssize_t n = write(l->fd, out.p, out.n); /* a full disk loses log lines, nothing else */
    l->size += n > 0 ? n : 0;
    if (l->size > CRILOG_MAX)
        rotate(l);
}

void crilog_write(CriLog *l, bool is_stderr, const char *data, size_t n)
{
    put(l, is_stderr, sv_n(data, n), false);
}

ErrCode crilog_open(const char *path, CriLog **ret, Error *err)
{
    CriLog *l = xnew(CriLog);
    l->path = xstrdup(path);
    l->fd = -1;
    reopen(l);
    if (l->fd < 0) {
        ErrCode rc = err_errno(err, errno, "open the log %s", path);
        crilog_close(l);
        return rc;
    }
    *ret = l;
    return ERR_OK;
}

void crilog_close(CriLog *l)
{
    if (!l)
        return;
    if (l->fd >= 0) {
        put(l, false, (StrView){0}, true);
        put(l, true, (StrView){0}, true);
        close(l->fd);
    }
    strbuf_done(&l->rest[0]);
    strbuf_done(&l->rest[1]);
    free(l->path);
    free(l);
}
