/* codec/yaml.h - YAML to the same cJSON tree as JSON, and back.
 *
 * The JSON subset of types by the rules of YAML 1.2 (on/off/yes/no are text). Anchors, aliases,
 * merge keys and tags other than !!str are refused: they buy little and cost limits. Same limits as
 * JSON: size, depth, no key twice. A plain number keeps its spelling (in valuestring), so that a
 * version 17.10 stays 17.10 when it is read as text. */
#pragma once
#include "codec/json.h"

typedef struct YamlDocs {
    cJSON **at;
    size_t n;
} YamlDocs;

/* One document; ERR_MALFORMED names line and column. */
ErrCode yaml_parse(Arena *a, StrView text, size_t limit, cJSON **ret, Error *err) MUST_USE;
/* Several, divided by `---`; empty ones are dropped. */
ErrCode yaml_parse_all(Arena *a, StrView text, size_t limit, YamlDocs *ret, Error *err) MUST_USE;
void yaml_write(StrBuf *b, const cJSON *root);
