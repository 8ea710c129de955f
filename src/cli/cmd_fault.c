/* Faults: what the sandbox does wrong on purpose. Each command is one request to the process of the
 * site; what it did comes back as lines. */
#include "cmds.h"
#include "core/clock.h"
#include "model/quantity.h"
#include "out.h"
#include "sandbox/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_EVERY_MS = 5 };

static const Column FAULT_COLS[] = {
    {"SITE", "site", COL_TEXT, false, false, NULL}, {"FAULT", "kind", COL_TEXT, false, false, NULL},
    {"POD", "pod", COL_TEXT, false, false, NULL},   {"WHAT", "what", COL_TEXT, false, false, NULL},
    {"AGE", "since", COL_AGE, false, false, NULL},  {0},
};
static const Column DONE_COLS[] = {
    {"SITE", "site", COL_TEXT, false, false, NULL},
    {"POD", "pod", COL_TEXT, false, false, NULL},
    {"WHAT", "what", COL_TEXT, false, false, NULL},
    {0},
};

static int run_fault(Cli *c, const char *kind, FaultFill fill)
{
    Error err;
    Sandbox s;
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    ErrCode rc = sandbox_open(c, false, &s, &err);
    rc = rc ? rc : fault_run(&s, kind, fill, items, &err);
    return rc ? cli_fail(c, &err) : out_list(c, DONE_COLS, items, "pod/");
}

/* ---- kill, stop, cont ---- */

static ErrCode fill_signal(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    const char *process = cli_opt(s->c, "process");
    /* A satellite has one process, and it is not PostgreSQL. */
    fault_put(req, "process", process || !cli_flag(s->c, "satellite") ? process : "all");
    return fault_put_targets(s, req, w, err);
}

static ErrCode fill_kill(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    fault_put(req, "signal", cli_opt(s->c, "signal"));
    cJSON_AddBoolToObject(req, "whole", cli_flag(s->c, "pod"));
    if (cli_flag(s->c, "pod") && (cli_opt(s->c, "process") || cli_opt(s->c, "signal")))
        return err_set(err, ERR_USAGE, "--pod is SIGKILL to everything: no --process, no --signal");
    return fill_signal(s, req, w, err);
}

/* SIGKILL to a process of the sandbox itself, as when its machine loses power. Dead when we return:
 * whoever brings it back at once must not find it. */
static int kill_daemon(Cli *c, const char *what, const char *pid_file)
{
    Error err;
    pid_t pid = pid_file ? daemon_pid(pid_file) : 0;
    if (!pid || kill(pid, SIGKILL) < 0) {
        err_set(&err, ERR_NOT_FOUND, "%s does not run", what);
        return cli_fail(c, &err);
    }
    while (daemon_pid(pid_file))
        pause_ms(LOOK_EVERY_MS);
    cli_say(c, "%s was killed; `swarmctl sandbox up` brings it back", what);
    return 0;
}

static bool may_come(ErrCode rc)
{
    return rc == ERR_NOT_FOUND || rc == ERR_UNAVAILABLE;
}

/* Looks, without a signal, until there is such a process. */
static ErrCode wait_for_process(Sandbox *s, uint64_t end, Error *err)
{
    FaultWhere w = {0};
    cJSON *unused = json_own(s->c->arena, cJSON_CreateArray());
    cJSON *req = fault_request(s, "kill");
    cJSON_AddStringToObject(req, "signal", "0");
    ErrCode rc = fault_where(s, &w, err);
    rc = rc ? rc : fill_signal(s, req, &w, err);
    while (!rc && (rc = fault_ask(s, w.site, req, unused, err))) {
        if (!may_come(rc) || clock_mono_ms() > end)
            return rc;
        pause_ms(LOOK_EVERY_MS);
        rc = ERR_OK;
    }
    return rc;
}

/* One that was seen may have been at its end, and gone by the time that it is to be killed. */
static ErrCode kill_when_there(Sandbox *s, cJSON *items, Error *err)
{
    uint64_t wait = 0, after = 0;
    const char *text = cli_opt(s->c, "wait"), *later = cli_opt(s->c, "after");
    if ((text && cli_duration(text, &wait, err)) || (later && cli_duration(later, &after, err)))
        return err->code;
    for (uint64_t end = clock_mono_ms() + wait;;) {
        if (wait_for_process(s, end, err))
            return err->code;
        pause_ms((unsigned)after);
        ErrCode rc = fault_run(s, "kill", fill_kill, items, err);
        if (!may_come(rc) || clock_mono_ms() > end)
            return rc;
    }
}

