#include "kubelet/podenv.h"

#include "core/ident.h"
#include "core/vec.h"
#include <stdio.h>

typedef struct EnvList {
    Arena *a;
    const PodFacts *facts;
    VEC(const char *) at;
} EnvList;

static void env_set(EnvList *e, const char *name, const char *value)
{
    size_t n = strlen(name);
    const char *line = arena_printf(e->a, "%s=%s", name, value);
    for (size_t i = 0; i < e->at.n; i++) {
        if (strncmp(e->at.at[i], name, n) == 0 && e->at.at[i][n] == '=') {
            e->at.at[i] = line;
            return;
        }
    }
    vec_push(&e->at, line);
}

static const char *env_value(const char *const *env, size_t count, StrView name)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], name.p, name.n) == 0 && env[i][name.n] == '=')
            return env[i] + name.n + 1;
    return NULL;
}

static const char *expand(Arena *a, const char *text, const char *const *env, size_t count)
{
    AUTO_STRBUF b = {0};
    for (const char *p = text; *p; p++) {
        const char *end;
        if (p[0] != '$' || !p[1]) {
            strbuf_addc(&b, *p);
        } else if (p[1] == '$') {
            strbuf_addc(&b, *p++);
        } else if (p[1] == '(' && (end = strchr(p, ')'))) {
            const char *v = env_value(env, count, sv_n(p + 2, (size_t)(end - p - 2)));
            if (v)
                strbuf_adds(&b, v);
            else
                strbuf_add(&b, p, (size_t)(end - p + 1));
            p = end;
        } else {
            strbuf_addc(&b, *p);
        }
    }
    return arena_strdup(a, strbuf_str(&b));
}

const char *podenv_expand(Arena *a, const char *text, const char *const *env)
{
    size_t n = 0;
    while (env[n])
        n++;
    return expand(a, text, env, n);
}

/* "metadata.labels['x']" -> x; NULL when path is not of that form. */
static const char *subscript(Arena *a, const char *path, const char *head)
{
    size_t n = strlen(head), m = strlen(path);
    if (!str_starts(path, head) || m < n + 4 || strncmp(path + n, "['", 2) != 0 ||
        !str_ends(path, "']"))
        return NULL;
    return arena_strndup(a, path + n + 2, m - n - 4);
}

ErrCode podenv_field(Arena *a, const PodFacts *f, const char *path, const char **ret, Error *err)
{
    static const char *const plain[] = {"metadata.name", "metadata.namespace", "metadata.uid",
                                        "spec.serviceAccountName", NULL};
    for (const char *const *p = plain; *p; p++) {
        if (str_eq(path, *p)) {
            *ret = arena_strdup(a, js_text(f->pod, path));
            return ERR_OK;
        }
    }
    const char *key = subscript(a, path, "metadata.labels");
    if (key) {
        *ret = arena_strdup(a, js_text(f->pod, arena_printf(a, "metadata.labels[%s]", key)));
        return ERR_OK;
    }
    key = subscript(a, path, "metadata.annotations");
    if (key) {
        *ret = arena_strdup(a, js_text(f->pod, arena_printf(a, "metadata.annotations[%s]", key)));
        return ERR_OK;
    }
    if (str_eq(path, "status.podIP") || str_eq(path, "status.podIPs"))
        *ret = f->pod_ip;
    else if (str_eq(path, "status.hostIP"))
        *ret = f->host_ip;
    else if (str_eq(path, "spec.nodeName"))
        *ret = f->node;
    else
        return err_set(err, ERR_INVALID, "field label not supported: %s", path);
    return ERR_OK;
}

/* A key of a ConfigMap or a Secret as text. */
static ErrCode key_value(EnvList *e, bool secret, const cJSON *ref, const char **ret, Error *err)
{
    const char *name = js_text(ref, "name"), *key = js_text(ref, "key");
    const char *what = secret ? "secret" : "configmap";
    bool optional = js_bool(ref, "optional", false);
    const Obj *o =
        store_get(e->facts->store, e->a, secret ? K(SECRET) : K(CONFIGMAP), e->facts->ns, name);
    *ret = NULL;
    if (!o)
        return optional ? ERR_OK : err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", what, name);
    const char *v = cJSON_GetStringValue(js_get(js_get(o->json, "data"), key));
    if (!v)
        return optional ? ERR_OK
                        : err_set(err, ERR_NOT_FOUND, "couldn't find key %s in %s %s/%s", key,
                                  secret ? "Secret" : "ConfigMap", e->facts->ns, name);
    size_t n;
    *ret = secret ? (const char *)base64_decode(e->a, v, strlen(v), &n) : v;
    return ERR_OK;
}

