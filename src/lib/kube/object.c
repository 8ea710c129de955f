#include "kube/kube.h"

#include <stdlib.h>

/* One step of a path: a key, or an index. Moves *p behind it; false at the end or on bad syntax. */
static bool next_step(const char **p, StrView *key, int *index)
{
    const char *s = *p;
    *index = -1;
    if (*s == '.')
        s++;
    if (!*s)
        return false;
    if (s[0] == '[' && s[1] == '\'') {
        const char *end = strstr(s + 2, "']");
        if (!end)
            return false;
        *key = sv_n(s + 2, (size_t)(end - s - 2));
        *p = end + 2;
        return true;
    }
    if (*s == '[') {
        char *end;
        *index = (int)strtol(s + 1, &end, 10);
        *p = *end == ']' ? end + 1 : end;
        return *end == ']' && *index >= 0;
    }
    size_t n = strcspn(s, ".[");
    *key = sv_n(s, n);
    *p = s + n;
    return n > 0;
}

static cJSON *child_named(const cJSON *obj, StrView key)
{
    if (!cJSON_IsObject(obj))
        return NULL;
    for (cJSON *c = obj->child; c; c = c->next)
        if (c->string && sv_eqs(key, c->string))
            return c;
    return NULL;
}

cJSON *kube_at(const cJSON *obj, const char *path)
{
    cJSON *at = (cJSON *)obj;
    StrView key = {0};
    int index;
    while (at && *path) {
        if (!next_step(&path, &key, &index))
            return NULL;
        at = index >= 0 ? cJSON_GetArrayItem(at, index) : child_named(at, key);
    }
    return at;
}

const char *kube_str(const cJSON *obj, const char *path)
{
    return cJSON_GetStringValue(kube_at(obj, path));
}

int64_t kube_int(const cJSON *obj, const char *path, int64_t absent)
{
    const cJSON *v = kube_at(obj, path);
    return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : absent;
}

bool kube_bool(const cJSON *obj, const char *path, bool absent)
{
    const cJSON *v = kube_at(obj, path);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : absent;
}

const char *kube_label(const cJSON *obj, const char *key)
{
    return cJSON_GetStringValue(child_named(kube_at(obj, "metadata.labels"), sv(key)));
}

const char *kube_annotation(const cJSON *obj, const char *key)
{
    return cJSON_GetStringValue(child_named(kube_at(obj, "metadata.annotations"), sv(key)));
}

/* ---- errors ---- */

static ErrCode code_of(int status, const char *reason)
{
    if (status == 409)
        return str_eq(reason, "AlreadyExists") ? ERR_EXISTS : ERR_CONFLICT;
    if (status == 400) /* a webhook that refuses without a code, among others */
        return ERR_INVALID;
    if (status >= 500)
        return status == 504 ? ERR_TIMEOUT : ERR_UNAVAILABLE;
    return err_from_http(status);
}

/* The causes that the message does not carry already. */
static void add_causes(StrBuf *b, const cJSON *causes, const char *message)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, causes)
    {
        const char *field = kube_str(c, "field"), *text = kube_str(c, "message");
        if (str_empty(text) || strstr(message, text))
            continue;
        strbuf_addf(b, "; %s%s%s", str_or(field, ""), str_empty(field) ? "" : ": ", text);
    }
}

ErrCode kube_status_error(int http_status, StrView body, Error *err)
{
    cJSON *s = cJSON_ParseWithLength(body.p ? body.p : "", body.n);
    const char *message = kube_str(s, "message"), *reason = kube_str(s, "reason");
    ErrCode code = code_of(http_status, reason);
    AUTO_STRBUF b = {0};
    if (!str_empty(message)) {
        strbuf_adds(&b, message);
        add_causes(&b, kube_at(s, "details.causes"), message);
    } else if (!str_empty(reason)) {
        strbuf_adds(&b, reason);
    } else if (!s && body.n) { /* a proxy's page, or the API server's plain text */
        StrView line = sv_trim(sv_cut(&body, '\n'));
        strbuf_addf(&b, "HTTP %d: " SV_FMT, http_status, (int)(line.n < 200 ? line.n : 200),
                    line.p);
    } else {
        strbuf_addf(&b, "HTTP %d without a reason", http_status);
    }
    err_set(err, code, "%s", strbuf_str(&b));
    cJSON_Delete(s);
    return code;
}
