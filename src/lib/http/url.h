/* http/url.h - request targets: decoded exactly once, and refused when the result could mean two
 * things. */
#pragma once
#include "core/str.h"

/* %XX undone (and '+' to ' ' when `form`). NULL on a broken escape, an encoded NUL, or bytes that
 * are no UTF-8. */
char *url_decode(Arena *a, StrView s, bool form);
/* The whole path, without "." and ".." as segments, even encoded ones. NULL when it is none. */
char *url_path(Arena *a, StrView raw);
void url_encode(StrBuf *out, const char *s); /* all but unreserved characters */

typedef struct UrlPair {
    const char *name, *value;
} UrlPair;
/* "a=1&b=x+y" to pairs; "a" has the value "". False on a broken escape or more than 100 pairs. */
bool url_query(Arena *a, StrView raw, const UrlPair **ret, size_t *ret_n);
