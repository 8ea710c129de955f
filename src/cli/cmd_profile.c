#include "api/routes.h"
#include "cmds.h"
#include "codec/yaml.h"
#include "doc.h"

#include <stdio.h>
#include <stdlib.h>

/* What a profile takes as input (PROFILE_INPUT); the rest of a PROFILE is the server's. */
static const char *const INPUT[] = {"name",      "description", "replicas",  "postgres",
                                    "storage",   "wal_storage", "resources", "parameters",
                                    "hba_rules", "failover",    "archive",   "deletion_protection",
                                    NULL};

static const char *pg_of(Arena *a, const cJSON *p)
{
    const char *variant = item_text(a, p, "postgres.variant");
    return arena_printf(a, "%s%s%s", str_or(item_text(a, p, "postgres.version"), "-"),
                        str_empty(variant) ? "" : "-", variant);
}

static const Column COLS[] = {
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"VER", "version", COL_TEXT, false, true, NULL},
    {"PG", NULL, COL_TEXT, false, false, pg_of},
    {"REPL", "replicas", COL_TEXT, false, true, NULL},
    {"STORAGE", "storage.size", COL_TEXT, false, false, NULL},
    {"CLUSTERS", "clusters", COL_TEXT, false, true, NULL},
    {"UPDATED", "updated_at", COL_AGE, false, false, NULL},
    {"BY", "author", COL_TEXT, false, false, NULL},
    {"COMMIT", "commit", COL_TEXT, true, false, NULL},
    {"DESCRIPTION", "description", COL_TEXT, true, false, NULL},
    {0},
};

static int list_run(Cli *c)
{
    Error err;
    cJSON *items;
    if (rest_list(c, api_path(c->arena, API_PROFILE_LIST, NULL), &items, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, items, "profile/");
}

static void show_text(Cli *c, const cJSON *p)
{
    AUTO_STRBUF b = {0};
    printf("# profile %s, version %s by %s, commit %.12s, used by %s clusters\n",
           item_text(c->arena, p, "name"), item_text(c->arena, p, "version"),
           item_text(c->arena, p, "author"), item_text(c->arena, p, "commit"),
           item_text(c->arena, p, "clusters"));
    fflush(stdout);
    cJSON *doc = json_own(c->arena, cJSON_Duplicate(p, true));
    doc_keep(doc, INPUT);
    yaml_write(&b, doc);
    out_text(c, b.p, b.n);
}

static int show_run(Cli *c)
{
    Error err;
    cJSON *p;
    const char *path = rest_query(c, api_path(c->arena, API_PROFILE_SHOW, cli_arg(c, 0), NULL),
                                  "version", cli_opt(c, "at"), NULL);
    if (rest_get(c, path, &p, &err))
        return cli_fail(c, &err);
    return out_object(c, p, "profile/", show_text);
}

/* ---- create and edit ---- */

static ErrCode apply_sets(Cli *c, cJSON *doc, Error *err)
{
    const char *set;
    for (size_t i = 0; (set = cli_opt_at(c, "set", i)); i++)
        if (doc_set(doc, set, err))
            return err->code;
    if (cli_opt(c, "message")) {
        cJSON_DeleteItemFromObjectCaseSensitive(doc, "message");
        cJSON_AddStringToObject(doc, "message", cli_opt(c, "message"));
    }
    return ERR_OK;
}

static int say_saved(Cli *c, const Reply *r, const char *verb)
{
    if (cli_opt(c, "output"))
        return out_object(c, r->json, "profile/", show_text);
    cli_say(c, "profile/%s %s, version %s", item_text(c->arena, r->json, "name"), verb,
            item_text(c->arena, r->json, "version"));
    return 0;
}

static int create_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *doc = json_own(c->arena, cJSON_CreateObject());
    if (cli_opt(c, "file") && doc_read(c, cli_opt(c, "file"), &doc, &err))
        return cli_fail(c, &err);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "kind");
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "name");
    cJSON_AddStringToObject(doc, "name", cli_arg(c, 0));
    if (apply_sets(c, doc, &err))
        return cli_fail(c, &err);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_PROFILE_CREATE, NULL), doc}, &r,
                  &err))
        return cli_fail_json(c, &err, r.json);
    return say_saved(c, &r, "created");
}

