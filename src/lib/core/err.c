#include "core/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int http, grpc, exit;
} CODES[] = {
#define X(code, name, http, grpc, exit) [ERR_##code] = {name, http, grpc, exit},
    ERR_CODES(X)
#undef X
};

static const struct {
    int errnum;
    ErrCode code;
} ERRNOS[] = {
    {ENOENT, ERR_NOT_FOUND},         {EACCES, ERR_FORBIDDEN},
    {EPERM, ERR_FORBIDDEN},          {EEXIST, ERR_EXISTS},
    {ENOSPC, ERR_EXHAUSTED},         {EDQUOT, ERR_EXHAUSTED},
    {EMFILE, ERR_EXHAUSTED},         {ETIMEDOUT, ERR_TIMEOUT},
    {ECONNREFUSED, ERR_UNAVAILABLE}, {ECONNRESET, ERR_UNAVAILABLE},
    {EPIPE, ERR_UNAVAILABLE},        {ENETUNREACH, ERR_UNAVAILABLE},
    {EHOSTUNREACH, ERR_UNAVAILABLE}, {EADDRINUSE, ERR_CONFLICT},
    {ECANCELED, ERR_CANCELLED},
};

ErrCode err_setv(Error *err, ErrCode code, const char *fmt, va_list ap)
{
    if (err) {
        char text[sizeof err->msg]; /* fmt's arguments may point into err->msg */
        vsnprintf(text, sizeof text, fmt, ap);
        memcpy(err->msg, text, sizeof text);
        err->code = code;
    }
    return code;
}

ErrCode err_set(Error *err, ErrCode code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_setv(err, code, fmt, ap);
    va_end(ap);
    return code;
}

ErrCode err_wrap(Error *err, const char *fmt, ...)
{
    if (!err)
        return ERR_INTERNAL;
    char head[sizeof err->msg], all[2 * sizeof err->msg + 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    snprintf(all, sizeof all, "%s: %s", head, err->msg);
    all[sizeof err->msg - 1] = 0;
    memcpy(err->msg, all, strlen(all) + 1);
    return err->code;
}

ErrCode err_errno(Error *err, int errnum, const char *fmt, ...)
{
    ErrCode code = ERR_INTERNAL;
    for (size_t i = 0; i < sizeof ERRNOS / sizeof *ERRNOS; i++)
        if (ERRNOS[i].errnum == errnum)
            code = ERRNOS[i].code;
    if (err) {
        char head[sizeof err->msg - 64];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(head, sizeof head, fmt, ap);
        va_end(ap);
        err_set(err, code, "%s: %s", head, strerror(errnum));
    }
    return code;
}

ErrCode err_copy(Error *dst, const Error *src)
{
    if (dst && dst != src)
        *dst = *src;
    return src->code;
}

const char *err_name(ErrCode code)
{
    return code < ERR_CODE_COUNT ? CODES[code].name : "unknown";
}
int err_http(ErrCode code)
{
    return code < ERR_CODE_COUNT ? CODES[code].http : 500;
}
int err_grpc(ErrCode code)
{
    return code < ERR_CODE_COUNT ? CODES[code].grpc : 2;
}
int err_exit(ErrCode code)
{
    return code < ERR_CODE_COUNT ? CODES[code].exit : 70;
}

ErrCode err_from_http(int status)
{
    if (status >= 200 && status < 300)
        return ERR_OK;
    if (status == 409)
        return ERR_CONFLICT; /* three codes share it; this is the one a caller can act on */
    if (status == 502)
        return ERR_UNAVAILABLE;
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        if (CODES[i].http == status)
            return (ErrCode)i;
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_INTERNAL;
}

ErrCode err_from_grpc(int status)
{
    if (status == 3)
        return ERR_INVALID;
    if (status == 8)
        return ERR_EXHAUSTED;
    if (status == 9)
        return ERR_PRECONDITION;
    if (status == 12)
        return ERR_UNIMPLEMENTED;
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        if (CODES[i].grpc == status)
            return (ErrCode)i;
    return ERR_INTERNAL;
}

ErrCode err_from_name(const char *name)
{
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        if (strcmp(CODES[i].name, name) == 0)
            return (ErrCode)i;
    return ERR_INTERNAL;
}

_Noreturn void err_bug(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "bug at %s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}
