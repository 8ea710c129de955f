#include "core/map.h"
#include "store/admit.h"
#include "store/names.h"
#include "store/quantity.h"
#include <stdio.h>
#include <stdlib.h>

/* Path text that is freed at the end of the block. */
static void free_path(char **p)
{
    free(*p);
}
#define PATH __attribute__((cleanup(free_path))) char *

static void check_name(Causes *c, Map *seen, const cJSON *o, const char *member, const char *path,
                       const char *(*problem)(const char *))
{
    const cJSON *v = js_get(o, member);
    const char *name = cJSON_GetStringValue(v);
    PATH at = xasprintf("%s.%s", path, member);
    if (str_empty(name)) {
        return; /* the schema's "required" has said it */
    }
    if (problem && problem(name)) {
        cause_add(c, CAUSE_INVALID, at, v, "%s", problem(name));
    }
    if (seen && map_put(seen, name, seen)) {
        cause_add(c, CAUSE_DUPLICATE, at, v, "%s", "");
    }
}

static void check_resources(Causes *c, const cJSON *res, const char *path)
{
    static const char *const lists[] = {"limits", "requests"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *q;
        js_each(q, js_get(res, lists[i]))
        {
            int64_t v = 0, limit = 0;
            PATH at = xasprintf("%s.%s[%s]", path, lists[i], q->string);
            (void)quantity_parse(q->valuestring, &v);
            const char *lt = cJSON_GetStringValue(js_get(js_get(res, "limits"), q->string));
            if (v < 0) {
                cause_add(c, CAUSE_INVALID, at, q, "must be greater than or equal to 0");
            } else if (i == 1 && lt && quantity_parse(lt, &limit) && v > limit) {
                PATH req = xasprintf("%s.requests", path);
                cause_add(c, CAUSE_INVALID, req, q, "must be less than or equal to %s limit of %s",
                          q->string, lt);
            }
        }
    }
}

static void check_probe(Causes *c, const cJSON *container, const char *name, const char *path)
{
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    const cJSON *p = js_get(container, name);
    int n = 0;
    PATH at = xasprintf("%s.%s", path, name);
    for (size_t i = 0; i < 4; i++) {
        n += js_get(p, handlers[i]) != NULL;
        if (n > 1 && js_get(p, handlers[i])) {
            PATH second = xasprintf("%s.%s", at, handlers[i]);
            cause_add(c, CAUSE_FORBIDDEN, second, NULL, "may not specify more than 1 handler type");
        }
    }
    if (p && n == 0) {
        cause_add(c, CAUSE_REQUIRED, at, NULL, "must specify a handler type");
    }
    if (p && js_int(p, "successThreshold", 1) != 1 && !str_eq(name, "readinessProbe")) {
        PATH st = xasprintf("%s.successThreshold", at);
        cause_add(c, CAUSE_INVALID, st, js_get(p, "successThreshold"), "must be 1");
    }
}

static void check_ports(Causes *c, const cJSON *container, const char *path)
{
    Map *names = map_new();
    const cJSON *p;
    int i = 0;
    js_each(p, js_get(container, "ports"))
    {
        PATH at = xasprintf("%s.ports[%d]", path, i++);
        check_name(c, names, p, "name", at, name_port);
    }
    map_free(names);
}

/* What a container may be told of its pod. */
static void check_field_path(Causes *c, const cJSON *field, const char *env)
{
    static const char *const known[] = {
        "metadata.name",     "metadata.namespace",    "metadata.uid",  "spec.nodeName",
        "status.hostIP",     "status.podIP",          "status.podIPs", "spec.serviceAccountName",
        "metadata.labels['", "metadata.annotations['"};
    const char *text = str_or(cJSON_GetStringValue(field), "");
    bool ok = !field;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool open = known[i][strlen(known[i]) - 1] == '\'';
        ok = ok || (open ? str_starts(text, known[i]) : str_eq(text, known[i]));
    }
    if (!ok) {
        PATH at = xasprintf("%s.valueFrom.fieldRef.fieldPath", env);
        cause_add(c, CAUSE_INVALID, at, field,
                  "error converting fieldPath: field label not supported: %s", text);
    }
}

static void check_range(Causes *c, const cJSON *o, const char *name, const char *path, int lo)
{
    const cJSON *v = js_get(o, name);
    if (v && (v->valuedouble < lo || v->valuedouble > INT32_MAX)) {
        PATH at = xasprintf("%s.%s", path, name);
        cause_add(c, CAUSE_INVALID, at, v, "must be between %d and 2147483647, inclusive", lo);
    }
}

