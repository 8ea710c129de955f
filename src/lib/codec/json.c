#include "codec/json.h"
#include <math.h>
#include <stdlib.h>

static void delete_tree(void *item)
{
    cJSON_Delete(item);
}

cJSON *json_own(Arena *a, cJSON *item)
{
    if (item)
        arena_on_free(a, delete_tree, item);
    return item;
}

static int by_key(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* The first key that stands twice in one object, or NULL. */
static const char *twice_in(Arena *scratch, const cJSON *obj)
{
    size_t n = (size_t)cJSON_GetArraySize(obj), i = 0;
    if (n < 2)
        return NULL;
    const char **keys = arena_array(scratch, const char *, n);
    for (const cJSON *c = obj->child; c; c = c->next)
        keys[i++] = c->string;
    qsort(keys, n, sizeof *keys, by_key);
    for (i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    return NULL;
}

static const char *find_twice(Arena *scratch, const cJSON *item)
{
    const char *key = cJSON_IsObject(item) ? twice_in(scratch, item) : NULL;
    for (const cJSON *c = item->child; c && !key; c = c->next)
        if (c->child)
            key = find_twice(scratch, c);
    return key;
}

ErrCode json_parse(Arena *a, StrView text, size_t limit, cJSON **ret, Error *err)
{
    ErrCode rc = json_check(text, limit, err);
    if (rc)
        return rc;
    cJSON *root = cJSON_ParseWithLength(text.p, text.n);
    if (!root)
        return err_set(err, ERR_MALFORMED, "JSON: not understood");
    json_own(a, root);
    AUTO_ARENA scratch = arena_new();
    const char *key = find_twice(scratch, root);
    if (key)
        return err_set(err, ERR_MALFORMED, "JSON: the key \"%.100s\" stands twice", key);
    *ret = root;
    return ERR_OK;
}

/* The next part of a path, unescaped into buf; NULL at the end or when it is too long. */
static const char *next_part(const char **path, char *buf, size_t cap)
{
    size_t n = 0;
    const char *p = *path;
    if (!*p)
        return NULL;
    for (; *p && *p != '.'; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= cap)
            return NULL;
        buf[n++] = *p;
    }
    buf[n] = '\0';
    *path = *p ? p + 1 : p;
    return buf;
}

const cJSON *json_at(const cJSON *root, const char *path)
{
    char buf[256];
    while (root && *path) {
        const char *part = next_part(&path, buf, sizeof buf);
        uint64_t index;
        if (!part)
            return NULL;
        if (cJSON_IsArray(root))
            root = str_to_u64(part, &index) && index < INT32_MAX
                       ? cJSON_GetArrayItem(root, (int)index)
                       : NULL;
        else
            root = cJSON_GetObjectItemCaseSensitive(root, part);
    }
    return root;
}

const char *json_str_at(const cJSON *root, const char *path, const char *alt)
{
    const cJSON *item = json_at(root, path);
    return cJSON_IsString(item) ? item->valuestring : alt;
}

bool json_to_i64(const cJSON *item, int64_t *ret)
{
    if (!cJSON_IsNumber(item) || item->valuedouble != trunc(item->valuedouble) ||
        fabs(item->valuedouble) > 9007199254740992.0)
        return false;
    *ret = (int64_t)item->valuedouble;
    return true;
}

int64_t json_int_at(const cJSON *root, const char *path, int64_t alt)
{
    int64_t v;
    return json_to_i64(json_at(root, path), &v) ? v : alt;
}

double json_f64_at(const cJSON *root, const char *path, double alt)
{
    const cJSON *item = json_at(root, path);
    return cJSON_IsNumber(item) ? item->valuedouble : alt;
}

bool json_bool_at(const cJSON *root, const char *path, bool alt)
{
    const cJSON *item = json_at(root, path);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : alt;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    return a && b ? cJSON_Compare(a, b, true) : a == b;
}
