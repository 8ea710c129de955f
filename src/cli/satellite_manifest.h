/* cli/satellite_manifest.h - the manifest of one site's satellite: deploy/satellite/satellite.yaml,
 * embedded, with the settings of that site.
 *
 * It is filled in as a tree, never as text: no value can become anything but a value. */
#pragma once
#include "codec/yaml.h"

typedef struct SatelliteSite {
    const char *name;         /* of the Kubernetes cluster */
    const char *central;      /* HOST:PORT of central's gRPC */
    const char *central_name; /* in central's certificate */
    const char *region, *labels /* k=v,k=v */, *service_type;
    const char *image, *sidecar_image;
    const char *ca_pem;          /* central's CA */
    const char *enrolment_token; /* NULL: an admin approves the site */
} SatelliteSite;

/* Settings in the order in which they are created. NULL leaves what the manifest says; name,
 * central and ca_pem are needed, and a wrong value is ERR_INVALID by its field. */
ErrCode satellite_manifest(Arena *a, const SatelliteSite *site, YamlDocs *ret, Error *err) MUST_USE;
