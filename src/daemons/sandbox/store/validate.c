#include "store/admit.h"
#include "store/names.h"
#include "store/quantity.h"
#include <stdio.h>
#include <stdlib.h>

const char *validate_name(const Kind *k, const char *name)
{
    switch ((int)kind_id(k)) {
    case KIND_NAMESPACE:
        return name_label(name);
    case KIND_SERVICE:
        return name_label_1035(name);
    case KIND_ROLE:
    case KIND_ROLEBINDING:
    case KIND_CLUSTERROLE:
    case KIND_CLUSTERROLEBINDING:
        return name_path_segment(name);
    default:
        return name_subdomain(name);
    }
}

static void validate_labels(Causes *c, const cJSON *labels, const char *path)
{
    const cJSON *l;
    js_each(l, labels)
    {
        AUTO_JSON key = cJSON_CreateString(l->string);
        const char *bad = name_qualified(l->string);
        if (bad) {
            cause_add(c, CAUSE_INVALID, path, key, "%s", bad);
        }
        bad = name_label_value(str_or(cJSON_GetStringValue(l), ""));
        if (bad) {
            cause_add(c, CAUSE_INVALID, path, l, "%s", bad);
        }
    }
}

static void validate_annotations(Causes *c, const cJSON *notes, const char *path)
{
    const cJSON *n;
    size_t total = 0;
    js_each(n, notes)
    {
        char *lower = xstrdup(n->string);
        for (char *p = lower; *p; p++) {
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        }
        const char *bad = name_qualified(lower);
        free(lower);
        total += strlen(n->string) + strlen(str_or(cJSON_GetStringValue(n), ""));
        if (bad) {
            AUTO_JSON key = cJSON_CreateString(n->string);
            cause_add(c, CAUSE_INVALID, path, key, "%s", bad);
        }
    }
    if (total > 256 * 1024) {
        cause_add(c, CAUSE_TOO_LONG, path, NULL, "must have at most 262144 bytes");
    }
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *m;
    js_each(m, list)
    {
        if (str_eq(cJSON_GetStringValue(m), text)) {
            return true;
        }
    }
    return false;
}

static void validate_finalizers(Admission *ad, const cJSON *list)
{
    AUTO_STRBUF fresh = {0};
    const cJSON *f;
    int i = 0;
    js_each(f, list)
    {
        const char *text = str_or(cJSON_GetStringValue(f), "");
        const char *bad = name_qualified(text);
        char path[48];
        snprintf(path, sizeof path, "metadata.finalizers[%d]", i++);
        bool standard = str_eq(text, "kubernetes") || str_eq(text, "orphan") ||
                        str_eq(text, "foregroundDeletion");
        if (bad) {
            cause_add(&ad->causes, CAUSE_INVALID, "metadata.finalizers", f, "%s", bad);
        } else if (!strchr(text, '/') && !standard) {
            cause_add(&ad->causes, CAUSE_INVALID, path, f,
                      "name is neither a standard finalizer name nor is it fully qualified");
        }
        if (!has_text(js_at(ad->old, "metadata.finalizers"), text)) {
            strbuf_addf(&fresh, "%s\"%s\"", fresh.n ? ", " : "", text);
        }
    }
    if (fresh.n && js_at(ad->old, "metadata.deletionTimestamp")) {
        cause_add(&ad->causes, CAUSE_FORBIDDEN, "metadata.finalizers", NULL,
                  "no new finalizers can be added if the object is being deleted, found new "
                  "finalizers []string{%s}",
                  strbuf_str(&fresh));
    }
}

static void validate_owners(Causes *c, const cJSON *list)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    static const char *const words[] = {"version must not be empty", "kind must not be empty",
                                        "name must not be empty", "uid must not be empty"};
    const cJSON *o;
    int controllers = 0;
    js_each(o, list)
    {
        for (size_t i = 0; i < 4; i++) {
            char path[48];
            AUTO_JSON empty = cJSON_CreateString("");
            snprintf(path, sizeof path, "metadata.ownerReferences.%s", needed[i]);
            if (!*js_text(o, needed[i])) {
                cause_add(c, CAUSE_INVALID, path, empty, "%s", words[i]);
            }
        }
        controllers += js_bool(o, "controller", false);
    }
    if (controllers > 1) {
        cause_add(c, CAUSE_INVALID, "metadata.ownerReferences", list,
                  "Only one reference can have Controller set to true.");
    }
}

