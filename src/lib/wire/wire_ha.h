/* wire/wire_ha.h - leadership and durability, inside of health messages. */
#pragma once
#include "model/ha.h"
#include "pgswarm/v1/health.pb-c.h"

/* NULL is a message of a site that does not tell: nothing is known. */
HaFacts wire_ha_facts_get(Arena *a, const Pgswarm__V1__HaFacts *m);
Pgswarm__V1__HaFacts *wire_ha_facts_put(Arena *a, const HaFacts *h);
HaSummary wire_ha_summary_get(Arena *a, const Pgswarm__V1__HaSummary *m);
Pgswarm__V1__HaSummary *wire_ha_summary_put(Arena *a, const HaSummary *h);
