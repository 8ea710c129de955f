/* kubelet/crilog.h - the log file of one container run, line by line as a kubelet writes them:
 *   2026-11-23T03:08:37.123456Z stdout F the text
 * A line longer than LIMIT_LOG_LINE is cut into pieces marked P, the last one F. When the file is
 * larger than CRILOG_MAX it becomes FILE.1 and a new one is begun. */
#pragma once
#include "core/str.h"

enum { CRILOG_MAX = 10 * 1024 * 1024 };
typedef struct CriLog CriLog;
ErrCode crilog_open(const char *path, CriLog **ret, Error *err) MUST_USE;
/* stream: "stdout" or "stderr". What has no newline yet waits here. */
void crilog_write(CriLog *l, bool is_stderr, const char *data, size_t n);
void crilog_close(CriLog *l); /* writes what waits */

/* Pure: append to `out` the lines of data[0..n), taking and leaving the unfinished rest in `rest`.
 * end: there will be no more. */
void crilog_format(StrBuf *out, StrBuf *rest, const char *head, StrView data, bool end);