void validate_meta(Admission *ad)
{
    Causes *c = &ad->causes;
    const cJSON *m = js_get(ad->obj, "metadata");
    const char *name = js_text(m, "name");
    if (!*name) {
        cause_add(c, CAUSE_REQUIRED, "metadata.name", NULL, "name or generateName is required");
    } else if (!ad->old && validate_name(ad->kind, name)) {
        cause_add(c, CAUSE_INVALID, "metadata.name", js_get(m, "name"), "%s",
                  validate_name(ad->kind, name));
    }
    validate_labels(c, js_get(m, "labels"), "metadata.labels");
    validate_annotations(c, js_get(m, "annotations"), "metadata.annotations");
    validate_finalizers(ad, js_get(m, "finalizers"));
    validate_owners(c, js_get(m, "ownerReferences"));
}

/* ---- workloads ---- */

static void immutable(Admission *ad, const char *path)
{
    const cJSON *now = js_at(ad->obj, path);
    if (ad->old && !js_equal(now, js_at(ad->old, path))) {
        AUTO_JSON nothing = cJSON_CreateNull();
        cause_add(&ad->causes, CAUSE_INVALID, path, now ? now : nothing, "field is immutable");
    }
}

/* The selector is one, and takes in what the template makes. */
static void validate_selector(Admission *ad, const cJSON *labels, const char *what)
{
    Causes *c = &ad->causes;
    const cJSON *sel = js_at(ad->obj, "spec.selector");
    const Selector *s = NULL;
    Error e = {0};
    if (sel && !js_count(sel, "matchLabels") && !js_count(sel, "matchExpressions")) {
        cause_add(c, CAUSE_INVALID, "spec.selector", sel, "empty selector is invalid for %s", what);
    } else if (sel && selector_from_object(ad->a, sel, &s, &e)) {
        cause_add(c, CAUSE_INVALID, "spec.selector", sel, "%s", e.msg);
    } else if (!sel || !selector_matches(s, labels)) {
        AUTO_JSON empty = cJSON_CreateObject();
        cause_add(c, CAUSE_INVALID, "spec.template.metadata.labels", labels ? labels : empty,
                  "`selector` does not match template `labels`");
    }
}

static void validate_workload(Admission *ad, const char *what)
{
    Causes *c = &ad->causes;
    const cJSON *labels = js_at(ad->obj, "spec.template.metadata.labels");
    validate_selector(ad, labels, what);
    validate_labels(c, labels, "spec.template.metadata.labels");
    if (ad->kind != K(STATEFULSET)) { /* of a StatefulSet only its pods are looked at, later */
        validate_pod_spec(c, js_at(ad->obj, "spec.template.spec"), "spec.template.spec", NULL);
    }
    const cJSON *policy = js_at(ad->obj, "spec.template.spec.restartPolicy");
    if (!str_eq(cJSON_GetStringValue(policy), "Always")) {
        cause_add(c, CAUSE_UNSUPPORTED, "spec.template.spec.restartPolicy", policy,
                  "supported values: \"Always\"");
    }
}

/* Only these members of .spec may differ; the rest is what the message says. */
static bool spec_differs(Admission *ad, const char *const *may)
{
    AUTO_JSON now = js_dup(js_get(ad->obj, "spec"));
    AUTO_JSON old = js_dup(js_get(ad->old, "spec"));
    for (; *may; may++) {
        js_del(now, *may);
        js_del(old, *may);
    }
    return ad->old && !js_equal(now, old);
}

static void validate_statefulset(Admission *ad)
{
    static const char *const may[] = {"replicas",
                                      "ordinals",
                                      "template",
                                      "updateStrategy",
                                      "minReadySeconds",
                                      "persistentVolumeClaimRetentionPolicy",
                                      "revisionHistoryLimit",
                                      NULL};
    validate_workload(ad, "statefulset");
    if (spec_differs(ad, may)) {
        cause_add(&ad->causes, CAUSE_FORBIDDEN, "spec", NULL,
                  "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                  "'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and "
                  "'minReadySeconds' are forbidden");
    }
}

