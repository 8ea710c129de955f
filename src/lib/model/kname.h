/* model/kname.h - the name rules of Kubernetes and of PostgreSQL. */
#pragma once
#include "core/str.h"

bool kname_label(const char *s);       /* RFC 1123 label: a-z 0-9 and '-', 1 to 63 */
bool kname_subdomain(const char *s);   /* labels with dots, at most 253 */
bool kname_label_key(const char *s);   /* [prefix/]name */
bool kname_label_value(const char *s); /* "" or 1 to 63 of [A-Za-z0-9._-], alphanumeric ends */
/* A cluster name: a label of at most 40, so that every derived object name fits in 63. */
enum { CLUSTER_NAME_MAX = 40 };
bool kname_cluster(const char *s);
bool kname_image(const char *s);      /* [host[:port]/]path[:tag][@digest] */
bool kname_identifier(const char *s); /* PostgreSQL: 1 to 63 bytes, no control bytes */