typedef struct Edit {
    const char *path, *etag;
    Reply reply;
    ErrCode code;
} Edit;

static int save_edit(Cli *c, cJSON *doc, StrBuf *errors, void *ctx)
{
    Edit *e = ctx;
    Error err;
    if (cli_opt(c, "message"))
        cJSON_AddStringToObject(doc, "message", cli_opt(c, "message"));
    e->code = rest_call(c, &(RestReq){"PUT", e->path, doc, e->etag}, &e->reply, &err);
    if (e->code == ERR_OK)
        return 0;
    doc_errors(c, &err, e->reply.json, errors);
    return 1;
}

static int edit_run(Cli *c)
{
    Error err;
    Reply r;
    Edit e = {.path = api_path(c->arena, API_PROFILE_UPDATE, cli_arg(c, 0), NULL)};
    if (rest_call(c, &(RestReq){"GET", e.path}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    e.etag = r.etag;
    cJSON *doc = r.json;
    if (cli_opt(c, "file") && doc_read(c, cli_opt(c, "file"), &doc, &err))
        return cli_fail(c, &err);
    doc_keep(doc, INPUT);
    if (cli_opt(c, "file") || cli_opt(c, "set")) {
        if (apply_sets(c, doc, &err))
            return cli_fail(c, &err);
        if (rest_call(c, &(RestReq){"PUT", e.path, doc, e.etag}, &r, &err))
            return cli_fail_json(c, &err, r.json);
        return say_saved(c, &r, "saved");
    }
    if (!c->tty_in || cli_flag(c, "no-input")) {
        err_set(&err, ERR_USAGE, "profile edit needs a terminal; in a script use --set or --file");
        return cli_fail(c, &err);
    }
    AUTO_STRBUF text = {0};
    yaml_write(&text, doc);
    int rc = doc_edit(c, cli_arg(c, 0), text.p, save_edit, &e);
    return rc ? rc : say_saved(c, &e.reply, "saved");
}

static int lint_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *doc;
    if (doc_read(c, cli_arg(c, 0), &doc, &err))
        return cli_fail(c, &err);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "kind");
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_PROFILE_VALIDATE, NULL), doc}, &r,
                  &err))
        return cli_fail_json(c, &err, r.json);
    if (cli_opt(c, "output"))
        out_tree(c, r.json);
    const cJSON *f, *errors = json_at(r.json, "errors");
    cJSON_ArrayForEach(f, errors)
        fprintf(stderr, "%s: '%s': %s\n", item_text(c->arena, f, "field"),
                item_text(c->arena, f, "value"), item_text(c->arena, f, "want"));
    if (cJSON_GetArraySize(errors))
        return err_exit(ERR_INVALID);
    cli_say(c, "%s: fine", cli_arg(c, 0));
    return 0;
}

/* ---- history ---- */

static const Column LOG_COLS[] = {
    {"VER", "version", COL_TEXT, false, true, NULL},
    {"COMMIT", "commit", COL_TEXT, true, false, NULL},
    {"WHEN", "created_at", COL_AGE, false, false, NULL},
    {"WHO", "author", COL_TEXT, false, false, NULL},
    {"CLUSTERS", "clusters", COL_TEXT, false, true, NULL},
    {"SUBJECT", "message", COL_TEXT, false, false, NULL},
    {0},
};

