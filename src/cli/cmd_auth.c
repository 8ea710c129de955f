/* Who you are: login, contexts, users, tokens, and the audit trail. */
#include "api/routes.h"
#include "cmds.h"
#include "core/file.h"
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* A line from standard input; from a terminal without echo. */
static ErrCode read_secret(Cli *c, const char *prompt, const char **ret, Error *err)
{
    char line[1024];
    struct termios old, quiet;
    bool hide = c->tty_in && tcgetattr(STDIN_FILENO, &old) == 0;
    if (hide) {
        fprintf(stderr, "%s: ", prompt);
        fflush(stderr);
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool got = fgets(line, sizeof line, stdin) != NULL;
    if (hide) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    if (!got)
        return err_set(err, ERR_USAGE, "no %s on standard input", prompt);
    line[strcspn(line, "\r\n")] = 0;
    *ret = arena_strdup(c->arena, line);
    explicit_bzero(line, sizeof line);
    return ERR_OK;
}

/* "central:8080" and "https://central:8080/" to "https://central:8080". */
static const char *server_url(Cli *c, const char *given)
{
    char *url = str_starts(given, "http://") || str_starts(given, "https://")
                    ? arena_strdup(c->arena, given)
                    : arena_printf(c->arena, "https://%s", given);
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        url[--n] = 0;
    return url;
}

static ErrCode token_by_password(Cli *c, Error *err)
{
    Reply r;
    const char *password;
    const char *user = str_or(cli_opt(c, "user"), str_or(getenv("USER"), "admin"));
    if (read_secret(c, "password", &password, err))
        return err->code;
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "name", user);
    cJSON_AddStringToObject(body, "password", password);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_LOGIN, NULL), body}, &r, err))
        return err->code;
    c->ctx.token = json_str_at(r.json, "token", NULL);
    c->ctx.user = user;
    return c->ctx.token ? ERR_OK : err_set(err, ERR_INTERNAL, "central sent no token");
}

static int login_run(Cli *c)
{
    Error err;
    cJSON *me;
    c->ctx.server = server_url(c, cli_arg(c, 0));
    c->ctx.name = str_or(cli_opt(c, "name"), "default");
    const char *ca = cli_opt(c, "ca");
    StrView pem;
    if (ca && file_read(c->arena, ca, 1024 * 1024, &pem, &err))
        return cli_fail(c, &err);
    c->ctx.ca_pem = ca ? pem.p : NULL;
    ErrCode rc = cli_flag(c, "token-stdin") ? read_secret(c, "token", &c->ctx.token, &err)
                                            : token_by_password(c, &err);
    if (rc || rest_get(c, api_path(c->arena, API_WHOAMI, NULL), &me, &err))
        return cli_fail(c, &err);
    c->ctx.user = json_str_at(me, "name", c->ctx.user);
    if (context_save(c, &c->ctx, &err))
        return cli_fail(c, &err);
    cli_say(c, "logged in to %s as %s (%s); context %s", c->ctx.server, c->ctx.user,
            json_str_at(me, "role", "?"), c->ctx.name);
    return 0;
}

static int logout_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *tree;
    if (context_load(c, &err))
        return cli_fail(c, &err);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_LOGOUT, NULL)}, &r, &err))
        cli_say(c, "the token could not be ended at central: %s", err.msg);
    if (context_all(c, &tree, &err))
        return cli_fail(c, &err);
    cJSON *ctx = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(tree, "contexts"), c->ctx.name);
    cJSON_DeleteItemFromObjectCaseSensitive(ctx, "token");
    if (context_write(c, tree, &err))
        return cli_fail(c, &err);
    cli_say(c, "logged out of %s", c->ctx.server);
    return 0;
}

/* ---- contexts ---- */

static const Column CONTEXT_COLS[] = {
    {"CURRENT", "current", COL_BOOL, false, false, NULL},
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"SERVER", "server", COL_TEXT, false, false, NULL},
    {"USER", "user", COL_TEXT, false, false, NULL},
    {0},
};

static int context_list_run(Cli *c)
{
    Error err;
    cJSON *tree;
    if (context_all(c, &tree, &err))
        return cli_fail(c, &err);
    const char *current = str_or(getenv("SWARM_CONTEXT"), json_str_at(tree, "current", ""));
    cJSON *items = json_own(c->arena, cJSON_CreateArray());
    const cJSON *ctx;
    cJSON_ArrayForEach(ctx, cJSON_GetObjectItemCaseSensitive(tree, "contexts"))
    {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddBoolToObject(row, "current", str_eq(ctx->string, current));
        cJSON_AddStringToObject(row, "name", ctx->string);
        cJSON_AddStringToObject(row, "server", json_str_at(ctx, "server", ""));
        cJSON_AddStringToObject(row, "user", json_str_at(ctx, "user", ""));
        cJSON_AddItemToArray(items, row);
    }
    return out_list(c, CONTEXT_COLS, items, "context/");
}

