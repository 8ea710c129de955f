/* central/fleet/opclock.h - what happens to operations by the clock alone: a planned one is due, a
 * silent one becomes unknown.
 *
 * Every central looks; the database lets one of them change a row. */
#pragma once
#include "app.h"

typedef struct OpClock OpClock;
OpClock *opclock_new(App *app);
void opclock_free(OpClock *k);
