#include "faults/procs.h"

#include "core/str.h"
#include "core/vec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROCS_MAX = 4096, COMM_MAX = 15 };

static const char *const names[PROC_ROLE_COUNT] = {
#define X(id, name) [PROC_##id] = (name),
    PROC_ROLES(X)
#undef X
};

const char *proc_role_name(ProcRole r)
{
    return names[r];
}

/* ---- what it is ---- */

/* What PostgreSQL's children call themselves; the first that fits. Any other is a client's. */
static const struct {
    const char *word;
    ProcRole role;
} titles[] = {
    {"startup", PROC_STARTUP},
    {"checkpointer", PROC_CHECKPOINTER},
    {"walsender", PROC_WALSENDER},
    {"walreceiver", PROC_WALRECEIVER},
    {"background writer", PROC_PG_AUX},
    {"walwriter", PROC_PG_AUX},
    {"walsummarizer", PROC_PG_AUX},
    {"autovacuum", PROC_PG_AUX},
    {"logical replication", PROC_PG_AUX},
    {"archiver", PROC_PG_AUX},
    {"stats collector", PROC_PG_AUX},
    {"logger", PROC_PG_AUX},
    {"slotsync", PROC_PG_AUX},
    {"io worker", PROC_PG_AUX},
    {"parallel worker", PROC_PG_AUX},
};

static const struct {
    const char *comm;
    ProcRole role;
} programs[] = {
    {"pg-swarm-launcher", PROC_LAUNCHER},
    {"pg-swarm-failover-sidecar", PROC_SIDECAR},
    {"pg_rewind", PROC_REWIND},
    {"pg_basebackup", PROC_BASEBACKUP},
};

/* "postgres: CLUSTER: ROLE ..." or, without a cluster_name, "postgres: ROLE ...". */
static ProcRole role_of_title(const char *title)
{
    const char *at = title + strlen("postgres: "), *colon = strstr(at, ": ");
    at = colon ? colon + 2 : at;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (str_starts(at, titles[i].word))
            return titles[i].role;
    return PROC_BACKEND;
}

ProcRole proc_role(const char *comm, const char *title, bool of_postgres)
{
    if (str_eq(comm, "postgres"))
        return !of_postgres                      ? PROC_POSTMASTER
               : str_starts(title, "postgres: ") ? role_of_title(title)
                                                 : PROC_PG_AUX;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strncmp(comm, programs[i].comm, COMM_MAX) == 0)
            return programs[i].role;
    return PROC_OTHER;
}

bool proc_matches(const char *word, ProcRole r)
{
    return str_eq(word, "all") || str_eq(word, names[r]) ||
           (str_eq(word, "postgres") && r >= PROC_POSTMASTER && r <= PROC_PG_AUX);
}

bool proc_word_known(const char *word)
{
    for (int r = 0; r < PROC_OTHER; r++)
        if (str_eq(word, names[r]))
            return true;
    return str_eq(word, "all") || str_eq(word, "postgres");
}

/* ---- finding them ---- */

typedef VEC(PodProc) Found;

static size_t read_small(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
    if (fd >= 0)
        close(fd);
    buf[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

/* "PID (COMM) STATE PPID ...": the name may hold blanks and parentheses. */
static bool read_stat(pid_t pid, char comm[COMM_MAX + 1], char *ret_state, pid_t *ret_parent)
{
    char path[64], buf[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_small(path, buf, sizeof buf);
    const char *open_at = strchr(buf, '('), *close_at = strrchr(buf, ')');
    int parent;
    if (!open_at || !close_at || sscanf(close_at + 1, " %c %d", ret_state, &parent) != 2)
        return false;
    snprintf(comm, COMM_MAX + 1, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    *ret_parent = parent;
    return true;
}

static bool is_postgres(pid_t pid)
{
    char comm[COMM_MAX + 1], state;
    pid_t parent;
    return read_stat(pid, comm, &state, &parent) && str_eq(comm, "postgres");
}

static bool in_namespace(pid_t pid, const struct stat *ns)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return stat(path, &st) == 0 && st.st_ino == ns->st_ino && st.st_dev == ns->st_dev;
}

static void look_at(pid_t pid, const struct stat *ns, Found *found)
{
    char comm[COMM_MAX + 1], state, path[64], title[256];
    PodProc p = {.pid = pid};
    if (!in_namespace(pid, ns) || !read_stat(pid, comm, &state, &p.parent) || state == 'Z')
        return;
    /* bubblewrap's own process waits in there too; it is no part of the pod. */
    if (str_eq(comm, "bwrap"))
        return;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    read_small(path, title, sizeof title);
    p.role = proc_role(comm, title, is_postgres(p.parent));
    p.stopped = state == 'T';
    vec_push(found, p);
}

ErrCode procs_list(Arena *a, const PodNet *net, PodProc **ret, size_t *ret_n, Error *err)
{
    struct stat ns;
    DIR *d = opendir("/proc");
    if (!d || fstat(podnet_netns_fd(net), &ns) < 0) {
        ErrCode rc = err_errno(err, errno, "find the processes of a pod");
        if (d)
            closedir(d);
        return rc;
    }
    Found found = {0};
    for (struct dirent *e; (e = readdir(d)) && found.n < PROCS_MAX;) {
        uint64_t pid;
        if (str_to_u64(e->d_name, &pid) && pid > 1)
            look_at((pid_t)pid, &ns, &found);
    }
    closedir(d);
    *ret = arena_array(a, PodProc, found.n + 1);
    if (found.n)
        memcpy(*ret, found.at, found.n * sizeof *found.at);
    *ret_n = found.n;
    vec_done(&found);
    return ERR_OK;
}
