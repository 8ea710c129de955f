/* model/param_class.h - what is known of PostgreSQL's parameters: where they exist, what they take,
 * and what a change costs. The table is made from pg_settings of real servers. */
#pragma once
#include "core/strmap.h"

typedef enum ParamContext {
    PARAM_INTERNAL,
    PARAM_POSTMASTER,
    PARAM_SIGHUP,
    PARAM_BACKEND,
    PARAM_SUSET,
    PARAM_USER
} ParamContext;
typedef enum ParamType { PARAM_BOOL, PARAM_INT, PARAM_REAL, PARAM_STRING, PARAM_ENUM } ParamType;

/* What a change of the value means for a running cluster, strictest last. */
typedef enum ParamClass { CLASS_RELOAD, CLASS_SEQUENTIAL, CLASS_FULL } ParamClass;
const char *param_class_name(ParamClass c); /* "reload", "sequential", "full" */

typedef struct ParamInfo {
    const char *name;
    uint8_t since, until; /* majors where it exists, inclusive */
    ParamContext context;
    ParamType type;
    const char *unit;    /* "kB", "8kB", "MB", "B", "ms", "s", "min", "" */
    double min, max;     /* of numbers, in `unit` */
    const char *choices; /* of enums, comma-separated */
    const char *managed; /* NULL, or why the operator sets it */
} ParamInfo;

/* NULL when PostgreSQL `major` has no such parameter (case does not matter); major 0: any. */
const ParamInfo *param_find(const char *name, unsigned major);
const char *param_nearest(Arena *a, const char *name, unsigned major); /* did-you-mean or NULL */
ParamClass param_class(const char *name, unsigned major);
size_t param_count(void);
const ParamInfo *param_at(size_t i);
/* Is `value` one that PostgreSQL would take? Else *ret_want says what is. */
bool param_value_valid(Arena *a, const ParamInfo *p, const char *value, const char **ret_want);
/* The number of "10s" or "10000" in the parameter's own unit; false when it is none. */
bool param_number(const ParamInfo *p, const char *value, double *ret);
/* Bytes of "512MB", or of a plain number in the parameter's own unit; -1 when it is none. */
int64_t param_bytes(const ParamInfo *p, const char *value);
