/* store/quantity.h - Kubernetes quantities: "500m", "1Gi", "2.5", "1e3". */
#pragma once
#include "core/str.h"

/* In thousandths, saturating at INT64_MAX; false when the text is no quantity. */
bool quantity_parse(const char *text, int64_t *ret_milli);
/* Whole units where possible, else milli: for sums ("1500m"). binary: Ki/Mi/Gi where it divides. */
char *quantity_text(Arena *a, int64_t milli, bool binary);
