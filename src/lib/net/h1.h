/* net/h1.h - HTTP/1.1 requests, read strictly (RFC 9112): bytes in, steps out, no I/O.
 *
 * Two readers of one request must never disagree, so everything a second reader could take
 * differently is refused: bare CR or LF, folded lines, blanks before ':', control bytes,
 * Transfer-Encoding beside Content-Length, any coding but one `chunked`, differing or non-digit
 * lengths, more or fewer than one Host on 1.1. Trailers are checked and dropped. After H1_BAD the
 * parser stays bad: the bytes that follow have no known meaning. How the input is cut never changes
 * the steps. */
#pragma once
#include "core/str.h"

typedef struct H1 H1;

typedef enum H1Step {
    H1_MORE, /* all input taken */
    H1_HEAD, /* h1_head is complete */
    H1_BODY, /* h1_body is the next piece, a view into the input */
    H1_END,  /* the request is complete; the next call begins the next one */
    H1_BAD,  /* h1_status and h1_reason say what is wrong */
} H1Step;

typedef struct H1Field {
    StrView name, value; /* name in lower case; both NUL-terminated */
} H1Field;

typedef struct H1Head {
    StrView method, target; /* NUL-terminated; target "/..." or "*" */
    StrView host;           /* of an absolute target, else of the Host field */
    int minor;              /* HTTP/1.minor */
    const H1Field *fields;
    size_t n_fields;
    bool keep_alive, upgrade; /* upgrade: the Connection field names it */
    bool chunked, expects_continue;
    uint64_t length; /* of the body, when not chunked */
} H1Head;

H1 *h1_new(void);
void h1_free(H1 *p);
/* Takes from the front of *in until there is a step to report. */
H1Step h1_next(H1 *p, StrView *in);
/* From H1_HEAD until the call after H1_END. */
const H1Head *h1_head(const H1 *p);
StrView h1_body(const H1 *p);       /* at H1_BODY */
int h1_status(const H1 *p);         /* at H1_BAD: 400, 414, 417, 431, 505 */
const char *h1_reason(const H1 *p); /* at H1_BAD: one sentence */
bool h1_between(const H1 *p);       /* not one byte of a next request was taken */
/* First value of that name (lower case), or {NULL,0}. */
StrView h1_field(const H1Head *h, const char *name);
/* Does the comma list in `value` hold this token, case-insensitively? */
bool h1_has_token(StrView value, const char *token);
