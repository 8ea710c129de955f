#include "api/routes.h"
#include "cluster_util.h"
#include "cmds.h"
#include "ha_text.h"
#include "live.h"
#include "op_view.h"
#include "out.h"

#include <stdio.h>

static const char *instances_of(Arena *a, const cJSON *cl)
{
    return arena_printf(a, "%lld/%lld", (long long)json_int_at(cl, "ready", 0),
                        (long long)json_int_at(cl, "replicas", 0));
}

static const char *profile_of(Arena *a, const cJSON *cl)
{
    return arena_printf(a, "%s@%lld", str_or(item_text(a, cl, "profile"), "-"),
                        (long long)json_int_at(cl, "profile_version", 0));
}

static const char *config_of(Arena *a, const cJSON *cl)
{
    long long want = json_int_at(cl, "config_version", 0),
              acked = json_int_at(cl, "acked_version", 0);
    return want == acked ? arena_printf(a, "v%lld", want)
                         : arena_printf(a, "v%lld>v%lld", acked, want);
}

/* What a failover would lose now: "none", "2.0 MB", "refused". */
static const char *loss_of(Arena *a, const cJSON *cl)
{
    double bytes = json_f64_at(cl, "failover_loss_bytes", -1);
    const char *loss = json_str_at(cl, "failover_loss", "");
    return str_eq(loss, "possible") && bytes >= 0 ? out_bytes(a, bytes) : loss;
}

static const Column COLS[] = {
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"NS", "namespace", COL_TEXT, false, false, NULL},
    {"SATELLITE", "satellite", COL_TEXT, false, false, NULL},
    {"STATE", "state", COL_STATE, false, false, NULL},
    {"INST", NULL, COL_TEXT, false, true, instances_of},
    {"PRIMARY", "primary", COL_TEXT, false, false, NULL},
    {"LAG", "lag_bytes", COL_BYTES, false, true, NULL},
    {"PROF@VER", NULL, COL_TEXT, false, false, profile_of},
    {"AGE", "created_at", COL_AGE, false, false, NULL},
    {"DURABILITY", "durability", COL_TEXT, true, false, NULL},
    {"SYNC", "sync", COL_TEXT, true, false, NULL},
    {"LOSS", NULL, COL_TEXT, true, false, loss_of},
    {"CONFIG", NULL, COL_TEXT, true, false, config_of},
    {"CFG-STATE", "config_state", COL_STATE, true, false, NULL},
    {"RULE", "rule", COL_TEXT, true, false, NULL},
    {"REASON", "reason", COL_TEXT, true, false, NULL},
    {0},
};

const Column *cluster_columns(void)
{
    return COLS;
}

/* -w: on a terminal the table is drawn again, in a pipe each change is one line of JSON. */
typedef struct Watching {
    Cli *c;
    cJSON *table;
} Watching;

static bool wanted(Cli *c, const cJSON *cl)
{
    static const char *const FILTERS[] = {"state", "satellite", "profile", "namespace"};
    for (size_t i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) {
        const char *want = cli_opt(c, FILTERS[i]);
        if (want && !str_eq(want, item_text(c->arena, cl, FILTERS[i])))
            return false;
    }
    return true;
}

static bool on_change(void *ctx, const char *type, const cJSON *items)
{
    Watching *w = ctx;
    Cli *c = w->c;
    if (!c->tty_out) {
        const cJSON *cl;
        cJSON_ArrayForEach(cl, items)
        {
            if (!wanted(c, cl))
                continue;
            const char *line = arena_printf(c->arena, "{\"type\":\"%s\",\"object\":%s}\n", type,
                                            json_text(c->arena, cl));
            out_text(c, line, strlen(line));
        }
        return false;
    }
    live_merge(w->table, type, items);
    cJSON *show = cJSON_CreateArray();
    const cJSON *cl;
    cJSON_ArrayForEach(cl, w->table) if (wanted(c, cl))
        cJSON_AddItemToArray(show, cJSON_Duplicate(cl, true));
    out_text(c, "\033[H\033[J", 6);
    out_list(c, COLS, show, "cluster/");
    cJSON_Delete(show);
    return false;
}

