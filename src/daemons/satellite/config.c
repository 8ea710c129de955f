#include "config.h"

#include "model/labels.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum RowKind { ROW_TEXT, ROW_MAP, ROW_SWITCH, ROW_LEVEL, ROW_SERVICE_TYPE } RowKind;
typedef struct Row {
    const char *option, *env;
    RowKind kind;
    size_t offset;
    const char *def, *help;
} Row;

#define AT(member) offsetof(SatConfig, member)
static const Row ROWS[] = {
    {"central-addr", "PGSWARM_CENTRAL_ADDR", ROW_TEXT, AT(central_addr), "",
     "address of central's gRPC listener, HOST:PORT (required)"},
    {"central-name", "PGSWARM_CENTRAL_NAME", ROW_TEXT, AT(central_name), "",
     "name in central's certificate, when it is not the host of the address"},
    {"central-ca-file", "PGSWARM_CENTRAL_CA_FILE", ROW_TEXT, AT(central_ca_file), "",
     "PEM file with central's CA, to trust it before enrolment"},
    {"central-ca-sha256", "PGSWARM_CENTRAL_CA_SHA256", ROW_TEXT, AT(central_ca_sha256), "",
     "instead: SHA-256 fingerprint of central's CA, hex"},
    {"central-plaintext", "PGSWARM_CENTRAL_PLAINTEXT", ROW_SWITCH, AT(central_plaintext), "off",
     "on: no TLS, for a listener behind a tunnel of your own"},
    {"enrolment-token-file", "PGSWARM_ENROLMENT_TOKEN_FILE", ROW_TEXT, AT(enrolment_token_file), "",
     "file with a token that admits this satellite at once (swarmctl satellite manifest)"},
    {"namespace", "PGSWARM_NAMESPACE", ROW_TEXT, AT(ns), "",
     "namespace of this satellite (default: the pod's, else pgswarm-system)"},
    {"hostname", "PGSWARM_HOSTNAME", ROW_TEXT, AT(hostname), "",
     "name that central shows until one is given (default: the host's)"},
    {"k8s-cluster", "PGSWARM_K8S_CLUSTER", ROW_TEXT, AT(k8s_cluster), "default",
     "name of this Kubernetes cluster"},
    {"region", "PGSWARM_REGION", ROW_TEXT, AT(region), "", "region of this site"},
    {"labels", "PGSWARM_LABELS", ROW_MAP, AT(labels), "", "first labels, KEY=VALUE,..."},
    {"service-type", "PGSWARM_SERVICE_TYPE", ROW_SERVICE_TYPE, AT(service_type), "ClusterIP",
     "type of the -rw and -ro Services: ClusterIP, NodePort or LoadBalancer"},
    {"sidecar-image", "PGSWARM_SIDECAR_IMAGE", ROW_TEXT, AT(sidecar_image),
     "pg-swarm/failover-sidecar:" PGSWARM_VERSION, "image of launcher and failover sidecar"},
    {"sidecar-listen", "PGSWARM_SIDECAR_LISTEN", ROW_TEXT, AT(sidecar_listen), ":9091",
     "where sidecars are served"},
    {"sidecar-addr", "PGSWARM_SIDECAR_ADDR", ROW_TEXT, AT(sidecar_addr), "",
     "what sidecars dial (default: the address of the Service pg-swarm-satellite)"},
    {"health-addr", "PGSWARM_HEALTH_ADDR", ROW_TEXT, AT(health_addr), ":8081",
     "where /healthz, /readyz and /metrics are served"},
    {"tiers", "PGSWARM_TIERS", ROW_MAP, AT(tiers), "",
     "storage classes behind tier names, TIER=CLASS,..."},
    {"log-level", "PGSWARM_LOG_LEVEL", ROW_LEVEL, AT(log_level), "info",
     "trace, debug, info, warn or error"},
    {"kubeconfig", "KUBECONFIG", ROW_TEXT, AT(kubeconfig), "",
     "kubeconfig file (default: the pod's service account)"},
};
enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

