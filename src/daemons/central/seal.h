/* central/seal.h - secrets at rest: libsodium's secretbox under the key of the key file.
 *
 * Without a key nothing can be sealed, and central says so instead of storing in the clear. */
#pragma once
#include "core/str.h"

typedef struct Sealer Sealer;

/* `path` holds 64 hex digits. create: make it (0600) when it is not there. */
ErrCode sealer_open(const char *path, bool create, Sealer **ret, Error *err) MUST_USE;
void sealer_free(Sealer *s); /* wipes the key */
/* nonce + box; the name is bound in, so that a row cannot stand in for another. */
StrView seal(const Sealer *s, Arena *a, const char *name, StrView plain);
ErrCode unseal(const Sealer *s, Arena *a, const char *name, StrView sealed, StrView *ret,
               Error *err) MUST_USE;
/* A value that only this key gives for this text: tokens that are never stored. 64 hex digits. */
void sealer_derive(const Sealer *s, const char *purpose, const char *text, char ret[65]);
