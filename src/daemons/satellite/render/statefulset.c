#include "render/render.h"
#include "render/tpl.h"
#include <stdio.h>

static cJSON *container_security(void)
{
    return tpl("{'allowPrivilegeEscalation': false, 'readOnlyRootFilesystem': true,"
               " 'runAsNonRoot': true, 'capabilities': {'drop': ['ALL']}}");
}

static cJSON *mount(const char *name, const char *path, bool read_only)
{
    cJSON *m = tpl("{'name': %s, 'mountPath': %s}", name, path);
    if (read_only)
        cJSON_AddTrueToObject(m, "readOnly");
    return m;
}

static cJSON *env(const char *name, const char *value)
{
    return tpl("{'name': %s, 'value': %s}", name, value);
}

static cJSON *env_field(const char *name, const char *path)
{
    return tpl("{'name': %s, 'valueFrom': {'fieldRef': {'apiVersion': 'v1', 'fieldPath': %s}}}",
               name, path);
}

static cJSON *env_uint(const char *name, unsigned value)
{
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    return env(name, text);
}

static cJSON *list(cJSON *const *items, size_t n)
{
    cJSON *l = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        if (items[i])
            cJSON_AddItemToArray(l, items[i]);
    return l;
}
#define LIST(...) \
    list((cJSON *const[]){__VA_ARGS__}, sizeof((cJSON *[]){__VA_ARGS__}) / sizeof(cJSON *))

static bool has_wal(const ClusterSpec *s)
{
    return !str_empty(s->wal_storage.size);
}

static const char *sidecar_image(const RenderInput *in)
{
    return str_or(in->spec->failover.sidecar_image, in->sidecar_image);
}

/* ---- resources ---- */

static void put_quantity(cJSON *obj, const char *key, const char *value)
{
    if (!str_empty(value))
        cJSON_AddStringToObject(obj, key, value);
}

static cJSON *pg_resources(const Resources *r)
{
    cJSON *req = cJSON_CreateObject(), *lim = cJSON_CreateObject();
    /* A pod that asks for nothing is the first to be evicted, and no quota takes it. What a profile
     * limits without a request, Kubernetes requests as well. */
    put_quantity(req, "cpu",
                 str_empty(r->cpu_limit) ? str_or(r->cpu_request, "50m") : r->cpu_request);
    put_quantity(req, "memory",
                 str_empty(r->memory_limit) ? str_or(r->memory_request, "128Mi")
                                            : r->memory_request);
    put_quantity(lim, "cpu", r->cpu_limit);
    put_quantity(lim, "memory", r->memory_limit);
    cJSON *out = cJSON_CreateObject();
    if (req->child)
        cJSON_AddItemToObject(out, "requests", req);
    else
        cJSON_Delete(req);
    if (lim->child)
        cJSON_AddItemToObject(out, "limits", lim);
    else
        cJSON_Delete(lim);
    return out;
}

static cJSON *small_resources(void)
{
    return tpl("{'requests': {'cpu': '10m', 'memory': '16Mi'},"
               " 'limits': {'cpu': '500m', 'memory': '64Mi'}}");
}

/* ---- containers ---- */

static cJSON *init_container(const RenderInput *in)
{
    return tpl("{'name': 'install-launcher', 'image': %s, 'imagePullPolicy': 'IfNotPresent',"
               " 'command': ['/usr/local/bin/pg-swarm-launcher', '--install',"
               "  '/pgswarm/bin/pg-swarm-launcher'],"
               " 'securityContext': %j, 'resources': %j, 'volumeMounts': %j}",
               sidecar_image(in), container_security(), small_resources(),
               LIST(mount("bin", "/pgswarm/bin", false)));
}

/* Ready says the sidecar: this member accepts reads or writes. No liveness: only the launcher and
 * the sidecar decide when PostgreSQL is restarted. */
