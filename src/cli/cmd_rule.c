#include "api/routes.h"
#include "cmds.h"
#include "codec/yaml.h"
#include "doc.h"

#include <stdio.h>

static const char *const INPUT[] = {"name",      "profile",      "selector",
                                    "namespace", "cluster_name", NULL};

static const Column COLS[] = {
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"PROFILE", "profile", COL_TEXT, false, false, NULL},
    {"SELECTOR", "selector", COL_LABELS, false, false, NULL},
    {"NS", "namespace", COL_TEXT, false, false, NULL},
    {"CLUSTER", "cluster_name", COL_TEXT, false, false, NULL},
    {"MATCH", "matches", COL_TEXT, false, true, NULL},
    {"CLUSTERS", "clusters", COL_TEXT, false, true, NULL},
    {"AGE", "created_at", COL_AGE, false, false, NULL},
    {0},
};

static int list_run(Cli *c)
{
    Error err;
    cJSON *items;
    if (rest_list(c, api_path(c->arena, API_RULE_LIST, NULL), &items, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, items, "rule/");
}

static void show_text(Cli *c, const cJSON *r)
{
    AUTO_STRBUF b = {0};
    yaml_write(&b, r);
    out_text(c, b.p, b.n);
}

static int show_run(Cli *c)
{
    Error err;
    cJSON *r;
    if (rest_get(c, api_path(c->arena, API_RULE_SHOW, cli_arg(c, 0), NULL), &r, &err))
        return cli_fail(c, &err);
    return out_object(c, r, "rule/", show_text);
}

static ErrCode add_selector(cJSON *doc, const char *text, Error *err)
{
    cJSON *sel = cJSON_CreateObject();
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "selector");
    cJSON_AddItemToObject(doc, "selector", sel);
    for (StrView rest = sv(text); rest.n;) {
        StrView pair = sv_cut(&rest, ',');
        const char *eq = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        char key[320], value[128];
        size_t nk = eq ? (size_t)(eq - pair.p) : 0, nv = eq ? pair.n - nk - 1 : 0;
        if (!nk || nk >= sizeof key || nv >= sizeof value)
            return err_set(err, ERR_USAGE, "--selector '%s' is not KEY=VALUE,...", text);
        memcpy(key, pair.p, nk), key[nk] = 0;
        memcpy(value, eq + 1, nv), value[nv] = 0;
        cJSON_AddStringToObject(sel, key, value);
    }
    return ERR_OK;
}

/* The options over what is there. */
static ErrCode from_options(Cli *c, cJSON *doc, Error *err)
{
    static const char *const FIELDS[][2] = {
        {"profile", "profile"}, {"namespace", "namespace"}, {"cluster-name", "cluster_name"}};
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        const char *value = cli_opt(c, FIELDS[i][0]);
        if (!value)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(doc, FIELDS[i][1]);
        cJSON_AddStringToObject(doc, FIELDS[i][1], value);
    }
    const char *sel = cli_opt(c, "selector");
    return sel ? add_selector(doc, sel, err) : ERR_OK;
}

static ErrCode new_rule(Cli *c, const char *name, cJSON **ret, Error *err)
{
    *ret = json_own(c->arena, cJSON_CreateObject());
    if (cli_opt(c, "file") && doc_read(c, cli_opt(c, "file"), ret, err))
        return err->code;
    cJSON_DeleteItemFromObjectCaseSensitive(*ret, "kind");
    if (name) {
        cJSON_DeleteItemFromObjectCaseSensitive(*ret, "name");
        cJSON_AddStringToObject(*ret, "name", name);
    }
    return from_options(c, *ret, err);
}

static int say_saved(Cli *c, const Reply *r, const char *verb)
{
    if (cli_opt(c, "output"))
        return out_object(c, r->json, "rule/", show_text);
    cli_say(c, "rule/%s %s: %s satellites match", item_text(c->arena, r->json, "name"), verb,
            str_or(item_text(c->arena, r->json, "matches"), "0"));
    return 0;
}

static int create_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *doc;
    if (new_rule(c, cli_arg(c, 0), &doc, &err))
        return cli_fail(c, &err);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_RULE_CREATE, NULL), doc}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    return say_saved(c, &r, "created");
}

static int save_edit(Cli *c, cJSON *doc, StrBuf *errors, void *ctx)
{
    Reply *r = ctx;
    Error err;
    const char *etag = r->etag;
    if (rest_call(
            c,
            &(RestReq){"PUT", api_path(c->arena, API_RULE_UPDATE, cli_arg(c, 0), NULL), doc, etag},
            r, &err) == ERR_OK)
        return 0;
    r->etag = etag;
    doc_errors(c, &err, r->json, errors);
    return 1;
}

