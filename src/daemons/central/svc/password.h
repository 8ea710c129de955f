/* central/svc/password.h - argon2id on the thread pool: each hash takes 64 MiB and a good part of a
 * tenth of a second. */
#pragma once
#include "loop/loop.h"

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 256 };

/* ERR_INVALID when it is too short or too long. */
ErrCode password_check(const char *password, Error *err) MUST_USE;
/* hash: libsodium's text form; valid inside only. */
void password_hash(Loop *l, const char *password, void (*done)(void *ctx, const char *hash),
                   void *ctx);
/* hash "": nothing matches, in the same time. */
void password_verify(Loop *l, const char *password, const char *hash,
                     void (*done)(void *ctx, bool ok), void *ctx);