static void print_help(void)
{
    puts("usage: pg-swarm-satellite [--OPTION VALUE]...\n"
         "Operates the PostgreSQL clusters of one Kubernetes site for PG-Swarm's central.\n");
    for (size_t i = 0; i < ROW_COUNT; i++)
        printf("  --%-18s %s\n  %20s %s%s%s\n", ROWS[i].option, ROWS[i].help, "", ROWS[i].env,
               *ROWS[i].def ? ", default " : "", ROWS[i].def);
    puts("  --version            print the version\n  --help               print this");
}

/* Whether the text fits the row; NULL, or what would. */
static const char *set_row(Arena *a, const Row *r, const char *text, SatConfig *c)
{
    void *at = (char *)c + r->offset;
    Error err;
    switch (r->kind) {
    case ROW_TEXT:
        *(const char **)at = text;
        return NULL;
    case ROW_MAP:
        if (str_empty(text))
            return NULL;
        return labels_map_parse(a, text, at, &err) ? arena_strdup(a, err.msg) : NULL;
    case ROW_SWITCH:
        *(bool *)at = str_eq(text, "on");
        return str_eq(text, "on") || str_eq(text, "off") ? NULL : "on or off";
    case ROW_LEVEL:
        return log_level_from_name(text, at) ? NULL : "trace, debug, info, warn or error";
    case ROW_SERVICE_TYPE:
        *(const char **)at = text;
        return str_eq(text, "ClusterIP") || str_eq(text, "NodePort") || str_eq(text, "LoadBalancer")
                   ? NULL
                   : "ClusterIP, NodePort or LoadBalancer";
    }
    return NULL;
}

static const Row *find_option(StrView name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (sv_eqs(name, ROWS[i].option))
            return &ROWS[i];
    return NULL;
}

static ConfigResult bad(const char *what, const char *why)
{
    fprintf(stderr, "pg-swarm-satellite: %s: %s\n", what, why);
    return CONFIG_BAD;
}

/* Values given as options, by row. */
static ConfigResult read_options(int argc, char **argv, const char **given)
{
    for (int i = 1; i < argc; i++) {
        StrView value = sv(argv[i]), name = sv_cut(&value, '=');
        if (str_eq(argv[i], "--help")) {
            print_help();
            return CONFIG_EXIT;
        }
        if (str_eq(argv[i], "--version")) {
            puts("pg-swarm-satellite " PGSWARM_VERSION);
            return CONFIG_EXIT;
        }
        const Row *r = sv_starts(name, "--") ? find_option(sv_n(name.p + 2, name.n - 2)) : NULL;
        if (!r)
            return bad(argv[i], "no such option; --help lists them");
        if (!value.p && i + 1 >= argc)
            return bad(argv[i], "a value is missing");
        given[r - ROWS] = value.p ? value.p : argv[++i];
    }
    return CONFIG_OK;
}

static const char *own_hostname(Arena *a)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return arena_strdup(a, *name ? name : "satellite");
}

ConfigResult config_load(Arena *a, int argc, char **argv, SatConfig *ret)
{
    const char *given[ROW_COUNT] = {0};
    ConfigResult res = read_options(argc, argv, given);
    if (res != CONFIG_OK)
        return res;
    *ret = (SatConfig){0};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const char *env = getenv(ROWS[i].env);
        const char *text = given[i] ? given[i] : str_or(env, ROWS[i].def);
        const char *why = set_row(a, &ROWS[i], text, ret);
        if (why)
            return bad(given[i] ? ROWS[i].option : ROWS[i].env, why);
    }
    if (str_empty(ret->central_addr))
        return bad("PGSWARM_CENTRAL_ADDR", "the address of central is needed, HOST:PORT");
    if (str_empty(ret->hostname))
        ret->hostname = own_hostname(a);
    return CONFIG_OK;
}
