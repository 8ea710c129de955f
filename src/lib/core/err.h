/* core/err.h - one error idiom: a code to act on and a sentence for a human.
 *
 * A function that can fail returns ErrCode and takes `Error *err` last; outputs are `ret_*` and
 * untouched on failure. Libraries never log failures; the first caller that swallows one logs it.
 * ERR_CODES is the only place where a failure gets its HTTP status, its gRPC status
 * (google.rpc.Code) and the exit status of swarmctl (swarm-exit(7)). */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*    code               name                  HTTP gRPC exit */
#define ERR_CODES(X)                                  \
    X(OK, "ok", 200, 0, 0)                            \
    X(INTERNAL, "internal", 500, 13, 70)              \
    X(USAGE, "usage", 400, 3, 2)                      \
    X(INVALID, "invalid", 422, 3, 7)                  \
    X(MALFORMED, "malformed", 400, 3, 7)              \
    X(UNAUTHENTICATED, "unauthenticated", 401, 16, 4) \
    X(FORBIDDEN, "forbidden", 403, 7, 4)              \
    X(NOT_FOUND, "not_found", 404, 5, 5)              \
    X(AMBIGUOUS, "ambiguous", 409, 9, 5)              \
    X(METHOD, "method_not_allowed", 405, 12, 2)       \
    X(EXISTS, "already_exists", 409, 6, 6)            \
    X(CONFLICT, "conflict", 409, 10, 6)               \
    X(PRECONDITION, "precondition", 412, 9, 6)        \
    X(GONE, "gone", 410, 11, 6)                       \
    X(TOO_LARGE, "too_large", 413, 8, 7)              \
    X(UNSUPPORTED, "unsupported_media", 415, 3, 7)    \
    X(EXHAUSTED, "exhausted", 429, 8, 9)              \
    X(CANCELLED, "cancelled", 499, 1, 1)              \
    X(UNIMPLEMENTED, "unimplemented", 501, 12, 70)    \
    X(UNAVAILABLE, "unavailable", 503, 14, 9)         \
    X(TIMEOUT, "timeout", 504, 4, 8)                  \
    X(DATA_LOSS, "data_loss", 500, 15, 11)

typedef enum ErrCode {
#define X(code, name, http, grpc, exit) ERR_##code,
    ERR_CODES(X)
#undef X
        ERR_CODE_COUNT
} ErrCode;

typedef struct Error {
    ErrCode code;
    char msg[480]; /* text grows outward: "approve edge-7: store: connection refused" */
} Error;

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Set *err (when not NULL) and return `code`, so that a failure is one line: return err_set(err,
 * ERR_INVALID, ...). */
ErrCode err_set(Error *err, ErrCode code, const char *fmt, ...) PRINTF_LIKE(3, 4);
ErrCode err_setv(Error *err, ErrCode code, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
/* Put "context: " before the text of *err; returns err->code. */
ErrCode err_wrap(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Set from errno: code by errno (ENOENT -> NOT_FOUND, EACCES -> FORBIDDEN, ...), text "CONTEXT:
 * strerror". */
ErrCode err_errno(Error *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);
ErrCode err_copy(Error *dst, const Error *src);

const char *err_name(ErrCode code);
int err_http(ErrCode code);
int err_grpc(ErrCode code);
int err_exit(ErrCode code);
/* The nearest code for a status that came from elsewhere; ERR_INTERNAL when nothing fits. */
ErrCode err_from_http(int status);
ErrCode err_from_grpc(int status);
ErrCode err_from_name(const char *name);

/* A broken invariant of ours: say where, abort. Never for bad input. */
#define BUG(...) err_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void err_bug(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
