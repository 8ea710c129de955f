/* link/podlogs.h - lines of pods' logs for central: followed through the Kubernetes API, no faster
 * than the stream to central takes them. */
#pragma once
#include "kube/kube.h"
#include "link/central_link.h"

enum { PODLOGS_MAX = 16, PODLOGS_QUEUE_HIGH = 200 };

typedef struct PodLogs PodLogs;
PodLogs *podlogs_new(Kube *k, Link *link);
void podlogs_free(PodLogs *p);
/* Start, or end (m->cancel), the one with this command id. */
void podlogs_request(PodLogs *p, const char *id, const PodLogRequest *m);
void podlogs_resume(PodLogs *p);  /* there is room again */
void podlogs_end_all(PodLogs *p); /* the stream to central is gone */