static int list_watch(Cli *c)
{
    Error err;
    Watching w = {c, json_own(c->arena, cJSON_CreateArray())};
    LiveSpec spec = {.topics = "clusters", .on_message = on_change, .ctx = &w};
    return live_follow(c, &spec, &err) ? cli_fail(c, &err) : 0;
}

/* A whole fleet in one answer, as far as central gives it. */
static const char FLEET_PAGE[] = "10000";

static int list_run(Cli *c)
{
    Error err;
    cJSON *items;
    if (cli_flag(c, "watch"))
        return list_watch(c);
    const char *path =
        rest_query(c, api_path(c->arena, API_CLUSTER_LIST, NULL), "state", cli_opt(c, "state"),
                   "satellite", cli_opt(c, "satellite"), "profile", cli_opt(c, "profile"),
                   "namespace", cli_opt(c, "namespace"), "selector", cli_opt(c, "selector"), "sort",
                   cli_opt(c, "sort"), "limit", FLEET_PAGE, NULL);
    if (rest_list(c, path, &items, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, items, "cluster/");
}

/* ---- show ---- */

static const Column INSTANCE_COLS[] = {
    {"INSTANCE", "pod", COL_TEXT, false, false, NULL},
    {"ROLE", "role", COL_TEXT, false, false, NULL},
    {"READY", "ready", COL_BOOL, false, false, NULL},
    {"TL", "timeline", COL_TEXT, false, true, NULL},
    {"LSN", "lsn", COL_TEXT, false, false, NULL},
    {"LAG", "lag_bytes", COL_BYTES, false, true, NULL},
    {"REPLAY", "lag_seconds", COL_SECONDS, false, true, NULL},
    {"RX", "wal_receiver", COL_BOOL, false, false, NULL},
    {"CONN", "connections_used", COL_TEXT, false, true, NULL},
    {"DISK", "disk_used_bytes", COL_BYTES, false, true, NULL},
    {"WAL", "wal_bytes_on_disk", COL_BYTES, false, true, NULL},
    {"ERROR", "error", COL_TEXT, false, false, NULL},
    {0},
};

static void row(const char *label, const char *value)
{
    if (!str_empty(value) && !str_eq(value, "-"))
        printf("  %-10s %s\n", label, value);
}

static const char *endpoint(Arena *a, const cJSON *cl, const char *which)
{
    const cJSON *e = json_at(cl, which);
    if (!e || str_empty(json_str_at(e, "host", NULL)))
        return "";
    return arena_printf(a, "%s:%lld", json_str_at(e, "host", ""),
                        (long long)json_int_at(e, "port", 0));
}

static const char *under_way(Arena *a, const cJSON *op)
{
    return op ? arena_printf(a, "%s, %s, step %s; swarmctl op attach %s", op_title(a, op),
                             json_str_at(op, "state", ""), op_step(a, op), op_short(a, op))
              : "";
}

static void show_text(Cli *c, const cJSON *cl)
{
    Arena *a = c->arena;
    printf("%s/%s@%s  %s\n", item_text(a, cl, "namespace"), item_text(a, cl, "name"),
           item_text(a, cl, "satellite"), out_state(c, item_text(a, cl, "state")));
    row("Why", item_text(a, cl, "reason"));
    row("Profile", profile_of(a, cl));
    row("Rule", item_text(a, cl, "rule"));
    row("Config", arena_printf(a, "%s %s", config_of(a, cl), item_text(a, cl, "config_state")));
    row("Refused", item_text(a, cl, "config_error"));
    row("Primary", item_text(a, cl, "primary"));
    row("Under way", under_way(a, json_at(cl, "operation")));
    HaLine ha[HA_LINES];
    size_t lines = ha_lines(a, cl, ha);
    for (size_t i = 0; i < lines; i++)
        row(ha[i].label, ha[i].value);
    row("Writes", endpoint(a, cl, "rw"));
    row("Reads", endpoint(a, cl, "ro"));
    row("Age", out_age(a, item_text(a, cl, "created_at")));
    row("Id", item_text(a, cl, "id"));
    fflush(stdout);
    cJSON *inst = cJSON_GetObjectItemCaseSensitive(cl, "instances");
    if (cJSON_GetArraySize(inst)) {
        printf("\n");
        fflush(stdout);
        out_table(c, INSTANCE_COLS, inst);
    }
    const cJSON *e;
    if (cJSON_GetArraySize(json_at(cl, "events")))
        printf("\n  Events\n");
    cJSON_ArrayForEach(e, json_at(cl, "events"))
        printf("  %.19s  %-9s %-14s %s\n", item_text(a, e, "at"), item_text(a, e, "severity"),
               item_text(a, e, "pod"), item_text(a, e, "message"));
    fflush(stdout);
}

/* The text for people names what is being done to the cluster. */
static ErrCode add_operation(Cli *c, cJSON *cl, Error *err)
{
    cJSON *tree;
    const char *path = rest_query(c, api_path(c->arena, API_OPERATION_LIST, NULL), "cluster",
                                  json_str_at(cl, "id", ""), "state", "unfinished", NULL);
    if (rest_get(c, path, &tree, err))
        return err->code;
    cJSON *op = cJSON_DetachItemFromArray(cJSON_GetObjectItemCaseSensitive(tree, "items"), 0);
    if (op)
        cJSON_AddItemToObject(cl, "operation", op);
    return ERR_OK;
}

static int show_run(Cli *c)
{
    Error err;
    cJSON *cl;
    if (rest_get(c, api_path(c->arena, API_CLUSTER_SHOW, cli_arg(c, 0), NULL), &cl, &err) ||
        (out_for_people(c) && add_operation(c, cl, &err)))
        return cli_fail(c, &err);
    return out_object(c, cl, "cluster/", show_text);
}

static int delete_run(Cli *c)
{
    Error err;
    cJSON *cl;
    Reply r;
    const char *path = api_path(c->arena, API_CLUSTER_DELETE, cli_arg(c, 0), NULL);
    if (rest_get(c, path, &cl, &err))
        return cli_fail(c, &err);
    bool keep = cli_flag(c, "keep-volumes");
    const char *name = item_text(c->arena, cl, "name");
    int rc = cli_confirm(
        c, 3, name,
        arena_printf(
            c->arena, "This removes %s/%s@%s: %lld instances, its Services and its Secret%s.",
            item_text(c->arena, cl, "namespace"), name, item_text(c->arena, cl, "satellite"),
            (long long)json_int_at(cl, "replicas", 0),
            keep ? "; the volumes stay" : ", AND ALL ITS DATA"));
    if (rc)
        return rc;
    path = rest_query(c, path, "volumes", keep ? "keep" : "delete", NULL);
    if (rest_call(c, &(RestReq){"DELETE", path}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c,
            "cluster/%s is being deleted; `swarmctl cluster list` shows it until its site confirms",
            cli_arg(c, 0));
    return 0;
}

/* ---- dsn ---- */

ErrCode cluster_credentials(Cli *c, const char *cluster, const char *role, ClusterLogin *ret,
                            Error *err)
{
    Reply r;
    const char *path = api_path(c->arena, API_CLUSTER_CREDENTIALS, cluster, NULL);
    if (rest_call(c, &(RestReq){"POST", path}, &r, err))
        return err->code;
    const cJSON *e = json_at(r.json, str_eq(role, "replica") ? "ro" : "rw");
    *ret = (ClusterLogin){.host = json_str_at(e, "host", ""),
                          .port = json_int_at(e, "port", 0),
                          .user = json_str_at(r.json, "user", "postgres"),
                          .password = json_str_at(r.json, "password", ""),
                          .database = json_str_at(r.json, "database", "postgres")};
    if (str_empty(ret->host) || !ret->port)
        return err_set(err, ERR_UNAVAILABLE, "%s has no %s address yet", cluster,
                       str_eq(role, "replica") ? "replica" : "primary");
    return ERR_OK;
}

static int dsn_run(Cli *c)
{
    Error err;
    ClusterLogin l;
    AUTO_STRBUF b = {0};
    if (cluster_credentials(c, cli_arg(c, 0), cli_opt(c, "role"), &l, &err))
        return cli_fail(c, &err);
    strbuf_adds(&b, "postgresql://");
    api_percent_encode(&b, l.user);
    if (!cli_flag(c, "no-password")) {
        strbuf_addc(&b, ':');
        api_percent_encode(&b, l.password);
    }
    strbuf_addf(&b, "@%s:%lld/", l.host, (long long)l.port);
    api_percent_encode(&b, l.database);
    strbuf_addc(&b, '\n');
    out_text(c, b.p, b.n);
    return 0;
}

static const ArgSpec ONE[] = {
    {"CLUSTER", "NAME@SATELLITE, NAMESPACE/NAME@SATELLITE, an id, or a NAME that is unique",
     COMP_CLUSTER, false, false},
    {0}};
static const OptSpec LIST_OPTS[] = {
    {"state", 0, "STATE", "only this state", COMP_CHOICE,
     "creating|running|degraded|failed|deleting|paused|updating", false},
    {"satellite", 's', "SATELLITE", "only at this site", COMP_SATELLITE, NULL, false},
    {"profile", 'p', "PROFILE", "only of this profile", COMP_PROFILE, NULL, false},
    {"namespace", 'n', "NAMESPACE", "only in this namespace", COMP_NONE, NULL, false},
    {"selector", 'l', "SELECTOR", "by labels of the satellite: k=v,k!=v,k in (a,b),!k", COMP_NONE,
     NULL, false},
    {"watch", 'w', NULL, "go on as things change", COMP_NONE, NULL, false},
    {"sort", 0, "COLUMN", "name, namespace, satellite, state, lag or created; - in front reverses",
     COMP_NONE, NULL, false},
    {0}};
static const OptSpec DELETE_OPTS[] = {
    {"keep-volumes", 0, NULL, "leave the data volumes at the site", COMP_NONE, NULL, false}, {0}};
static const OptSpec DSN_OPTS[] = {
    {"role", 'r', "ROLE", "primary (default) or replica", COMP_CHOICE, "primary|replica", false},
    {"no-password", 0, NULL, "leave the password out", COMP_NONE, NULL, false},
    {0}};

const CmdSpec CMD_CLUSTER_LIST = {
    .path = "cluster list",
    .aliases = "cluster ls|cl list|cl ls|get clusters|get cluster|get cl",
    .summary = "List clusters",
    .opts = LIST_OPTS,
    .run = list_run,
    .example = "  swarmctl cluster list --state degraded -o wide\n"
               "  swarmctl cluster list -l region=us-east -o jsonpath='{.items[*].name}'\n"};
const CmdSpec CMD_CLUSTER_SHOW = {.path = "cluster show",
                                  .aliases = "cl show|describe cluster|describe cl",
                                  .summary = "Show one cluster, its instances and its last events",
                                  .args = ONE,
                                  .run = show_run};
const CmdSpec CMD_CLUSTER_DELETE = {
    .path = "cluster delete",
    .aliases = "cl delete|delete cluster",
    .summary = "Remove a cluster (asks for its name)",
    .args = ONE,
    .opts = DELETE_OPTS,
    .run = delete_run,
    .about =
        "The delete is desired state: a site that is away carries it out when it is back. A rule "
        "that still wants the cluster makes it again at its next change: change or delete the rule "
        "first. A profile with deletion_protection keeps its volumes: add --keep-volumes.",
    .example = "  swarmctl cluster delete prod-pg@edge-a --confirm prod-pg\n"};
const CmdSpec CMD_CLUSTER_DSN = {
    .path = "cluster dsn",
    .aliases = "cl dsn",
    .summary = "Print a connection string",
    .args = ONE,
    .opts = DSN_OPTS,
    .run = dsn_run,
    .about = "The address is the cluster's rw (or ro) Service: it stays the same after a failover. "
             "Needs the role operator; central asks the site for the password and keeps no copy.",
    .example = "  psql \"$(swarmctl cluster dsn prod-pg@edge-a)\"\n"};