static int kill_later(Cli *c)
{
    Error err;
    Sandbox s;
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    ErrCode rc = sandbox_open(c, false, &s, &err);
    rc = rc ? rc : kill_when_there(&s, items, &err);
    return rc ? cli_fail(c, &err) : out_list(c, DONE_COLS, items, "pod/");
}

static int kill_run(Cli *c)
{
    Error err;
    Sandbox s;
    const char *name = cli_opt(c, "site");
    bool site = name && !cli_arg(c, 0) && !cli_flag(c, "satellite");
    if (cli_arg(c, 0) && (cli_opt(c, "wait") || cli_opt(c, "after")))
        return kill_later(c);
    if (!site && !cli_flag(c, "central"))
        return run_fault(c, "kill", fill_kill);
    if (sandbox_open(c, false, &s, &err))
        return cli_fail(c, &err);
    if (cli_flag(c, "central"))
        return kill_daemon(c, "central", sandbox_path(&s, "central/central.pid"));
    const Site *found = site_find(&s, name);
    return kill_daemon(c, arena_printf(c->arena, "site %s", name),
                       found ? arena_printf(c->arena, "%s/process.pid", found->dir) : NULL);
}

static int stop_run(Cli *c)
{
    return run_fault(c, "stop", fill_signal);
}

static int cont_run(Cli *c)
{
    return run_fault(c, "cont", fill_signal);
}

/* ---- partition, heal ---- */

static ErrCode fill_partition(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    const char *from;
    cJSON *list = cJSON_AddArrayToObject(req, "from");
    for (size_t i = 0; (from = cli_opt_at(s->c, "from", i)); i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(from));
    return fault_put_targets(s, req, w, err);
}

static int partition_run(Cli *c)
{
    return run_fault(c, "partition", fill_partition);
}

static ErrCode fill_heal(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    if (!w->cluster && !cli_flag(s->c, "satellite"))
        return ERR_OK; /* the whole site */
    if (cli_arg(s->c, 1) || cli_flag(s->c, "satellite"))
        return fault_put_targets(s, req, w, err);
    fault_put(req, "cluster", w->cluster);
    fault_put(req, "namespace", cli_opt(s->c, "namespace"));
    fault_put(req, "who", "all");
    return ERR_OK;
}

static ErrCode heal_all(Sandbox *s, cJSON *items, Error *err)
{
    ErrCode rc = ERR_OK;
    for (size_t i = 0; i < s->nsites; i++) {
        Error one;
        if (site_pid(s, &s->sites[i]) &&
            fault_ask(s, &s->sites[i], fault_request(s, "heal"), items, &one))
            rc = rc ? rc : err_copy(err, &one);
    }
    return rc;
}

static int heal_run(Cli *c)
{
    Error err;
    Sandbox s;
    if (!cli_flag(c, "all"))
        return run_fault(c, "heal", fill_heal);
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    ErrCode rc = sandbox_open(c, false, &s, &err);
    rc = rc ? rc : heal_all(&s, items, &err);
    return rc ? cli_fail(c, &err) : out_list(c, DONE_COLS, items, "pod/");
}

/* ---- the site's API ---- */

static ErrCode fill_slow(Sandbox *s, cJSON *req, Error *err)
{
    const char *fail = cli_opt(s->c, "fail"), *rate = cli_opt(s->c, "rate");
    uint64_t percent = 0;
    if (!cli_opt(s->c, "delay") && !fail)
        return err_set(err, ERR_USAGE, "say what is wrong: --delay TIME, --fail STATUS, or both");
    if (rate) {
        const char *digits = arena_strndup(s->c->arena, rate, strcspn(rate, "%"));
        if (!str_to_u64(digits, &percent) || percent < 1 || percent > 100)
            return err_set(err, ERR_USAGE, "--rate: '%s' is not 1%% to 100%%", rate);
        cJSON_AddNumberToObject(req, "rate", (double)percent);
    }
    if (fail)
        cJSON_AddNumberToObject(req, "fail", (double)strtol(fail, NULL, 10));
    return fault_put_duration(s, req, "delay", "delay_ms", err);
}

