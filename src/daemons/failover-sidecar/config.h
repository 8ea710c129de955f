/* failover-sidecar/config.h - what the pod's environment tells this sidecar; read once, at start.
 */
#pragma once
#include "core/str.h"

typedef struct Config {
    const char *pod, *ns, *ip, *uid, *cluster;
    unsigned ordinal, replicas;
    unsigned lease_seconds, health_seconds;
    const char *durability;
    const char *satellite_addr, *satellite_ca_file; /* "": no satellite */
    const char *run_dir, *config_dir, *secret_dir, *health_addr, *log_level;
    unsigned pg_port;
    const char *lease_name; /* CLUSTER-leader */
    const char *my_addr;    /* IP:port of PostgreSQL */
} Config;

/* Strings live in `a`. ERR_INVALID names the variable, its value and what is right. */
ErrCode config_load(Arena *a, Config *ret, Error *err) MUST_USE;
void config_help(void); /* the table, on stdout */
/* One line of a Secret's file, without its line end. ERR_INVALID when it is empty. */
ErrCode config_secret(Arena *a, const Config *c, const char *key, const char **ret,
                      Error *err) MUST_USE;
