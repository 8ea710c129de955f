/* central/svc/registration.h - RegistrationService: how a satellite becomes a known one.
 *
 * The public key of its request is its identity: the same request again gives the same id. A
 * temporary token lives 24 h and is only good for asking; it is replaced at each Register. */
#pragma once
#include "app.h"
#include "svc/ratelimit.h"

typedef struct Registration Registration;
Registration *registration_new(App *app, RateLimit *limit);
void registration_free(Registration *r);
extern const GrpcHandler registration_register, registration_approval; /* ctx: the Registration */