static int api_fault(Cli *c, const char *kind)
{
    Error err;
    Sandbox s;
    const Site *site;
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    ErrCode rc = sandbox_open(c, false, &s, &err);
    rc = rc ? rc : fault_site(&s, cli_arg(c, 0), &site, &err);
    cJSON *req = fault_request(&s, kind);
    if (!rc)
        rc = str_eq(kind, "slow-api") ? fill_slow(&s, req, &err)
                                      : fault_put_duration(&s, req, "for", "for_ms", &err);
    rc = rc ? rc : fault_ask(&s, site, req, items, &err);
    return rc ? cli_fail(c, &err) : out_list(c, DONE_COLS, items, "pod/");
}

static int slow_api_run(Cli *c)
{
    return api_fault(c, "slow-api");
}

static int api_down_run(Cli *c)
{
    return api_fault(c, "api-down");
}

/* ---- disks and clocks ---- */

static ErrCode fill_disk(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    const char *leave = cli_opt(s->c, "leave");
    fault_put(req, "volume", cli_opt(s->c, "volume"));
    if (leave) {
        int64_t n = quantity_bytes(leave, -1);
        if (n < 0)
            return err_set(err, ERR_USAGE, "--leave: '%s' is no size; 0, 4096 or 16Mi is right",
                           leave);
        cJSON_AddNumberToObject(req, "leave", (double)n);
    }
    return fault_put_targets(s, req, w, err);
}

static int fill_disk_run(Cli *c)
{
    return run_fault(c, "fill-disk", fill_disk);
}

static ErrCode fill_clock(Sandbox *s, cJSON *req, const FaultWhere *w, Error *err)
{
    uint64_t ms;
    const char *text = cli_opt(s->c, "offset");
    if (!text)
        return err_set(err, ERR_USAGE, "--offset is needed, such as --offset +1h");
    if (*text == '-')
        return err_set(err, ERR_USAGE,
                       "--offset: '%s': a clock that counts from the boot can only "
                       "be set ahead",
                       text);
    if (cli_duration(*text == '+' ? text + 1 : text, &ms, err))
        return err_wrap(err, "--offset");
    cJSON_AddNumberToObject(req, "offset_s", (double)(ms / 1000));
    return fault_put_targets(s, req, w, err);
}

static int clock_run(Cli *c)
{
    return run_fault(c, "clock", fill_clock);
}

/* ---- the list ---- */

size_t faults_count(Sandbox *s)
{
    Error ignored;
    cJSON *items = json_own(s->c->arena, cJSON_CreateArray());
    for (size_t i = 0; i < s->nsites; i++)
        if (site_pid(s, &s->sites[i]) && fault_ask(s, &s->sites[i], NULL, items, &ignored))
            continue; /* a site that does not answer is not what is asked here */
    return (size_t)cJSON_GetArraySize(items);
}

static int faults_run(Cli *c)
{
    Error err;
    Sandbox s;
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    ErrCode rc = sandbox_open(c, false, &s, &err);
    for (size_t i = 0; !rc && i < s.nsites; i++)
        if (site_pid(&s, &s.sites[i]))
            rc = fault_ask(&s, &s.sites[i], NULL, items, &err);
    return rc ? cli_fail(c, &err) : out_list(c, FAULT_COLS, items, "fault/");
}

/* ---- the rows ---- */

#define POD_OPTS                                                                                   \
    {"primary", 0, NULL, "the pod that is the primary now", COMP_NONE, NULL, false},               \
        {"replica", 0, NULL, "the first pod that is none", COMP_NONE, NULL, false},                \
        {"replicas", 0, NULL, "all pods that are none", COMP_NONE, NULL, false},                   \
        {"all-pods", 0, NULL, "all pods of the cluster", COMP_NONE, NULL, false},                  \
        {"satellite", 0,    NULL, "the satellite of --site, in place of a cluster",                \
         COMP_NONE,   NULL, false},                                                                \
        {"site", 0, "SITE", "the site, in place of CLUSTER@SITE", COMP_NONE, NULL, false},         \
    {                                                                                              \
        "namespace", 'n', "NAME", "of the cluster, when two have its name", COMP_NONE, NULL, false \
    }
