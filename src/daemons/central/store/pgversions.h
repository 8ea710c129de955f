/* central/store/pgversions.h - which image runs which PostgreSQL. */
#pragma once
#include "store/store.h"

/* The image of a profile: its own, or by version and variant. NULL in done: the table has none. */
typedef void (*ImageDone)(void *ctx, const Error *err, const char *image);
void pgversion_image(App *app, PgConn *tx, Arena *a, const ProfilePostgres *pg, ImageDone done,
                     void *ctx);

/* Items: ApiPgVersion, newest first. */
void pgversion_list(App *app, Arena *a, const Page *p, ListDone done, void *ctx);
typedef void (*PgVersionDone)(void *ctx, const Error *err, const ApiPgVersion *v);
void pgversion_put(App *app, Arena *a, const ApiPgVersion *v, PgVersionDone done, void *ctx);
/* ERR_PRECONDITION while a profile's newest version needs it. */
void pgversion_delete(App *app, Arena *a, const char *version, const char *variant, AppDone done,
                      void *ctx);
