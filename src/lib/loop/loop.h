/* loop/loop.h - the one event loop of a process: timers, foreign descriptors, blocking work,
 * children, signals.
 *
 * A facade over libuv; no other folder includes <uv.h>. Everything here belongs to the loop's
 * thread except loop_post, which any thread may call. Handles are freed by their *_stop / *_close
 * function (NULL is fine), which may be called from inside their own callback; no callback comes
 * after it. Times are milliseconds on the monotonic clock. */
#pragma once
#include "core/arena.h"
#include "core/err.h"
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

typedef struct Loop Loop;
Loop *loop_new(void);
/* What was closed or deferred before gets its last calls; handles that are left are closed in
 * silence. */
void loop_free(Loop *l);
void loop_run(Loop *l); /* until loop_stop, or until nothing is left to wait for */
void loop_stop(Loop *l);
/* Run until *done is true; false when `timeout_ms` passed first (0: no limit). For the CLI and for
 * start-up. */
bool loop_run_until(Loop *l, const bool *done, uint64_t timeout_ms);
uint64_t loop_now(Loop *l); /* ms, as of this turn of the loop */
/* Call fn(ctx) in the next turn: the way to complete a request "never from inside its starter". */
void loop_defer(Loop *l, void (*fn)(void *ctx), void *ctx);
/* The same from any thread. */
void loop_post(Loop *l, void (*fn)(void *ctx), void *ctx);

typedef struct Timer Timer;
typedef void (*TimerFn)(void *ctx);
/* repeat_ms 0: once. The Timer stays valid after it fired, until timer_stop. */
Timer *timer_start(Loop *l, uint64_t after_ms, uint64_t repeat_ms, TimerFn fn, void *ctx);
void timer_again(Timer *t, uint64_t after_ms); /* re-arm, keeping the repeat */
void timer_stop(Timer *t);

/* A descriptor owned by somebody else (libpq, libcurl). Stop the watch BEFORE the descriptor is
 * closed. */
typedef struct FdWatch FdWatch;
enum { FD_READ = 1, FD_WRITE = 2 };
typedef void (*FdFn)(void *ctx, int events, bool failed);
FdWatch *fdwatch_start(Loop *l, int fd, int events, FdFn fn, void *ctx);
void fdwatch_update(FdWatch *w, int events);
void fdwatch_stop(FdWatch *w);

/* Run work(ctx) on the thread pool, then done(ctx) on the loop. Never for anything that can wait
 * for a network. */
void loop_work(Loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

typedef struct SigWatch SigWatch;
SigWatch *sigwatch_start(Loop *l, int signum, void (*fn)(void *ctx, int signum), void *ctx);
void sigwatch_stop(SigWatch *s);

/* Children. The child gets its own process group, so that proc_kill reaches its children too. */
typedef struct Proc Proc;
typedef struct ProcSpec {
    const char *const *argv; /* argv[0] is looked up on PATH */
    const char *const *envp; /* NULL: ours */
    const char *cwd;         /* NULL: ours */
    int stdin_fd, stdout_fd,
        stderr_fd; /* 0: /dev/null; otherwise this descriptor (-1: inherit ours) */
    /* When set, stdout (and stderr, when merge_stderr) come through a pipe instead; data == NULL is
     * end of file. */
    void (*on_output)(void *ctx, const char *data, size_t n);
    bool merge_stderr;
    void (*on_exit)(void *ctx, int exit_status,
                    int term_signal); /* after the last on_output; required */
    void *ctx;
} ProcSpec;
ErrCode proc_spawn(Loop *l, const ProcSpec *spec, Proc **ret, Error *err) MUST_USE;
pid_t proc_pid(const Proc *p);
void proc_kill(Proc *p, int signum); /* the whole group */
void proc_free(Proc *p);             /* after on_exit, or to lose interest in it */

/* Name lookup on the thread pool; numeric addresses answer without one. Exactly one call of done,
 * never from inside. */
typedef struct Resolve Resolve;
typedef void (*ResolveFn)(void *ctx, const Error *err, const struct sockaddr *addr);
Resolve *loop_resolve(Loop *l, const char *host, const char *port, ResolveFn done, void *ctx);
void resolve_cancel(Resolve *r); /* done will not be called */
