/* store/selector.h - label and field selectors, from query text and from LabelSelector objects. */
#pragma once
#include "store/js.h"
#include "store/kind.h"

typedef struct Selector Selector;
/* The one name that a field selector leaves, or NULL: rights on one object cover a list of it. */
const char *field_selector_name(Arena *a, const char *text);
/* "a=b,c!=d,e in (f,g),!h"; empty text matches everything. Errors in Kubernetes' words. */
ErrCode selector_parse(Arena *a, const char *text, const Selector **ret, Error *err) MUST_USE;
/* {matchLabels, matchExpressions}; NULL object: matches nothing (as a controller's selector does).
 */
ErrCode selector_from_object(Arena *a, const cJSON *label_selector, const Selector **ret,
                             Error *err) MUST_USE;
/* {"app":"x"}: a Service's selector. Empty or NULL matches nothing. */
const Selector *selector_from_map(Arena *a, const cJSON *map);
bool selector_matches(const Selector *s, const cJSON *labels);
/* Field selectors: metadata.name, metadata.namespace and what the kind supports. */
ErrCode field_selector_parse(Arena *a, const Kind *k, const char *text, const Selector **ret,
                             Error *err) MUST_USE;
bool field_selector_matches(const Selector *s, const cJSON *obj);
