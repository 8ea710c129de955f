#include "netns/hostnet.h"

#include "core/arena.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* BATCH sockets a request; a new batch is asked for when LOW are left, so that a burst of
 * connections seldom waits for the broker. */
enum { BATCH = 24, LOW = 12, POOL = BATCH + LOW };

struct HostNet {
    int chan;
    pid_t first;
    int fds[POOL];
    int n;
    bool asked;
};

/* ---- the broker's side ---- */

static bool send_batch(int chan)
{
    int fds[BATCH];
    char byte = 0;
    union {
        char buf[CMSG_SPACE(sizeof fds)];
        struct cmsghdr align;
    } ctl = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof ctl.buf};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    int n = 0;
    while (n < BATCH) {
        fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fds[n] < 0)
            break;
        n++;
    }
    bool ok = n == BATCH;
    if (ok) {
        memcpy(CMSG_DATA(c), fds, sizeof fds);
        ok = sendmsg(chan, &msg, MSG_NOSIGNAL) == 1;
    }
    while (n > 0)
        close(fds[--n]);
    return ok;
}

_Noreturn static void broker_main(int chan, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "pg-swarm-broker");
    if (getppid() != parent)
        _exit(0);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the sandbox to handle; we end with it */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    dup2(chan, 3);
    close_range(4, ~0U, 0);
    char byte;
    while (recv(3, &byte, 1, 0) == 1)
        if (!send_batch(3))
            break;
    _exit(0);
}

/* ---- our side ---- */

static void ask(HostNet *h)
{
    char byte = 1;
    if (!h->asked && h->n <= LOW)
        h->asked = send(h->chan, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void take(HostNet *h, int flags)
{
    char byte;
    union {
        char buf[CMSG_SPACE(BATCH * sizeof(int))];
        struct cmsghdr align;
    } ctl;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof ctl.buf};
    if (!h->asked || recvmsg(h->chan, &msg, flags | MSG_CMSG_CLOEXEC) != 1)
        return;
    h->asked = false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_type != SCM_RIGHTS)
        return;
    size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < got && h->n < POOL; i++)
        memcpy(&h->fds[h->n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
}

ErrCode hostnet_socket(HostNet *h, int *ret_fd, Error *err)
{
    take(h, MSG_DONTWAIT);
    ask(h);
    if (h->n == 0)
        take(h, 0);
    if (h->n == 0)
        return err_set(err, ERR_UNAVAILABLE, "the broker of host sockets has ended");
    *ret_fd = h->fds[--h->n];
    return ERR_OK;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

ErrCode hostnet_bind(HostNet *h, int port, int *ret_fd, Error *err)
{
    int fd, one = 1;
    ErrCode rc = hostnet_socket(h, &fd, err);
    if (rc)
        return rc;
    struct sockaddr_in sa = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        rc = err_errno(err, errno, "listen on the host's 127.0.0.1:%d", port);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return ERR_OK;
}

ErrCode hostnet_connect(HostNet *h, int port, int *ret_fd, Error *err)
{
    int fd;
    ErrCode rc = hostnet_socket(h, &fd, err);
    if (rc)
        return rc;
    struct sockaddr_in sa = loopback(port);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS) {
        rc = err_errno(err, errno, "connect to the host's 127.0.0.1:%d", port);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static ErrCode put_file(const char *path, const char *text, Error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "%s", path);
    ssize_t n = write(fd, text, strlen(text));
    int e = errno;
    close(fd);
    return n < 0 ? err_errno(err, e, "%s", path) : ERR_OK;
}

static ErrCode enter_namespaces(Error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];
    /* UTS and IPC too: a thread that made a pod's may only go home to namespaces of its own. */
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
                CLONE_NEWPID) < 0)
        return err_errno(err, errno,
                         "make user, network and mount namespaces (are user namespaces allowed "
                         "here? see sysctl user.max_user_namespaces)");
    snprintf(map, sizeof map, "0 %u 1", uid);
    ErrCode rc = put_file("/proc/self/uid_map", map, err);
    if (!rc)
        rc = put_file("/proc/self/setgroups", "deny", err);
    snprintf(map, sizeof map, "0 %u 1", gid);
    if (!rc)
        rc = put_file("/proc/self/gid_map", map, err);
    if (!rc && mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        rc = err_errno(err, errno, "keep our mounts to ourselves");
    return rc;
}

/* ---- the first process ---- */

static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
enum { PASSED_ON = sizeof passed_on / sizeof *passed_on };

static void watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    for (int i = 0; i < PASSED_ON; i++)
        sigaddset(set, passed_on[i]);
}

/* `alive` is the writing end of a pipe: it closes when we end, whatever ends us. */
_Noreturn static void wait_for(pid_t second, int alive)
{
    sigset_t set;
    int st = 0, signum;
    watched_signals(&set);
    prctl(PR_SET_NAME, "pg-swarm-site");
    dup2(alive, 3);
    close_range(4, ~0U, 0);
    for (;;) {
        if (sigwait(&set, &signum) != 0)
            continue;
        if (signum != SIGCHLD) {
            kill(second, signum);
            continue;
        }
        for (pid_t pid; (pid = waitpid(-1, &st, WNOHANG)) > 0;) /* the broker is a child too */
            if (pid == second)
                _exit(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
    }
}

/* ---- the second ---- */

static ErrCode become_init(int alive, Error *err)
{
    struct pollfd p = {.fd = alive, .events = POLLIN};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (poll(&p, 1, 0) != 0)
        _exit(0); /* the first process is gone already */
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return err_errno(err, errno, "mount a /proc of our own");
    return ERR_OK;
}

/* Returns in the second process; the first stays in here. */
static ErrCode split(Error *err)
{
    int alive[2];
    sigset_t set, old;
    if (pipe2(alive, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    watched_signals(&set);
    sigprocmask(SIG_BLOCK, &set, &old);
    pid_t second = fork();
    if (second > 0)
        wait_for(second, alive[1]);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(alive[1]);
    if (second < 0)
        return err_errno(err, errno, "fork");
    return become_init(alive[0], err); /* the reading end stays open, so that the pipe does */
}

long hostnet_pid(const HostNet *h)
{
    return h->first;
}

ErrCode hostnet_enter(HostNet **ret, Error *err)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
        return err_errno(err, errno, "socketpair");
    pid_t self = getpid(), pid = fork();
    if (pid < 0) {
        close(sv[0]);
        close(sv[1]);
        return err_errno(err, errno, "fork the broker of host sockets");
    }
    if (pid == 0)
        broker_main(sv[1], self);
    close(sv[1]);
    HostNet *h = xnew(HostNet);
    h->chan = sv[0];
    h->first = self;
    ErrCode rc = enter_namespaces(err);
    if (!rc)
        rc = split(err);
    if (rc) {
        hostnet_free(h);
        return rc;
    }
    ask(h);
    *ret = h;
    return ERR_OK;
}

void hostnet_free(HostNet *h)
{
    if (!h)
        return;
    close(h->chan);
    while (h->n > 0)
        close(h->fds[--h->n]);
    free(h);
}
