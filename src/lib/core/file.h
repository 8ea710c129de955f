/* core/file.h - whole small files, durably. */
#pragma once
#include "core/str.h"

/* Read at most `limit` bytes; a larger file is ERR_TOO_LARGE. A NUL follows the bytes. */
ErrCode file_read(Arena *a, const char *path, size_t limit, StrView *ret, Error *err) MUST_USE;
/* Write to PATH.tmp, fsync, rename over PATH, fsync the folder: afterwards either the old or the
 * new file is there. */
ErrCode file_write_atomic(const char *path, StrView data, unsigned mode, Error *err) MUST_USE;
/* mkdir -p; existing folders are fine. */
ErrCode file_mkdirs(const char *path, unsigned mode, Error *err) MUST_USE;
bool file_exists(const char *path);
