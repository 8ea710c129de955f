/* kubelet/runner.h - one container as a process tree: bubblewrap makes mount, PID and user
 * namespaces inside the pod's network, UTS and IPC namespaces, and the command is PID 1 of them.
 *
 * Everything of it dies with this process, however that ends: each link of the chain sandbox ->
 * bwrap -> PID 1 carries a parent-death signal, and with PID 1 ends its namespace. Callbacks come
 * from the loop; on_exit exactly once, after the last on_output. */
#pragma once
#include "loop/loop.h"
#include "netns/sitenet.h"

typedef struct Runner Runner;
typedef enum RunnerStream { RUN_STDOUT, RUN_STDERR } RunnerStream;

typedef struct RunnerExit {
    bool started;    /* the command itself ran; false: bubblewrap could not start it */
    int code;        /* as a container runtime says it: 137 for a SIGKILL */
    int64_t wall_us; /* when */
} RunnerExit;

typedef struct RunnerSpec {
    const char *const *options; /* bubblewrap's; handed over in memory, for no process list shows
                                   them */
    const char *const *command;
    const PodNet *net;
    int64_t clock_offset_s; /* the container's boot-time and monotonic clocks are so far ahead */
    void (*on_output)(void *ctx, RunnerStream s, const char *data, size_t n);
    void (*on_exit)(void *ctx, const RunnerExit *how);
    void *ctx;
} RunnerSpec;

/* Is bubblewrap there? Says what to install when it is not. */
ErrCode runner_check(Error *err) MUST_USE;
ErrCode runner_start(Loop *l, const RunnerSpec *spec, Runner **ret, Error *err) MUST_USE;
/* PID 1 of the container as this process sees it; 0 until bubblewrap has told. */
pid_t runner_pid(const Runner *r);
/* To PID 1; SIGKILL ends the whole namespace. Before bubblewrap has told the pid, every signal ends
 * the container. */
void runner_signal(Runner *r, int signum);
/* After on_exit; before, it kills, and on_exit will not come. */
void runner_free(Runner *r);

/* Run a command inside a running container: for exec probes and `kubectl exec`. */
typedef struct Exec Exec;
typedef struct ExecSpec {
    const char *const *argv, *const *envp;
    unsigned uid, gid;
    int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
    void (*on_exit)(void *ctx, int code);
    void *ctx;
} ExecSpec;
ErrCode runner_exec(Loop *l, const Runner *r, const ExecSpec *spec, Exec **ret,
                    Error *err) MUST_USE;
void exec_free(Exec *e); /* kills it when it still runs */
