/* Timers, deferred and posted calls, work, descriptors, signals, names, children. */
#include "core/clock.h"
#include "core/str.h"
#include "loop/loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { WAIT_MS = 60000, TURN_MS = 5, TURNS = WAIT_MS / TURN_MS };

static Loop *loop;
static StrBuf said; /* what happened, in order */
static bool done;

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    done = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    strbuf_done(&said);
    return 0;
}

static void say(void *word)
{
    strbuf_adds(&said, word);
    strbuf_addc(&said, ' ');
}

static void finish(void *ctx)
{
    (void)ctx;
    done = true;
}

#define WAIT_DONE() assert_true(loop_run_until(loop, &done, WAIT_MS))
#define WORD(w) ((void *)(uintptr_t)(w))

/* ---- timers ---- */

typedef struct Ticks {
    Timer *t;
    int n;
} Ticks;

static void tick(void *ctx)
{
    Ticks *k = ctx;
    if (++k->n == 3) {
        timer_stop(k->t); /* from inside its own callback */
        done = true;
    }
}

static void test_timers(void **state)
{
    (void)state;
    Timer *late = timer_start(loop, 20, 0, say, WORD("late"));
    Timer *early = timer_start(loop, 1, 0, say, WORD("early"));
    Timer *never = timer_start(loop, 10, 0, say, WORD("never"));
    Timer *end = timer_start(loop, 30, 0, finish, NULL);
    timer_stop(never);
    timer_stop(NULL);
    WAIT_DONE();
    assert_string_equal(strbuf_str(&said), "early late ");
    timer_again(early, 1); /* it is still there after it fired */
    done = false;
    timer_again(end, 10);
    WAIT_DONE();
    assert_string_equal(strbuf_str(&said), "early late early ");
    timer_stop(early);
    timer_stop(late);
    timer_stop(end);
}

static void test_repeating_timer(void **state)
{
    (void)state;
    Ticks k = {0};
    k.t = timer_start(loop, 1, 1, tick, &k);
    WAIT_DONE();
    assert_int_equal(k.n, 3);
}

static void test_run_until_gives_up(void **state)
{
    (void)state;
    Timer *t = timer_start(loop, 3600 * 1000, 0, say, WORD("never"));
    uint64_t began = clock_mono_ms();
    assert_false(loop_run_until(loop, &done, 20));
    assert_in_range(clock_mono_ms() - began, 15, 60000);
    timer_stop(t);
    assert_false(loop_run_until(loop, &done, 0)); /* nothing left to wait for */
}

/* ---- deferred and posted calls ---- */

static void defer_more(void *ctx)
{
    (void)ctx;
    say(WORD("first"));
    loop_defer(loop, say, WORD("second"));
    loop_defer(loop, finish, NULL);
    assert_string_equal(strbuf_str(&said), "first "); /* never from inside */
}

static void test_defer(void **state)
{
    (void)state;
    loop_defer(loop, defer_more, NULL);
    assert_string_equal(strbuf_str(&said), "");
    loop_run(loop); /* a deferred call keeps the loop going; nothing else does */
    assert_true(done);
    assert_string_equal(strbuf_str(&said), "first second ");
}

static void *poster(void *arg)
{
    for (int i = 0; i < 1000; i++)
        loop_post(loop, arg ? finish : say, WORD("x"));
    return NULL;
}

static void test_post_from_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, poster, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    loop_post(loop, finish, NULL);
    Timer *alive = timer_start(loop, 60 * 1000, 0, say, NULL);
    WAIT_DONE();
    timer_stop(alive);
    assert_int_equal(said.n, 4000 * 2);
}

static void test_free_with_calls_pending(void **state)
{
    (void)state;
    Loop *l = loop_new();
    timer_start(l, 1000, 0, say, WORD("never"));
    loop_post(l, say, WORD("perhaps"));
    loop_defer(l, say, WORD("settled"));
    loop_free(l);
    assert_non_null(strstr(strbuf_str(&said), "settled"));
    assert_null(strstr(strbuf_str(&said), "never"));
}

/* ---- work ---- */

typedef struct Job {
    pthread_t where;
    int result;
} Job;

static void do_job(void *ctx)
{
    Job *j = ctx;
    j->where = pthread_self();
    j->result = 6 * 7;
}

static void job_done(void *ctx)
{
    Job *j = ctx;
    assert_int_equal(j->result, 42);
    assert_false(pthread_equal(j->where, pthread_self()));
    done = true;
}

static void test_work(void **state)
{
    (void)state;
    Job j = {0};
    loop_work(loop, do_job, job_done, &j);
    WAIT_DONE();
}

/* ---- foreign descriptors ---- */

typedef struct Pipe {
    int fd[2];
    FdWatch *w;
} Pipe;

static void on_readable(void *ctx, int events, bool failed)
{
    Pipe *p = ctx;
    char byte;
    assert_false(failed);
    assert_int_equal(events, FD_READ);
    assert_int_equal(read(p->fd[0], &byte, 1), 1);
    say((char[]){byte, 0});
    if (byte == 'z') {
        fdwatch_stop(p->w); /* from inside */
        done = true;
    }
}

static void test_fdwatch(void **state)
{
    (void)state;
    Pipe p;
    assert_int_equal(pipe(p.fd), 0);
    p.w = fdwatch_start(loop, p.fd[0], FD_READ, on_readable, &p);
    assert_int_equal(write(p.fd[1], "az", 2), 2);
    WAIT_DONE();
    assert_string_equal(strbuf_str(&said), "a z ");
    close(p.fd[0]);
    close(p.fd[1]);
}

/* ---- signals ---- */

static void on_signal(void *ctx, int signum)
{
    (void)ctx;
    assert_int_equal(signum, SIGUSR1);
    done = true;
}

