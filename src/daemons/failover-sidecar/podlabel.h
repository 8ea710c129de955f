/* podlabel.h - the role label of our own pod, by which the -rw and -ro Services route. Written only
 * when it differs; a failed write is tried again. */
#pragma once
#include "kube/kube.h"

typedef struct PodLabel PodLabel;
PodLabel *podlabel_new(Kube *kube, const char *ns, const char *pod);
void podlabel_free(PodLabel *p);
/* "primary", "replica", or NULL for none. */
/* The API server has it so. */
bool podlabel_is(const PodLabel *p, const char *role);
void podlabel_set(PodLabel *p, const char *role);