static int context_change(Cli *c, bool delete)
{
    Error err;
    cJSON *tree;
    const char *name = cli_arg(c, 0);
    if (context_all(c, &tree, &err))
        return cli_fail(c, &err);
    cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "contexts");
    if (!cJSON_GetObjectItemCaseSensitive(all, name)) {
        err_set(&err, ERR_NOT_FOUND, "no context '%s'; see swarmctl context list", name);
        return cli_fail(c, &err);
    }
    bool was_current = str_eq(json_str_at(tree, "current", NULL), name);
    if (delete)
        cJSON_DeleteItemFromObjectCaseSensitive(all, name);
    if (!delete || was_current)
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "current");
    if (!delete)
        cJSON_AddStringToObject(tree, "current", name);
    if (context_write(c, tree, &err))
        return cli_fail(c, &err);
    cli_say(c, delete ? "context %s deleted" : "context %s is the current one", name);
    return 0;
}

static int context_use_run(Cli *c)
{
    return context_change(c, false);
}

static int context_delete_run(Cli *c)
{
    return context_change(c, true);
}

/* ---- users and tokens ---- */

static const Column USER_COLS[] = {
    {"NAME", "name", COL_TEXT, false, false, NULL},
    {"ROLE", "role", COL_TEXT, false, false, NULL},
    {"CREATED", "created_at", COL_AGE, false, false, NULL},
    {0},
};
static const Column TOKEN_COLS[] = {
    {"ID", "id", COL_TEXT, false, false, NULL},
    {"USER", "user", COL_TEXT, false, false, NULL},
    {"ROLE", "role", COL_TEXT, false, false, NULL},
    {"CREATED", "created_at", COL_AGE, false, false, NULL},
    {"USED", "last_used_at", COL_AGE, false, false, NULL},
    {"EXPIRES", "expires_at", COL_TIME, false, false, NULL},
    {"FOR", "description", COL_TEXT, false, false, NULL},
    {0},
};
static const Column AUDIT_COLS[] = {
    {"AT", "at", COL_TIME, false, false, NULL},
    {"USER", "user", COL_TEXT, false, false, NULL},
    {"FROM", "from", COL_TEXT, false, false, NULL},
    {"ACTION", "action", COL_TEXT, false, false, NULL},
    {"TARGET", "target", COL_TEXT, false, false, NULL},
    {"RESULT", "result", COL_TEXT, false, false, NULL},
    {0},
};

static int list_of(Cli *c, ApiRoute route, const Column *cols, const char *prefix)
{
    Error err;
    cJSON *items;
    if (rest_list(c, api_path(c->arena, route, NULL), &items, &err))
        return cli_fail(c, &err);
    return out_list(c, cols, items, prefix);
}

static int user_list_run(Cli *c)
{
    return list_of(c, API_USER_LIST, USER_COLS, "user/");
}
static int token_list_run(Cli *c)
{
    return list_of(c, API_TOKEN_LIST, TOKEN_COLS, "token/");
}
static int audit_run(Cli *c)
{
    return list_of(c, API_AUDIT_LIST, AUDIT_COLS, "audit/");
}

static int user_create_run(Cli *c)
{
    Error err;
    Reply r;
    const char *password;
    if (read_secret(c, "password of the new user", &password, &err))
        return cli_fail(c, &err);
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "name", cli_arg(c, 0));
    cJSON_AddStringToObject(body, "role", str_or(cli_opt(c, "role"), "viewer"));
    cJSON_AddStringToObject(body, "password", password);
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_USER_CREATE, NULL), body}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c, "user/%s created", cli_arg(c, 0));
    return 0;
}

