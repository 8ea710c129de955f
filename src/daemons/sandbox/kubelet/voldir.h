/* kubelet/voldir.h - a folder of files that changes all at once, as a kubelet does it: the files
 * are in ..TIMESTAMP, the link ..data points there, and each name is a link through ..data. A
 * reader sees either all of the old or all of the new. */
#pragma once
#include "loop/loop.h"

typedef struct VolFile {
    const char *path; /* relative, may have folders in it */
    const void *data;
    size_t n;
    unsigned mode;
} VolFile;

/* Writes nothing when the folder has just these bytes already. */
ErrCode voldir_write(const char *dir, const VolFile *files, size_t n, Error *err) MUST_USE;
/* rm -r, without leaving the file system that `path` is on and without following links. */
void voldir_remove(const char *path);
/* The same on the thread pool: a claim's folder may hold a whole PostgreSQL. */
void voldir_remove_later(Loop *l, const char *path);