static int print_diff(Cli *c, const char *name, const char *from, const char *to)
{
    Error err;
    cJSON *d;
    const char *path = rest_query(c, api_path(c->arena, API_PROFILE_DIFF, name, NULL), "from", from,
                                  "to", to, NULL);
    if (rest_get(c, path, &d, &err))
        return cli_fail(c, &err);
    const char *fmt = cli_opt(c, "output");
    if (fmt && !str_eq(fmt, "table") && !str_eq(fmt, "wide"))
        return out_tree(c, d);
    const char *text = json_str_at(d, "text", "");
    AUTO_STRBUF b = {0};
    for (StrView rest = sv(text); rest.n;) {
        StrView line = sv_cut(&rest, '\n');
        const char *sgr = !c->color || !line.n ? NULL
                          : line.p[0] == '+'   ? "32"
                          : line.p[0] == '-'   ? "31"
                          : line.p[0] == '@'   ? "36"
                                               : NULL;
        if (sgr)
            strbuf_addf(&b, "\033[%sm" SV_FMT "\033[0m\n", sgr, SV_ARG(line));
        else
            strbuf_addf(&b, SV_FMT "\n", SV_ARG(line));
    }
    const cJSON *ch;
    cJSON_ArrayForEach(ch, json_at(d, "changes")) strbuf_addf(
        &b, "# %-9s %s: %s -> %s\n", item_text(c->arena, ch, "mode"),
        item_text(c->arena, ch, "field"), str_or(item_text(c->arena, ch, "old"), "(none)"),
        str_or(item_text(c->arena, ch, "new"), "(none)"));
    out_text(c, strbuf_str(&b), b.n);
    return *text ? EXIT_NEGATIVE : 0;
}

static int log_run(Cli *c)
{
    Error err;
    cJSON *items;
    if (rest_list(c, api_path(c->arena, API_PROFILE_VERSIONS, cli_arg(c, 0), NULL), &items, &err))
        return cli_fail(c, &err);
    if (!cli_flag(c, "patch"))
        return out_list(c, LOG_COLS, items, "version/");
    const cJSON *v;
    cJSON_ArrayForEach(v, items)
    {
        int64_t n = json_int_at(v, "version", 0);
        const char *head =
            arena_printf(c->arena, "version %lld  %.12s  %s  %.19s\n    %s\n", (long long)n,
                         item_text(c->arena, v, "commit"), item_text(c->arena, v, "author"),
                         item_text(c->arena, v, "created_at"), item_text(c->arena, v, "message"));
        out_text(c, head, strlen(head));
        if (n > 1)
            print_diff(c, cli_arg(c, 0), arena_printf(c->arena, "%lld", (long long)n - 1),
                       arena_printf(c->arena, "%lld", (long long)n));
    }
    return 0;
}

/* "v3..v5", "3..5", "3" (to the newest), nothing (the last change). */
static int diff_run(Cli *c)
{
    const char *range = cli_arg(c, 1), *from = NULL, *to = NULL;
    if (range) {
        StrView rest = sv(range);
        const char *dots = strstr(range, "..");
        StrView a = dots ? sv_n(range, (size_t)(dots - range)) : rest;
        if (sv_starts(a, "v"))
            a.p++, a.n--;
        from = sv_dup(c->arena, a);
        to = dots ? dots + 2 + (dots[2] == 'v') : NULL;
    }
    return print_diff(c, cli_arg(c, 0), from, to);
}

