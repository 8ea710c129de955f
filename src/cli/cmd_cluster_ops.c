/* What is done to a running cluster: switchover, failover, fence, reinit, restart, pause. Each is
 * an operation at its site; these commands ask for it and follow it. */
#include "api/routes.h"
#include "cmds.h"
#include "core/clock.h"
#include "op_follow.h"
#include "op_view.h"
#include "out.h"
#include <time.h>

enum { LAG_WARN_BYTES = 1024 * 1024 };

/* ---- what central knows of the cluster ---- */

typedef struct Facts {
    cJSON *cluster;
    const char *name, *primary, *where; /* where: NAMESPACE/NAME@SATELLITE */
} Facts;

static ErrCode facts_get(Cli *c, Facts *f, Error *err)
{
    ErrCode rc =
        rest_get(c, api_path(c->arena, API_CLUSTER_SHOW, cli_arg(c, 0), NULL), &f->cluster, err);
    if (rc)
        return rc;
    f->name = json_str_at(f->cluster, "name", "");
    f->primary = json_str_at(f->cluster, "primary", "");
    f->where = arena_printf(c->arena, "%s/%s@%s", json_str_at(f->cluster, "namespace", ""), f->name,
                            json_str_at(f->cluster, "satellite", ""));
    return ERR_OK;
}

static const cJSON *instance(const Facts *f, const char *pod)
{
    const cJSON *i;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(f->cluster, "instances"))
    {
        if (str_eq(json_str_at(i, "pod", ""), str_or(pod, "")))
            return i;
    }
    return NULL;
}

/* Who is cut off: our own sidecar and the followers are among them. */
static const char *cuts(Cli *c, const Facts *f, const char *pod)
{
    int64_t n = json_int_at(instance(f, pod), "connections_used", 0);
    return n == 0   ? "nobody is connected"
           : n == 1 ? "at most one connection is cut"
                    : arena_printf(c->arena, "at most %lld connections are cut", (long long)n);
}

/* The replica that is least behind, as it was last told; NULL: none is known. */
static const cJSON *best_replica(const Facts *f)
{
    const cJSON *i, *best = NULL;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(f->cluster, "instances"))
    {
        if (str_eq(json_str_at(i, "role", ""), "replica") &&
            (!best || json_int_at(i, "lag_bytes", 0) < json_int_at(best, "lag_bytes", 0)))
            best = i;
    }
    return best;
}

static bool lags(const cJSON *i)
{
    return i && (!json_bool_at(i, "ready", false) || !json_bool_at(i, "wal_receiver", false) ||
                 json_int_at(i, "lag_bytes", 0) > LAG_WARN_BYTES);
}

static const char *behind(Cli *c, const cJSON *i)
{
    if (!i)
        return "how far behind it is, is not known";
    if (!json_bool_at(i, "ready", false))
        return "it is not ready";
    if (!json_bool_at(i, "wal_receiver", false))
        return arena_printf(c->arena, "it does not stream, %s behind when last heard",
                            out_bytes(c->arena, json_f64_at(i, "lag_bytes", 0)));
    return arena_printf(c->arena, "%s behind", out_bytes(c->arena, json_f64_at(i, "lag_bytes", 0)));
}

static const char *heir(Cli *c, const char *to, const cJSON *best)
{
    if (to)
        return to;
    return best ? arena_printf(c->arena, "the best replica, %s when last heard of",
                               json_str_at(best, "pod", ""))
                : "the best replica";
}

/* ---- asking ---- */

static cJSON *body_new(Cli *c)
{
    return json_own(c->arena, cJSON_CreateObject());
}

