/* link/logstream.h - our own log lines on their way to central: bounded, never in anybody's way;
 * what does not fit is dropped and counted. */
#pragma once
#include "link/central_link.h"

typedef struct LogStream LogStream;
LogStream *logstream_start(Loop *l, Link *link); /* takes the log sink */
void logstream_free(LogStream *s);
uint64_t logstream_dropped(const LogStream *s);
