#include "core/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 1024, BLOCK_MAX = 64 * 1024, ALIGN = 16 };

typedef struct Block {
    struct Block *next;
    size_t cap, used;
    _Alignas(ALIGN) unsigned char data[];
} Block;

typedef struct Disposer {
    struct Disposer *next;
    void (*fn)(void *);
    void *arg;
} Disposer;

struct Arena {
    Block *head;
    Disposer *disposers;
    size_t used, next_cap;
};

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr, "out of memory: %zu bytes\n", n);
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        out_of_memory(n);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(count);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        out_of_memory(n);
    return q;
}

char *xstrndup(const char *s, size_t n)
{
    if (!s)
        return NULL;
    n = strnlen(s, n);
    char *p = xmalloc(n + 1);
    memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *xstrdup(const char *s)
{
    return s ? xstrndup(s, strlen(s)) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    char *p;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory(0);
    return p;
}

static Block *block_new(size_t cap, Block *next)
{
    Block *b = xmalloc(sizeof *b + cap);
    b->next = next;
    b->cap = cap;
    b->used = 0;
    return b;
}

Arena *arena_new_sized(size_t hint)
{
    Arena *a = xnew(Arena);
    a->head = block_new(hint < 64 ? 64 : hint, NULL);
    a->next_cap = BLOCK_MIN;
    return a;
}

Arena *arena_new(void)
{
    return arena_new_sized(BLOCK_MIN);
}

static void run_disposers(Arena *a)
{
    while (a->disposers) {
        Disposer *d = a->disposers;
        a->disposers = d->next;
        d->fn(d->arg);
    }
}

static void free_blocks(Block *b)
{
    while (b) {
        Block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_reset(Arena *a)
{
    run_disposers(a);
    free_blocks(a->head->next);
    a->head->next = NULL;
    a->head->used = 0;
    a->used = 0;
    a->next_cap = BLOCK_MIN;
}

void arena_free(Arena *a)
{
    if (!a)
        return;
    run_disposers(a);
    free_blocks(a->head);
    free(a);
}

size_t arena_used(const Arena *a)
{
    return a->used;
}

void *arena_alloc(Arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        out_of_memory(n);
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->head->cap - a->head->used < n) {
        size_t cap = a->next_cap < n ? n : a->next_cap;
        a->head = block_new(cap, a->head);
        if (a->next_cap < BLOCK_MAX)
            a->next_cap *= 2;
    }
    void *p = a->head->data + a->head->used;
    a->head->used += n;
    a->used += n;
    memset(p, 0, n);
    return p;
}

void *arena_calloc(Arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size)
        out_of_memory(count);
    return arena_alloc(a, count * size);
}

void *arena_memdup(Arena *a, const void *p, size_t n)
{
    void *q = arena_alloc(a, n);
    if (n)
        memcpy(q, p, n);
    return q;
}

char *arena_strndup(Arena *a, const char *s, size_t n)
{
    if (!s)
        return NULL;
    n = strnlen(s, n);
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_strdup(Arena *a, const char *s)
{
    return s ? arena_memdup(a, s, strlen(s) + 1) : NULL;
}

char *arena_vprintf(Arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0)
        BUG("bad format '%s'", fmt);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(Arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void arena_on_free(Arena *a, void (*fn)(void *), void *arg)
{
    Disposer *d = arena_new_of(a, Disposer);
    d->next = a->disposers;
    d->fn = fn;
    d->arg = arg;
    a->disposers = d;
}