static void test_signal(void **state)
{
    (void)state;
    SigWatch *s = sigwatch_start(loop, SIGUSR1, on_signal, NULL);
    Timer *alive = timer_start(loop, 60 * 1000, 0, say, NULL);
    kill(getpid(), SIGUSR1);
    WAIT_DONE();
    sigwatch_stop(s);
    timer_stop(alive);
}

/* ---- names ---- */

static void on_resolved(void *ctx, const Error *err, const struct sockaddr *addr)
{
    (void)ctx;
    assert_true(!err != !addr);
    if (err) {
        say(WORD("no"));
    } else {
        const struct sockaddr_in *in = (const void *)addr;
        char text[INET_ADDRSTRLEN];
        strbuf_addf(&said, "%s:%d ", inet_ntop(AF_INET, &in->sin_addr, text, sizeof text),
                    ntohs(in->sin_port));
    }
    done = true;
}

static void test_resolve(void **state)
{
    (void)state;
    loop_resolve(loop, "127.0.0.1", "5432", on_resolved, NULL);
    assert_string_equal(strbuf_str(&said), "");
    WAIT_DONE();
    assert_string_equal(strbuf_str(&said), "127.0.0.1:5432 ");
    done = false;
    loop_resolve(loop, "no..such.name", "1", on_resolved, NULL); /* no server is asked for this */
    WAIT_DONE();
    assert_string_equal(strbuf_str(&said), "127.0.0.1:5432 no ");
    Resolve *r = loop_resolve(loop, "127.0.0.1", "1", on_resolved, NULL);
    resolve_cancel(r);
    resolve_cancel(NULL);
    loop_run(loop);
    assert_string_equal(strbuf_str(&said), "127.0.0.1:5432 no ");
}

/* ---- children ---- */

typedef struct Child {
    Proc *p;
    StrBuf out;
    int status, signum;
    bool eof;
} Child;

static void on_output(void *ctx, const char *data, size_t n)
{
    Child *c = ctx;
    assert_false(c->eof);
    if (data)
        strbuf_add(&c->out, data, n);
    else
        c->eof = true;
}

static void on_exit_of(void *ctx, int status, int signum)
{
    Child *c = ctx;
    c->status = status;
    c->signum = signum;
    done = true;
}

static void spawn(Child *c, const char *script, bool output)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    ProcSpec spec = {.argv = argv,
                     .on_output = output ? on_output : NULL,
                     .merge_stderr = true,
                     .on_exit = on_exit_of,
                     .ctx = c};
    Error err;
    *c = (Child){.status = -1};
    done = false;
    if (proc_spawn(loop, &spec, &c->p, &err))
        fail_msg("%s", err.msg);
}

static void child_done(Child *c)
{
    proc_free(c->p);
    strbuf_done(&c->out);
}

static void test_child_output_comes_before_exit(void **state)
{
    (void)state;
    Child c;
    spawn(&c, "echo out; echo err >&2; head -c 300000 /dev/zero; exit 7", true);
    WAIT_DONE();
    assert_true(c.eof);
    assert_int_equal(c.out.n, 300000 + 8);
    assert_memory_equal(c.out.p, "out\nerr\n", 8);
    assert_int_equal(c.status, 7);
    assert_int_equal(c.signum, 0);
    child_done(&c);
}

static void test_child_streams_are_null(void **state)
{
    (void)state;
    Child c;
    spawn(&c, "cat; echo nobody reads this", false);
    WAIT_DONE();
    assert_int_equal(c.status, 0);
    child_done(&c);
}

/* The whole group dies: the shell and what it started. */
static void test_kill_reaches_grandchildren(void **state)
{
    (void)state;
    Child c;
    const bool never = false;
    spawn(&c, "sleep 1000 & echo $!; wait", true);
    for (int i = 0; i < TURNS && !c.out.n; i++)
        loop_run_until(loop, &never, TURN_MS);
    pid_t grandchild = (pid_t)strtol(strbuf_str(&c.out), NULL, 10);
    assert_true(grandchild > 1);
    proc_kill(c.p, SIGKILL);
    WAIT_DONE();
    assert_int_equal(c.signum, SIGKILL);
    assert_true(c.eof); /* it held the pipe open, so it is gone, or as good as */
    child_done(&c);
}

static void test_spawn_failure(void **state)
{
    (void)state;
    const char *argv[] = {"/no/such/program", NULL};
    Child c = {0};
    ProcSpec spec = {.argv = argv, .on_output = on_output, .on_exit = on_exit_of, .ctx = &c};
    Error err;
    assert_int_equal(proc_spawn(loop, &spec, &c.p, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "/no/such/program"));
    loop_run(loop);
    assert_false(done);
}

/* Nobody wants to know any more; the child must be reaped all the same. */
static void test_abandoned_child_is_no_zombie(void **state)
{
    (void)state;
    Child c;
    const bool never = false;
    spawn(&c, "exit 3", true);
    pid_t pid = proc_pid(c.p);
    proc_free(c.p);
    for (int i = 0; i < TURNS && kill(pid, 0) == 0; i++)
        loop_run_until(loop, &never, TURN_MS);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_false(done);
    strbuf_done(&c.out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_timers),
        T(test_repeating_timer),
        T(test_run_until_gives_up),
        T(test_defer),
        T(test_post_from_threads),
        T(test_free_with_calls_pending),
        T(test_work),
        T(test_fdwatch),
        T(test_signal),
        T(test_resolve),
        T(test_child_output_comes_before_exit),
        T(test_child_streams_are_null),
        T(test_kill_reaches_grandchildren),
        T(test_spawn_failure),
        T(test_abandoned_child_is_no_zombie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