static cJSON *pg_container(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    return tpl(
        "{'name': 'postgres', 'image': %s, 'imagePullPolicy': 'IfNotPresent',"
        " 'command': ['/pgswarm/bin/pg-swarm-launcher'],"
        " 'ports': [{'name': 'postgres', 'containerPort': %d, 'protocol': 'TCP'}],"
        " 'env': %j, 'securityContext': %j, 'resources': %j,"
        " 'readinessProbe': {'httpGet': {'path': '/readyz', 'port': %d, 'scheme': 'HTTP'},"
        "  'periodSeconds': 2, 'timeoutSeconds': 2, 'failureThreshold': 2, 'successThreshold': 1},"
        " 'volumeMounts': %j}",
        s->image, PG_PORT,
        LIST(env("PGDATA", "/var/lib/postgresql/data/pgdata"),
             env_field("POD_NAME", "metadata.name"),
             env_field("POD_NAMESPACE", "metadata.namespace"), env_field("POD_IP", "status.podIP"),
             env_uint("PGSWARM_MAJOR", s->pg_major)),
        container_security(), pg_resources(&s->resources), SIDECAR_HEALTH_PORT,
        LIST(mount("data", "/var/lib/postgresql/data", false),
             has_wal(s) ? mount("wal", "/var/lib/postgresql/wal", false) : NULL,
             mount("run", "/pgswarm/run", false), mount("bin", "/pgswarm/bin", true),
             mount("config", "/pgswarm/config", true), mount("secret", "/pgswarm/secret", true),
             mount("tmp", "/tmp", false)));
}

static cJSON *sidecar_env(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    return LIST(
        env_field("POD_NAME", "metadata.name"), env_field("POD_NAMESPACE", "metadata.namespace"),
        env_field("POD_IP", "status.podIP"), env_field("POD_UID", "metadata.uid"),
        env("CLUSTER_NAME", s->name),
        env("FAILOVER_ENABLED", s->failover.enabled ? "true" : "false"),
        env_uint("LEASE_SECONDS", s->failover.lease_seconds),
        env_uint("HEALTH_INTERVAL_SECONDS", s->failover.health_interval_seconds),
        env("DURABILITY", s->failover.durability), env("SATELLITE_ADDR", in->satellite_addr),
        env("SATELLITE_CA_FILE", "/pgswarm/satellite-ca/ca.crt"));
}

static cJSON *sidecar_container(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    return tpl("{'name': 'failover', 'image': %s, 'imagePullPolicy': 'IfNotPresent',"
               " 'command': ['/usr/local/bin/pg-swarm-failover-sidecar'],"
               " 'ports': [{'name': 'health', 'containerPort': %d, 'protocol': 'TCP'}],"
               " 'env': %j, 'securityContext': %j, 'resources': %j,"
               " 'livenessProbe': {'httpGet': {'path': '/healthz', 'port': %d, 'scheme': 'HTTP'},"
               "  'initialDelaySeconds': 5, 'periodSeconds': 10, 'timeoutSeconds': 5,"
               "  'failureThreshold': 3, 'successThreshold': 1},"
               " 'volumeMounts': %j}",
               sidecar_image(in), SIDECAR_HEALTH_PORT, sidecar_env(in), container_security(),
               small_resources(), SIDECAR_HEALTH_PORT,
               LIST(mount("data", "/var/lib/postgresql/data", true),
                    has_wal(s) ? mount("wal", "/var/lib/postgresql/wal", true) : NULL,
                    mount("run", "/pgswarm/run", false), mount("config", "/pgswarm/config", true),
                    mount("secret", "/pgswarm/secret", true),
                    mount("recovery-rules", "/pgswarm/recovery-rules", true),
                    mount("satellite-ca", "/pgswarm/satellite-ca", true),
                    mount("api-access", "/var/run/secrets/kubernetes.io/serviceaccount", true),
                    mount("tmp", "/tmp", false)));
}

/* ---- volumes ---- */

static cJSON *from_configmap(const ClusterSpec *s, const char *volume)
{
    return tpl("{'name': %s, 'configMap': {'name': '%S-%S', 'defaultMode': 292}}", volume, s->name,
               volume);
}

/* The way to the API is the sidecar's alone: whoever breaks into PostgreSQL finds no token there.
 * As Kubernetes itself would mount it, were it not for every container. */
