#include "api/schemas.h"
#include "core/str.h"

const Schema *const api_schemas[] = {
#define X(name) &schema_##name,
    API_SCHEMAS(X)
#undef X
        /* nested ones */
        & profile_postgres_schema,
    &volume_schema,
    &resources_schema,
    &failover_schema,
    &archive_schema,
    &schema_STORAGE_CLASS,
    &schema_STATUS_SATELLITES,
    &schema_STATUS_CLUSTERS,
    &schema_CHANGE,
    &schema_FIELD_ERROR,
    &schema_RULE_TARGET,
    &schema_RULE_CONFLICT,
    &schema_OPERATION_STEP,
    &schema_INSTANCE,
    &schema_HA_FACTS,
    &schema_HA_SUMMARY,
    &schema_FOLLOWER,
    &schema_ENDPOINT,
    &schema_DATABASE_STAT,
    &schema_TABLE_STAT,
    &schema_SLOW_QUERY,
    NULL};

const Schema *api_schema(const char *name)
{
    for (size_t i = 0; api_schemas[i]; i++)
        if (str_eq(api_schemas[i]->name, name))
            return api_schemas[i];
    return NULL;
}
