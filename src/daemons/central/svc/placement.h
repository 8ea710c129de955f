/* central/svc/placement.h - rules become clusters: one set-based statement, safe to run again.
 *
 * Whoever changes rules or satellites takes placement_lock first in the same transaction: of two
 * that run at once, the second then sees what the first did, and no match is missed. */
#pragma once
#include "app.h"

void placement_lock(App *app, PgConn *tx, AppDone done, void *ctx);
/* Clusters that are wanted and not there, made. rule_id or satellite_id NULL: all. A place that is
 * taken is left alone; the rule shows it as a conflict. */
typedef struct Placement {
    const char *rule_id, *satellite_id;
} Placement;
void placement_run(App *app, PgConn *tx, const Placement *p, AppDone done, void *ctx);
/* FanOutFn for app->fan_out: both, for one satellite. */
void placement_fan_out(App *app, PgConn *tx, const char *satellite_id, AppDone done, void *ctx);