static int delete_one(Cli *c, ApiRoute route, const char *noun)
{
    Error err;
    Reply r;
    int rc = cli_confirm(c, 1, cli_arg(c, 0),
                         arena_printf(c->arena, "%s %s goes.", noun, cli_arg(c, 0)));
    if (rc)
        return rc;
    if (rest_call(c, &(RestReq){"DELETE", api_path(c->arena, route, cli_arg(c, 0), NULL)}, &r,
                  &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c, "%s/%s deleted", noun, cli_arg(c, 0));
    return 0;
}

static int user_delete_run(Cli *c)
{
    return delete_one(c, API_USER_DELETE, "user");
}
static int token_delete_run(Cli *c)
{
    return delete_one(c, API_TOKEN_DELETE, "token");
}

static int token_create_run(Cli *c)
{
    Error err;
    Reply r;
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "description", cli_arg(c, 0));
    cJSON_AddStringToObject(body, "role", str_or(cli_opt(c, "role"), "viewer"));
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_TOKEN_CREATE, NULL), body}, &r,
                  &err))
        return cli_fail_json(c, &err, r.json);
    if (cli_opt(c, "output"))
        return out_tree(c, r.json);
    const char *line = arena_printf(c->arena, "%s\n", json_str_at(r.json, "token", ""));
    out_text(c, line, strlen(line));
    cli_say(c, "this is the only time it is shown");
    return 0;
}

static const ArgSpec URL_ARG[] = {{"URL", "of central: https://host:8080", COMP_NONE, false, false},
                                  {0}};
static const ArgSpec CTX_ARG[] = {{"CONTEXT", "its name", COMP_CONTEXT, false, false}, {0}};
static const ArgSpec USER_ARG[] = {{"USER", "a name", COMP_NONE, false, false}, {0}};
static const ArgSpec TOKEN_ARG[] = {{"TOKEN", "its id", COMP_NONE, false, false}, {0}};
static const ArgSpec TOKEN_NAME[] = {{"PURPOSE", "what it is for", COMP_NONE, false, false}, {0}};
static const OptSpec LOGIN_OPTS[] = {
    {"user", 'u', "NAME", "log in as (default: $USER)", COMP_NONE, NULL, false},
    {"token-stdin", 0, NULL, "read a token instead of a password from standard input", COMP_NONE,
     NULL, false},
    {"ca", 0, "FILE", "certificate of central's CA (pg-swarm-central ca)", COMP_FILE, NULL, false},
    {"name", 0, "CONTEXT", "how to call it (default: default)", COMP_NONE, NULL, false},
    {0}};
static const OptSpec ROLE_OPTS[] = {{"role", 0, "ROLE", "viewer (default), operator or admin",
                                     COMP_CHOICE, "viewer|operator|admin", false},
                                    {0}};

const CmdSpec CMD_LOGIN = {
    .path = "login",
    .summary = "Log in to a central and make it the current context",
    .args = URL_ARG,
    .opts = LOGIN_OPTS,
    .run = login_run,
    .offline = true,
    .about = "The password is asked for, or read from standard input when that is no terminal.",
    .example = "  swarmctl login https://central.example:8080 --user ada --ca ca.crt\n"};
const CmdSpec CMD_LOGOUT = {
    .path = "logout", .summary = "End the token of the current context", .run = logout_run};
const CmdSpec CMD_CONTEXT_LIST = {.path = "context list",
                                  .aliases = "context ls|context",
                                  .summary = "List contexts",
                                  .run = context_list_run,
                                  .offline = true};
const CmdSpec CMD_CONTEXT_USE = {.path = "context use",
                                 .summary = "Make a context the current one",
                                 .args = CTX_ARG,
                                 .run = context_use_run,
                                 .offline = true};
const CmdSpec CMD_CONTEXT_DELETE = {.path = "context delete",
                                    .summary = "Forget a context",
                                    .args = CTX_ARG,
                                    .run = context_delete_run,
                                    .offline = true};
const CmdSpec CMD_USER_LIST = {.path = "user list",
                               .aliases = "user ls|get users",
                               .summary = "List users",
                               .run = user_list_run};
const CmdSpec CMD_USER_CREATE = {.path = "user create",
                                 .summary = "Add a user; the password comes from standard input",
                                 .args = USER_ARG,
                                 .opts = ROLE_OPTS,
                                 .run = user_create_run};
const CmdSpec CMD_USER_DELETE = {.path = "user delete",
                                 .summary = "Remove a user and the user's tokens",
                                 .args = USER_ARG,
                                 .run = user_delete_run};
const CmdSpec CMD_TOKEN_LIST = {.path = "token list",
                                .aliases = "token ls|get tokens",
                                .summary = "List tokens",
                                .run = token_list_run};
const CmdSpec CMD_TOKEN_CREATE = {.path = "token create",
                                  .summary = "Make a token for a script",
                                  .args = TOKEN_NAME,
                                  .opts = ROLE_OPTS,
                                  .run = token_create_run};
const CmdSpec CMD_TOKEN_DELETE = {
    .path = "token delete", .summary = "End a token", .args = TOKEN_ARG, .run = token_delete_run};
const CmdSpec CMD_AUDIT = {.path = "audit", .summary = "Who changed what", .run = audit_run};
