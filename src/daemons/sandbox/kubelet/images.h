/* kubelet/images.h - images are directories: the file given with --images says which.
 *
 *   {"postgres:15": {"root": "/", "binds": ["/build/bin:/usr/local/bin"], "env": {"LANG": "C"},
 *                    "user": 999, "command": ["/usr/local/bin/x"]}}
 *
 * root: the image's root, used read-only; "/" is the host's programs without the host's data.
 * binds: SOURCE:TARGET pairs on top of it, read-only. All but root may be absent. The file is read
 * anew for every container, so that an image can be added while the sandbox runs. */
#pragma once
#include "core/arena.h"

typedef struct ImageBind {
    const char *source, *target;
} ImageBind;

typedef struct Image {
    const char *ref, *root;
    const ImageBind *binds;
    size_t bind_count;
    const char *const *env;     /* "NAME=VALUE", ends with NULL */
    const char *const *command; /* NULL: a container must say its own */
    int user;                   /* -1: not said */
} Image;

/* NOT_FOUND when the file does not list it, INVALID when what it lists is no image. */
ErrCode image_find(Arena *a, const char *file, const char *ref, Image *ret, Error *err) MUST_USE;