static void validate_strategy(Admission *ad)
{
    const cJSON *roll = js_at(ad->obj, "spec.strategy.rollingUpdate");
    const cJSON *deadline = js_at(ad->obj, "spec.progressDeadlineSeconds");
    const cJSON *max = js_get(roll, "maxUnavailable"), *surge = js_get(roll, "maxSurge");
    if (str_eq(js_str(ad->obj, "spec.strategy.type"), "Recreate") && roll) {
        cause_add(&ad->causes, CAUSE_FORBIDDEN, "spec.strategy.rollingUpdate", NULL,
                  "may not be specified when strategy `type` is 'Recreate'");
    } else if (cJSON_IsNumber(max) && cJSON_IsNumber(surge) && max->valuedouble == 0 &&
               surge->valuedouble == 0) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.strategy.rollingUpdate.maxUnavailable", NULL,
                  "intstr.IntOrString{Type:0, IntVal:0, StrVal:\"\"}: may not be 0 when `maxSurge` "
                  "is 0");
    }
    if (deadline && deadline->valuedouble <= (double)js_int(ad->obj, "spec.minReadySeconds", 0)) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.progressDeadlineSeconds", deadline,
                  "must be greater than minReadySeconds");
    }
}

static void validate_deployment(Admission *ad)
{
    if (ad->kind == K(DEPLOYMENT)) {
        validate_strategy(ad);
    }
    validate_workload(ad, ad->kind == K(DEPLOYMENT) ? "deployment" : "replicaset");
    immutable(ad, "spec.selector");
}

static void validate_job(Admission *ad)
{
    const cJSON *policy = js_at(ad->obj, "spec.template.spec.restartPolicy");
    validate_pod_spec(&ad->causes, js_at(ad->obj, "spec.template.spec"), "spec.template.spec",
                      js_at(ad->obj, "spec.volumeClaimTemplates"));
    if (str_eq(cJSON_GetStringValue(policy), "Always")) {
        cause_add(&ad->causes, CAUSE_REQUIRED, "spec.template.spec.restartPolicy", NULL,
                  "valid values: \"OnFailure\", \"Never\"");
    }
    immutable(ad, "spec.selector");
    immutable(ad, "spec.template");
    immutable(ad, "spec.completionMode");
    if (!js_bool(ad->obj, "spec.suspend", false)) {
        immutable(ad, "spec.completions");
    }
}

static void validate_pod(Admission *ad)
{
    validate_pod_spec(&ad->causes, js_get(ad->obj, "spec"), "spec", NULL);
    static const char *const may[] = {"activeDeadlineSeconds", "tolerations",
                                      "terminationGracePeriodSeconds", NULL};
    if (!ad->old) {
        return;
    }
    AUTO_JSON now = js_dup(ad->obj);
    const cJSON *old = ad->old;
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    for (size_t l = 0; l < 2; l++) { /* images may change: take them from the old one */
        cJSON *m;
        js_each(m, js_at(now, lists[l]))
        {
            const cJSON *was = js_find(js_at(old, lists[l]), "name", js_text(m, "name"));
            if (was && js_str(was, "image")) {
                js_set_str(m, "image", js_str(was, "image"));
            }
        }
    }
    if (!js_str(old, "spec.nodeName") && ad->w->user == NULL) {
        js_del(now, "spec.nodeName"); /* the scheduler's to set, once */
    }
    Admission probe = *ad;
    probe.obj = now;
    if (spec_differs(&probe, may)) {
        cause_add(&ad->causes, CAUSE_FORBIDDEN, "spec", NULL,
                  "pod updates may not change fields other than "
                  "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                  "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
                  "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
                  "it was previously negative)");
    }
}

/* ---- data ---- */

