/* store/js.h - reading and changing cJSON trees by path.
 *
 * A path is names with dots, "spec.template.spec"; a name that has dots itself stands in brackets,
 * "metadata.labels[app.kubernetes.io/name]"; a number in brackets is an array index. Readers take
 * NULL trees and answer "absent". */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

cJSON *js_at(const cJSON *o, const char *path);        /* NULL when absent */
const char *js_str(const cJSON *o, const char *path);  /* NULL when absent or no string */
const char *js_text(const cJSON *o, const char *path); /* "" when absent */
int64_t js_int(const cJSON *o, const char *path, int64_t absent);
bool js_bool(const cJSON *o, const char *path, bool absent);
int js_count(const cJSON *o, const char *path); /* of an array or object; 0 when absent */

/* Direct member, names case-sensitive (cJSON's own default is not). */
cJSON *js_get(const cJSON *o, const char *name);
/* Set or replace a member; the objects on the way are made. Takes item over. */
void js_set(cJSON *o, const char *path, cJSON *item);
void js_set_str(cJSON *o, const char *path, const char *value);
void js_set_int(cJSON *o, const char *path, int64_t value);
void js_set_bool(cJSON *o, const char *path, bool value);
void js_del(cJSON *o, const char *path);
/* The object at path, made when absent. */
cJSON *js_obj(cJSON *o, const char *path);
cJSON *js_arr(cJSON *o, const char *path);
/* Equal by value; the order of object members does not matter. Absent equals absent. */
bool js_equal(const cJSON *a, const cJSON *b);
/* Element of an array of objects whose `key` is `value`, or NULL. */
cJSON *js_find(const cJSON *array, const char *key, const char *value);
/* Before the element at index; at the end when there is none. Takes item over. (Debian's
 * cJSON_InsertItemInArray fails everywhere but at 0.) */
void js_insert(cJSON *array, int index, cJSON *item);
cJSON *js_dup(const cJSON *o);
/* Compact text in malloc memory. */
char *js_print(const cJSON *o);
/* Strict: nothing behind the value, depth at most JS_DEPTH, objects of at most JS_MEMBERS members,
 * valid UTF-8. */
enum { JS_DEPTH = 64, JS_MEMBERS = 10000 };
ErrCode js_parse(StrView text, cJSON **ret, Error *err) MUST_USE;
static inline void js_free_p(cJSON **o)
{
    cJSON_Delete(*o);
}
#define AUTO_JSON __attribute__((cleanup(js_free_p))) cJSON *
#define js_each(item, array) cJSON_ArrayForEach(item, array)
/* "2026-11-23T03:08:37Z" */
cJSON *js_now(int64_t wall_us);
