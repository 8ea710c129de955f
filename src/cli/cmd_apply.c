/* apply: documents {kind: Profile|DeploymentRule, ...input fields} made so: created, configured or
 * unchanged. */
#include "api/routes.h"
#include "cmds.h"
#include "doc.h"

#include <stdio.h>

/* One kind that can be applied. `keys` name the object in its path. */
typedef struct Kind {
    const char *kind, *noun;
    ApiRoute show, create, update;
    const char *keys[2]; /* members of the document; the second may be NULL */
    bool by_put;         /* PUT both creates and changes; there is no POST */
} Kind;

static const Kind KINDS[] = {
    {"PostgresVersion",
     "postgres-version",
     API_PGVERSION_LIST,
     API_PGVERSION_PUT,
     API_PGVERSION_PUT,
     {"version", "variant"},
     true},
    {"Profile",
     "profile",
     API_PROFILE_SHOW,
     API_PROFILE_CREATE,
     API_PROFILE_UPDATE,
     {"name", NULL},
     false},
    {"DeploymentRule",
     "rule",
     API_RULE_SHOW,
     API_RULE_CREATE,
     API_RULE_UPDATE,
     {"name", NULL},
     false},
};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static const Kind *kind_of(const cJSON *doc, Error *err)
{
    const char *names[KIND_COUNT + 1] = {0};
    const char *kind = json_str_at(doc, "kind", "");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        names[i] = KINDS[i].kind;
        if (str_eq(kind, KINDS[i].kind))
            return &KINDS[i];
    }
    const char *near = str_nearest(kind, names);
    err_set(err, ERR_INVALID, "kind '%s'%s%s; right is Profile, DeploymentRule or PostgresVersion",
            kind, near ? ": did you mean " : "", near ? near : "");
    return NULL;
}

/* Is every field of the document already so at the server? What the document leaves out does not
 * count. */
static bool covered(const cJSON *doc, const cJSON *have)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, doc)
    {
        if (str_eq(m->string, "message"))
            continue;
        const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(have, m->string);
        if (!theirs)
            return false;
        if (cJSON_IsObject(m) && cJSON_IsObject(theirs) && !str_eq(m->string, "parameters") &&
            !str_eq(m->string, "selector")) {
            if (!covered(m, theirs))
                return false;
        } else if (!json_equal(m, theirs)) {
            return false;
        }
    }
    return true;
}

/* Fields of `doc` over those of `have`: an apply of half a document keeps the other half. */
static cJSON *merged(Cli *c, const cJSON *doc, const cJSON *have)
{
    static const char *const SERVER[] = {"version",    "commit",   "author",  "updated_at",
                                         "created_at", "clusters", "matches", "id"};
    cJSON *out = json_own(c->arena, cJSON_Duplicate(have, true));
    for (size_t i = 0; i < sizeof SERVER / sizeof *SERVER; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(out, SERVER[i]);
    const cJSON *m;
    cJSON_ArrayForEach(m, doc)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(out, m->string);
        cJSON_AddItemToObject(out, m->string, cJSON_Duplicate(m, true));
    }
    return out;
}

static void say_result(Cli *c, const Kind *k, const char *name, const char *what, const cJSON *obj)
{
    int64_t version = json_int_at(obj, "version", 0);
    const char *line =
        version && str_eq(k->noun, "profile") && !str_eq(what, "unchanged")
            ? arena_printf(c->arena, "%s/%s %s v%lld\n", k->noun, name, what, (long long)version)
            : arena_printf(c->arena, "%s/%s %s\n", k->noun, name, what);
    out_text(c, line, strlen(line));
}

static ErrCode put_only(Cli *c, const Kind *k, cJSON *doc, Reply *r, Error *err)
{
    const char *a = json_str_at(doc, k->keys[0], ""), *b = json_str_at(doc, k->keys[1], "default");
    const char *path = api_path(c->arena, k->update, a, b, NULL);
    const char *name = arena_printf(c->arena, "%s-%s", a, b);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, k->keys[0]);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, k->keys[1]);
    ErrCode rc = rest_call(c, &(RestReq){"PUT", path, doc}, r, err);
    if (rc == ERR_OK)
        say_result(c, k, name, "configured", NULL);
    return rc;
}

static ErrCode apply_one(Cli *c, cJSON *doc, Reply *r, Error *err)
{
    const Kind *k = kind_of(doc, err);
    if (!k)
        return err->code;
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "kind");
    const char *name = arena_strdup(c->arena, json_str_at(doc, k->keys[0], ""));
    if (str_empty(name))
        return err_set(err, ERR_INVALID, "%s: '': a %s needs one", k->keys[0], k->kind);
    if (k->by_put)
        return put_only(c, k, doc, r, err);
    ErrCode rc = rest_call(c, &(RestReq){"GET", api_path(c->arena, k->show, name, NULL)}, r, err);
    if (rc == ERR_NOT_FOUND) {
        rc = rest_call(c, &(RestReq){"POST", api_path(c->arena, k->create, NULL), doc}, r, err);
        if (rc == ERR_OK)
            say_result(c, k, name, "created", r->json);
        return rc;
    }
    if (rc)
        return rc;
    if (covered(doc, r->json)) {
        say_result(c, k, name, "unchanged", r->json);
        return ERR_OK;
    }
    cJSON *body = merged(c, doc, r->json);
    rc = rest_call(c, &(RestReq){"PUT", api_path(c->arena, k->update, name, NULL), body, r->etag},
                   r, err);
    if (rc == ERR_OK)
        say_result(c, k, name, "configured", r->json);
    return rc;
}

/* Profiles before the rules that name them, whatever the order in the files. */
static int apply_run(Cli *c)
{
    Error err;
    Reply r = {0};
    cJSON *docs;
    int failed = 0, done = 0, last = 0;
    if (doc_read_all(c, cli_opt(c, "file"), &docs, &err))
        return cli_fail(c, &err);
    cJSON *doc;
    cJSON_ArrayForEach(doc, docs) if (!kind_of(doc, &err)) return cli_fail(c, &err);
    for (size_t i = 0; i < KIND_COUNT; i++)
        cJSON_ArrayForEach(doc, docs)
        {
            cJSON *one = json_own(c->arena, cJSON_Duplicate(doc, true));
            if (!str_eq(json_str_at(one, "kind", ""), KINDS[i].kind))
                continue;
            r = (Reply){0};
            if (apply_one(c, one, &r, &err)) {
                err_wrap(&err, "%s/%s", KINDS[i].noun, json_str_at(doc, KINDS[i].keys[0], "?"));
                last = cli_fail_json(c, &err, r.json);
                failed++;
            } else {
                done++;
            }
        }
    return !failed ? 0 : done ? 3 : last;
}

static int apply_checked(Cli *c)
{
    Error err;
    if (cli_opt(c, "file"))
        return apply_run(c);
    err_set(&err, ERR_USAGE, "apply needs --file FILE, a folder, or - for standard input");
    return cli_fail(c, &err);
}

static const OptSpec OPTS[] = {
    {"file", 'f', "FILE", "YAML or JSON, a folder of them, or -", COMP_FILE, NULL, false}, {0}};

const CmdSpec CMD_APPLY = {
    .path = "apply",
    .summary = "Make profiles and rules be as files say",
    .opts = OPTS,
    .run = apply_checked,
    .about =
        "Each document has a kind (Profile, DeploymentRule, PostgresVersion) and the fields that "
        "`profile show -o yaml` "
        "prints. Fields that are left out stay as they are. Exit status 3: some documents failed.",
    .example = "  swarmctl apply -f fleet/\n"};