static void validate_data(Admission *ad)
{
    static const char *const members[] = {"data", "binaryData"};
    size_t total = 0;
    for (size_t i = 0; i < 2; i++) {
        const cJSON *m;
        js_each(m, js_get(ad->obj, members[i]))
        {
            char *path = xasprintf("%s[%s]", members[i], m->string);
            const char *bad =
                str_eq(m->string, "..") ? "must not be '..'" : name_config_key(m->string);
            AUTO_JSON key = cJSON_CreateString(m->string);
            if (bad) {
                cause_add(&ad->causes, CAUSE_INVALID, path, key, "%s", bad);
            } else if (i == 0 && js_get(js_get(ad->obj, "binaryData"), m->string)) {
                cause_add(&ad->causes, CAUSE_INVALID, path, key,
                          "duplicate of key present in binaryData");
            }
            free(path);
            total += strlen(str_or(cJSON_GetStringValue(m), ""));
        }
        if (js_bool(ad->old, "immutable", false) &&
            !js_equal(js_get(ad->obj, members[i]), js_get(ad->old, members[i]))) {
            cause_add(&ad->causes, CAUSE_FORBIDDEN, members[i], NULL,
                      "field is immutable when `immutable` is set");
        }
    }
    if (js_bool(ad->old, "immutable", false) && !js_bool(ad->obj, "immutable", false)) {
        cause_add(&ad->causes, CAUSE_FORBIDDEN, "immutable", NULL,
                  "field is immutable when `immutable` is set");
    }
    if (total > (ad->kind == K(SECRET) ? 4u : 3u) * 1024 * 1024 / 3) {
        cause_add(&ad->causes, CAUSE_TOO_LONG, "data", NULL, "must have at most 1048576 bytes");
    }
    if (ad->kind == K(SECRET)) {
        immutable(ad, "type");
        validate_secret_type(ad);
    }
}

static void validate_pvc(Admission *ad)
{
    Causes *c = &ad->causes;
    const cJSON *modes = js_at(ad->obj, "spec.accessModes"), *m;
    static const char *const known[] = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany",
                                        "ReadWriteOncePod"};
    if (!js_count(modes, "")) {
        cause_add(c, CAUSE_REQUIRED, "spec.accessModes", NULL,
                  "at least 1 access mode is required");
    }
    js_each(m, modes)
    {
        bool ok = false;
        for (size_t i = 0; i < 4; i++) {
            ok = ok || str_eq(cJSON_GetStringValue(m), known[i]);
        }
        if (!ok) {
            cause_add(c, CAUSE_UNSUPPORTED, "spec.accessModes", m,
                      "supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", "
                      "\"ReadWriteOncePod\"");
        }
    }
    const cJSON *size = js_at(ad->obj, "spec.resources.requests.storage");
    int64_t now = 0, was = 0;
    if (!size) {
        cause_add(c, CAUSE_REQUIRED, "spec.resources[storage]", NULL, "%s", "");
    } else if (quantity_parse(js_text(size, ""), &now) && now <= 0) {
        cause_add(c, CAUSE_INVALID, "spec.resources[storage]", size, "must be greater than zero");
    }
    static const char *const may[] = {"volumeName", "volumeAttributesClassName", "resources", NULL};
    bool bound = str_eq(js_str(ad->old, "status.phase"), "Bound");
    const char *unbound[] = {may[0], may[1], NULL};
    if (spec_differs(ad, bound ? may : unbound)) {
        cause_add(c, CAUSE_FORBIDDEN, "spec", NULL,
                  "spec is immutable after creation except resources.requests for bound claims");
    }
    if (ad->old && quantity_parse(js_text(ad->old, "spec.resources.requests.storage"), &was) &&
        now < was) {
        cause_add(c, CAUSE_FORBIDDEN, "spec.resources.requests.storage", NULL,
                  "field can not be less than previous value");
    }
}

static void validate_lease(Admission *ad)
{
    const cJSON *d = js_at(ad->obj, "spec.leaseDurationSeconds");
    const cJSON *t = js_at(ad->obj, "spec.leaseTransitions");
    if (d && d->valuedouble <= 0) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.leaseDurationSeconds", d,
                  "must be greater than 0");
    }
    if (t && t->valuedouble < 0) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.leaseTransitions", t,
                  "must be greater than or equal to 0");
    }
}