static int run(Cli *c, ApiRoute route, cJSON *body)
{
    Error err;
    Reply r;
    OpFollow f = {0};
    bool planned = cJSON_HasObjectItem(body, "at");
    if (cli_flag(c, "detach") && cli_flag(c, "wait")) {
        err_set(&err, ERR_USAGE, "--wait and --detach: one of them");
        return cli_fail(c, &err);
    }
    if (cli_opt(c, "timeout") && cli_duration(cli_opt(c, "timeout"), &f.limit_ms, &err))
        return cli_fail(c, &err);
    if (cli_flag(c, "detach"))
        cJSON_AddTrueToObject(body, "detach");
    const char *path = api_path(c->arena, route, cli_arg(c, 0), NULL);
    if (rest_call(c, &(RestReq){"POST", path, body}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    if (cli_flag(c, "detach") || (planned && !cli_flag(c, "wait")))
        return op_report(c, r.json);
    f.op = r.json;
    return op_follow(c, &f);
}

static ErrCode parse_bytes(const char *text, int64_t *ret, Error *err)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } UNITS[] = {{"", 1},          {"B", 1},          {"kB", 1 << 10},   {"KB", 1 << 10},
                 {"Ki", 1 << 10},  {"KiB", 1 << 10},  {"MB", 1 << 20},   {"Mi", 1 << 20},
                 {"MiB", 1 << 20}, {"GB", 1LL << 30}, {"Gi", 1LL << 30}, {"GiB", 1LL << 30}};
    char digits[16];
    size_t n = strspn(text, "0123456789");
    uint64_t v;
    if (n && n < sizeof digits) {
        memcpy(digits, text, n);
        digits[n] = 0;
        for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
            if (str_eq(text + n, UNITS[i].unit) && str_to_u64(digits, &v) && v < 1000000000) {
                *ret = (int64_t)v * UNITS[i].bytes;
                return ERR_OK;
            }
    }
    return err_set(err, ERR_USAGE, "--max-lag: '%s' is no size; right is 0, 500kB, 1MB or 2GB",
                   text);
}

/* The next time that the clock on this wall shows so. */
static bool next_clock_time(const char *text, int64_t now_us, int64_t *ret_us)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;
    if (strlen(text) != 5 || text[2] != ':' || !localtime_r(&now, &tm))
        return false;
    for (int i = 0; i < 5; i++)
        if (i != 2 && (text[i] < '0' || text[i] > '9'))
            return false;
    tm.tm_hour = (text[0] - '0') * 10 + text[1] - '0';
    tm.tm_min = (text[3] - '0') * 10 + text[4] - '0';
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    if (tm.tm_hour > 23 || tm.tm_min > 59)
        return false;
    time_t at = mktime(&tm);
    if (at <= now) {
        tm.tm_mday++;
        tm.tm_isdst = -1;
        at = mktime(&tm);
    }
    *ret_us = (int64_t)at * 1000000;
    return at > now;
}

static ErrCode parse_at(const char *text, int64_t *ret_us, Error *err)
{
    uint64_t ms;
    Error ignored;
    int64_t now = clock_wall_us();
    if (text[0] == '+' && cli_duration(text + 1, &ms, &ignored) == ERR_OK) {
        *ret_us = now + (int64_t)ms * 1000;
        return ERR_OK;
    }
    if (next_clock_time(text, now, ret_us) || clock_parse_rfc3339(text, ret_us))
        return ERR_OK;
    return err_set(err, ERR_USAGE,
                   "--at: '%s' is no time; right is 22:30 (local), +2h or 2026-11-23T22:30:00Z",
                   text);
}

/* ---- switchover ---- */

static ErrCode switchover_body(Cli *c, cJSON *body, Error *err)
{
    int64_t lag = 0, at = 0;
    char text[CLOCK_RFC3339_LEN + 1];
    if (cli_opt(c, "to"))
        cJSON_AddStringToObject(body, "to", cli_opt(c, "to"));
    if (cli_flag(c, "interactive"))
        cJSON_AddTrueToObject(body, "interactive");
    if (cli_opt(c, "max-lag")) {
        if (parse_bytes(cli_opt(c, "max-lag"), &lag, err))
            return err->code;
        cJSON_AddNumberToObject(body, "max_lag_bytes", (double)lag);
    }
    if (cli_opt(c, "at")) {
        if (parse_at(cli_opt(c, "at"), &at, err))
            return err->code;
        clock_rfc3339(text, at);
        cJSON_AddStringToObject(body, "at", text);
    }
    return ERR_OK;
}

static int switchover_run(Cli *c)
{
    Error err;
    Facts f;
    cJSON *body = body_new(c);
    if (switchover_body(c, body, &err) || facts_get(c, &f, &err))
        return cli_fail(c, &err);
    const char *to = cli_opt(c, "to"), *at = json_str_at(body, "at", "");
    const cJSON *target = to ? instance(&f, to) : best_replica(&f);
    int rc = cli_confirm(c, lags(target) ? 2 : 1, f.name,
                         arena_printf(c->arena,
                                      "Switchover of %s%s%.19s%s:\n  %s hands over to %s (%s); "
                                      "%s.",
                                      f.where, *at ? " at " : "", at, *at ? "Z" : "",
                                      *f.primary ? f.primary : "the primary", heir(c, to, target),
                                      behind(c, target), cuts(c, &f, f.primary)));
    return rc ? rc : run(c, API_CLUSTER_SWITCHOVER, body);
}

