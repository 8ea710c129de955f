/* health/reporter.h - when health is told: every 10 s, and at once when a role or a state changes;
 * changes of state become events. */
#pragma once
#include "health/aggregate.h"
#include "link/central_link.h"

typedef struct Reporter Reporter;
typedef struct ReporterSpec {
    Loop *loop;
    Site *site;
    Link *link; /* may be set later */
    const Registry *registry;
} ReporterSpec;
Reporter *reporter_start(const ReporterSpec *spec);
void reporter_set_link(Reporter *r, Link *link);
void reporter_free(Reporter *r);
void reporter_soon(Reporter *r, Cluster *c); /* something of this cluster changed */
void reporter_all(Reporter *r);              /* a new stream: everything now */
