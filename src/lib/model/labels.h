/* model/labels.h - label selectors: a map (all pairs must be there), and kubectl's language. */
#pragma once
#include "core/strmap.h"

/* Every pair of `selector` is in `labels`; an empty selector matches everything. */
bool labels_match(StrMap selector, StrMap labels);

typedef enum LabelOp {
    LABEL_EQ,
    LABEL_NE,
    LABEL_IN,
    LABEL_NOT_IN,
    LABEL_EXISTS,
    LABEL_ABSENT
} LabelOp;
typedef struct LabelTerm {
    const char *key;
    LabelOp op;
    StrList values;
} LabelTerm;
typedef struct LabelSelector {
    LabelTerm *at;
    size_t n;
} LabelSelector;

/* `k=v,k==v,k!=v,k in (a,b),k notin (a),k,!k`; the error names what was expected, and where. */
ErrCode labels_parse(Arena *a, const char *text, LabelSelector *ret, Error *err) MUST_USE;
bool labels_select(const LabelSelector *s, StrMap labels);
char *labels_text(Arena *a, StrMap labels); /* "k=v,k2=v2" */
/* "k=v,k2=v2" to a map, with the rules of label keys and values. */
ErrCode labels_map_parse(Arena *a, const char *text, StrMap *ret, Error *err) MUST_USE;