/* ---- failover ---- */

static int failover_run(Cli *c)
{
    Error err;
    Facts f;
    cJSON *body = body_new(c);
    const char *to = cli_opt(c, "to");
    bool loss = cli_flag(c, "accept-data-loss");
    if (facts_get(c, &f, &err))
        return cli_fail(c, &err);
    const cJSON *target = to ? instance(&f, to) : best_replica(&f);
    const char *what = arena_printf(
        c->arena, "Forced failover of %s:\n  %s takes over from %s without its help.", f.where,
        heir(c, to, target), *f.primary ? f.primary : "a primary that is not known");
    if (loss)
        what = arena_printf(
            c->arena,
            "%s\n  TRANSACTIONS THAT CLIENTS WERE TOLD ARE SAFE MAY BE LOST.\n  When last heard "
            "of, "
            "%s was %s (%.1f s);\n  what the primary wrote since then is lost as well.",
            what, target ? json_str_at(target, "pod", "?") : "no replica", behind(c, target),
            json_f64_at(target, "lag_seconds", 0));
    const char *honest = json_str_at(f.cluster, "ha.failover_loss_text", "");
    if (*honest)
        what = arena_printf(c->arena, "%s\n  By what its members know: %s.", what, honest);
    int rc = cli_confirm(c, loss ? 3 : 2, f.name, what);
    if (rc)
        return rc;
    if (to)
        cJSON_AddStringToObject(body, "to", to);
    if (loss)
        cJSON_AddTrueToObject(body, "accept_data_loss");
    return run(c, API_CLUSTER_FAILOVER, body);
}

/* ---- one member ---- */

static cJSON *pod_body(Cli *c)
{
    cJSON *body = body_new(c);
    if (cli_arg(c, 1))
        cJSON_AddStringToObject(body, "pod", cli_arg(c, 1));
    return body;
}

static int fence_run(Cli *c)
{
    Error err;
    Facts f;
    uint64_t drain = 0;
    cJSON *body = pod_body(c);
    if ((cli_opt(c, "drain") && cli_duration(cli_opt(c, "drain"), &drain, &err)) ||
        facts_get(c, &f, &err))
        return cli_fail(c, &err);
    const char *pod = cli_arg(c, 1);
    bool primary = str_eq(pod, f.primary);
    int rc =
        cli_confirm(c, 2, f.name,
                    arena_printf(c->arena,
                                 "Fence %s of %s%s:\n  %s, "
                                 "nobody gets in until unfence.%s",
                                 pod, f.where, primary ? ", THE PRIMARY" : "", cuts(c, &f, pod),
                                 primary ? "\n  The cluster takes no writes meanwhile." : ""));
    if (rc)
        return rc;
    if (drain)
        cJSON_AddNumberToObject(body, "drain_timeout_seconds", (double)((drain + 999) / 1000));
    return run(c, API_CLUSTER_FENCE, body);
}

static int unfence_run(Cli *c)
{
    return run(c, API_CLUSTER_UNFENCE, pod_body(c));
}

static int reinit_run(Cli *c)
{
    Error err;
    Facts f;
    if (facts_get(c, &f, &err))
        return cli_fail(c, &err);
    const cJSON *i = instance(&f, cli_arg(c, 1));
    int rc = cli_confirm(
        c, 2, f.name,
        arena_printf(
            c->arena,
            "Reinit %s of %s:\n  its data (%s) is copied anew from the primary;\n  what is there "
            "now is kept beside until the copy streams.",
            cli_arg(c, 1), f.where,
            i ? out_bytes(c->arena, json_f64_at(i, "disk_used_bytes", 0)) : "size not known"));
    return rc ? rc : run(c, API_CLUSTER_REINIT, pod_body(c));
}

/* ---- restart, pause, resume ---- */