static ErrCode add_one(EnvList *e, const cJSON *item, Error *err)
{
    const char *name = js_text(item, "name"), *v = js_str(item, "value");
    const cJSON *from = js_get(item, "valueFrom");
    if (!from) {
        env_set(e, name, v ? expand(e->a, v, e->at.at, e->at.n) : "");
        return ERR_OK;
    }
    ErrCode rc;
    const cJSON *ref;
    v = NULL;
    if ((ref = js_get(from, "fieldRef")))
        rc = podenv_field(e->a, e->facts, js_text(ref, "fieldPath"), &v, err);
    else if ((ref = js_get(from, "configMapKeyRef")))
        rc = key_value(e, false, ref, &v, err);
    else if ((ref = js_get(from, "secretKeyRef")))
        rc = key_value(e, true, ref, &v, err);
    else
        rc = err_set(err, ERR_UNIMPLEMENTED,
                     "env %s: valueFrom: the sandbox has fieldRef, configMapKeyRef, secretKeyRef",
                     name);
    if (!rc && v)
        env_set(e, name, v);
    return rc;
}

static ErrCode add_all_of(EnvList *e, const cJSON *item, Error *err)
{
    bool secret = js_get(item, "secretRef") != NULL;
    const cJSON *ref = js_get(item, secret ? "secretRef" : "configMapRef");
    const char *name = js_text(ref, "name"), *prefix = js_text(item, "prefix");
    const Obj *o =
        store_get(e->facts->store, e->a, secret ? K(SECRET) : K(CONFIGMAP), e->facts->ns, name);
    if (!o)
        return js_bool(ref, "optional", false) ? ERR_OK
                                               : err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found",
                                                         secret ? "secret" : "configmap", name);
    const cJSON *kv;
    js_each(kv, js_get(o->json, "data"))
    {
        const char *v = cJSON_GetStringValue(kv);
        size_t n;
        if (v && secret)
            v = (const char *)base64_decode(e->a, v, strlen(v), &n);
        if (v)
            env_set(e, arena_printf(e->a, "%s%s", prefix, kv->string), v);
    }
    return ERR_OK;
}

ErrCode podenv_build(Arena *a, const PodFacts *f, const cJSON *container, const Image *image,
                     const char *const **ret, Error *err)
{
    EnvList e = {.a = a, .facts = f};
    env_set(&e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    const char *host = str_or(js_str(f->pod, "spec.hostname"), js_text(f->pod, "metadata.name"));
    env_set(&e, "HOSTNAME", host);
    for (const char *const *p = image->env; p && *p; p++) {
        const char *eq = strchr(*p, '=');
        env_set(&e, arena_strndup(a, *p, (size_t)(eq - *p)), eq + 1);
    }
    env_set(&e, "KUBERNETES_SERVICE_HOST", f->api_host);
    env_set(&e, "KUBERNETES_SERVICE_PORT", arena_printf(a, "%d", f->api_port));
    env_set(&e, "KUBERNETES_SERVICE_PORT_HTTPS", arena_printf(a, "%d", f->api_port));
    ErrCode rc = ERR_OK;
    const cJSON *item;
    js_each(item, js_get(container, "envFrom"))
    {
        if (!rc)
            rc = add_all_of(&e, item, err);
    }
    js_each(item, js_get(container, "env"))
    {
        if (!rc)
            rc = add_one(&e, item, err);
    }
    if (!rc) {
        const char **out = arena_array(a, const char *, e.at.n + 1);
        memcpy(out, e.at.at, e.at.n * sizeof *out);
        *ret = out;
    }
    vec_done(&e.at);
    return rc;
}

const char *const *podenv_command(Arena *a, const cJSON *container, const Image *image,
                                  const char *const *env)
{
    const cJSON *command = js_get(container, "command"), *args = js_get(container, "args"), *item;
    bool own = cJSON_GetArraySize(command) > 0;
    size_t n = 0, i = 0;
    while (!own && image->command && image->command[n])
        n++;
    const char **out =
        arena_array(a, const char *,
                    n + (size_t)cJSON_GetArraySize(command) + (size_t)cJSON_GetArraySize(args) + 1);
    if (n)
        memcpy(out, image->command, n * sizeof *out);
    i = n;
    if (own) {
        js_each(item, command)
        {
            out[i++] = podenv_expand(a, str_or(cJSON_GetStringValue(item), ""), env);
        }
    }
    js_each(item, args)
    {
        out[i++] = podenv_expand(a, str_or(cJSON_GetStringValue(item), ""), env);
    }
    return i ? out : NULL;
}
