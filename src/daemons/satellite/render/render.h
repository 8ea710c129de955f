/* render/render.h - one cluster as Kubernetes objects: pure functions of the spec and of a few
 * facts about the site. No I/O, no clock, nothing random: equal input gives equal objects.
 *
 * Objects are for server-side apply: they hold what we want to own and nothing else; apiVersion and
 * kind are added by the client. The caller frees them with cJSON_Delete. */
#pragma once
#include "model/cluster_spec.h"
#include <cjson/cJSON.h>

#define LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define LABEL_NAME "app.kubernetes.io/name"
#define LABEL_CLUSTER "pg-swarm.io/cluster"
#define LABEL_PROFILE "pg-swarm.io/profile"
#define LABEL_ROLE "pg-swarm.io/role"
#define LABEL_OPERATION "pg-swarm.io/operation" /* on records of operations: the kind */
#define MANAGED_BY "pg-swarm"
#define ANNOTATION_CONFIG_VERSION "pg-swarm.io/config-version"
#define FINALIZER_PROTECTION "pg-swarm.io/protection"

enum { PG_PORT = 5432, SIDECAR_HEALTH_PORT = 8008, PG_UID = 999 };

typedef struct RenderInput {
    const ClusterSpec *spec;
    const char *service_type;      /* of -rw and -ro */
    const char *sidecar_image;     /* when the spec names none */
    const char *satellite_addr;    /* "10.96.4.5:9091" */
    const char *satellite_ca_pem;  /* of the server at that address */
    const char *storage_class;     /* tiers resolved; "" the site's default */
    const char *wal_storage_class; /* the same for the WAL volume */
} RenderInput;

/* The label selector of everything that belongs to a cluster. */
char *render_selector(Arena *a, const char *cluster);

cJSON *render_namespace(const ClusterSpec *s);
/* The received config with secrets left out; `applied` is the version that is in force (0: none).
 */
cJSON *render_record(const ClusterSpec *s, int64_t applied);
cJSON *render_config(const ClusterSpec *s);
cJSON *render_recovery_rules(const ClusterSpec *s);
cJSON *render_satellite_ca(const RenderInput *in);

typedef struct SecretValues {
    const char *superuser_password, *replication_password, *sidecar_stream_token;
} SecretValues;
enum { SECRET_KEYS = 3 };
extern const char *const secret_keys[SECRET_KEYS]; /* in the order of SecretValues */
cJSON *render_secret(const ClusterSpec *s, const SecretValues *v);

cJSON *render_service_headless(const ClusterSpec *s);
cJSON *render_service_rw(const RenderInput *in);
cJSON *render_service_ro(const RenderInput *in);

cJSON *render_service_account(const ClusterSpec *s);
cJSON *render_role(const ClusterSpec *s);
cJSON *render_role_binding(const ClusterSpec *s);

cJSON *render_pdb(const ClusterSpec *s);
cJSON *render_network_policy(const ClusterSpec *s);
cJSON *render_statefulset(const RenderInput *in);

/* metadata of an object of the cluster: NAME + suffix. Taken over by the caller. */
cJSON *render_metadata(const ClusterSpec *s, const char *prefix, const char *suffix);
/* managed-by and cluster: what selects the pods. */
cJSON *render_match(const ClusterSpec *s, const char *role);
