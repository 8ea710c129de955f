/* core/arena.h - memory by lifetime: one arena per request, message, reconcile pass or command;
 * nothing freed singly.
 *
 * Allocation never returns NULL: out of memory aborts, and limits at the door (core/limits.h) keep
 * that from being a stranger's to cause. Memory is zeroed. Disposers run last-in first-out on reset
 * and free. Not thread-safe: an arena belongs to one thread at a time. */
#pragma once
#include "core/err.h"
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);
/* Same, with a first block of about `hint` bytes. */
Arena *arena_new_sized(size_t hint);
void arena_free(Arena *a); /* NULL is fine */
/* Run disposers and forget everything, keeping one block for reuse. */
void arena_reset(Arena *a);
size_t arena_used(const Arena *a); /* bytes handed out since new/reset */

void *arena_alloc(Arena *a, size_t n) __attribute__((malloc, alloc_size(2), returns_nonnull));
void *arena_calloc(Arena *a, size_t count, size_t size)
    __attribute__((malloc, alloc_size(2, 3), returns_nonnull));
void *arena_memdup(Arena *a, const void *p, size_t n);
char *arena_strdup(Arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Call fn(arg) when the arena ends: closes a PGresult, a git object, a descriptor. */
void arena_on_free(Arena *a, void (*fn)(void *), void *arg);

#define arena_new_of(a, Type) ((Type *)arena_alloc((a), sizeof(Type)))
#define arena_array(a, Type, n) ((Type *)arena_calloc((a), (n), sizeof(Type)))

static inline void arena_free_p(Arena **a)
{
    arena_free(*a);
}
#define AUTO_ARENA __attribute__((cleanup(arena_free_p))) Arena *

/* malloc family that aborts instead of returning NULL, for objects with a lifetime of their own. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
#define xnew(Type) ((Type *)xcalloc(1, sizeof(Type)))
