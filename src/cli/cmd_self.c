/* swarmctl about itself: completion, manual pages, help, version. */
#include "api/routes.h"
#include "cmds.h"
#include "op_view.h"
#include "out.h"

#include <stdio.h>

static int dump_run(Cli *c)
{
    Error err;
    AUTO_STRBUF b = {0};
    if (cmd_dump(cli_arg(c, 0), &b, &err))
        return cli_fail(c, &err);
    out_text(c, strbuf_str(&b), b.n);
    return 0;
}

static int help_run(Cli *c)
{
    Error err;
    AUTO_STRBUF b = {0}, path = {0};
    for (size_t i = 0; i < c->inv.nargs; i++)
        strbuf_addf(&path, "%s%s", i ? " " : "", c->inv.args[i]);
    Invocation inv = {.cmd = path.n ? cmd_find(path.p) : NULL};
    for (const CmdGroup *g = CMD_GROUPS; g->noun && path.n && !inv.cmd; g++)
        if (str_eq(g->noun, path.p))
            inv.group = g->noun;
    if (path.n && !inv.cmd && !inv.group) {
        err_set(&err, ERR_USAGE, "no command '%s'", path.p);
        return cli_fail(c, &err);
    }
    cmd_help(&inv, &b);
    out_text(c, b.p, b.n);
    return 0;
}

static int version_run(Cli *c)
{
    Error err;
    cJSON *v;
    printf("swarmctl " PGSWARM_VERSION "\n");
    fflush(stdout);
    if (cli_flag(c, "client"))
        return 0;
    if (rest_get(c, api_path(c->arena, API_VERSION, NULL), &v, &err)) {
        cli_say(c, "central: %s", err.msg);
        return 0;
    }
    printf("central  %s\n", json_str_at(v, "version", "?"));
    fflush(stdout);
    return 0;
}

/* ---- completion ---- */

static void offer(Cli *c, const char *word, const char *value, const char *text)
{
    if (!str_starts(value, word))
        return;
    const char *line = arena_printf(c->arena, "%s\t%s\n", value, text);
    out_text(c, line, strlen(line));
}

/* Names live from central, in a bounded time and without a word when it does not answer. */
static void offer_names(Cli *c, Completer comp, const char *word)
{
    static const struct {
        Completer comp;
        ApiRoute route;
        const char *hint;
    } SOURCES[] = {{COMP_CLUSTER, API_CLUSTER_LIST, "state"},
                   {COMP_SATELLITE, API_SATELLITE_LIST, "state"},
                   {COMP_PROFILE, API_PROFILE_LIST, "description"},
                   {COMP_RULE, API_RULE_LIST, "profile"}};
    Error err;
    cJSON *tree;
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++) {
        if (SOURCES[i].comp != comp ||
            rest_get(c, api_path(c->arena, SOURCES[i].route, NULL), &tree, &err))
            continue;
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(tree, "items"))
        {
            const char *name = item_text(c->arena, item, "name"),
                       *hint = item_text(c->arena, item, SOURCES[i].hint);
            if (str_empty(name))
                name = item_text(c->arena, item, "id");
            if (comp == COMP_CLUSTER)
                name =
                    arena_printf(c->arena, "%s@%s", name, item_text(c->arena, item, "satellite"));
            offer(c, word, name, hint);
        }
    }
}

/* Members of the cluster that stands before, from the least behind on. */
static void offer_pods(Cli *c, const char *cluster, bool replicas, const char *word)
{
    Error err;
    cJSON *tree;
    const cJSON *i;
    if (!cluster || rest_get(c, api_path(c->arena, API_CLUSTER_SHOW, cluster, NULL), &tree, &err))
        return;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(tree, "instances"))
    {
        const char *role = json_str_at(i, "role", "");
        if (replicas && str_eq(role, "primary"))
            continue;
        offer(c, word, json_str_at(i, "pod", ""),
              arena_printf(c->arena, "%s, %s behind", role,
                           out_bytes(c->arena, json_f64_at(i, "lag_bytes", 0))));
    }
}

static void offer_operations(Cli *c, const char *word)
{
    Error err;
    cJSON *tree;
    const cJSON *op;
    const char *path =
        rest_query(c, api_path(c->arena, API_OPERATION_LIST, NULL), "state", "unfinished", NULL);
    if (rest_get(c, path, &tree, &err))
        return;
    cJSON_ArrayForEach(op, cJSON_GetObjectItemCaseSensitive(tree, "items"))
        offer(c, word, json_str_at(op, "id", ""),
              arena_printf(c->arena, "%s %s %s", json_str_at(op, "kind", ""),
                           op_cluster(c->arena, op), json_str_at(op, "state", "")));
}

/* Where a value stands: the word begun, and the first argument of the command before it. */
typedef struct Place {
    const char *word, *first;
} Place;

