/* core/vec.h - a growing array of one element type, in malloc memory: `VEC(Type) v = {0}`, freed by
 * vec_done. */
#pragma once
#include "core/arena.h"
#include <stdlib.h>

#define VEC(Type)      \
    struct {           \
        Type *at;      \
        size_t n, cap; \
    }
#define vec_reserve(v, more)                                                                \
    do {                                                                                    \
        if ((v)->n + (more) > (v)->cap) {                                                   \
            (v)->cap = (v)->cap * 2 > (v)->n + (more) ? (v)->cap * 2 : (v)->n + (more) + 4; \
            (v)->at = xrealloc((v)->at, (v)->cap * sizeof *(v)->at);                        \
        }                                                                                   \
    } while (0)
#define vec_push(v, item)           \
    do {                            \
        vec_reserve((v), 1);        \
        (v)->at[(v)->n++] = (item); \
    } while (0)
/* Remove element i, keeping the order. */
#define vec_remove(v, i)                                                                          \
    do {                                                                                          \
        size_t vec_i_ = (i);                                                                      \
        memmove((v)->at + vec_i_, (v)->at + vec_i_ + 1, ((v)->n - vec_i_ - 1) * sizeof *(v)->at); \
        (v)->n--;                                                                                 \
    } while (0)
#define vec_done(v)            \
    do {                       \
        free((v)->at);         \
        (v)->at = NULL;        \
        (v)->n = (v)->cap = 0; \
    } while (0)
