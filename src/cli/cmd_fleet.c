/* The fleet as a whole: status, events, logs, psql, and the raw interface. */
#include "api/routes.h"
#include "cluster_util.h"
#include "cmds.h"
#include "core/clock.h"
#include "core/log.h"
#include "doc.h"
#include "live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- status ---- */

static void count(Cli *c, const cJSON *st, const char *path, const char *word)
{
    int64_t n = json_int_at(st, path, 0);
    if (n)
        printf("  %s %lld", out_state(c, word), (long long)n);
}

static void status_text(Cli *c, const cJSON *st)
{
    static const char *const STATES[] = {"failed",   "degraded", "creating", "updating",
                                         "deleting", "paused",   "running"};
    printf("satellites  %lld/%lld connected", (long long)json_int_at(st, "satellites.connected", 0),
           (long long)json_int_at(st, "satellites.total", 0));
    count(c, st, "satellites.pending", "pending");
    printf("\nclusters    %lld", (long long)json_int_at(st, "clusters.total", 0));
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        count(c, st, arena_printf(c->arena, "clusters.%s", STATES[i]), STATES[i]);
    printf("\n");
    cJSON *broken = cJSON_GetObjectItemCaseSensitive(st, "broken");
    if (cJSON_GetArraySize(broken)) {
        printf("\n");
        fflush(stdout);
        out_table(c, cluster_columns(), broken);
    }
    cJSON *operations = cJSON_GetObjectItemCaseSensitive(st, "operations");
    if (cJSON_GetArraySize(operations)) {
        printf("\n");
        fflush(stdout);
        out_table(c, operation_columns(), operations);
    }
    fflush(stdout);
}

static int status_run(Cli *c)
{
    Error err;
    cJSON *st;
    if (rest_get(c, api_path(c->arena, API_STATUS, NULL), &st, &err))
        return cli_fail(c, &err);
    int rc = out_object(c, st, "status/", status_text);
    bool bad = json_int_at(st, "clusters.failed", 0) || json_int_at(st, "clusters.degraded", 0);
    return rc ? rc : cli_flag(c, "check") && bad ? EXIT_NEGATIVE : 0;
}

/* ---- events ---- */

static const char *where_of(Arena *a, const cJSON *e)
{
    const char *cl = item_text(a, e, "cluster"), *sat = item_text(a, e, "satellite");
    return str_empty(cl) ? sat : arena_printf(a, "%s/%s@%s", item_text(a, e, "namespace"), cl, sat);
}

static const Column EVENT_COLS[] = {
    {"TIME", "at", COL_TIME, false, false, NULL},
    {"SEV", "severity", COL_STATE, false, false, NULL},
    {"WHERE", NULL, COL_TEXT, false, false, where_of},
    {"POD", "pod", COL_TEXT, false, false, NULL},
    {"KIND", "kind", COL_TEXT, false, false, NULL},
    {"MESSAGE", "message", COL_TEXT, false, false, NULL},
    {0},
};

/* What comes is filtered as the list is, where the filter is a field of the event. */
typedef struct EventFilter {
    Cli *c;
    const char *namespace_, *cluster, *satellite, *kind; /* NULL: any */
} EventFilter;

/* --cluster as everywhere: NAME, NAME@SATELLITE or NAMESPACE/NAME@SATELLITE. */
static EventFilter event_filter(Cli *c)
{
    EventFilter f = {.c = c, .satellite = cli_opt(c, "satellite"), .kind = cli_opt(c, "kind")};
    const char *name = cli_opt(c, "cluster"), *slash = name ? strchr(name, '/') : NULL;
    if (!name)
        return f;
    if (slash) {
        f.namespace_ = arena_strndup(c->arena, name, (size_t)(slash - name));
        name = slash + 1;
    }
    const char *at = strchr(name, '@');
    f.cluster = at ? arena_strndup(c->arena, name, (size_t)(at - name)) : name;
    f.satellite = at ? at + 1 : f.satellite;
    return f;
}

static bool event_fits(const EventFilter *f, const char *want, const cJSON *e, const char *member)
{
    return !want || str_eq(want, item_text(f->c->arena, e, member));
}