static int edit_run(Cli *c)
{
    Error err;
    Reply r;
    const char *path = api_path(c->arena, API_RULE_SHOW, cli_arg(c, 0), NULL);
    if (rest_call(c, &(RestReq){"GET", path}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    cJSON *doc = r.json;
    doc_keep(doc, INPUT);
    if (cli_opt(c, "profile") || cli_opt(c, "selector") || cli_opt(c, "namespace") ||
        cli_opt(c, "cluster-name")) {
        const char *etag = r.etag;
        if (from_options(c, doc, &err))
            return cli_fail(c, &err);
        if (rest_call(c, &(RestReq){"PUT", path, doc, etag}, &r, &err))
            return cli_fail_json(c, &err, r.json);
        return say_saved(c, &r, "saved");
    }
    if (!c->tty_in || cli_flag(c, "no-input")) {
        err_set(&err, ERR_USAGE,
                "rule edit needs a terminal; in a script use --profile, --selector, ...");
        return cli_fail(c, &err);
    }
    AUTO_STRBUF text = {0};
    yaml_write(&text, doc);
    int rc = doc_edit(c, cli_arg(c, 0), text.p, save_edit, &r);
    return rc ? rc : say_saved(c, &r, "saved");
}

static int delete_run(Cli *c)
{
    Error err;
    Reply r;
    int rc = cli_confirm(c, 1, cli_arg(c, 0), "The rule goes; the clusters it made stay.");
    if (rc)
        return rc;
    if (rest_call(c, &(RestReq){"DELETE", api_path(c->arena, API_RULE_DELETE, cli_arg(c, 0), NULL)},
                  &r, &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c, "rule/%s deleted", cli_arg(c, 0));
    return 0;
}

static int preview_run(Cli *c)
{
    static const char *const GROUPS[][2] = {{"add", "+"}, {"keep", " "}, {"leave", "-"}};
    Error err;
    Reply r;
    cJSON *doc;
    if (new_rule(c, cli_arg(c, 0), &doc, &err))
        return cli_fail(c, &err);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_RULE_PREVIEW, NULL), doc}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    const char *fmt = cli_opt(c, "output");
    if (fmt && !str_eq(fmt, "table") && !str_eq(fmt, "wide"))
        return out_tree(c, r.json);
    for (size_t i = 0; i < 3; i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, json_at(r.json, GROUPS[i][0]))
            printf("%s %s@%s\n", GROUPS[i][1], item_text(c->arena, item, "cluster"),
                   item_text(c->arena, item, "satellite"));
    }
    const cJSON *bad;
    cJSON_ArrayForEach(bad, json_at(r.json, "conflicts"))
        printf("! %s@%s: %s\n", item_text(c->arena, bad, "cluster"),
               item_text(c->arena, bad, "satellite"), item_text(c->arena, bad, "reason"));
    fflush(stdout);
    cli_say(c, "%d to add, %d to keep, %d left behind", cJSON_GetArraySize(json_at(r.json, "add")),
            cJSON_GetArraySize(json_at(r.json, "keep")),
            cJSON_GetArraySize(json_at(r.json, "leave")));
    return 0;
}

static const ArgSpec ONE[] = {{"RULE", "its name", COMP_RULE, false, false}, {0}};
static const ArgSpec NEW[] = {{"RULE", "the new name", COMP_NONE, false, false}, {0}};
#define RULE_OPTS                                                                             \
    {"profile", 'p', "PROFILE", "which profile", COMP_PROFILE, NULL, false},                  \
        {"selector", 'l',  "K=V,...", "labels a satellite must have, all of them",            \
         COMP_NONE,  NULL, false},                                                            \
        {"namespace", 'n',  "NAMESPACE", "where the cluster runs (default: default)",         \
         COMP_NONE,   NULL, false},                                                           \
    {                                                                                         \
        "cluster-name", 0, "NAME", "how the cluster is called at each site", COMP_NONE, NULL, \
            false                                                                             \
    }
static const OptSpec EDIT_OPTS[] = {RULE_OPTS, {0}};
static const OptSpec WRITE_OPTS[] = {
    RULE_OPTS,
    {"file", 'f', "FILE", "take the rule from YAML or JSON", COMP_FILE, NULL, false},
    {0}};

const CmdSpec CMD_RULE_LIST = {.path = "rule list",
                               .aliases = "rule ls|get rules|get rule",
                               .summary = "List deployment rules",
                               .run = list_run};
const CmdSpec CMD_RULE_SHOW = {.path = "rule show",
                               .aliases = "describe rule",
                               .summary = "Show one rule",
                               .args = ONE,
                               .run = show_run};
const CmdSpec CMD_RULE_CREATE = {.path = "rule create",
                                 .summary =
                                     "Add a rule; matching sites start their cluster at once",
                                 .args = NEW,
                                 .opts = WRITE_OPTS,
                                 .run = create_run,
                                 .example = "  swarmctl rule create edge --profile std -l "
                                            "tier=edge -n databases --cluster-name prod-pg\n"};
const CmdSpec CMD_RULE_EDIT = {.path = "rule edit",
                               .aliases = "edit rule|rule set",
                               .summary = "Change a rule",
                               .args = ONE,
                               .opts = EDIT_OPTS,
                               .run = edit_run};
const CmdSpec CMD_RULE_DELETE = {.path = "rule delete",
                                 .aliases = "delete rule",
                                 .summary = "Remove a rule; its clusters stay",
                                 .args = ONE,
                                 .run = delete_run};
const CmdSpec CMD_RULE_PREVIEW = {
    .path = "rule preview",
    .summary = "What a rule would add, keep and leave behind",
    .args = NEW,
    .opts = WRITE_OPTS,
    .run = preview_run,
    .example = "  swarmctl rule preview edge --profile std -l tier=edge --cluster-name prod-pg\n"};
