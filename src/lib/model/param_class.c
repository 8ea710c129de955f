#include "model/param_class.h"
#include <math.h>
#include <stdlib.h>
#include <strings.h>

static const ParamInfo table[] = {
#define PARAM(n, s, u, c, t, un, mn, mx, ch) \
    {.name = n,                              \
     .since = s,                             \
     .until = u,                             \
     .context = PARAM_##c,                   \
     .type = PARAM_##t,                      \
     .unit = un,                             \
     .min = mn,                              \
     .max = mx,                              \
     .choices = ch},
#include "model/params.def"
#undef PARAM
};
enum { TABLE_N = sizeof table / sizeof *table };

const char *param_class_name(ParamClass c)
{
    static const char *const names[] = {"reload", "sequential", "full"};
    return names[c];
}

size_t param_count(void)
{
    return TABLE_N;
}

const ParamInfo *param_at(size_t i)
{
    return &table[i];
}

static bool exists_in(const ParamInfo *p, unsigned major)
{
    return !major || (major >= p->since && major <= p->until);
}

const ParamInfo *param_find(const char *name, unsigned major)
{
    size_t lo = 0, hi = TABLE_N;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcasecmp(table[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* A parameter whose nature changed has several rows. */
    for (; lo < TABLE_N && strcasecmp(table[lo].name, name) == 0; lo++)
        if (exists_in(&table[lo], major))
            return &table[lo];
    return NULL;
}

const char *param_nearest(Arena *a, const char *name, unsigned major)
{
    const char **names = arena_array(a, const char *, TABLE_N + 1);
    size_t n = 0;
    for (size_t i = 0; i < TABLE_N; i++)
        if (exists_in(&table[i], major) && table[i].context != PARAM_INTERNAL)
            names[n++] = table[i].name;
    return str_nearest(name, names);
}

ParamClass param_class(const char *name, unsigned major)
{
    const ParamInfo *p = param_find(name, major);
    /* WAL of two levels must not meet in one cluster: all instances change together. */
    if (strcasecmp(name, "wal_level") == 0)
        return CLASS_FULL;
    if (!p)
        return CLASS_RELOAD;
    return p->context == PARAM_POSTMASTER || p->context == PARAM_INTERNAL ? CLASS_SEQUENTIAL
                                                                          : CLASS_RELOAD;
}

/* ---- values ---- */

/* PostgreSQL takes any unambiguous beginning of these words. */
static bool is_bool(const char *v)
{
    static const char *const words[] = {"on", "off", "true", "false", "yes", "no", NULL};
    size_t n = strlen(v);
    if (str_eq(v, "0") || str_eq(v, "1"))
        return true;
    for (size_t i = 0; words[i]; i++)
        if (n >= (i < 2 ? 2 : 1) && n <= strlen(words[i]) && strncasecmp(v, words[i], n) == 0)
            return true;
    return false;
}

static bool in_choices(const char *choices, const char *v, bool *ret_boolish)
{
    StrView rest = sv(choices);
    bool on = false;
    while (rest.n) {
        StrView c = sv_cut(&rest, ',');
        on = on || sv_eqs(c, "on");
        if (sv_ieqs(c, v))
            return true;
    }
    *ret_boolish = on;
    return false;
}

/* A unit of memory in bytes or of time in microseconds; 0 when there is none. */
static double unit_size(const char *unit, bool *ret_memory)
{
    static const struct {
        const char *name;
        double size;
        bool memory;
    } units[] = {
        {"B", 1, true},           {"kB", 1024, true},          {"MB", 1048576, true},
        {"GB", 1073741824, true}, {"TB", 1099511627776, true}, {"8kB", 8192, true},
        {"us", 1, false},         {"ms", 1000, false},         {"s", 1000000, false},
        {"min", 60000000, false}, {"h", 3600000000, false},    {"d", 86400000000, false},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, unit) == 0) {
            *ret_memory = units[i].memory;
            return units[i].size;
        }
    return 0;
}

/* A number in the parameter's unit; false when the text is no number with a fitting unit. */
static bool read_number(const ParamInfo *p, const char *v, double *ret)
{
    char *end;
    bool memory = false, want_memory = false;
    if (!*v || strchr(" \t\n", *v))
        return false;
    double n = strtod(v, &end);
    if (end == v || !isfinite(n) || strpbrk(v, "xXnNpP") == v)
        return false;
    while (*end == ' ')
        end++;
    if (*end) {
        double have = unit_size(end, &memory);
        double base = *p->unit ? unit_size(p->unit, &want_memory) : 0;
        if (!have || !base || memory != want_memory || strcmp(end, "8kB") == 0)
            return false;
        n = n * have / base;
    }
    *ret = n;
    return true;
}

bool param_number(const ParamInfo *p, const char *value, double *ret)
{
    return read_number(p, value, ret);
}

int64_t param_bytes(const ParamInfo *p, const char *value)
{
    double n;
    bool memory = false;
    double base = *p->unit ? unit_size(p->unit, &memory) : 0;
    if (!memory || !read_number(p, value, &n) || n < 0 || n * base > 9e18)
        return -1;
    return (int64_t)(n * base);
}

static const char *unit_hint(Arena *a, const ParamInfo *p)
{
    bool memory = false;
    if (!*p->unit)
        return "";
    if (unit_size(p->unit, &memory) && memory)
        return arena_printf(a, " (in %s, or with B, kB, MB, GB, TB)", p->unit);
    return arena_printf(a, " (in %s, or with us, ms, s, min, h, d)", p->unit);
}

static bool number_valid(Arena *a, const ParamInfo *p, const char *v, const char **ret_want)
{
    double n;
    bool fine = read_number(p, v, &n);
    /* Integers are rounded by PostgreSQL: half a unit beyond the edge still falls inside. */
    if (fine && p->type == PARAM_INT)
        n = rint(n);
    if (fine && n >= p->min && n <= p->max)
        return true;
    *ret_want = arena_printf(a, "%s from %.15g to %.15g%s",
                             p->type == PARAM_INT ? "a whole number" : "a number", p->min, p->max,
                             unit_hint(a, p));
    return false;
}

bool param_value_valid(Arena *a, const ParamInfo *p, const char *value, const char **ret_want)
{
    bool boolish = false;
    switch (p->type) {
    case PARAM_BOOL:
        *ret_want = "on or off";
        return is_bool(value);
    case PARAM_INT:
    case PARAM_REAL:
        return number_valid(a, p, value, ret_want);
    case PARAM_ENUM:
        if (in_choices(p->choices, value, &boolish) || (boolish && is_bool(value)))
            return true;
        *ret_want = arena_printf(a, "one of %s", p->choices);
        return false;
    case PARAM_STRING:
        return true;
    }
    return false;
}
