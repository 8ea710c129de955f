/* election/announce.h - the position in the own pod's annotation: what is there, and changing it.
 *
 * What a sidecar before us left there counts: until the pod was read, a position may be there. */
#pragma once
#include "kube/kube.h"

typedef struct Announce Announce;
typedef void (*AnnounceDone)(void *ctx, const Error *err);

Announce *announce_new(Kube *kube, const char *ns, const char *pod); /* strings are kept */
void announce_free(Announce *an);
/* True unless it is known that nothing is there. */
bool announce_may_be(const Announce *an);
/* What is there for certain; NULL: nothing, or not known. */
const char *announce_text(const Announce *an);
/* text NULL takes it away (nothing is written when nothing is there). One at a time; done once,
 * never from inside. */
void announce_set(Announce *an, const char *text, AnnounceDone done, void *ctx);
