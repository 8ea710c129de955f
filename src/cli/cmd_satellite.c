#include "api/routes.h"
#include "cmds.h"
#include "out.h"

#include <stdio.h>

static const char *state_of(Arena *a, const cJSON *s)
{
    const char *state = item_text(a, s, "state");
    if (!str_eq(state, "approved"))
        return state;
    return json_bool_at(s, "connected", false) ? "online" : "offline";
}

static const Column COLS[] = {
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"HOST", "hostname", COL_TEXT, false, false, NULL},
    {"K8S", "k8s_cluster", COL_TEXT, false, false, NULL},
    {"REGION", "region", COL_TEXT, false, false, NULL},
    {"STATE", NULL, COL_TEXT, false, false, state_of},
    {"BEAT", "last_seen", COL_AGE, false, false, NULL},
    {"CLUSTERS", "clusters", COL_TEXT, false, true, NULL},
    {"VERSION", "version", COL_TEXT, false, false, NULL},
    {"LABELS", "labels", COL_LABELS, false, false, NULL},
    {"ID", "id", COL_TEXT, true, false, NULL},
    {"KUBERNETES", "kubernetes_version", COL_TEXT, true, false, NULL},
    {"CREATED", "created_at", COL_AGE, true, false, NULL},
    {0},
};