#define PROCESS_OPT(absent)                                                                     \
    {                                                                                           \
        "process", 0, "PROCESS",                                                                \
            "postmaster, startup, checkpointer, walsender, walreceiver, backend, auxiliary, "   \
            "postgres "                                                                         \
            "(all of PostgreSQL), launcher, sidecar, pg_rewind, pg_basebackup, all "            \
            "(default: " absent ")",                                                            \
            COMP_CHOICE,                                                                        \
            "postmaster|startup|checkpointer|walsender|walreceiver|backend|auxiliary|postgres|" \
            "launcher|sidecar|pg_rewind|pg_basebackup|all",                                     \
            false                                                                               \
    }

static const ArgSpec TARGET_ARGS[] = {{"CLUSTER", "name, or name@site", COMP_CLUSTER, true, false},
                                      {"POD", "its name or ordinal", COMP_NONE, true, true},
                                      {0}};
static const ArgSpec SITE_ARGS[] = {{"SITE", "edge-a, edge-b, ...", COMP_NONE, false, false}, {0}};

static const OptSpec KILL_OPTS[] = {
    PROCESS_OPT("postmaster"),
    {"signal", 0, "SIGNAL", "instead of KILL: TERM, INT, QUIT, HUP, ABRT, SEGV, USR1, USR2",
     COMP_CHOICE, "KILL|TERM|INT|QUIT|HUP|ABRT|SEGV|USR1|USR2", false},
    {"pod", 0, NULL, "everything in the pod; its containers are started again at once", COMP_NONE,
     NULL, false},
    {"wait", 0, "TIME", "for such a process to appear", COMP_NONE, NULL, false},
    {"after", 0, "TIME", "let it run for so long first", COMP_NONE, NULL, false},
    {"central", 0, NULL, "central itself", COMP_NONE, NULL, false},
    POD_OPTS,
    {0}};
static const OptSpec STOP_OPTS[] = {PROCESS_OPT("all"), POD_OPTS, {0}};
static const OptSpec PARTITION_OPTS[] = {
    {"from", 0, "WHAT",
     "api, peers, clients, satellite, central, all, or another pod; may be given again", COMP_NONE,
     NULL, true},
    POD_OPTS,
    {0}};
static const OptSpec HEAL_OPTS[] = {
    {"all", 0, NULL, "everything, at every site", COMP_NONE, NULL, false}, POD_OPTS, {0}};
static const OptSpec SLOW_OPTS[] = {
    {"delay", 0, "TIME", "each answer comes so much later: 500ms, 2s", COMP_NONE, NULL, false},
    {"fail", 0, "STATUS", "answer this instead", COMP_CHOICE, "429|500|503", false},
    {"rate", 0, "PERCENT", "of the requests that fail (default 100%)", COMP_NONE, NULL, false},
    {0}};
static const OptSpec DOWN_OPTS[] = {{"for", 0, "TIME",
                                     "it comes back by itself after this (default: by heal)",
                                     COMP_NONE, NULL, false},
                                    {0}};
static const OptSpec DISK_OPTS[] = {
    {"volume", 0, "NAME", "data (default) or wal", COMP_NONE, NULL, false},
    {"leave", 0, "BYTES", "what can still be written: 0 (default), 16Mi", COMP_NONE, NULL, false},
    POD_OPTS,
    {0}};
static const OptSpec CLOCK_OPTS[] = {
    {"offset", 0, "TIME", "ahead by: +1h, 90s; 0s sets it right", COMP_NONE, NULL, false},
    POD_OPTS,
    {0}};

const CmdSpec CMD_SANDBOX_KILL = {
    .path = "sandbox kill",
    .summary = "Kill a process, a pod or a site of the sandbox",
    .args = TARGET_ARGS,
    .opts = KILL_OPTS,
    .run = kill_run,
    .offline = true,
    .about = "Without CLUSTER, --site kills the process of that site with everything in it, and "
             "--central kills central; `swarmctl sandbox up` brings them back. A container that is "
             "killed so is started again at once, however often.",
    .example =
        "  swarmctl sandbox kill prod-pg@edge-a --primary --process postmaster\n"
        "  swarmctl sandbox kill prod-pg@edge-a 1 --pod\n"
        "  swarmctl sandbox kill prod-pg@edge-a 2 --process pg_rewind --wait 30s --after 50ms\n"
        "  swarmctl sandbox kill --site edge-a\n"};
