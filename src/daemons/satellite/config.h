/* config.h - the settings of a satellite: rows of a table, each an environment variable and a
 * --long-option. */
#pragma once
#include "core/log.h"
#include "core/strmap.h"

typedef struct SatConfig {
    const char *central_addr;         /* "central.example:9090" */
    const char *central_name;         /* in its certificate; "" the host of the address */
    const char *central_ca_file;      /* whom to trust at first; or: */
    const char *central_ca_sha256;    /* fingerprint of central's CA */
    const char *enrolment_token_file; /* read when it registers; one that is not there is fine */
    bool central_plaintext;           /* no TLS: for a listener behind one's own tunnel */
    const char *ns;                   /* of this pod and of the identity Secret */
    const char *hostname, *k8s_cluster, *region;
    StrMap labels;
    const char *service_type; /* of -rw and -ro: ClusterIP NodePort LoadBalancer */
    const char *sidecar_image;
    const char *sidecar_listen; /* ":9091" */
    const char *sidecar_addr;   /* what pods dial; "" asked of our Service */
    const char *health_addr;    /* ":8081" */
    StrMap tiers;               /* tier name -> storage class of this site */
    LogLevel log_level;
    const char *kubeconfig;
} SatConfig;

typedef enum ConfigResult { CONFIG_OK, CONFIG_EXIT, CONFIG_BAD } ConfigResult;
/* Options before environment before defaults. CONFIG_EXIT: --help or --version was answered.
 * CONFIG_BAD: said on stderr what is wrong. Strings live in the arena or in argv/environ. */
ConfigResult config_load(Arena *a, int argc, char **argv, SatConfig *ret);