static bool on_event(void *ctx, const char *type, const cJSON *items)
{
    EventFilter *f = ctx;
    cJSON *show = cJSON_CreateArray();
    const cJSON *e;
    cJSON_ArrayForEach(e, items)
    {
        bool mine = event_fits(f, f->namespace_, e, "namespace") &&
                    event_fits(f, f->cluster, e, "cluster") &&
                    event_fits(f, f->satellite, e, "satellite") &&
                    event_fits(f, f->kind, e, "kind");
        if (mine && str_eq(type, "event"))
            cJSON_AddItemToArray(show, cJSON_Duplicate(e, true));
    }
    if (cJSON_GetArraySize(show))
        out_list(f->c, EVENT_COLS, show, "event/");
    cJSON_Delete(show);
    return false;
}

static int events_follow(Cli *c)
{
    Error err;
    EventFilter f = event_filter(c);
    LiveSpec spec = {.topics = "events", .on_message = on_event, .ctx = &f};
    return live_follow(c, &spec, &err) ? cli_fail(c, &err) : 0;
}

static int events_run(Cli *c)
{
    Error err;
    cJSON *tree;
    if (cli_flag(c, "watch"))
        return events_follow(c);
    uint64_t ms = 0;
    char since[CLOCK_RFC3339_LEN + 1] = "";
    if (cli_opt(c, "since")) {
        if (cli_duration(cli_opt(c, "since"), &ms, &err))
            return cli_fail(c, &err);
        clock_rfc3339(since, clock_wall_us() - (int64_t)ms * 1000);
    }
    EventFilter f = event_filter(c);
    const char *path =
        rest_query(c, api_path(c->arena, API_EVENT_LIST, NULL), "cluster", f.cluster, "satellite",
                   f.satellite, "severity", cli_opt(c, "severity"), "kind", f.kind, "since", since,
                   "limit", str_or(cli_opt(c, "limit"), "50"), NULL);
    if (rest_get(c, path, &tree, &err))
        return cli_fail(c, &err);
    /* Newest last, as in a log: the reader's eye is at the end. */
    cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
    cJSON *turned = json_own(c->arena, cJSON_CreateArray());
    for (int i = cJSON_GetArraySize(items) - 1; i >= 0; i--)
        if (event_fits(&f, f.namespace_, cJSON_GetArrayItem(items, i), "namespace"))
            cJSON_AddItemToArray(turned, cJSON_DetachItemFromArray(items, i));
    return out_list(c, EVENT_COLS, turned, "event/");
}

/* ---- logs ---- */

static void print_log_line(Cli *c, const cJSON *e)
{
    const char *line =
        arena_printf(c->arena, "%.23s %-5s [%s] %s %s\n", item_text(c->arena, e, "at"),
                     item_text(c->arena, e, "level"), item_text(c->arena, e, "logger"),
                     item_text(c->arena, e, "message"), item_text(c->arena, e, "fields"));
    out_text(c, line, strlen(line));
}

typedef struct LogFollow {
    Cli *c;
    LogLevel least;
} LogFollow;

static bool on_log(void *ctx, const char *type, const cJSON *items)
{
    LogFollow *f = ctx;
    const cJSON *e;
    cJSON_ArrayForEach(e, items)
    {
        LogLevel level;
        if (str_eq(type, "log") &&
            log_level_from_name(item_text(f->c->arena, e, "level"), &level) && level >= f->least)
            print_log_line(f->c, e);
    }
    return false;
}

static int satellite_follow(Cli *c, const char *name)
{
    Error err;
    LogFollow f = {.c = c, .least = LOG_TRACE};
    if (cli_opt(c, "level"))
        log_level_from_name(cli_opt(c, "level"), &f.least);
    LiveSpec spec = {
        .topics = arena_printf(c->arena, "logs/%s", name), .on_message = on_log, .ctx = &f};
    return live_follow(c, &spec, &err) ? cli_fail(c, &err) : 0;
}