static void validate_binding(Admission *ad)
{
    const cJSON *ref = js_get(ad->obj, "roleRef"), *s;
    if (ad->old && !js_equal(ref, js_get(ad->old, "roleRef"))) {
        cause_add(&ad->causes, CAUSE_INVALID, "roleRef", ref, "cannot change roleRef");
    }
    bool cluster = ad->kind == K(CLUSTERROLEBINDING);
    const char *kind = js_text(ref, "kind");
    if (!str_eq(kind, "ClusterRole") && (cluster || !str_eq(kind, "Role"))) {
        cause_add(&ad->causes, CAUSE_UNSUPPORTED, "roleRef.kind", js_get(ref, "kind"),
                  cluster ? "supported values: \"ClusterRole\""
                          : "supported values: \"Role\", \"ClusterRole\"");
    }
    int i = 0;
    js_each(s, js_get(ad->obj, "subjects"))
    {
        char path[64];
        bool sa = str_eq(js_str(s, "kind"), "ServiceAccount");
        snprintf(path, sizeof path, "subjects[%d].%s", i++, sa ? "namespace" : "kind");
        if (sa && !*js_text(s, "namespace") && ad->kind == K(CLUSTERROLEBINDING)) {
            cause_add(&ad->causes, CAUSE_REQUIRED, path, NULL, "%s", "");
        } else if (!sa && !str_eq(js_str(s, "kind"), "User") &&
                   !str_eq(js_str(s, "kind"), "Group")) {
            cause_add(&ad->causes, CAUSE_UNSUPPORTED, path, js_get(s, "kind"),
                      "supported values: \"ServiceAccount\", \"User\", \"Group\"");
        }
    }
}

static void validate_role(Admission *ad)
{
    static const struct {
        const char *list, *words;
    } rows[] = {{"verbs", "verbs must contain at least one value"},
                {"apiGroups", "resource rules must supply at least one api group"},
                {"resources", "resource rules must supply at least one resource"}};
    const cJSON *r;
    int i = 0;
    js_each(r, js_get(ad->obj, "rules"))
    {
        size_t n = js_count(r, "nonResourceURLs") ? 1 : 3;
        for (size_t k = 0; k < n; k++) {
            char path[64];
            snprintf(path, sizeof path, "rules[%d].%s", i, rows[k].list);
            if (!js_count(r, rows[k].list)) {
                cause_add(&ad->causes, CAUSE_REQUIRED, path, NULL, "%s", rows[k].words);
            }
        }
        if (n == 1 && ad->kind == K(ROLE)) {
            char path[64];
            snprintf(path, sizeof path, "rules[%d].nonResourceURLs", i);
            cause_add(&ad->causes, CAUSE_INVALID, path, js_get(r, "nonResourceURLs"),
                      "namespaced rules cannot apply to non-resource URLs");
        }
        i++;
    }
}

static void validate_storageclass(Admission *ad)
{
    static const char *const members[] = {"provisioner", "parameters", "reclaimPolicy",
                                          "volumeBindingMode"};
    for (size_t i = 0; i < 4 && ad->old; i++) {
        if (!js_equal(js_get(ad->obj, members[i]), js_get(ad->old, members[i]))) {
            cause_add(&ad->causes, CAUSE_FORBIDDEN, members[i], NULL,
                      "updates to %s are forbidden.", members[i]);
        }
    }
}

void validate_kind(Admission *ad)
{
    static void (*const rows[KIND_COUNT])(Admission *) = {
        [KIND_POD] = validate_pod,
        [KIND_SERVICE] = validate_service,
        [KIND_CONFIGMAP] = validate_data,
        [KIND_SECRET] = validate_data,
        [KIND_PVC] = validate_pvc,
        [KIND_STATEFULSET] = validate_statefulset,
        [KIND_DEPLOYMENT] = validate_deployment,
        [KIND_REPLICASET] = validate_deployment,
        [KIND_JOB] = validate_job,
        [KIND_LEASE] = validate_lease,
        [KIND_PDB] = validate_pdb,
        [KIND_ROLE] = validate_role,
        [KIND_CLUSTERROLE] = validate_role,
        [KIND_ROLEBINDING] = validate_binding,
        [KIND_CLUSTERROLEBINDING] = validate_binding,
        [KIND_STORAGECLASS] = validate_storageclass,
        [KIND_RESOURCEQUOTA] = validate_quota,
        [KIND_ENDPOINTS] = validate_endpoints,
        [KIND_EVENT] = validate_event,
    };
    if (rows[kind_id(ad->kind)]) {
        rows[kind_id(ad->kind)](ad);
    }
}
