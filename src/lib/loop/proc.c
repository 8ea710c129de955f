#include "loop/loop.h"

#include "loop/loop_priv.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct Proc {
    uv_process_t uv;
    uv_pipe_t out;
    ProcSpec spec;
    Loop *loop;
    int exit_status, term_signal;
    bool piped, eof, exited, told, freed, out_closed, uv_closed;
};

static void maybe_release(Proc *p)
{
    if (p->freed && p->uv_closed && (!p->piped || p->out_closed))
        free(p);
}

static void on_uv_closed(uv_handle_t *h)
{
    Proc *p = h->data;
    p->uv_closed = true;
    maybe_release(p);
}

static void on_out_closed(uv_handle_t *h)
{
    Proc *p = h->data;
    p->out_closed = true;
    maybe_release(p);
}

/* on_exit comes after the last byte of output, whichever of the two events arrives first. */
static void maybe_tell(Proc *p)
{
    if (!p->exited || (p->piped && !p->eof) || p->told || p->freed)
        return;
    p->told = true;
    p->spec.on_exit(p->spec.ctx, p->exit_status, p->term_signal);
}

static void on_child_exit(uv_process_t *h, int64_t status, int signum)
{
    Proc *p = h->data;
    p->exited = true;
    p->exit_status = (int)status;
    p->term_signal = signum;
    if (p->freed)
        uv_close((uv_handle_t *)&p->uv, on_uv_closed);
    else
        maybe_tell(p);
}

static void alloc_shared(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    Proc *p = h->data;
    *buf = uv_buf_init(p->loop->read_buf, sizeof p->loop->read_buf);
}

static void on_out(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    Proc *p = s->data;
    if (n == 0)
        return;
    if (n > 0) {
        if (!p->freed)
            p->spec.on_output(p->spec.ctx, buf->base, (size_t)n);
        return;
    }
    uv_read_stop(s);
    p->eof = true;
    if (!p->freed)
        p->spec.on_output(p->spec.ctx, NULL, 0);
    maybe_tell(p);
}

static uv_stdio_container_t stdio_for(int fd)
{
    if (fd == 0)
        return (uv_stdio_container_t){.flags = UV_IGNORE};
    return (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fd};
}

ErrCode proc_spawn(Loop *l, const ProcSpec *spec, Proc **ret, Error *err)
{
    Proc *p = xnew(Proc);
    p->spec = *spec;
    p->loop = l;
    p->piped = spec->on_output != NULL;
    p->uv.data = p;
    uv_stdio_container_t io[3] = {
        stdio_for(spec->stdin_fd < 0 ? 0 : spec->stdin_fd),
        stdio_for(spec->stdout_fd < 0 ? 1 : spec->stdout_fd),
        stdio_for(spec->stderr_fd < 0 ? 2 : spec->stderr_fd),
    };
    if (spec->stdin_fd < 0)
        io[0] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = 0};
    int pipe_fds[2] = {-1, -1};
    if (p->piped) {
        int rc = uv_pipe(pipe_fds, UV_NONBLOCK_PIPE, 0);
        if (rc) {
            free(p);
            return uv_err(err, rc, "pipe for %s", spec->argv[0]);
        }
        uv_pipe_init(&l->uv, &p->out, 0);
        p->out.data = p;
        uv_pipe_open(&p->out, pipe_fds[0]);
        io[1] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = pipe_fds[1]};
        if (spec->merge_stderr)
            io[2] = io[1];
    }
    uv_process_options_t opt = {
        .exit_cb = on_child_exit,
        .file = spec->argv[0],
        .args = (char **)(uintptr_t)spec->argv,
        .env = (char **)(uintptr_t)spec->envp,
        .cwd = spec->cwd,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = io,
    };
    int rc = uv_spawn(&l->uv, &p->uv, &opt);
    if (p->piped)
        close(pipe_fds[1]);
    if (rc) {
        p->freed = true;
        if (p->piped)
            uv_close((uv_handle_t *)&p->out, on_out_closed);
        uv_close((uv_handle_t *)&p->uv, on_uv_closed);
        return uv_err(err, rc, "start %s", spec->argv[0]);
    }
    if (p->piped)
        uv_read_start((uv_stream_t *)&p->out, alloc_shared, on_out);
    *ret = p;
    return ERR_OK;
}

pid_t proc_pid(const Proc *p)
{
    return uv_process_get_pid(&p->uv);
}

void proc_kill(Proc *p, int signum)
{
    if (p && !p->exited)
        kill(-proc_pid(p), signum);
}

/* Close without waiting for the child: only when the whole loop ends. */
void proc_abandon(Proc *p)
{
    p->freed = true;
    if (p->piped && !uv_is_closing((uv_handle_t *)&p->out))
        uv_close((uv_handle_t *)&p->out, on_out_closed);
    uv_close((uv_handle_t *)&p->uv, on_uv_closed);
}

/* A handle closed before its child ended would leave a zombie, so the handle stays until then. */
void proc_free(Proc *p)
{
    if (!p || p->freed)
        return;
    if (p->exited) {
        proc_abandon(p);
        return;
    }
    p->freed = true;
    if (p->piped)
        uv_close((uv_handle_t *)&p->out, on_out_closed);
    uv_unref((uv_handle_t *)&p->uv);
}
