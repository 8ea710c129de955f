/* central/fleet/housekeeping.h - what must be done now and then, by any of the centrals.
 *
 * Silent satellites become offline, with one event; events older than the configured days go;
 * so do tokens that have expired. Every statement is safe to run by several centrals at once. */
#pragma once
#include "app.h"

typedef struct Housekeeping Housekeeping;
Housekeeping *housekeeping_new(App *app);
void housekeeping_free(Housekeeping *h);
