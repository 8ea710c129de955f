#include "core/ident.h"
#include "store/admit.h"
#include "store/quantity.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

/* Kinds with a rule or two. */

static void check_amount(Causes *c, const cJSON *v, const char *path)
{
    const char *text = cJSON_GetStringValue(v);
    size_t digits = text ? strspn(text, "0123456789") : 0;
    if (text && (!digits || !str_eq(text + digits, "%"))) {
        cause_add(
            c, CAUSE_INVALID, path, v,
            "a valid percent string must be a numeric string followed by an ending '%%' (e.g. "
            "'1%%',  or '93%%', regex used for validation is '[0-9]+%%')");
    } else if (!text && v && v->valuedouble < 0) {
        cause_add(c, CAUSE_INVALID, path, v, "must be greater than or equal to 0");
    }
}

void validate_pdb(Admission *ad)
{
    const cJSON *min = js_at(ad->obj, "spec.minAvailable");
    const cJSON *max = js_at(ad->obj, "spec.maxUnavailable");
    if (min && max) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec", js_get(ad->obj, "spec"),
                  "minAvailable and maxUnavailable cannot be both set");
    }
    check_amount(&ad->causes, min, "spec.minAvailable");
    check_amount(&ad->causes, max, "spec.maxUnavailable");
}

/* Types of Secrets that want their keys. */
void validate_secret_type(Admission *ad)
{
    static const struct {
        const char *type, *key;
        bool json;
    } rows[] = {{"kubernetes.io/tls", "tls.crt", false},
                {"kubernetes.io/tls", "tls.key", false},
                {"kubernetes.io/dockerconfigjson", ".dockerconfigjson", true}};
    const char *type = js_text(ad->obj, "type");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[40];
        const char *v = cJSON_GetStringValue(js_get(js_get(ad->obj, "data"), rows[i].key));
        snprintf(path, sizeof path, "data[%s]", rows[i].key);
        if (!str_eq(type, rows[i].type)) {
            continue;
        }
        size_t n = 0;
        const char *text = v ? (const char *)base64_decode(ad->a, v, strlen(v), &n) : NULL;
        AUTO_JSON parsed = NULL;
        AUTO_JSON hidden = cJSON_CreateString("<secret contents redacted>");
        if (!v) {
            cause_add(&ad->causes, CAUSE_REQUIRED, path, NULL, "%s", "");
        } else if (rows[i].json && (!text || js_parse(sv_n(text, n), &parsed, NULL))) {
            cause_add(&ad->causes, CAUSE_INVALID, path, hidden, "not JSON");
        }
    }
}

void validate_event(Admission *ad)
{
    const cJSON *ns = js_at(ad->obj, "involvedObject.namespace");
    const char *own = js_text(ad->obj, "metadata.namespace"), *of = js_text(ns, "");
    if (*of ? !str_eq(of, own) : !str_eq(own, "default")) {
        AUTO_JSON none = cJSON_CreateString("");
        cause_add(&ad->causes, CAUSE_INVALID, "involvedObject.namespace", ns ? ns : none,
                  "does not match event.namespace");
    }
}

void validate_endpoints(Admission *ad)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    const cJSON *subset, *a;
    int i = 0;
    js_each(subset, js_get(ad->obj, "subsets"))
    {
        for (size_t l = 0; l < 2; l++) {
            int n = 0;
            js_each(a, js_get(subset, lists[l]))
            {
                char path[64], bytes[16];
                const char *ip = js_text(a, "ip");
                snprintf(path, sizeof path, "subsets[%d].%s[%d].ip", i, lists[l], n++);
                if (!inet_pton(strchr(ip, ':') ? AF_INET6 : AF_INET, ip, bytes)) {
                    cause_add(&ad->causes, CAUSE_INVALID, path, js_get(a, "ip"),
                              "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
                }
            }
        }
        i++;
    }
}

void validate_quota(Admission *ad)
{
    static const char *const known[] = {"pods",
                                        "services",
                                        "replicationcontrollers",
                                        "resourcequotas",
                                        "secrets",
                                        "configmaps",
                                        "persistentvolumeclaims",
                                        "services.nodeports",
                                        "services.loadbalancers",
                                        "cpu",
                                        "memory",
                                        "ephemeral-storage",
                                        "requests.cpu",
                                        "requests.memory",
                                        "requests.storage",
                                        "requests.ephemeral-storage",
                                        "limits.cpu",
                                        "limits.memory",
                                        "limits.ephemeral-storage"};
    const cJSON *h;
    js_each(h, js_at(ad->obj, "spec.hard"))
    {
        int64_t v = 0;
        bool ok = strchr(h->string, '/') != NULL;
        char *path = xasprintf("spec.hard[%s]", h->string);
        AUTO_JSON name = cJSON_CreateString(h->string);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            ok = ok || str_eq(known[i], h->string);
        }
        if (!ok) {
            cause_add(&ad->causes, CAUSE_INVALID, path, name,
                      "must be a standard resource type or fully qualified");
            cause_add(&ad->causes, CAUSE_INVALID, path, name,
                      "must be a standard resource for quota");
        }
        if (quantity_parse(str_or(h->valuestring, "0"), &v) && v < 0) {
            cause_add(&ad->causes, CAUSE_INVALID, path, h, "must be greater than or equal to 0");
        }
        free(path);
    }
}
