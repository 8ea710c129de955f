/* central/store/satellites.h - rows of table satellites. */
#pragma once
#include "store/store.h"

typedef struct SatelliteRow {
    ApiSatellite api;
    int64_t row_version; /* ETag */
    const char *csr_pem, *certificate_sha256, *certificate_pem;
    int64_t certificate_expires_us, last_event_seq;
} SatelliteRow;
typedef void (*SatelliteDone)(void *ctx, const Error *err, const SatelliteRow *s);

/* ref: UUID or name. A name that only pending ones share is ERR_AMBIGUOUS; an approved one wins. */
void satellite_find(App *app, PgConn *tx, Arena *a, const char *ref, SatelliteDone done, void *ctx);

typedef struct SatelliteFilter {
    const char *state;    /* NULL: any */
    const char *name;     /* NULL: any; else a part of it */
    const char *selector; /* kubectl's language; NULL: any */
    const bool *connected;
} SatelliteFilter;
/* Items: ApiSatellite, by name. */
void satellite_list(App *app, Arena *a, const SatelliteFilter *f, const Page *p, ListDone done,
                    void *ctx);

typedef struct SatelliteChange {
    const char *id;
    const char *from;  /* only from this state, else ERR_PRECONDITION; NULL: any */
    int64_t if_match;  /* only this row_version; 0: any */
    const char *state; /* each NULL: as it was */
    const char *name;
    const StrMap *labels;
} SatelliteChange;
/* A name that another approved satellite has is ERR_EXISTS. */
void satellite_change(App *app, PgConn *tx, Arena *a, const SatelliteChange *c, SatelliteDone done,
                      void *ctx);
void satellite_delete(App *app, PgConn *tx, const char *id, AppDone done, void *ctx);
