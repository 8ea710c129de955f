#include "kubelet/images.h"

#include "core/file.h"
#include "core/limits.h"
#include "core/vec.h"
#include "store/js.h"
#include <sys/stat.h>

static void json_free(void *o)
{
    cJSON_Delete(o);
}

static ErrCode read_binds(Arena *a, const cJSON *list, Image *ret, Error *err)
{
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    ImageBind *out = arena_array(a, ImageBind, n + 1);
    const cJSON *item;
    js_each(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        StrView rest = sv(text), source = sv_cut(&rest, ':');
        if (!text || source.n == 0 || source.p[0] != '/' || rest.n == 0 || rest.p[0] != '/')
            return err_set(err, ERR_INVALID, "image %s: binds: '%s' is not /SOURCE:/TARGET",
                           ret->ref, text ? text : "?");
        out[i++] = (ImageBind){sv_dup(a, source), sv_dup(a, rest)};
    }
    ret->binds = out;
    ret->bind_count = i;
    return ERR_OK;
}

static const char *const *read_strings(Arena *a, const cJSON *list, bool pairs)
{
    const char **out = arena_array(a, const char *, (size_t)cJSON_GetArraySize(list) + 1);
    size_t i = 0;
    const cJSON *item;
    js_each(item, list)
    {
        const char *v = cJSON_GetStringValue(item);
        if (v)
            out[i++] = pairs ? arena_printf(a, "%s=%s", item->string, v) : arena_strdup(a, v);
    }
    return out;
}

ErrCode image_find(Arena *a, const char *file, const char *ref, Image *ret, Error *err)
{
    StrView text;
    cJSON *doc = NULL;
    if (str_empty(file))
        return err_set(err, ERR_NOT_FOUND, "image %s: this sandbox was given no --images", ref);
    ErrCode rc = file_read(a, file, LIMIT_KUBE_OBJECT, &text, err);
    if (!rc)
        rc = js_parse(text, &doc, err);
    if (rc)
        return err_wrap(err, "images file %s", file);
    arena_on_free(a, json_free, doc);
    const cJSON *o = js_get(doc, ref);
    if (!o)
        return err_set(err, ERR_NOT_FOUND, "image %s is not listed in %s", ref, file);
    *ret = (Image){.ref = arena_strdup(a, ref), .root = js_str(o, "root")};
    struct stat st;
    if (!ret->root || ret->root[0] != '/' || stat(ret->root, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_INVALID, "image %s: root: '%s' is not a directory", ref,
                       js_text(o, "root"));
    ret->user = (int)js_int(o, "user", -1);
    ret->env = read_strings(a, js_at(o, "env"), true);
    if (js_count(o, "command") > 0)
        ret->command = read_strings(a, js_at(o, "command"), false);
    return read_binds(a, js_at(o, "binds"), ret, err);
}