static int satellite_logs(Cli *c, const char *name)
{
    Error err;
    cJSON *tree;
    if (cli_flag(c, "follow") && str_eq(cli_opt(c, "tail"), "0"))
        return satellite_follow(c, name);
    const char *path =
        rest_query(c, api_path(c->arena, API_SATELLITE_LOGS, name, NULL), "limit",
                   str_or(cli_opt(c, "tail"), "200"), "level", cli_opt(c, "level"), NULL);
    if (rest_get(c, path, &tree, &err))
        return cli_fail(c, &err);
    const char *fmt = cli_opt(c, "output");
    if (fmt && !str_eq(fmt, "table"))
        return out_tree(c, tree);
    const cJSON *e;
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(tree, "items")) print_log_line(c, e);
    return cli_flag(c, "follow") ? satellite_follow(c, name) : 0;
}

static int logs_run(Cli *c)
{
    Error err;
    const char *what = cli_arg(c, 0), *pod = cli_opt(c, "pod");
    if (str_starts(what, "satellite/"))
        return satellite_logs(c, what + strlen("satellite/"));
    uint64_t since_ms = 0;
    if (cli_opt(c, "since") && cli_duration(cli_opt(c, "since"), &since_ms, &err))
        return cli_fail(c, &err);
    const char *path = rest_query(
        c, api_path(c->arena, API_CLUSTER_LOGS, what, NULL), "pod", pod, "container",
        cli_opt(c, "container"), "tail", str_or(cli_opt(c, "tail"), "200"), "since",
        since_ms ? arena_printf(c->arena, "%llu", (unsigned long long)(since_ms / 1000)) : NULL,
        "follow", cli_flag(c, "follow") ? "true" : NULL, NULL);
    if (rest_stream(c, path, &err))
        return cli_fail(c, &err);
    return 0;
}

/* ---- psql ---- */

static int psql_run(Cli *c)
{
    Error err;
    ClusterLogin l;
    if (cluster_credentials(c, cli_arg(c, 0), cli_opt(c, "role"), &l, &err))
        return cli_fail(c, &err);
    /* The password goes through the environment of psql alone: a command line is everybody's to
     * read. */
    setenv("PGPASSWORD", l.password, 1);
    setenv("PGHOST", l.host, 1);
    setenv("PGPORT", arena_printf(c->arena, "%lld", (long long)l.port), 1);
    setenv("PGUSER", l.user, 1);
    setenv("PGDATABASE", str_or(cli_opt(c, "db"), l.database), 1);
    setenv("PGAPPNAME", "swarmctl", 0);
    const char **argv = arena_array(c->arena, const char *, c->inv.nrest + 2);
    argv[0] = "psql";
    for (size_t i = 0; i < c->inv.nrest; i++)
        argv[i + 1] = c->inv.rest[i];
    execvp("psql", (char **)(uintptr_t)argv);
    err_errno(&err, errno, "start psql (package postgresql-client)");
    return cli_fail(c, &err);
}

/* ---- raw ---- */

static int api_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *body = NULL;
    const char *method = cli_arg(c, 0), *path = cli_arg(c, 1), *field;
    if (path[0] != '/') {
        err_set(&err, ERR_USAGE, "path '%s' does not begin with /; right is /api/v1/...", path);
        return cli_fail(c, &err);
    }
    if (cli_opt(c, "input") && doc_read(c, cli_opt(c, "input"), &body, &err))
        return cli_fail(c, &err);
    for (size_t i = 0; (field = cli_opt_at(c, "field", i)); i++) {
        if (!body)
            body = json_own(c->arena, cJSON_CreateObject());
        if (doc_set(body, field, &err))
            return cli_fail(c, &err);
    }
    ErrCode rc = rest_call(c, &(RestReq){method, path, body, cli_opt(c, "if-match")}, &r, &err);
    if (rc)
        return cli_fail_json(c, &err, r.json);
    if (r.json)
        return out_tree(c, r.json);
    out_text(c, r.body.p, r.body.n);
    return 0;
}

static const OptSpec STATUS_OPTS[] = {{"check", 0, NULL,
                                       "exit status 1 when a cluster is failed or degraded",
                                       COMP_NONE, NULL, false},
                                      {0}};
