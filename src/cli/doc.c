#include "doc.h"

#include "codec/yaml.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/vec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static ErrCode read_text(Cli *c, const char *path, StrView *ret, Error *err)
{
    return file_read(c->arena, str_eq(path, "-") ? "/dev/stdin" : path, LIMIT_JSON_BODY, ret, err);
}

ErrCode doc_read(Cli *c, const char *path, cJSON **ret, Error *err)
{
    StrView text;
    ErrCode rc = read_text(c, path, &text, err);
    if (rc == ERR_OK)
        rc = yaml_parse(c->arena, text, LIMIT_JSON_BODY, ret, err);
    return rc ? err_wrap(err, "%s", path) : ERR_OK;
}

static ErrCode add_file(Cli *c, const char *path, cJSON *all, Error *err)
{
    StrView text;
    YamlDocs docs;
    ErrCode rc = read_text(c, path, &text, err);
    if (rc == ERR_OK)
        rc = yaml_parse_all(c->arena, text, LIMIT_JSON_BODY, &docs, err);
    if (rc)
        return err_wrap(err, "%s", path);
    for (size_t i = 0; i < docs.n; i++)
        cJSON_AddItemToArray(all, cJSON_Duplicate(docs.at[i], true));
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ErrCode add_folder(Cli *c, const char *path, cJSON *all, Error *err)
{
    DIR *d = opendir(path);
    if (!d)
        return err_errno(err, errno, "open folder %s", path);
    VEC(const char *) names = {0};
    for (struct dirent *e; (e = readdir(d));)
        if (str_ends(e->d_name, ".yaml") || str_ends(e->d_name, ".yml") ||
            str_ends(e->d_name, ".json"))
            vec_push(&names, arena_printf(c->arena, "%s/%s", path, e->d_name));
    closedir(d);
    if (names.n)
        qsort(names.at, names.n, sizeof *names.at, by_name);
    ErrCode rc =
        names.n ? ERR_OK : err_set(err, ERR_NOT_FOUND, "%s has no .yaml, .yml or .json", path);
    for (size_t i = 0; i < names.n && rc == ERR_OK; i++)
        rc = add_file(c, names.at[i], all, err);
    vec_done(&names);
    return rc;
}

ErrCode doc_read_all(Cli *c, const char *path, cJSON **ret_array, Error *err)
{
    struct stat st;
    *ret_array = json_own(c->arena, cJSON_CreateArray());
    if (!str_eq(path, "-") && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_folder(c, path, *ret_array, err);
    return add_file(c, path, *ret_array, err);
}

static cJSON *typed_value(Arena *a, const char *text)
{
    int64_t n;
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"')
        return cJSON_CreateString(arena_strndup(a, text + 1, len - 2));
    if (str_eq(text, "true") || str_eq(text, "false"))
        return cJSON_CreateBool(text[0] == 't');
    if (str_to_i64(text, &n) && n > -1000000000 && n < 1000000000)
        return cJSON_CreateNumber((double)n);
    return cJSON_CreateString(text);
}

ErrCode doc_set(cJSON *doc, const char *assignment, Error *err)
{
    const char *eq = strchr(assignment, '=');
    if (!eq || eq == assignment)
        return err_set(err, ERR_USAGE, "--set %s: right is PATH=VALUE", assignment);
    char key[256] = "";
    size_t n = 0;
    cJSON *at = doc;
    AUTO_ARENA a = arena_new();
    bool text_only = false; /* parameters are text, whatever they look like */
    for (const char *s = assignment; s <= eq; s++) {
        if (*s == '\\' && s[1] == '.' && n < sizeof key - 1) {
            key[n++] = *++s;
        } else if (*s == '.' || s == eq) {
            key[n] = 0;
            n = 0;
            if (s == eq)
                break;
            text_only |= at == doc && str_eq(key, "parameters");
            cJSON *kid = cJSON_GetObjectItemCaseSensitive(at, key);
            at = cJSON_IsObject(kid) ? kid : cJSON_AddObjectToObject(at, key);
            if (text_only) { /* what follows is one name, dots and all: pg_stat_statements.max */
                n = (size_t)(eq - s - 1) < sizeof key ? (size_t)(eq - s - 1) : sizeof key - 1;
                memcpy(key, s + 1, n);
                key[n] = 0;
                break;
            }
        } else if (n < sizeof key - 1) {
            key[n++] = *s;
        }
    }
    if (!*key || !at)
        return err_set(err, ERR_USAGE, "--set %s: right is PATH=VALUE", assignment);
    cJSON_DeleteItemFromObjectCaseSensitive(at, key);
    if (eq[1])
        cJSON_AddItemToObject(at, key,
                              text_only ? cJSON_CreateString(eq + 1) : typed_value(a, eq + 1));
    return ERR_OK;
}

void doc_keep(cJSON *doc, const char *const *members)
{
    for (cJSON *m = doc->child, *next; m; m = next) {
        bool keep = false;
        next = m->next;
        for (size_t i = 0; members[i]; i++)
            keep |= str_eq(members[i], m->string);
        if (!keep)
            cJSON_Delete(cJSON_DetachItemViaPointer(doc, m));
    }
}

/* ---- the editor ---- */

static ErrCode run_editor(Cli *c, const char *path, Error *err)
{
    const char *editor = str_or(getenv("VISUAL"), str_or(getenv("EDITOR"), "vi"));
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, errno, "start %s", editor);
    if (pid == 0) {
        /* The user's own word for an editor may carry options, so a shell splits it; the path is an
         * argument of its own. */
        char *line = arena_printf(c->arena, "exec %s \"$1\"", editor);
        execl("/bin/sh", "sh", "-c", line, "editor", path, (char *)NULL);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, errno, "wait for %s", editor);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return err_set(err, ERR_CANCELLED, "%s ended with status %d", editor,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return ERR_OK;
}

static ErrCode draft_path(Cli *c, const char *name, const char **ret, Error *err)
{
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *dir = !str_empty(xdg) ? arena_printf(c->arena, "%s/swarm/drafts", xdg)
                                      : arena_printf(c->arena, "%s/.local/state/swarm/drafts",
                                                     str_or(getenv("HOME"), "/tmp"));
    *ret = arena_printf(c->arena, "%s/%s.yaml", dir, name);
    return file_mkdirs(dir, 0700, err);
}

/* Without the "# " lines that we put on top. */
static StrView without_errors(StrView text)
{
    while (sv_starts(text, "# ! ")) {
        const char *nl = memchr(text.p, '\n', text.n);
        if (!nl)
            return (StrView){0};
        text.n -= (size_t)(nl + 1 - text.p);
        text.p = nl + 1;
    }
    return text;
}

void doc_errors(Cli *c, const Error *err, const cJSON *reply, StrBuf *errors)
{
    const cJSON *f;
    strbuf_addf(errors, "# ! %s\n", err->msg);
    cJSON_ArrayForEach(f, json_at(reply, "error.fields"))
        strbuf_addf(errors, "# ! %s: '%s': %s\n", item_text(c->arena, f, "field"),
                    item_text(c->arena, f, "value"), item_text(c->arena, f, "want"));
}

int doc_edit(Cli *c, const char *name, const char *text, DocSave save, void *ctx)
{
    Error err;
    const char *path;
    StrView before = sv(text);
    AUTO_STRBUF errors = {0};
    if (draft_path(c, name, &path, &err))
        return cli_fail(c, &err);
    for (;;) {
        AUTO_STRBUF file = {0};
        strbuf_add(&file, strbuf_str(&errors), errors.n);
        strbuf_add(&file, before.p, before.n);
        StrView after;
        cJSON *doc;
        if (file_write_atomic(path, sv_n(file.p, file.n), 0600, &err) ||
            run_editor(c, path, &err) || file_read(c->arena, path, LIMIT_JSON_BODY, &after, &err))
            return cli_fail(c, &err);
        after = without_errors(after);
        bool same = sv_eq(after, before);
        if (same || sv_trim(after).n == 0) {
            cli_say(c,
                    same && errors.n ? "Edit left with errors; your draft is %s"
                                     : "Nothing was changed.",
                    path);
            if (!errors.n)
                unlink(path);
            return errors.n ? err_exit(ERR_INVALID) : EXIT_NEGATIVE;
        }
        strbuf_reset(&errors);
        before = after;
        if (yaml_parse(c->arena, after, LIMIT_JSON_BODY, &doc, &err))
            strbuf_addf(&errors, "# ! %s\n", err.msg);
        else if (save(c, doc, &errors, ctx) == 0) {
            unlink(path);
            return 0;
        }
    }
}
