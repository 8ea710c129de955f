/* central/svc/satellites.h - what an operator does to a satellite. */
#pragma once
#include "store/satellites.h"

/* ref: name or UUID. name NULL: the one it registered under. Taken: ERR_EXISTS. Rules fan out in
 * the same transaction. */
void satellite_approve(App *app, Arena *a, const char *ref, const ApiSatelliteApprove *in,
                       SatelliteDone done, void *ctx);
/* A satellite that came with an enrolment token: approved with the token's labels when the token is
 * good, in one transaction with its use, the audit row and the event. Else ERR_PRECONDITION says
 * why it waits for an admin; one that is approved already is fine. */
typedef struct SatelliteEnrol {
    const char *id, *name, *peer;
    const unsigned char *token_sha256; /* 32 bytes */
} SatelliteEnrol;
void satellite_enrol(App *app, Arena *a, const SatelliteEnrol *in, SatelliteDone done, void *ctx);
void satellite_reject(App *app, Arena *a, const char *ref, SatelliteDone done, void *ctx);
typedef struct SatelliteLabels {
    StrMap labels;    /* instead of what it has */
    int64_t if_match; /* 0: any version */
} SatelliteLabels;
void satellite_set_labels(App *app, Arena *a, const char *ref, const SatelliteLabels *in,
                          SatelliteDone done, void *ctx);
/* Its certificate is worth nothing from now on, and its stream is cut, whichever central holds it.
 */
void satellite_revoke(App *app, Arena *a, const char *ref, SatelliteDone done, void *ctx);
/* ERR_PRECONDITION while it is approved or clusters still belong to it. */
void satellite_forget(App *app, Arena *a, const char *ref, AppDone done, void *ctx);