static void offer_value(Cli *c, Completer comp, const char *choices, Place at)
{
    const char *word = at.word;
    cJSON *tree;
    Error err;
    const cJSON *ctx;
    StrView rest = sv(choices ? choices : "");
    switch (comp) {
    case COMP_CHOICE:
        while (rest.n)
            offer(c, word, sv_dup(c->arena, sv_cut(&rest, '|')), "");
        break;
    case COMP_FILE:
        out_text(c, ":files\n", 7);
        break;
    case COMP_CONTEXT:
        if (context_all(c, &tree, &err) == ERR_OK)
            cJSON_ArrayForEach(ctx, cJSON_GetObjectItemCaseSensitive(tree, "contexts"))
                offer(c, word, ctx->string, json_str_at(ctx, "server", ""));
        break;
    case COMP_CLUSTER:
    case COMP_SATELLITE:
    case COMP_PROFILE:
    case COMP_RULE:
        offer_names(c, comp, word);
        break;
    case COMP_POD:
    case COMP_REPLICA:
        offer_pods(c, at.first, comp == COMP_REPLICA, word);
        break;
    case COMP_OPERATION:
        offer_operations(c, word);
        break;
    case COMP_COMMAND:
    case COMP_NONE:
        break;
    }
}

/* The next word of every command that begins with `typed` ("cluster " gives list, show, ...). */
static void offer_commands(Cli *c, const char *typed, const char *word)
{
    const char *last = "";
    for (const CmdGroup *g = CMD_GROUPS; !*typed && g->noun; g++)
        offer(c, word, g->noun, g->summary);
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        const CmdSpec *cmd = CMD_TABLE[i];
        if (cmd->hidden || !str_starts(cmd->path, typed))
            continue;
        StrView rest = sv(cmd->path + strlen(typed));
        const char *next = sv_dup(c->arena, sv_cut(&rest, ' '));
        if (rest.n || str_eq(next, last) || !*next)
            continue;
        offer(c, word, next, cmd->summary);
        last = next;
    }
}

static void offer_options(Cli *c, const CmdSpec *cmd, const char *word)
{
    for (const OptSpec *o = cmd ? cmd->opts : NULL; o && o->name; o++)
        offer(c, word, arena_printf(c->arena, "--%s", o->name), o->help);
    for (const OptSpec *o = CMD_COMMON; o->name; o++)
        offer(c, word, arena_printf(c->arena, "--%s", o->name), o->help);
}

/* Does this word take the next one as its value? */
static const OptSpec *takes_value(const CmdSpec *cmd, const char *w)
{
    const OptSpec *o = w[0] == '-' && w[1] == '-' ? cmd_option(cmd, w + 2) : NULL;
    return o && o->arg ? o : NULL;
}

static int complete_run(Cli *c)
{
    size_t n = c->inv.nrest;
    const char *word = n ? c->inv.rest[n - 1] : "";
    const CmdSpec *cmd = NULL;
    const OptSpec *o = NULL;
    size_t took = 0, words = 0;
    Place at = {.word = word};
    AUTO_STRBUF path = {0};
    c->time_limit = 150; /* a TAB waits no longer */
    for (size_t i = 0; i + 1 < n; i++) {
        const char *w = c->inv.rest[i];
        const OptSpec *before = o;
        o = takes_value(cmd, w);
        if (before) /* its value */
            o = NULL;
        if (before || w[0] == '-')
            continue;
        strbuf_addf(&path, "%s%s", path.n ? " " : "", w);
        words++;
        const CmdSpec *hit = cmd_find(path.p);
        if (hit)
            cmd = hit, took = words;
        else if (cmd && words == took + 1)
            at.first = w;
    }
    if (o) {
        offer_value(c, o->comp, o->choices, at);
    } else if (word[0] == '-') {
        offer_options(c, cmd, word);
    } else if (!cmd) {
        if (path.n)
            strbuf_addc(&path, ' ');
        offer_commands(c, strbuf_str(&path), word);
    } else {
        const ArgSpec *a = cmd->args;
        for (size_t i = took; a && a->name && i < words && !a->many; i++)
            a++;
        if (a && a->name)
            offer_value(c, a->comp, NULL, at);
    }
    return 0;
}

static const ArgSpec SHELL_ARG[] = {{"SHELL", "bash, zsh or fish", COMP_NONE, false, false}, {0}};
static const ArgSpec WHAT_ARG[] = {
    {"WHAT", "bash zsh fish man-list man:PAGE", COMP_NONE, false, false}, {0}};
static const ArgSpec HELP_ARGS[] = {{"COMMAND", "a command or a noun", COMP_COMMAND, true, true},
                                    {0}};
static const OptSpec VERSION_OPTS[] = {
    {"client", 0, NULL, "do not ask central", COMP_NONE, NULL, false}, {0}};

const CmdSpec CMD_COMPLETION = {.path = "completion",
                                .summary = "Print completion for a shell",
                                .args = SHELL_ARG,
                                .run = dump_run,
                                .offline = true,
                                .example = "  eval \"$(swarmctl completion bash)\"\n"};
const CmdSpec CMD_HELP = {.path = "help",
                          .summary = "Help for a command or a noun",
                          .args = HELP_ARGS,
                          .run = help_run,
                          .offline = true};
const CmdSpec CMD_VERSION = {.path = "version",
                             .summary = "Versions of swarmctl and of central",
                             .opts = VERSION_OPTS,
                             .run = version_run};
const CmdSpec CMD_COMPLETE = {.path = "__complete",
                              .summary = "Candidates for the shells",
                              .run = complete_run,
                              .offline = true,
                              .passthrough = true,
                              .hidden = true};
const CmdSpec CMD_DUMP = {.path = "__dump",
                          .summary = "Texts made from the command table",
                          .args = WHAT_ARG,
                          .run = dump_run,
                          .offline = true,
                          .hidden = true};
