/* launcher/tool.h - run one of PostgreSQL's programs to its end, from the worker. */
#pragma once
#include "core/str.h"

/* argv[0] is a full path. Its output goes line by line to our stderr (the launcher's log pipe); the
 * first line that names an error, else the last, becomes the error's text. Killed when we are. */
ErrCode tool_run(const char *const *argv, Error *err) MUST_USE;
/* The same, and tells whether a line had `text` in it. */
ErrCode tool_run_watching(const char *const *argv, const char *text, bool *ret_seen,
                          Error *err) MUST_USE;
