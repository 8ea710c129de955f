/* confwatch.h - tells when the files of a mounted ConfigMap changed: inotify on the folder (the
 * kubelet swaps a link in it), settled for a moment, compared by content. Costs nothing at rest. */
#pragma once
#include "loop/loop.h"

typedef struct ConfWatch ConfWatch;
/* ERR when the folder cannot be watched. on_change is also called when a file came or went. */
ErrCode confwatch_new(Loop *l, const char *dir, void (*on_change)(void *ctx), void *ctx,
                      ConfWatch **ret, Error *err) MUST_USE;
void confwatch_free(ConfWatch *w);
