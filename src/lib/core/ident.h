/* core/ident.h - random bytes, identifiers, hex and base64. */
#pragma once
#include "core/str.h"

/* From getrandom(2); aborts when the kernel has none to give. */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

enum { UUID_LEN = 36, TOKEN_LEN = 64 };
/* UUID version 4 (RFC 9562) in lower case, NUL-terminated. */
void uuid_new(char ret[UUID_LEN + 1]);
bool uuid_valid(const char *s);
/* 256 random bits as 64 hex digits. */
void token_new(char ret[TOKEN_LEN + 1]);

void hex_encode(char *ret, const void *p, size_t n); /* writes 2n+1 bytes */
/* Returns how many bytes were decoded, or -1 on a bad digit, an odd length or too little room. */
ptrdiff_t hex_decode(void *ret, size_t cap, const char *s, size_t n);

/* Standard alphabet with padding (RFC 4648 section 4), NUL-terminated. */
char *base64_encode(Arena *a, const void *p, size_t n);
/* Padding optional; the url-safe alphabet is accepted too. NULL on bad input. A NUL follows the
 * bytes. */
unsigned char *base64_decode(Arena *a, const char *s, size_t n, size_t *ret_n);

/* Equal, in time that depends only on the lengths. */
bool secure_eq(const char *a, const char *b);