static int restart_run(Cli *c)
{
    Error err;
    Facts f;
    cJSON *body = pod_body(c);
    const char *pod = cli_arg(c, 1);
    bool rolling = cli_flag(c, "rolling");
    if (facts_get(c, &f, &err))
        return cli_fail(c, &err);
    const char *how =
        pod ? arena_printf(c->arena, "%s of %s%s:\n  %s.", pod, f.where,
                           str_eq(pod, f.primary) ? ", THE PRIMARY" : "", cuts(c, &f, pod))
            : arena_printf(c->arena,
                           "all of %s:\n  replicas first, then a switchover, then the old primary.",
                           f.where);
    int rc = cli_confirm(c, 1, f.name, arena_printf(c->arena, "Restart PostgreSQL at %s", how));
    if (rc)
        return rc;
    if (rolling)
        cJSON_AddTrueToObject(body, "rolling");
    return run(c, API_CLUSTER_RESTART, body);
}

static int pause_run(Cli *c)
{
    Error err;
    Facts f;
    if (facts_get(c, &f, &err))
        return cli_fail(c, &err);
    int rc = cli_confirm(c, 1, f.name,
                         arena_printf(c->arena,
                                      "Pause %s:\n  when its primary dies nobody takes over until "
                                      "resume.",
                                      f.where));
    return rc ? rc : run(c, API_CLUSTER_PAUSE, body_new(c));
}

static int resume_run(Cli *c)
{
    return run(c, API_CLUSTER_RESUME, body_new(c));
}

/* ---- rows ---- */

#define CLUSTER_ARG                                                                             \
    {                                                                                           \
        "CLUSTER", "NAME@SATELLITE, NAMESPACE/NAME@SATELLITE, an id, or a NAME that is unique", \
            COMP_CLUSTER, false, false                                                          \
    }
#define WAIT_OPTS                                                                   \
    {"wait", 0, NULL, "stay until it has ended (default)", COMP_NONE, NULL, false}, \
        {"detach",                                                                  \
         'd',                                                                       \
         NULL,                                                                      \
         "do not wait; also when the site is away: it begins when it is "           \
         "back",                                                                    \
         COMP_NONE,                                                                 \
         NULL,                                                                      \
         false},                                                                    \
    {                                                                               \
        0                                                                           \
    }

static const ArgSpec CLUSTER[] = {CLUSTER_ARG, {0}};
static const ArgSpec CLUSTER_POD[] = {
    CLUSTER_ARG, {"POD", "a member of the cluster", COMP_POD, false, false}, {0}};
static const ArgSpec CLUSTER_REPLICA[] = {
    CLUSTER_ARG, {"POD", "a replica of the cluster", COMP_REPLICA, false, false}, {0}};
static const ArgSpec CLUSTER_MAYBE_POD[] = {
    CLUSTER_ARG, {"POD", "only this member", COMP_POD, true, false}, {0}};

static const OptSpec SWITCHOVER_OPTS[] = {
    {"to", 0, "POD", "who is to lead (default: the replica that is best)", COMP_REPLICA, NULL,
     false},
    {"interactive", 'i', NULL, "ask before anybody is cut off: continue or abort", COMP_NONE, NULL,
     false},
    {"at", 0, "TIME", "begin then: 22:30 (local), +2h, 2026-11-23T22:30:00Z", COMP_NONE, NULL,
     false},
    {"max-lag", 0, "BYTES", "refuse when the new primary is further behind: 0, 500kB, 1MB",
     COMP_NONE, NULL, false},
    WAIT_OPTS};
static const OptSpec FAILOVER_OPTS[] = {
    {"to", 0, "POD", "who is to lead (default: the replica that is best)", COMP_REPLICA, NULL,
     false},
    {"accept-data-loss", 0, NULL, "even when transactions that were acknowledged may be missing",
     COMP_NONE, NULL, false},
    WAIT_OPTS};
static const OptSpec FENCE_OPTS[] = {
    {"drain", 0, "TIME", "sessions may end by themselves for so long", COMP_NONE, NULL, false},
    WAIT_OPTS};
static const OptSpec RESTART_OPTS[] = {{"rolling", 0, NULL,
                                        "all in turn; without POD it is never done otherwise",
                                        COMP_NONE, NULL, false},
                                       WAIT_OPTS};
static const OptSpec PLAIN_OPTS[] = {WAIT_OPTS};

