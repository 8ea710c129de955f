#include "launcher.h"

#include "core/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUT_LOG_MAX = 64 * 1024, OUT_MAX = 256 * 1024 };

static int listen_at(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    unlink(path); /* of a launcher before us: we are the only one in this container */
    mode_t old = umask(0117);
    int rc = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (rc || listen(fd, MAX_CLIENTS)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

ErrCode server_open(Launcher *l, Error *err)
{
    for (int i = 0; i < MAX_CLIENTS; i++)
        l->clients[i].fd = -1;
    l->listen_fd = listen_at(l->paths.socket);
    if (l->listen_fd < 0)
        return err_errno(err, errno, "listen on %s", l->paths.socket);
    return ERR_OK;
}

static bool is_our_user(int fd)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && cred.uid == geteuid();
}

void server_accept(Launcher *l)
{
    int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (int i = 0; i < MAX_CLIENTS && is_our_user(fd); i++)
        if (l->clients[i].fd < 0) {
            l->clients[i] = (Client){.fd = fd};
            return;
        }
    log_warn("server", "a connection was refused: another user, or too many", "%s", "");
    close(fd);
}

void client_read(Launcher *l, Client *c)
{
    char buf[4096];
    ssize_t n = read(c->fd, buf, sizeof buf);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        c->dead = true;
        return;
    }
    strbuf_add(&c->in, buf, (size_t)n);
    size_t at = 0;
    while (!c->dead) {
        LpMsg m;
        ptrdiff_t used = lp_decode(c->in.p + at, c->in.n - at, &m);
        if (used < 0) {
            log_warn("server", "bytes that are no frame; connection closed", "%s", "");
            c->dead = true;
        }
        if (used <= 0)
            break;
        request_handle(l, c, &m);
        at += (size_t)used;
    }
    explicit_bzero(c->in.p, at); /* there may have been a password in it */
    strbuf_consume(&c->in, at);
}

void client_write(Client *c)
{
    while (c->out.n) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->dead = errno != EAGAIN;
            return;
        }
        strbuf_consume(&c->out, (size_t)n);
    }
}

void client_send(Client *c, const LpMsg *m)
{
    if (c->fd < 0 || c->dead)
        return;
    lp_encode(&c->out, m);
    client_write(c);
    if (c->out.n > OUT_MAX)
        c->dead = true; /* it does not read; it will come back and ask */
}

void client_answer(Client *c, uint32_t id, const Error *err, LpMsg *m)
{
    m->type = LP_RESULT;
    m->id = id;
    m->num[LPF_CODE] = err->code;
    m->text[LPF_MESSAGE] = err->code ? err->msg : NULL;
    client_send(c, m);
}

void client_result(Client *c, uint32_t id, const Error *err)
{
    LpMsg m = {0};
    client_answer(c, id, err, &m);
}

void server_log_line(void *launcher, const char *line)
{
    Launcher *l = launcher;
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        if (c->fd < 0 || !c->logs)
            continue;
        if (c->out.n > OUT_LOG_MAX) {
            c->dropped++;
            continue;
        }
        LpMsg m = {.type = LP_LOG};
        m.text[LPF_LINE] = line;
        m.num[LPF_DROPPED] = c->dropped;
        c->dropped = 0;
        client_send(c, &m);
    }
}

void server_sweep(Launcher *l)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        Client *c = &l->clients[i];
        if (c->fd < 0 || !c->dead)
            continue;
        close(c->fd);
        strbuf_done(&c->in);
        strbuf_done(&c->out);
        *c = (Client){.fd = -1};
    }
}
