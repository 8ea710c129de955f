/* codec/json.h - JSON from outside into a cJSON tree, strictly (RFC 8259) and within limits.
 *
 * Refused, with line and column: more than `limit` bytes, nesting beyond LIMIT_JSON_DEPTH, a key
 * twice in one object, bytes behind the value, text that is not UTF-8, NUL in a string, and
 * everything that is not JSON though parsers often let it pass. The tree belongs to the arena. */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

ErrCode json_parse(Arena *a, StrView text, size_t limit, cJSON **ret, Error *err) MUST_USE;
/* Only the check, without a tree. */
ErrCode json_check(StrView text, size_t limit, Error *err) MUST_USE;

/* An own tree node, freed with the arena; ownership of `item` moves there. */
cJSON *json_own(Arena *a, cJSON *item);
/* Compact text of a tree, in the arena. */
char *json_text(Arena *a, const cJSON *item);
void json_write(StrBuf *b, const cJSON *item, unsigned indent);

/* By path: "spec.replicas", "items.0.metadata.name"; a dot inside a key is written "\\.". NULL when
 * any part is absent. */
const cJSON *json_at(const cJSON *root, const char *path);
/* The same with a conversion; `alt` when absent or of another type. */
const char *json_str_at(const cJSON *root, const char *path, const char *alt);
int64_t json_int_at(const cJSON *root, const char *path, int64_t alt);
double json_f64_at(const cJSON *root, const char *path, double alt);
bool json_bool_at(const cJSON *root, const char *path, bool alt);
/* A number that is whole and fits. */
bool json_to_i64(const cJSON *item, int64_t *ret);
bool json_equal(const cJSON *a, const cJSON *b); /* member order does not matter */
