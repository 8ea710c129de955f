/* api/schemas.h - the bodies of the REST interface: structs and field tables, one per name used in
 * routes.def. Used by central to answer and by swarmctl to ask. */
#pragma once
#include "api/schemas_auth.h"
#include "api/schemas_cluster.h"
#include "api/schemas_fleet.h"
#include "api/schemas_operation.h"
#include "api/schemas_profile.h"

/* Every schema of routes.def; X(NAME). */
#define API_SCHEMAS(X)    \
    X(HEALTHZ)            \
    X(VERSION)            \
    X(LOGIN)              \
    X(TOKEN)              \
    X(TOKEN_INFO)         \
    X(TOKEN_CREATE)       \
    X(USER)               \
    X(USER_CREATE)        \
    X(SATELLITE)          \
    X(SATELLITE_APPROVE)  \
    X(SATELLITE_LABELS)   \
    X(ENROLMENT)          \
    X(ENROLMENT_INFO)     \
    X(ENROLMENT_CREATE)   \
    X(LOG_ENTRY)          \
    X(LOG_LEVEL)          \
    X(PROFILE)            \
    X(PROFILE_INPUT)      \
    X(PROFILE_VERSION)    \
    X(PROFILE_DIFF)       \
    X(VALIDATION)         \
    X(RULE)               \
    X(RULE_INPUT)         \
    X(RULE_PREVIEW)       \
    X(CLUSTER)            \
    X(CLUSTER_DETAIL)     \
    X(DECISION)           \
    X(CREDENTIALS)        \
    X(OPERATION)          \
    X(OPERATION_CONTINUE) \
    X(OPERATION_ABORT)    \
    X(SWITCHOVER_INPUT)   \
    X(FAILOVER_INPUT)     \
    X(FENCE_INPUT)        \
    X(MEMBER_INPUT)       \
    X(RESTART_INPUT)      \
    X(PAUSE_INPUT)        \
    X(EVENT)              \
    X(AUDIT)              \
    X(PGVERSION)          \
    X(PGVERSION_INPUT)    \
    X(STATUS)

typedef enum ApiBodyKind { BODY_NONE, BODY_ONE, BODY_LIST, BODY_TEXT, BODY_ANY } ApiBodyKind;
typedef struct ApiBody {
    ApiBodyKind kind;
    const Schema *schema; /* of BODY_ONE and of the items of BODY_LIST */
} ApiBody;

/* All tables, nested ones included, for OpenAPI and `explain`; NULL-terminated. */
extern const Schema *const api_schemas[];
const Schema *api_schema(const char *name);