static int list_run(Cli *c)
{
    Error err;
    cJSON *items;
    const char *path = rest_query(c, api_path(c->arena, API_SATELLITE_LIST, NULL), "state",
                                  cli_opt(c, "state"), "selector", cli_opt(c, "selector"), NULL);
    if (rest_list(c, path, &items, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, items, "satellite/");
}

static void show_text(Cli *c, const cJSON *s)
{
    static const char *const ROWS[][2] = {
        {"Id", "id"},
        {"Host", "hostname"},
        {"Kubernetes", "k8s_cluster"},
        {"Version", "version"},
        {"Server", "kubernetes_version"},
        {"Region", "region"},
        {"Last seen", "last_seen"},
        {"Clusters", "clusters"},
        {"Created", "created_at"},
    };
    Arena *a = c->arena;
    printf("%s  %s\n", str_or(item_text(a, s, "name"), "(no name yet)"), state_of(a, s));
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        printf("  %-12s %s\n", ROWS[i][0], str_or(item_text(a, s, ROWS[i][1]), "-"));
    const cJSON *kv;
    cJSON_ArrayForEach(kv, json_at(s, "labels"))
        printf("  %-12s %s=%s\n", "Label", kv->string, str_or(cJSON_GetStringValue(kv), ""));
    cJSON_ArrayForEach(kv, json_at(s, "storage_classes")) printf(
        "  %-12s %s (%s)%s\n", "Storage", item_text(a, kv, "name"), item_text(a, kv, "provisioner"),
        json_bool_at(kv, "is_default", false) ? " default" : "");
    fflush(stdout);
}

static int show_run(Cli *c)
{
    Error err;
    cJSON *s;
    if (rest_get(c, api_path(c->arena, API_SATELLITE_SHOW, cli_arg(c, 0), NULL), &s, &err))
        return cli_fail(c, &err);
    return out_object(c, s, "satellite/", show_text);
}

/* POST with a body, then one sentence. */
static int act(Cli *c, ApiRoute route, const cJSON *body, const char *said)
{
    Error err;
    Reply r;
    const ApiRouteInfo *info = api_route(route);
    const char *path = api_path(c->arena, route, cli_arg(c, 0), NULL);
    if (rest_call(c, &(RestReq){info->method, path, body}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    if (r.json && cli_opt(c, "output"))
        return out_object(c, r.json, "satellite/", NULL);
    cli_say(c, "satellite/%s %s", str_or(json_str_at(r.json, "name", NULL), cli_arg(c, 0)), said);
    return 0;
}

/* "k=v" words into an object; "k-" removes when `base` (the labels so far) is given. */
static ErrCode labels_from(cJSON *map, const char *word, Error *err)
{
    const char *eq = strchr(word, '=');
    size_t n = strlen(word);
    char key[320];
    if (!eq && n > 1 && word[n - 1] == '-' && n < sizeof key) {
        memcpy(key, word, n - 1);
        key[n - 1] = 0;
        cJSON_DeleteItemFromObjectCaseSensitive(map, key);
        return ERR_OK;
    }
    if (!eq || eq == word || (size_t)(eq - word) >= sizeof key)
        return err_set(err, ERR_USAGE, "label '%s' is not KEY=VALUE or KEY-", word);
    memcpy(key, word, (size_t)(eq - word));
    key[eq - word] = 0;
    cJSON_DeleteItemFromObjectCaseSensitive(map, key);
    cJSON_AddStringToObject(map, key, eq + 1);
    return ERR_OK;
}

static int approve_run(Cli *c)
{
    Error err;
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    if (cli_opt(c, "name"))
        cJSON_AddStringToObject(body, "name", cli_opt(c, "name"));
    const char *word = cli_opt_at(c, "label", 0);
    cJSON *labels = word ? cJSON_AddObjectToObject(body, "labels") : NULL;
    for (size_t i = 0; (word = cli_opt_at(c, "label", i)); i++)
        if (labels_from(labels, word, &err))
            return cli_fail(c, &err);
    return act(c, API_SATELLITE_APPROVE, body, "approved");
}

static int reject_run(Cli *c)
{
    return act(c, API_SATELLITE_REJECT, NULL, "rejected");
}

static int label_run(Cli *c)
{
    Error err;
    cJSON *s;
    if (rest_get(c, api_path(c->arena, API_SATELLITE_SHOW, cli_arg(c, 0), NULL), &s, &err))
        return cli_fail(c, &err);
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    const cJSON *old = json_at(s, "labels");
    cJSON *labels = old ? cJSON_Duplicate(old, true) : cJSON_CreateObject();
    cJSON_AddItemToObject(body, "labels", labels);
    for (size_t i = 1; i < c->inv.nargs; i++)
        if (labels_from(labels, c->inv.args[i], &err))
            return cli_fail(c, &err);
    return act(c, API_SATELLITE_LABELS, body, "labelled");
}

static int revoke_run(Cli *c)
{
    int rc = cli_confirm(c, 2, cli_arg(c, 0),
                         "The site keeps its clusters, but central and it part: its certificate is "
                         "withdrawn and its stream is cut.");
    return rc ? rc : act(c, API_SATELLITE_REVOKE, NULL, "revoked");
}

static int remove_run(Cli *c)
{
    int rc = cli_confirm(c, 2, cli_arg(c, 0), "Central forgets this satellite.");
    return rc ? rc : act(c, API_SATELLITE_DELETE, NULL, "removed");
}

static int log_level_run(Cli *c)
{
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "level", cli_arg(c, 1));
    return act(c, API_SATELLITE_LOG_LEVEL, body, "log level changed");
}

static const ArgSpec ONE[] = {
    {"SATELLITE", "its name, or its id while it has none", COMP_SATELLITE, false, false}, {0}};
static const ArgSpec LABEL_ARGS[] = {
    {"SATELLITE", "its name", COMP_SATELLITE, false, false},
    {"KEY=VALUE", "sets a label; KEY- removes one", COMP_NONE, false, true},
    {0}};
static const ArgSpec LEVEL_ARGS[] = {
    {"SATELLITE", "its name", COMP_SATELLITE, false, false},
    {"LEVEL", "trace, debug, info, warn or error", COMP_NONE, false, false},
    {0}};
static const OptSpec LIST_OPTS[] = {
    {"state", 0, "STATE", "only this state", COMP_CHOICE, "pending|approved|rejected|revoked",
     false},
    {"selector", 'l', "SELECTOR", "k=v,k!=v,k in (a,b),!k", COMP_NONE, NULL, false},
    {0}};
static const OptSpec APPROVE_OPTS[] = {
    {"name", 0, "NAME", "how it is called from now on (default: the name it registered under)",
     COMP_NONE, NULL, false},
    {"label", 'l', "KEY=VALUE", "add a label; may be given again", COMP_NONE, NULL, true},
    {0}};

const CmdSpec CMD_SATELLITE_LIST = {
    .path = "satellite list",
    .aliases = "satellite ls|sat list|sat ls|get satellites|get satellite|get sat",
    .summary = "List satellites",
    .opts = LIST_OPTS,
    .run = list_run,
    .example = "  swarmctl satellite list --state pending     # who waits for approval\n"};
const CmdSpec CMD_SATELLITE_SHOW = {.path = "satellite show",
                                    .aliases = "sat show|describe satellite|describe sat",
                                    .summary = "Show one satellite",
                                    .args = ONE,
                                    .run = show_run};
const CmdSpec CMD_SATELLITE_APPROVE = {
    .path = "satellite approve",
    .aliases = "sat approve",
    .summary = "Admit a pending satellite",
    .args = ONE,
    .opts = APPROVE_OPTS,
    .run = approve_run,
    .about = "Rules whose labels match start their clusters at once.",
    .example = "  swarmctl satellite approve k3s-osl-04 --name edge-osl-04 -l tier=edge\n"};
const CmdSpec CMD_SATELLITE_REJECT = {.path = "satellite reject",
                                      .aliases = "sat reject",
                                      .summary = "Refuse a pending satellite",
                                      .args = ONE,
                                      .run = reject_run};
const CmdSpec CMD_SATELLITE_LABEL = {.path = "satellite label",
                                     .aliases = "sat label|label satellite",
                                     .summary = "Set and remove labels; rules follow",
                                     .args = LABEL_ARGS,
                                     .run = label_run,
                                     .example =
                                         "  swarmctl satellite label edge-osl-04 tier=edge old-\n"};
const CmdSpec CMD_SATELLITE_REVOKE = {.path = "satellite revoke",
                                      .aliases = "sat revoke",
                                      .summary =
                                          "Withdraw a satellite's certificate and cut its stream",
                                      .args = ONE,
                                      .run = revoke_run};
const CmdSpec CMD_SATELLITE_REMOVE = {.path = "satellite remove",
                                      .aliases = "sat remove|satellite delete|delete satellite",
                                      .summary = "Forget a rejected or revoked satellite",
                                      .args = ONE,
                                      .run = remove_run};
const CmdSpec CMD_SATELLITE_LOG_LEVEL = {.path = "satellite log-level",
                                         .aliases = "sat log-level",
                                         .summary = "Change what a satellite logs",
                                         .args = LEVEL_ARGS,
                                         .run = log_level_run};
