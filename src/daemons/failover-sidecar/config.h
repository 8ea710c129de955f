/* failover-sidecar/config.h - what the pod's environment tells this sidecar, read once, at start;
 * and how many members there are, which the mounted ConfigMap tells, so that a scaling restarts
 * nobody. */
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
    const char *base;       /* pods are BASE-0, BASE-1, ... */
    const char *my_addr;    /* IP:port of PostgreSQL */
} Config;

/* Strings live in `a`. ERR_INVALID names the variable, its value and what is right. */
ErrCode config_load(Arena *a, Config *ret, Error *err) MUST_USE;
/* Read key `members` of the ConfigMap again; what is absent or no number changes nothing. */
void config_members(Config *c);
/* Of a pod of this cluster; -1 when it is none. */
int config_ordinal(const Config *c, const char *pod);
void config_help(void); /* the table, on stdout */
/* One line of a Secret's file, without its line end. ERR_INVALID when it is empty. */
ErrCode config_secret(Arena *a, const Config *c, const char *key, const char **ret,
                      Error *err) MUST_USE;
