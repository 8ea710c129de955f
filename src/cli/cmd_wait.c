/* cluster wait: until clusters are in a state, followed on central's WebSocket, not polled. */
#include "api/routes.h"
#include "cmds.h"
#include "live.h"

typedef struct Waiting {
    Cli *c;
    cJSON *table;
    const char *state; /* "deleted": gone */
    int missing;
} Waiting;

/* Does a word name this cluster: NAME, NAME@SATELLITE, NAMESPACE/NAME@SATELLITE or its id? */
static bool names(Arena *a, const char *word, const cJSON *cl)
{
    const char *name = item_text(a, cl, "name"), *sat = item_text(a, cl, "satellite");
    return str_eq(word, name) || str_eq(word, item_text(a, cl, "id")) ||
           str_eq(word, arena_printf(a, "%s@%s", name, sat)) ||
           str_eq(word, arena_printf(a, "%s/%s@%s", item_text(a, cl, "namespace"), name, sat));
}

static const cJSON *lookup(Arena *a, const cJSON *table, const char *word)
{
    const cJSON *cl;
    cJSON_ArrayForEach(cl, table) if (names(a, word, cl)) return cl;
    return NULL;
}

static bool reached(Waiting *w, Arena *a, const char *word)
{
    const cJSON *cl = lookup(a, w->table, word);
    if (str_eq(w->state, "deleted"))
        return !cl;
    return cl && str_eq(item_text(a, cl, "state"), w->state);
}

static bool on_message(void *ctx, const char *type, const cJSON *items)
{
    Waiting *w = ctx;
    AUTO_ARENA a = arena_new();
    live_merge(w->table, type, items);
    w->missing = 0;
    for (size_t i = 0; i < w->c->inv.nargs; i++)
        w->missing += !reached(w, a, w->c->inv.args[i]);
    return w->missing == 0;
}

static int wait_run(Cli *c)
{
    Error err;
    Waiting w = {.c = c, .state = str_or(cli_opt(c, "for"), "running")};
    LiveSpec spec = {
        .topics = "clusters", .timeout_ms = 300000, .on_message = on_message, .ctx = &w};
    w.table = json_own(c->arena, cJSON_CreateArray());
    if (cli_opt(c, "timeout") && cli_duration(cli_opt(c, "timeout"), &spec.timeout_ms, &err))
        return cli_fail(c, &err);
    ErrCode rc = live_follow(c, &spec, &err);
    for (size_t i = 0; i < c->inv.nargs; i++) {
        const cJSON *cl = lookup(c->arena, w.table, c->inv.args[i]);
        if (rc && !reached(&w, c->arena, c->inv.args[i]))
            err_wrap(&err, "%s is %s%s%s", c->inv.args[i],
                     cl ? item_text(c->arena, cl, "state") : "not there",
                     cl && *item_text(c->arena, cl, "reason") ? ": " : "",
                     cl ? item_text(c->arena, cl, "reason") : "");
    }
    if (rc)
        return cli_fail(c, &err);
    cli_say(c, "%s", w.state);
    return 0;
}

static const ArgSpec ARGS[] = {
    {"CLUSTER", "NAME@SATELLITE; may be given again", COMP_CLUSTER, false, true}, {0}};
static const OptSpec OPTS[] = {
    {"for", 0, "STATE", "running (default), another state, or deleted", COMP_CHOICE,
     "creating|running|degraded|failed|deleting|paused|updating|deleted", false},
    {0}};

const CmdSpec CMD_CLUSTER_WAIT = {
    .path = "cluster wait",
    .aliases = "cl wait",
    .summary = "Wait until clusters are in a state",
    .args = ARGS,
    .opts = OPTS,
    .run = wait_run,
    .about = "Waits at most --timeout (5m). Exit status 8: the time was over.",
    .example = "  swarmctl cluster wait prod-pg@edge-a prod-pg@edge-b --timeout 60s\n"};
