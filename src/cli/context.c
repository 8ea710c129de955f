/* Contexts: {"current":"prod","contexts":{"prod":{"server":..,"token":..,"user":..,"ca":PEM}}},
 * mode 0600. */
#include "cli.h"

#include "codec/json.h"
#include "core/file.h"
#include <stdlib.h>

const char *context_file(Cli *c)
{
    const char *given = getenv("SWARM_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME");
    if (!str_empty(given))
        return given;
    if (!str_empty(xdg))
        return arena_printf(c->arena, "%s/swarm/config.json", xdg);
    return arena_printf(c->arena, "%s/.config/swarm/config.json", str_or(getenv("HOME"), "/"));
}

ErrCode context_all(Cli *c, cJSON **ret, Error *err)
{
    const char *path = context_file(c);
    StrView text;
    ErrCode rc = file_read(c->arena, path, 1024 * 1024, &text, err);
    if (rc == ERR_NOT_FOUND) {
        *ret = json_own(c->arena, cJSON_CreateObject());
        cJSON_AddItemToObject(*ret, "contexts", cJSON_CreateObject());
        return ERR_OK;
    }
    if (rc)
        return rc;
    rc = json_parse(c->arena, text, text.n, ret, err);
    if (rc == ERR_OK && !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(*ret, "contexts")))
        rc = err_set(err, ERR_MALFORMED, "it has no `contexts`");
    if (rc)
        err_wrap(err, "%s is not a context file (move it away and log in again)", path);
    return rc;
}

ErrCode context_write(Cli *c, const cJSON *tree, Error *err)
{
    const char *path = context_file(c);
    char *dir = arena_strdup(c->arena, path), *slash = strrchr(dir, '/');
    if (slash && slash != dir) {
        *slash = 0;
        if (file_mkdirs(dir, 0700, err))
            return err_wrap(err, "save context");
    }
    char *text = cJSON_Print(tree);
    ErrCode rc = file_write_atomic(path, sv(text), 0600, err);
    cJSON_free(text);
    return rc;
}

static const char *member(const cJSON *o, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
}

static ErrCode no_such_context(const cJSON *all, const char *name, Error *err)
{
    const char *names[32];
    size_t n = 0;
    const cJSON *ctx;
    cJSON_ArrayForEach(ctx, all) if (n < 31) names[n++] = ctx->string;
    names[n] = NULL;
    const char *near = str_nearest(name, names);
    return err_set(err, ERR_NOT_FOUND, "no context '%s'%s%s", name, near ? "; did you mean " : "",
                   near ? near : "");
}

ErrCode context_load(Cli *c, Error *err)
{
    cJSON *tree;
    ErrCode rc = context_all(c, &tree, err);
    if (rc)
        return rc;
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "contexts");
    const char *name = cli_opt(c, "context");
    if (!name)
        name = getenv("SWARM_CONTEXT");
    if (str_empty(name))
        name = member(tree, "current");
    if (str_empty(name))
        return err_set(err, ERR_UNAUTHENTICATED, "not logged in to any central");
    const cJSON *ctx = cJSON_GetObjectItemCaseSensitive(all, name);
    if (!ctx)
        return no_such_context(all, name, err);
    const char *token = getenv("SWARM_TOKEN");
    c->ctx = (Context){.name = name,
                       .server = member(ctx, "server"),
                       .user = member(ctx, "user"),
                       .ca_pem = member(ctx, "ca"),
                       .token = str_empty(token) ? member(ctx, "token") : token};
    return ERR_OK;
}

ErrCode context_save(Cli *c, const Context *ctx, Error *err)
{
    cJSON *tree;
    ErrCode rc = context_all(c, &tree, err);
    if (rc)
        return rc;
    cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "contexts"), *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "server", ctx->server);
    if (ctx->user)
        cJSON_AddStringToObject(o, "user", ctx->user);
    if (ctx->token)
        cJSON_AddStringToObject(o, "token", ctx->token);
    if (ctx->ca_pem)
        cJSON_AddStringToObject(o, "ca", ctx->ca_pem);
    cJSON_DeleteItemFromObjectCaseSensitive(all, ctx->name);
    cJSON_AddItemToObject(all, ctx->name, o);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "current");
    cJSON_AddStringToObject(tree, "current", ctx->name);
    return context_write(c, tree, err);
}