static cJSON *api_access(void)
{
    return tpl("{'name': 'api-access', 'projected': {'defaultMode': 292, 'sources': ["
               " {'serviceAccountToken': {'expirationSeconds': 3607, 'path': 'token'}},"
               " {'configMap': {'name': 'kube-root-ca.crt',"
               "  'items': [{'key': 'ca.crt', 'path': 'ca.crt'}]}},"
               " {'downwardAPI': {'items': [{'path': 'namespace',"
               "  'fieldRef': {'apiVersion': 'v1', 'fieldPath': 'metadata.namespace'}}]}}]}}");
}

static cJSON *volumes(const ClusterSpec *s)
{
    return LIST(api_access(),
                tpl("{'name': 'run', 'emptyDir': {'medium': 'Memory', 'sizeLimit': '16Mi'}}"),
                tpl("{'name': 'bin', 'emptyDir': {}}"), tpl("{'name': 'tmp', 'emptyDir': {}}"),
                from_configmap(s, "config"), from_configmap(s, "recovery-rules"),
                from_configmap(s, "satellite-ca"),
                tpl("{'name': 'secret', 'secret': {'secretName': '%S-secret', 'defaultMode': 288}}",
                    s->name));
}

static cJSON *claim(const ClusterSpec *s, const char *name, const char *size, const char *class)
{
    cJSON *c = tpl("{'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim',"
                   " 'metadata': {'name': %s, 'labels': {'" LABEL_MANAGED_BY "': '" MANAGED_BY "',"
                   "  '" LABEL_CLUSTER "': %s}},"
                   " 'spec': {'accessModes': ['ReadWriteOnce'], 'volumeMode': 'Filesystem',"
                   "  'resources': {'requests': {'storage': %s}}}}",
                   name, s->name, size);
    if (!str_empty(class))
        cJSON_AddStringToObject(cJSON_GetObjectItem(c, "spec"), "storageClassName", class);
    return c;
}

static cJSON *claims(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    return LIST(claim(s, "data", s->storage.size, in->storage_class),
                has_wal(s) ? claim(s, "wal", s->wal_storage.size, in->wal_storage_class) : NULL);
}

/* ---- the whole ---- */

/* Members on different nodes when there are several. */
static cJSON *affinity(const ClusterSpec *s)
{
    return tpl("{'podAntiAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': ["
               " {'weight': 100, 'podAffinityTerm': {'topologyKey': 'kubernetes.io/hostname',"
               "  'labelSelector': {'matchLabels': %j}}}]}}",
               render_match(s, NULL));
}

static cJSON *pod_spec(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    return tpl("{'serviceAccountName': '%S-failover', 'automountServiceAccountToken': false,"
               " 'terminationGracePeriodSeconds': 60,"
               " 'enableServiceLinks': false,"
               " 'securityContext': {'runAsNonRoot': true, 'runAsUser': %d, 'runAsGroup': %d,"
               "  'fsGroup': %d, 'fsGroupChangePolicy': 'OnRootMismatch',"
               "  'seccompProfile': {'type': 'RuntimeDefault'}},"
               " 'affinity': %j,"
               " 'initContainers': %j, 'containers': %j, 'volumes': %j}",
               s->name, PG_UID, PG_UID, PG_UID, affinity(s), LIST(init_container(in)),
               LIST(pg_container(in), sidecar_container(in)), volumes(s));
}

cJSON *render_statefulset(const RenderInput *in)
{
    const ClusterSpec *s = in->spec;
    cJSON *pod_labels = render_match(s, NULL);
    cJSON_AddStringToObject(pod_labels, LABEL_NAME, "postgresql");
    cJSON_AddStringToObject(pod_labels, LABEL_PROFILE, s->profile_name);
    return tpl("{'metadata': %j, 'spec': {"
               " 'replicas': %d, 'serviceName': '%S-headless', 'podManagementPolicy': 'Parallel',"
               " 'revisionHistoryLimit': 5,"
               " 'updateStrategy': {'type': 'RollingUpdate'},"
               " 'selector': {'matchLabels': %j},"
               " 'template': {'metadata': {'labels': %j}, 'spec': %j},"
               " 'volumeClaimTemplates': %j}}",
               render_metadata(s, "", ""), (int)s->replicas, s->name, render_match(s, NULL),
               pod_labels, pod_spec(in), claims(in));
}
