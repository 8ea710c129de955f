/* Operations: the long jobs, whoever asked for them. */
#include "api/routes.h"
#include "cluster_util.h"
#include "cmds.h"
#include "core/clock.h"
#include "live.h"
#include "op_follow.h"
#include "op_view.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- list ---- */

static const Column COLS[] = {
    {"ID", NULL, COL_TEXT, false, false, op_short},
    {"KIND", "kind", COL_TEXT, false, false, NULL},
    {"CLUSTER", NULL, COL_TEXT, false, false, op_cluster},
    {"TARGET", NULL, COL_TEXT, false, false, op_target},
    {"STEP", NULL, COL_TEXT, false, false, op_step},
    {"STATE", "state", COL_STATE, false, false, NULL},
    {"BY", "requested_by", COL_TEXT, false, false, NULL},
    {"AGE", "created_at", COL_AGE, false, false, NULL},
    {"SCHEDULED", "scheduled_at", COL_TIME, true, false, NULL},
    {"FINISHED", "finished_at", COL_TIME, true, false, NULL},
    {"REASON", "reason", COL_TEXT, true, false, NULL},
    {"ERROR", "error", COL_TEXT, true, false, NULL},
    {0},
};

const Column *operation_columns(void)
{
    return COLS;
}

typedef struct Watching {
    Cli *c;
    cJSON *table;
} Watching;

static bool wanted(const Cli *c, const cJSON *op)
{
    const char *kind = cli_opt(c, "kind"), *cluster = cli_opt(c, "cluster");
    const char *state = cli_opt(c, "state");
    return (!kind || str_eq(kind, json_str_at(op, "kind", ""))) &&
           (!state || str_eq(state, json_str_at(op, "state", "")) ||
            (str_eq(state, "unfinished") && !op_ended(op))) &&
           (!cluster || str_eq(cluster, json_str_at(op, "cluster", "")) ||
            str_eq(cluster, op_cluster(c->arena, op)) ||
            str_eq(cluster, arena_printf(c->arena, "%s@%s", json_str_at(op, "cluster", ""),
                                         json_str_at(op, "satellite", ""))));
}

/* On a terminal the table is drawn again, in a pipe each change is one line of JSON. */
static bool on_change(void *ctx, const char *type, const cJSON *items)
{
    Watching *w = ctx;
    Cli *c = w->c;
    const cJSON *op;
    if (!c->tty_out) {
        cJSON_ArrayForEach(op, items)
        {
            if (!wanted(c, op))
                continue;
            const char *line = arena_printf(c->arena, "{\"type\":\"%s\",\"object\":%s}\n", type,
                                            json_text(c->arena, op));
            out_text(c, line, strlen(line));
        }
        return false;
    }
    live_merge(w->table, type, items);
    cJSON *show = cJSON_CreateArray();
    cJSON_ArrayForEach(op, w->table) if (wanted(c, op))
        cJSON_AddItemToArray(show, cJSON_Duplicate(op, true));
    out_text(c, "\033[H\033[J", 6);
    out_list(c, COLS, show, "operation/");
    cJSON_Delete(show);
    return false;
}

static int list_run(Cli *c)
{
    Error err;
    cJSON *tree;
    if (cli_flag(c, "watch")) {
        Watching w = {c, json_own(c->arena, cJSON_CreateArray())};
        LiveSpec spec = {.topics = "operations", .on_message = on_change, .ctx = &w};
        return live_follow(c, &spec, &err) ? cli_fail(c, &err) : 0;
    }
    const char *path = rest_query(c, api_path(c->arena, API_OPERATION_LIST, NULL), "cluster",
                                  cli_opt(c, "cluster"), "satellite", cli_opt(c, "satellite"),
                                  "state", cli_opt(c, "state"), "kind", cli_opt(c, "kind"), "limit",
                                  str_or(cli_opt(c, "limit"), "50"), NULL);
    if (rest_get(c, path, &tree, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, cJSON_GetObjectItemCaseSensitive(tree, "items"), "operation/");
}

/* ---- show, attach ---- */

static ErrCode find(Cli *c, cJSON **ret, Error *err)
{
    return rest_get(c, api_path(c->arena, API_OPERATION_SHOW, cli_arg(c, 0), NULL), ret, err);
}

static void row(const char *label, const char *value)
{
    if (!str_empty(value))
        printf("  %-10s %s\n", label, value);
}

static void show_text(Cli *c, const cJSON *op)
{
    struct winsize w = {0};
    AUTO_STRBUF b = {0};
    if (c->tty_out)
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
    OpLook look = {.color = c->color, .width = w.ws_col, .now_us = clock_wall_us()};
    op_draw(op, &look, &b);
    fwrite(b.p, 1, b.n, stdout);
    printf("\n");
    row("Id", json_str_at(op, "id", ""));
    row("Asked by", json_str_at(op, "requested_by", ""));
    row("Asked at", json_str_at(op, "created_at", ""));
    row("Planned", json_str_at(op, "scheduled_at", ""));
    row("Began", json_str_at(op, "started_at", ""));
    row("Heard", json_str_at(op, "heard_at", ""));
    row("Ended", json_str_at(op, "finished_at", ""));
    row("Aborted by", json_str_at(op, "aborted_by", ""));
    const char *params = json_text(c->arena, json_at(op, "params"));
    row("With", str_eq(params, "{}") ? "" : params);
    fflush(stdout);
}

static int show_run(Cli *c)
{
    Error err;
    cJSON *op;
    if (find(c, &op, &err))
        return cli_fail(c, &err);
    return out_object(c, op, "operation/", show_text);
}

static int follow(Cli *c, const cJSON *op)
{
    Error err;
    OpFollow f = {.op = op};
    if (cli_opt(c, "timeout") && cli_duration(cli_opt(c, "timeout"), &f.limit_ms, &err))
        return cli_fail(c, &err);
    return op_follow(c, &f);
}

static int attach_run(Cli *c)
{
    Error err;
    cJSON *op;
    if (find(c, &op, &err))
        return cli_fail(c, &err);
    return follow(c, op);
}

/* ---- words ---- */

static int say(Cli *c, ApiRoute route, const char *id, cJSON *body)
{
    Error err;
    Reply r;
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, route, id, NULL), body}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    if (cli_flag(c, "wait"))
        return follow(c, r.json);
    if (op_ended(r.json) || !str_eq(str_or(cli_opt(c, "output"), "table"), "table"))
        return op_report(c, r.json);
    const char *line = arena_printf(c->arena, "%s of %s is told to %s\n",
                                    op_title(c->arena, r.json), op_cluster(c->arena, r.json),
                                    route == API_OPERATION_CONTINUE ? "continue" : "abort");
    out_text(c, line, strlen(line));
    return 0;
}