static const OptSpec EVENTS_OPTS[] = {
    {"cluster", 0, "CLUSTER", "only of this cluster", COMP_CLUSTER, NULL, false},
    {"satellite", 's', "SATELLITE", "only of this site", COMP_SATELLITE, NULL, false},
    {"severity", 0, "SEVERITY", "this severity and worse", COMP_CHOICE,
     "info|warning|error|critical", false},
    {"kind", 0, "KIND", "only this kind: cluster.state", COMP_NONE, NULL, false},
    {"since", 0, "TIME", "not older than: 10m, 2h, 1d", COMP_NONE, NULL, false},
    {"watch", 'w', NULL, "print events as they come", COMP_NONE, NULL, false},
    {"limit", 0, "N", "how many (default 50)", COMP_NONE, NULL, false},
    {0}};
static const OptSpec LOGS_OPTS[] = {
    {"pod", 0, "POD", "which member (default: the primary)", COMP_NONE, NULL, false},
    {"container", 0, "NAME", "postgres (default) or failover", COMP_NONE, NULL, false},
    {"tail", 0, "N", "how many lines from the end (default 200)", COMP_NONE, NULL, false},
    {"since", 0, "TIME", "not older than", COMP_NONE, NULL, false},
    {"level", 0, "LEVEL", "of a satellite: this level and worse", COMP_CHOICE,
     "trace|debug|info|warn|error", false},
    {"follow", 'f', NULL, "go on as lines come", COMP_NONE, NULL, false},
    {0}};
static const OptSpec PSQL_OPTS[] = {
    {"role", 'r', "ROLE", "primary (default) or replica", COMP_CHOICE, "primary|replica", false},
    {"db", 'd', "DATABASE", "which database (default postgres)", COMP_NONE, NULL, false},
    {0}};
static const OptSpec API_OPTS[] = {
    {"field", 'f', "PATH=VALUE", "a field of the body; may be given again", COMP_NONE, NULL, true},
    {"input", 0, "FILE", "the body from a file; - for standard input", COMP_FILE, NULL, false},
    {"if-match", 0, "ETAG", "only when the object is still this", COMP_NONE, NULL, false},
    {0}};
static const ArgSpec LOG_ARGS[] = {
    {"CLUSTER", "a cluster, or satellite/NAME", COMP_CLUSTER, false, false}, {0}};
static const ArgSpec ONE_CLUSTER[] = {{"CLUSTER", "NAME@SATELLITE", COMP_CLUSTER, false, false},
                                      {0}};
static const ArgSpec API_ARGS[] = {{"METHOD", "GET, POST, PUT or DELETE", COMP_NONE, false, false},
                                   {"PATH", "/api/v1/...", COMP_NONE, false, false},
                                   {0}};

const CmdSpec CMD_STATUS = {.path = "status",
                            .summary = "The fleet in one look, what is broken first",
                            .opts = STATUS_OPTS,
                            .run = status_run};
const CmdSpec CMD_EVENTS = {.path = "events",
                            .aliases = "event list|get events",
                            .summary = "What happened, newest last",
                            .opts = EVENTS_OPTS,
                            .run = events_run,
                            .example = "  swarmctl events --severity warning --since 2h\n"};
const CmdSpec CMD_LOGS = {.path = "logs",
                          .summary = "Log lines of a cluster's pod or of a satellite",
                          .args = LOG_ARGS,
                          .opts = LOGS_OPTS,
                          .run = logs_run,
                          .example = "  swarmctl logs prod-pg@edge-a --pod prod-pg-1 -f\n"
                                     "  swarmctl logs satellite/edge-a --level warn\n"};
const CmdSpec CMD_PSQL = {
    .path = "psql",
    .aliases = "cluster psql|cl psql",
    .summary = "psql on a cluster's primary or replica",
    .args = ONE_CLUSTER,
    .opts = PSQL_OPTS,
    .run = psql_run,
    .passthrough = true,
    .about = "What stands behind -- goes to psql; its exit status is ours.",
    .example = "  swarmctl psql prod-pg@edge-a -- -c 'select pg_is_in_recovery()'\n"};
const CmdSpec CMD_API = {.path = "api",
                         .summary = "One request to central's REST interface",
                         .args = API_ARGS,
                         .opts = API_OPTS,
                         .run = api_run,
                         .example = "  swarmctl api GET /api/v1/clusters -o jsonpath='{.total}'\n"};
