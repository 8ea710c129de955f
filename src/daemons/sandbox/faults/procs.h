/* faults/procs.h - the processes of a pod, and what each of them is.
 *
 * A process is a pod's when it is in the pod's network namespace: that holds for every container of
 * it and for nothing else. Pids are as the site's own process sees them. */
#pragma once
#include "core/arena.h"
#include "core/err.h"
#include "netns/sitenet.h"
#include <sys/types.h>

/* Words of --process; each process has one of the first group, or PROC_OTHER. */
#define PROC_ROLES(X)               \
    X(POSTMASTER, "postmaster")     \
    X(STARTUP, "startup")           \
    X(CHECKPOINTER, "checkpointer") \
    X(WALSENDER, "walsender")       \
    X(WALRECEIVER, "walreceiver")   \
    X(BACKEND, "backend")           \
    X(PG_AUX, "auxiliary")          \
    X(LAUNCHER, "launcher")         \
    X(SIDECAR, "sidecar")           \
    X(REWIND, "pg_rewind")          \
    X(BASEBACKUP, "pg_basebackup")  \
    X(OTHER, "other")
typedef enum ProcRole {
#define X(id, name) PROC_##id,
    PROC_ROLES(X)
#undef X
        PROC_ROLE_COUNT
} ProcRole;

typedef struct PodProc {
    pid_t pid, parent;
    ProcRole role;
    bool stopped; /* by a signal */
} PodProc;

const char *proc_role_name(ProcRole r);
/* Pure: `comm` is the kernel's name of it, `title` its command line, of which PostgreSQL's children
 * make "postgres: CLUSTER: walsender ..."; of_postgres: its parent is a postgres too. */
ProcRole proc_role(const char *comm, const char *title, bool of_postgres);
/* Does a word of --process ("postgres" all of PostgreSQL, "all" everything) mean this one? */
bool proc_matches(const char *word, ProcRole r);
bool proc_word_known(const char *word);
/* All of the pod, in order of their pids. */
ErrCode procs_list(Arena *a, const PodNet *net, PodProc **ret, size_t *ret_n, Error *err) MUST_USE;
