#include "pg/pool.h"

#include <string.h>

static char *wrap(Arena *a, char quote, const char *s)
{
    char *out = arena_alloc(a, strlen(s) * 2 + 4), *o = out;
    /* With a backslash inside, the E form means the same under every standard_conforming_strings.
     */
    bool escape = quote == '\'' && strchr(s, '\\');
    if (escape)
        *o++ = 'E';
    *o++ = quote;
    for (; *s; s++) {
        if (*s == quote || (escape && *s == '\\'))
            *o++ = *s;
        *o++ = *s;
    }
    *o++ = quote;
    return out;
}

char *pg_quote_ident(Arena *a, const char *s)
{
    return wrap(a, '"', s);
}

char *pg_quote_literal(Arena *a, const char *s)
{
    return wrap(a, '\'', s);
}

char *pg_conninfo(Arena *a, const char *const *pairs)
{
    AUTO_STRBUF b = {0};
    for (; pairs[0]; pairs += 2) {
        if (str_empty(pairs[1]))
            continue;
        strbuf_addf(&b, "%s%s='", b.n ? " " : "", pairs[0]);
        for (const char *v = pairs[1]; *v; v++) {
            if (*v == '\'' || *v == '\\')
                strbuf_addc(&b, '\\');
            strbuf_addc(&b, *v);
        }
        strbuf_addc(&b, '\'');
    }
    return arena_strdup(a, strbuf_str(&b));
}
