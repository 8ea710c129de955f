/* model/guc.h - the text of postgresql.conf and pg_hba.conf of a cluster.
 *
 * Layers: defaults (sized by the memory limit) < archive < profile < mandatory. In pg_hba.conf
 * first what the fleet needs for itself, then one line per database and network, then the profile's
 * lines, the catch-all last: so a narrow line is never shadowed by a wide one. */
#pragma once
#include "model/cluster_spec.h"

/* 'value' with quotes doubled; usable behind `name = `. Values with control bytes are a BUG:
 * validate first. */
char *guc_quote(Arena *a, const char *value);

/* Name to value of everything that stands in postgresql.conf. */
StrMap guc_effective(Arena *a, const ClusterSpec *s);
char *guc_postgresql_conf(Arena *a, const ClusterSpec *s);
char *guc_pg_hba_conf(Arena *a, const ClusterSpec *s);
/* NULL when a user may set it; else why not: "set by the operator: ...". */
const char *guc_managed(const char *name);