static int continue_run(Cli *c)
{
    Error err;
    uint64_t step = 0;
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    const char *given = cli_opt(c, "step");
    if (given && !str_to_u64(given, &step)) {
        err_set(&err, ERR_USAGE, "--step: '%s' is no number of a step", given);
        return cli_fail(c, &err);
    }
    if (step)
        cJSON_AddNumberToObject(body, "step", (double)step);
    return say(c, API_OPERATION_CONTINUE, cli_arg(c, 0), body);
}

static int abort_run(Cli *c)
{
    Error err;
    cJSON *op, *body = json_own(c->arena, cJSON_CreateObject());
    bool forget = cli_flag(c, "forget");
    if (find(c, &op, &err))
        return cli_fail(c, &err);
    const char *what =
        arena_printf(c->arena, "%s of %s", op_title(c->arena, op), op_cluster(c->arena, op));
    int rc = cli_confirm(
        c, forget ? 2 : 1, json_str_at(op, "cluster", ""),
        forget ? arena_printf(c->arena,
                              "This ends the record of %s as unknown. Whatever its site does, it "
                              "goes on doing.",
                              what)
               : arena_printf(c->arena, "Abort %s? What it has changed is taken back.", what));
    if (rc)
        return rc;
    if (forget)
        cJSON_AddTrueToObject(body, "forget");
    return say(c, API_OPERATION_ABORT, json_str_at(op, "id", ""), body);
}

static const ArgSpec ONE[] = {
    {"ID", "its id, or the first digits of it", COMP_OPERATION, false, false}, {0}};
static const OptSpec LIST_OPTS[] = {
    {"cluster", 0, "CLUSTER", "only of this cluster", COMP_CLUSTER, NULL, false},
    {"satellite", 's', "SATELLITE", "only at this site", COMP_SATELLITE, NULL, false},
    {"state", 0, "STATE", "only in this state", COMP_CHOICE,
     "unfinished|scheduled|pending|running|waiting|done|rolled_back|failed|unknown", false},
    {"kind", 0, "KIND", "only of this kind", COMP_CHOICE,
     "switchover|failover|fence|unfence|reinit|restart|pause|resume", false},
    {"limit", 0, "N", "at most so many (50)", COMP_NONE, NULL, false},
    {"watch", 'w', NULL, "go on as things change", COMP_NONE, NULL, false},
    {0}};
static const OptSpec CONTINUE_OPTS[] = {
    {"step", 0, "N", "only when it waits at this step", COMP_NONE, NULL, false},
    {"wait", 0, NULL, "stay and show how it goes on", COMP_NONE, NULL, false},
    {0}};
static const OptSpec ABORT_OPTS[] = {
    {"forget", 0, NULL, "end the record of an unknown one at central", COMP_NONE, NULL, false},
    {"wait", 0, NULL, "stay until it has ended", COMP_NONE, NULL, false},
    {0}};

const CmdSpec CMD_OP_LIST = {.path = "op list",
                             .aliases = "op ls|get operations|get operation|get op",
                             .summary = "List operations, newest first",
                             .opts = LIST_OPTS,
                             .run = list_run,
                             .example = "  swarmctl op list --state unfinished\n"
                                        "  swarmctl op list --cluster prod-pg@edge-a -o wide\n"};
const CmdSpec CMD_OP_SHOW = {.path = "op show",
                             .aliases = "describe operation|describe op",
                             .summary = "Show one operation and its steps",
                             .args = ONE,
                             .run = show_run};
const CmdSpec CMD_OP_ATTACH = {
    .path = "op attach",
    .summary = "Follow an operation until it ends",
    .args = ONE,
    .run = attach_run,
    .about = "Leaving it (ctrl-C, q, --timeout) never stops it. Exit status: 0 done, 10 rolled "
             "back, 11 failed past the point of no return, 8 unknown, or not ended in time.",
    .example = "  swarmctl op attach 7f3c --timeout 5m\n"};
const CmdSpec CMD_OP_CONTINUE = {.path = "op continue",
                                 .summary = "Let an operation that waits go on",
                                 .args = ONE,
                                 .opts = CONTINUE_OPTS,
                                 .run = continue_run,
                                 .about =
                                     "For what was started with --interactive, from any terminal."};
const CmdSpec CMD_OP_ABORT = {
    .path = "op abort",
    .summary = "End an operation that has not begun, or roll it back",
    .args = ONE,
    .opts = ABORT_OPTS,
    .run = abort_run,
    .about = "Past the point of no return an operation can only go forward, and abort is refused. "
             "While the site is away the word waits for it. An operation of which nothing is heard "
             "any more is `unknown` and keeps its cluster busy; --forget ends its record, and says "
             "so in it."};