#define ENDS                                                                                     \
    "Exit status: 0 done, 10 rolled back, 11 failed past the point of no return, 8 unknown, or " \
    "not ended within --timeout. Leaving it (ctrl-C) never stops it: op attach comes back to it."

const CmdSpec CMD_CLUSTER_SWITCHOVER = {
    .path = "cluster switchover",
    .aliases = "cl switchover",
    .summary = "Make another member the primary, without losing a transaction",
    .args = CLUSTER,
    .opts = SWITCHOVER_OPTS,
    .run = switchover_run,
    .about = "Nine steps, each with a time limit and, up to the promotion, a way back. " ENDS
             " With --at it is planned and the command returns; op abort takes the plan back.",
    .example = "  swarmctl cluster switchover prod-pg@edge-a --to prod-pg-1\n"
               "  swarmctl cluster switchover prod-pg@edge-a --wait --yes --max-lag 1MB\n"
               "  swarmctl cluster switchover prod-pg@edge-a --at 03:00\n"};
const CmdSpec CMD_CLUSTER_FAILOVER = {
    .path = "cluster failover",
    .aliases = "cl failover",
    .summary = "Make another member the primary although the old one does not help",
    .args = CLUSTER,
    .opts = FAILOVER_OPTS,
    .run = failover_run,
    .about = "For a primary that is lost and that nobody was allowed to replace. Without "
             "--accept-data-loss it is refused where acknowledged transactions could be missing, "
             "and says what is missing; with it, it asks for the cluster's name. " ENDS,
    .example = "  swarmctl cluster failover prod-pg@edge-a\n"
               "  swarmctl cluster failover prod-pg@edge-a --accept-data-loss --confirm prod-pg\n"};
const CmdSpec CMD_CLUSTER_FENCE = {
    .path = "cluster fence",
    .aliases = "cl fence",
    .summary = "Let no client in at a member, and cut those that are",
    .args = CLUSTER_POD,
    .opts = FENCE_OPTS,
    .run = fence_run,
    .about = "It stays so until unfence, over restarts too. Replication goes on.",
    .example = "  swarmctl cluster fence prod-pg@edge-a prod-pg-0 --drain 30s\n"};
const CmdSpec CMD_CLUSTER_UNFENCE = {.path = "cluster unfence",
                                     .aliases = "cl unfence",
                                     .summary = "Let clients in again",
                                     .args = CLUSTER_POD,
                                     .opts = PLAIN_OPTS,
                                     .run = unfence_run};
const CmdSpec CMD_CLUSTER_REINIT = {.path = "cluster reinit",
                                    .aliases = "cl reinit",
                                    .summary = "Copy a replica anew from the primary",
                                    .args = CLUSTER_REPLICA,
                                    .opts = PLAIN_OPTS,
                                    .run = reinit_run,
                                    .example =
                                        "  swarmctl cluster reinit prod-pg@edge-a prod-pg-2\n"};
const CmdSpec CMD_CLUSTER_RESTART = {.path = "cluster restart",
                                     .aliases = "cl restart",
                                     .summary = "Restart PostgreSQL at one member or at all",
                                     .args = CLUSTER_MAYBE_POD,
                                     .opts = RESTART_OPTS,
                                     .run = restart_run,
                                     .about = "All members are restarted in turn: the replicas, "
                                              "then a switchover, then the old primary; each has "
                                              "to stream before the next. " ENDS,
                                     .example =
                                         "  swarmctl cluster restart prod-pg@edge-a prod-pg-1\n"
                                         "  swarmctl cluster restart prod-pg@edge-a --rolling\n"};
const CmdSpec CMD_CLUSTER_PAUSE = {
    .path = "cluster pause",
    .aliases = "cl pause",
    .summary = "No automatic failover until resume",
    .args = CLUSTER,
    .opts = PLAIN_OPTS,
    .run = pause_run,
    .about =
        "Leadership is kept and a lost primary still fences itself; but nobody takes over, and "
        "nobody is rewound or copied anew, until resume. A primary whose pod goes meanwhile leaves "
        "the cluster without one."};
const CmdSpec CMD_CLUSTER_RESUME = {.path = "cluster resume",
                                    .aliases = "cl resume",
                                    .summary = "Automatic failover again",
                                    .args = CLUSTER,
                                    .opts = PLAIN_OPTS,
                                    .run = resume_run};
