/* Processes killed, stopped and let go again. */
#include "faults/parts.h"
#include "faults/procs.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

/* A process that is about to fork when its group is stopped leaves a child that runs: so again,
 * until a look finds nothing that runs, or this often. */
enum { STOP_ROUNDS = 20 };

static const struct {
    const char *name;
    int signum;
} signals[] = {
    {"0", 0},          {"KILL", SIGKILL}, {"STOP", SIGSTOP}, {"CONT", SIGCONT},
    {"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
    {"ABRT", SIGABRT}, {"SEGV", SIGSEGV}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
};

static ErrCode signal_of(const Op *op, int *ret, Error *err)
{
    const char *name = str_or(js_str(op->req, "signal"), "KILL");
    if (str_starts(name, "SIG"))
        name += 3;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (str_eq(signals[i].name, name)) {
            *ret = signals[i].signum;
            return ERR_OK;
        }
    return err_set(err, ERR_INVALID,
                   "signal: '%s' is not one of KILL TERM INT QUIT HUP ABRT SEGV USR1 USR2", name);
}

static ErrCode word_of(const Op *op, const char *absent, const char **ret, Error *err)
{
    const char *word = js_text(op->req, "process");
    *ret = *word ? word : absent;
    if (proc_word_known(*ret))
        return ERR_OK;
    return err_set(err, ERR_INVALID,
                   "process: '%s' is not one of postmaster startup checkpointer walsender "
                   "walreceiver backend auxiliary postgres launcher sidecar pg_rewind "
                   "pg_basebackup all",
                   word);
}

/* An end that we made is no crash loop: the node does not wait longer and longer for it. */
static void forgive(Pod *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->ctrs[i].failures = 0;
}

void pod_kill_all(Pod *p)
{
    forgive(p);
    for (size_t i = 0; i < p->n; i++)
        if (p->ctrs[i].run)
            runner_signal(p->ctrs[i].run, SIGKILL);
}

/* ---- one pod ---- */

typedef struct Hit {
    const char *word;
    int signum;
    size_t count;
    StrBuf names; /* "walsender 4711, ..." */
} Hit;

static void hit_one(Hit *h, const PodProc *p)
{
    if (kill(p->pid, h->signum) < 0)
        return; /* it has ended meanwhile */
    strbuf_addf(&h->names, "%s%s %d", h->count++ ? ", " : "", proc_role_name(p->role), (int)p->pid);
}

/* Does this signal still have something to do here? */
static bool concerns(const Hit *h, const PodProc *p)
{
    return proc_matches(h->word, p->role) && (h->signum != SIGSTOP || !p->stopped);
}

static ErrCode signal_pod(Op *op, Pod *p, Hit *h, Error *err)
{
    for (int round = 0; round < STOP_ROUNDS; round++) {
        PodProc *procs;
        size_t n, before = h->count;
        ErrCode rc = procs_list(op->a, p->net, &procs, &n, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < n; i++)
            if (concerns(h, &procs[i]))
                hit_one(h, &procs[i]);
        if (h->signum != SIGSTOP || h->count == before)
            return ERR_OK;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* a stop takes effect */
    }
    return err_set(err, ERR_INTERNAL, "pod %s makes processes faster than they can be stopped",
                   p->name);
}

static ErrCode signal_targets(Op *op, const char *word, int signum, Error *err)
{
    Targets t;
    size_t total = 0;
    ErrCode rc = targets_pick(op, &t, err);
    for (size_t i = 0; !rc && i < t.n; i++) {
        Pod *p;
        Hit h = {.word = word, .signum = signum};
        rc = target_pod(op->f, t.at[i], &p, err);
        if (!rc && signum == SIGKILL)
            forgive(p);
        if (!rc)
            rc = signal_pod(op, p, &h, err);
        if (!rc && h.count)
            op_say(op, t.at[i], "SIG%s to %s", sigabbrev_np(signum), strbuf_str(&h.names));
        total += h.count;
        strbuf_done(&h.names);
    }
    if (!rc && !total && signum != SIGCONT && signum != SIGSTOP)
        return err_set(err, ERR_NOT_FOUND, "no process '%s' in %s%s", word, t.at[0]->name,
                       t.n > 1 ? " nor in the others" : "");
    return rc;
}

/* ---- the kinds ---- */

ErrCode fault_kill(Op *op, Error *err)
{
    const char *word;
    int signum = SIGKILL;
    if (!js_bool(op->req, "whole", false)) {
        ErrCode rc = word_of(op, "postmaster", &word, err);
        rc = rc ? rc : signal_of(op, &signum, err);
        return rc ? rc : signal_targets(op, word, signum, err);
    }
    Targets t;
    ErrCode rc = targets_pick(op, &t, err);
    for (size_t i = 0; !rc && i < t.n; i++) {
        Pod *p;
        rc = target_pod(op->f, t.at[i], &p, err);
        if (rc)
            break;
        pod_kill_all(p);
        op_say(op, t.at[i], "SIGKILL to everything");
    }
    return rc;
}

ErrCode fault_stop(Op *op, Error *err)
{
    const char *word;
    return word_of(op, "all", &word, err) ? err->code : signal_targets(op, word, SIGSTOP, err);
}

ErrCode fault_cont(Op *op, Error *err)
{
    const char *word;
    return word_of(op, "all", &word, err) ? err->code : signal_targets(op, word, SIGCONT, err);
}

/* ---- what is stopped now ---- */

size_t pod_thaw(Pod *p)
{
    AUTO_ARENA a = arena_new();
    PodProc *procs;
    size_t n, count = 0;
    Error err;
    if (!p->net || procs_list(a, p->net, &procs, &n, &err))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (procs[i].stopped && kill(procs[i].pid, SIGCONT) == 0)
            count++;
    return count;
}

static void add_stopped(Pod *p, cJSON *items)
{
    AUTO_ARENA a = arena_new();
    AUTO_STRBUF names = {0};
    PodProc *procs;
    size_t n, count = 0;
    Error err;
    if (procs_list(a, p->net, &procs, &n, &err))
        return;
    for (size_t i = 0; i < n; i++)
        if (procs[i].stopped)
            strbuf_addf(&names, "%s%s %d", count++ ? ", " : "", proc_role_name(procs[i].role),
                        (int)procs[i].pid);
    if (!count)
        return;
    cJSON *o = cJSON_CreateObject();
    js_set_str(o, "kind", count == n ? "freeze" : "stop");
    js_set_str(o, "namespace", p->ns);
    js_set_str(o, "pod", p->name);
    js_set_str(o, "what", arena_printf(a, "stopped: %s", strbuf_str(&names)));
    cJSON_AddItemToArray(items, o);
}

void list_stopped(Faults *f, cJSON *items)
{
    AUTO_ARENA a = arena_new();
    const StoreQuery q = {.kind = K(POD)};
    for (const Obj **o = store_list(f->app->store, a, &q, NULL); *o; o++) {
        Pod *p = kubelet_pod(f->app, (*o)->uid);
        if (p && p->net)
            add_stopped(p, items);
    }
}