static void check_env(Causes *c, const cJSON *container, const char *path)
{
    const cJSON *e;
    int i = 0;
    js_each(e, js_get(container, "env"))
    {
        PATH at = xasprintf("%s.env[%d]", path, i++);
        check_name(c, NULL, e, "name", at, name_env);
        if (js_get(e, "valueFrom") && *js_text(e, "value")) {
            PATH from = xasprintf("%s.valueFrom", at);
            AUTO_JSON none = cJSON_CreateString("");
            cause_add(c, CAUSE_INVALID, from, none,
                      "may not be specified when `value` is not empty");
        } else if (js_get(e, "valueFrom") && js_count(e, "valueFrom") != 1) {
            PATH from = xasprintf("%s.valueFrom", at);
            cause_add(c, CAUSE_INVALID, from, js_get(e, "valueFrom"),
                      "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                      "`secretKeyRef`");
        }
        check_field_path(c, js_at(e, "valueFrom.fieldRef.fieldPath"), at);
    }
}

static void check_mounts(Causes *c, Map *volumes, const cJSON *container, const char *path)
{
    Map *paths = map_new();
    const cJSON *m;
    int i = 0;
    js_each(m, js_get(container, "volumeMounts"))
    {
        PATH at = xasprintf("%s.volumeMounts[%d]", path, i++);
        const char *name = js_text(m, "name"), *mp = js_text(m, "mountPath");
        if (*name && !map_get(volumes, name)) {
            PATH n = xasprintf("%s.name", at);
            cause_add(c, CAUSE_NOT_FOUND, n, js_get(m, "name"), "%s", "");
        }
        if (*mp && map_put(paths, mp, paths)) {
            PATH n = xasprintf("%s.mountPath", at);
            cause_add(c, CAUSE_INVALID, n, js_get(m, "mountPath"), "must be unique");
        }
        if (strstr(js_text(m, "subPath"), "..")) {
            PATH n = xasprintf("%s.subPath", at);
            cause_add(c, CAUSE_INVALID, n, js_get(m, "subPath"), "must not contain '..'");
        }
    }
    map_free(paths);
}

static void check_container(Causes *c, Map *names, Map *volumes, const cJSON *k, const char *path)
{
    check_name(c, names, k, "name", path, name_label);
    if (!*js_text(k, "image")) {
        PATH at = xasprintf("%s.image", path);
        cause_add(c, CAUSE_REQUIRED, at, NULL, "%s", "");
    }
    check_ports(c, k, path);
    check_env(c, k, path);
    check_mounts(c, volumes, k, path);
    check_probe(c, k, "livenessProbe", path);
    check_probe(c, k, "readinessProbe", path);
    check_probe(c, k, "startupProbe", path);
    PATH res = xasprintf("%s.resources", path);
    check_resources(c, js_get(k, "resources"), res);
    PATH security = xasprintf("%s.securityContext", path);
    check_range(c, js_get(k, "securityContext"), "runAsUser", security, 0);
    if (js_bool(k, "securityContext.privileged", false) &&
        !js_bool(k, "securityContext.allowPrivilegeEscalation", true)) {
        PATH at = xasprintf("%s.securityContext", path);
        cause_add(c, CAUSE_INVALID, at, js_get(k, "securityContext"),
                  "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
}

static Map *check_volumes(Causes *c, const cJSON *spec, const char *path)
{
    Map *names = map_new();
    const cJSON *v;
    int i = 0;
    js_each(v, js_get(spec, "volumes"))
    {
        PATH at = xasprintf("%s.volumes[%d]", path, i++);
        check_name(c, names, v, "name", at, name_label);
        if (cJSON_GetArraySize(v) > 2) {
            const char *second = v->child && v->child->next && v->child->next->next
                                     ? v->child->next->next->string
                                     : "";
            PATH src = xasprintf("%s.%s", at, second);
            cause_add(c, CAUSE_FORBIDDEN, src, NULL, "may not specify more than 1 volume type");
        }
    }
    return names;
}

void validate_pod_spec(Causes *c, const cJSON *spec, const char *path, const cJSON *claims)
{
    static const char *const lists[] = {"initContainers", "containers"};
    Map *names = map_new(), *volumes = check_volumes(c, spec, path);
    const cJSON *t;
    js_each(t, claims)
    {
        map_put(volumes, js_text(t, "metadata.name"), volumes);
    }
    for (size_t l = 0; l < 2; l++) {
        const cJSON *k;
        int i = 0;
        js_each(k, js_get(spec, lists[l]))
        {
            PATH at = xasprintf("%s.%s[%d]", path, lists[l], i++);
            check_container(c, names, volumes, k, at);
        }
    }
    check_range(c, spec, "activeDeadlineSeconds", path, 1);
    PATH security = xasprintf("%s.securityContext", path);
    check_range(c, js_get(spec, "securityContext"), "runAsUser", security, 0);
    map_free(names);
    map_free(volumes);
}
