/* cli/cluster_util.h - what several commands need of a cluster. */
#pragma once
#include "out.h"

typedef struct ClusterLogin {
    const char *host, *user, *password, *database;
    int64_t port;
} ClusterLogin;

/* role: "replica", or anything else for the primary. */
ErrCode cluster_credentials(Cli *c, const char *cluster, const char *role, ClusterLogin *ret,
                            Error *err) MUST_USE;
const Column *cluster_columns(void);
const Column *operation_columns(void); /* cmd_op.c */
