/* model/quantity.h - Kubernetes resource quantities, exactly: 500m, 1.5Gi, 2e3, 0.1. */
#pragma once
#include "core/str.h"

/* In thousandths of the unit (millicores, millibytes); 128 bit, so nothing is rounded that
 * Kubernetes keeps: finer than a thousandth is refused here. */
typedef struct Quantity {
    __int128 milli;
} Quantity;

bool quantity_parse(StrView text, Quantity *ret);
static inline bool quantity_parses(const char *s, Quantity *ret)
{
    return quantity_parse(sv(s), ret);
}
int quantity_cmp(Quantity a, Quantity b);
/* Whole units, rounded up as Kubernetes does; INT64_MAX when larger. */
int64_t quantity_units(Quantity q);
int64_t quantity_millis(Quantity q);
/* Bytes of "1Gi"; `alt` for "" and for what is no quantity. */
int64_t quantity_bytes(const char *s, int64_t alt);
/* Canonical text: "1Gi", "1500m", "10". */
char *quantity_text(Arena *a, Quantity q);