const CmdSpec CMD_SANDBOX_STOP = {
    .path = "sandbox stop",
    .aliases = "sandbox freeze",
    .summary = "Stop processes of a pod by SIGSTOP: they hang",
    .args = TARGET_ARGS,
    .opts = STOP_OPTS,
    .run = stop_run,
    .offline = true,
    .example = "  swarmctl sandbox freeze prod-pg@edge-a --primary\n"
               "  swarmctl sandbox stop prod-pg@edge-a --primary --process sidecar\n"};
const CmdSpec CMD_SANDBOX_CONT = {.path = "sandbox cont",
                                  .aliases = "sandbox thaw",
                                  .summary = "Let stopped processes go on by SIGCONT",
                                  .args = TARGET_ARGS,
                                  .opts = STOP_OPTS,
                                  .run = cont_run,
                                  .offline = true,
                                  .example = "  swarmctl sandbox thaw prod-pg@edge-a --all-pods\n"};
const CmdSpec CMD_SANDBOX_PARTITION = {
    .path = "sandbox partition",
    .summary = "Drop the packets between a pod and others",
    .args = TARGET_ARGS,
    .opts = PARTITION_OPTS,
    .run = partition_run,
    .offline = true,
    .about = "As by a cut wire: what is connected hangs, what connects waits, nobody is told. "
             "`clients` is whoever comes to the pod's ports but its peers; the node's own probes "
             "are never cut.",
    .example = "  swarmctl sandbox partition prod-pg@edge-a --primary --from api --from peers\n"
               "  swarmctl sandbox partition prod-pg@edge-a prod-pg-2 --from prod-pg-0\n"
               "  swarmctl sandbox partition --satellite --site edge-a --from central\n"};
const CmdSpec CMD_SANDBOX_HEAL = {
    .path = "sandbox heal",
    .summary = "Undo faults",
    .args = TARGET_ARGS,
    .opts = HEAL_OPTS,
    .run = heal_run,
    .offline = true,
    .about =
        "Of everything with --all, of a site with --site, of a cluster or of some of its pods. "
        "What is stopped goes on, packets flow, volumes have their size, the API answers. A pod "
        "with another clock begins again with the right one.",
    .example = "  swarmctl sandbox heal --all\n"};
const CmdSpec CMD_SANDBOX_SLOW_API = {
    .path = "sandbox slow-api",
    .summary = "Make a site's Kubernetes API slow, or fail",
    .args = SITE_ARGS,
    .opts = SLOW_OPTS,
    .run = slow_api_run,
    .offline = true,
    .example = "  swarmctl sandbox slow-api edge-a --delay 500ms --fail 429 --rate 30%\n"};
const CmdSpec CMD_SANDBOX_API_DOWN = {
    .path = "sandbox api-down",
    .summary = "Take a site's Kubernetes API away",
    .args = SITE_ARGS,
    .opts = DOWN_OPTS,
    .run = api_down_run,
    .offline = true,
    .about =
        "Pods lose their connections to it and are refused; kubectl gets 503. To let them hang "
        "instead, cut pods off with `swarmctl sandbox partition CLUSTER --all-pods --from api`.",
    .example = "  swarmctl sandbox api-down edge-a --for 60s\n"};
const CmdSpec CMD_SANDBOX_FILL_DISK = {
    .path = "sandbox fill-disk",
    .summary = "Fill a volume of a pod",
    .args = TARGET_ARGS,
    .opts = DISK_OPTS,
    .run = fill_disk_run,
    .offline = true,
    .about = "Only volumes of the storage class `limited`, which have a size of their own.",
    .example = "  swarmctl sandbox fill-disk prod-pg@edge-a --primary --volume wal --leave 4Mi\n"};
const CmdSpec CMD_SANDBOX_CLOCK = {
    .path = "sandbox clock",
    .summary = "Set the boot-time clock of a pod ahead",
    .args = TARGET_ARGS,
    .opts = CLOCK_OPTS,
    .run = clock_run,
    .offline = true,
    .about = "Its containers are killed and begin again with a boot-time and monotonic clock that "
             "is ahead (a time namespace). The wall clock cannot be changed for one pod only, and "
             "is not.",
    .example = "  swarmctl sandbox clock prod-pg@edge-a 1 --offset +1h\n"};
const CmdSpec CMD_SANDBOX_FAULTS = {.path = "sandbox faults",
                                    .summary = "Faults of the sandbox that last",
                                    .run = faults_run,
                                    .offline = true,
                                    .example = "  swarmctl sandbox faults -o json\n"};
