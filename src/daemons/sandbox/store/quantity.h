/* store/quantity.h - Kubernetes quantities: "500m", "1Gi", "2.5", "1e3". */
#pragma once
#include "core/str.h"

/* In thousandths, saturating at INT64_MAX; false when the text is no quantity. */
bool quantity_parse(const char *text, int64_t *ret_milli);
/* The way in which the API server writes it: "0.5" is 500m, 1024Mi is 1Gi. False when it stands so
 * already, or is no quantity of whole thousandths. */
enum { QUANTITY_TEXT = 40 };
bool quantity_canonical(const char *text, char ret[QUANTITY_TEXT]);
/* Whole units where possible, else milli: for sums ("1500m"). binary: Ki/Mi/Gi where it divides. */
char *quantity_text(Arena *a, int64_t milli, bool binary);
