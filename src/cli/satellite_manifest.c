#include "satellite_manifest.h"

#include "core/limits.h"
#include "model/kname.h"
#include "model/labels.h"
#include <stdlib.h>

extern const char *const SATELLITE_MANIFEST; /* deploy/satellite/satellite.yaml, embedded */

static const char CA_NAME[] = "pg-swarm-central-ca";

/* HOST:PORT; an IPv6 address stands in brackets. */
static bool is_host_port(const char *s)
{
    const char *colon = strrchr(s, ':');
    if (!colon || colon == s || colon[1 + strspn(colon + 1, "0123456789")] || strlen(colon) > 6)
        return false;
    for (const char *p = s; p < colon; p++)
        if ((unsigned char)*p <= ' ' || *p == '/' || (*p == ':' && *s != '['))
            return false;
    long port = strtol(colon + 1, NULL, 10);
    return port >= 1 && port <= 65535;
}

static bool is_service_type(const char *s)
{
    return str_eq(s, "ClusterIP") || str_eq(s, "NodePort") || str_eq(s, "LoadBalancer");
}

static bool is_certificate(const char *s)
{
    return strstr(s, "-----BEGIN CERTIFICATE-----") != NULL;
}

static ErrCode check(Arena *a, const SatelliteSite *s, Error *err)
{
    const struct {
        const char *field, *value;
        bool (*ok)(const char *);
        const char *want;
    } rules[] = {
        {"name", str_or(s->name, ""), kname_label_value, "letters, digits and -_. between them"},
        {"central", str_or(s->central, ""), is_host_port, "HOST:PORT of central's gRPC"},
        {"central-name", s->central_name, kname_subdomain, "a DNS name"},
        {"service-type", s->service_type, is_service_type, "ClusterIP, NodePort or LoadBalancer"},
        {"image", s->image, kname_image, "[HOST[:PORT]/]PATH[:TAG][@DIGEST]"},
        {"sidecar-image", s->sidecar_image, kname_image, "[HOST[:PORT]/]PATH[:TAG][@DIGEST]"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].value && !rules[i].ok(rules[i].value))
            return err_set(err, ERR_INVALID, "%s: '%s' is not right, %s is", rules[i].field,
                           rules[i].value, rules[i].want);
    if (str_empty(s->name))
        return err_set(err, ERR_INVALID, "name: it is empty, a name of the site is right");
    if (!is_certificate(str_or(s->ca_pem, "")))
        return err_set(err, ERR_INVALID, "ca: it holds no certificate in PEM");
    StrMap map;
    if (!str_empty(s->labels) && labels_map_parse(a, s->labels, &map, err))
        return err_wrap(err, "label");
    return ERR_OK;
}

/* Settings over those of the manifest: environment variables of the satellite's container. */
static void set_env(cJSON *env, const char *name, const char *value)
{
    cJSON *var, *found = NULL;
    cJSON_ArrayForEach(var, env) if (str_eq(json_str_at(var, "name", ""), name)) found = var;
    if (!found) {
        found = cJSON_CreateObject();
        cJSON_AddStringToObject(found, "name", name);
        cJSON_AddItemToArray(env, found);
    }
    cJSON_DeleteItemFromObject(found, "value");
    cJSON_AddStringToObject(found, "value", value);
}

static void fill_deployment(cJSON *doc, const SatelliteSite *s)
{
    const char *const values[][2] = {{"PGSWARM_CENTRAL_ADDR", s->central},
                                     {"PGSWARM_CENTRAL_NAME", s->central_name},
                                     {"PGSWARM_K8S_CLUSTER", s->name},
                                     {"PGSWARM_REGION", s->region},
                                     {"PGSWARM_LABELS", s->labels},
                                     {"PGSWARM_SERVICE_TYPE", s->service_type},
                                     {"PGSWARM_SIDECAR_IMAGE", s->sidecar_image}};
    cJSON *box = (cJSON *)(uintptr_t)json_at(doc, "spec.template.spec.containers.0");
    cJSON *env = cJSON_GetObjectItem(box, "env");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i][1])
            set_env(env, values[i][0], values[i][1]);
    if (s->image)
        cJSON_ReplaceItemInObject(box, "image", cJSON_CreateString(s->image));
}

/* The address behind a NodePort is a node's. */
static void let_see_nodes(cJSON *doc)
{
    cJSON *rule = cJSON_CreateObject();
    const char *const group = "", *const resource = "nodes", *const verbs[] = {"list", "watch"};
    cJSON_AddItemToObject(rule, "apiGroups", cJSON_CreateStringArray(&group, 1));
    cJSON_AddItemToObject(rule, "resources", cJSON_CreateStringArray(&resource, 1));
    cJSON_AddItemToObject(rule, "verbs", cJSON_CreateStringArray(verbs, 2));
    cJSON_AddItemToArray(cJSON_GetObjectItem(doc, "rules"), rule);
}

/* The token stands in a Secret of its own, before the Deployment that reads it. */
static cJSON *enrolment_secret(Arena *a, const char *token)
{
    cJSON *doc = json_own(a, cJSON_CreateObject());
    cJSON_AddStringToObject(doc, "apiVersion", "v1");
    cJSON_AddStringToObject(doc, "kind", "Secret");
    cJSON *meta = cJSON_AddObjectToObject(doc, "metadata");
    cJSON_AddStringToObject(meta, "name", "pg-swarm-enrolment");
    cJSON_AddStringToObject(meta, "namespace", "pgswarm-system");
    cJSON_AddStringToObject(doc, "type", "Opaque");
    cJSON_AddStringToObject(cJSON_AddObjectToObject(doc, "stringData"), "token", token);
    return doc;
}

static void insert_before_deployment(Arena *a, YamlDocs *docs, cJSON *doc)
{
    cJSON **at = arena_alloc(a, (docs->n + 1) * sizeof *at);
    size_t n = 0;
    for (size_t i = 0; i < docs->n; i++) {
        if (str_eq(json_str_at(docs->at[i], "kind", ""), "Deployment"))
            at[n++] = doc;
        at[n++] = docs->at[i];
    }
    docs->at = at;
    docs->n = n;
}

ErrCode satellite_manifest(Arena *a, const SatelliteSite *site, YamlDocs *ret, Error *err)
{
    if (check(a, site, err) || yaml_parse_all(a, sv(SATELLITE_MANIFEST), LIMIT_JSON_BODY, ret, err))
        return err->code;
    for (size_t i = 0; i < ret->n; i++) {
        cJSON *doc = ret->at[i];
        if (str_eq(json_str_at(doc, "kind", ""), "Deployment"))
            fill_deployment(doc, site);
        if (str_eq(json_str_at(doc, "kind", ""), "ClusterRole") &&
            str_eq(site->service_type, "NodePort"))
            let_see_nodes(doc);
        if (str_eq(json_str_at(doc, "metadata.name", ""), CA_NAME)) {
            cJSON_DeleteItemFromObject(doc, "data");
            cJSON_AddStringToObject(cJSON_AddObjectToObject(doc, "data"), "ca.crt", site->ca_pem);
        }
    }
    if (site->enrolment_token)
        insert_before_deployment(a, ret, enrolment_secret(a, site->enrolment_token));
    return ERR_OK;
}