static int delete_run(Cli *c)
{
    Error err;
    Reply r;
    int rc = cli_confirm(c, 2, cli_arg(c, 0),
                         "The profile and its name go; its history stays in the repository.");
    if (rc)
        return rc;
    if (rest_call(c,
                  &(RestReq){"DELETE", api_path(c->arena, API_PROFILE_DELETE, cli_arg(c, 0), NULL)},
                  &r, &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c, "profile/%s deleted", cli_arg(c, 0));
    return 0;
}

static const ArgSpec ONE[] = {{"PROFILE", "its name", COMP_PROFILE, false, false}, {0}};
static const ArgSpec NEW[] = {{"PROFILE", "the new name", COMP_NONE, false, false}, {0}};
static const ArgSpec FILE_ARG[] = {
    {"FILE", "YAML or JSON; - for standard input", COMP_FILE, false, false}, {0}};
static const ArgSpec DIFF_ARGS[] = {
    {"PROFILE", "its name", COMP_PROFILE, false, false},
    {"A..B", "versions: v3..v5, or v3 for v3 to the newest; default: the last change", COMP_NONE,
     true, false},
    {0}};
static const OptSpec WRITE_OPTS[] = {
    {"file", 'f', "FILE", "take the profile from YAML or JSON; - for standard input", COMP_FILE,
     NULL, false},
    {"set", 0, "PATH=VALUE",
     "change one field: replicas=5, parameters.work_mem=16MB; may be given again", COMP_NONE, NULL,
     true},
    {"message", 'm', "TEXT", "the commit message", COMP_NONE, NULL, false},
    {0}};
static const OptSpec SHOW_OPTS[] = {
    {"at", 0, "VERSION", "this version instead of the newest", COMP_NONE, NULL, false}, {0}};
static const OptSpec LOG_OPTS[] = {
    {"patch", 'p', NULL, "with the change of each version", COMP_NONE, NULL, false}, {0}};

const CmdSpec CMD_PROFILE_LIST = {.path = "profile list",
                                  .aliases = "profile ls|pf list|pf ls|get profiles|get profile",
                                  .summary = "List profiles",
                                  .run = list_run};
const CmdSpec CMD_PROFILE_SHOW = {.path = "profile show",
                                  .aliases = "pf show|describe profile",
                                  .summary = "Show a profile as YAML",
                                  .args = ONE,
                                  .opts = SHOW_OPTS,
                                  .run = show_run};
const CmdSpec CMD_PROFILE_CREATE = {.path = "profile create",
                                    .aliases = "pf create",
                                    .summary = "Add a profile",
                                    .args = NEW,
                                    .opts = WRITE_OPTS,
                                    .run = create_run,
                                    .example =
                                        "  swarmctl profile create std --set replicas=3 --set "
                                        "postgres.version=17 --set storage.size=10Gi\n"};
const CmdSpec CMD_PROFILE_EDIT = {
    .path = "profile edit",
    .aliases = "pf edit|edit profile",
    .summary = "Change a profile: a new version, a git commit",
    .args = ONE,
    .opts = WRITE_OPTS,
    .run = edit_run,
    .about = "Without --set or --file it opens $EDITOR; errors come back as comments in the text. "
             "Running clusters keep "
             "their version until they are approved for the new one.",
    .example = "  swarmctl profile edit std --set parameters.work_mem=16MB -m 'more work_mem'\n"};
const CmdSpec CMD_PROFILE_LINT = {.path = "profile lint",
                                  .aliases = "pf lint",
                                  .summary = "All errors that saving a file would give",
                                  .args = FILE_ARG,
                                  .run = lint_run};
const CmdSpec CMD_PROFILE_LOG = {.path = "profile log",
                                 .aliases = "pf log|profile versions|profile history",
                                 .summary = "Versions of a profile, newest first",
                                 .args = ONE,
                                 .opts = LOG_OPTS,
                                 .run = log_run};
const CmdSpec CMD_PROFILE_DIFF = {
    .path = "profile diff",
    .aliases = "pf diff",
    .summary = "What changed between two versions",
    .args = DIFF_ARGS,
    .run = diff_run,
    .about = "Exit status 0: no difference, 1: there is one. Lines with # tell the restart class.",
    .example = "  swarmctl profile diff std v14..v15\n"};
const CmdSpec CMD_PROFILE_DELETE = {.path = "profile delete",
                                    .aliases = "pf delete|delete profile",
                                    .summary = "Remove a profile that nothing uses",
                                    .args = ONE,
                                    .run = delete_run};
