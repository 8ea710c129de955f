/* kubelet/podenv.h - the environment of a container, and the values a pod can ask about itself.
 *
 * Reads ConfigMaps and Secrets from the store; errors are a container's CreateContainerConfigError
 * and speak the kubelet's words. */
#pragma once
#include "kubelet/images.h"
#include "store/store.h"

typedef struct PodFacts {
    Store *store;
    const cJSON *pod; /* the object */
    const char *ns, *pod_ip, *host_ip, *node;
    const char *api_host; /* KUBERNETES_SERVICE_HOST */
    int api_port;
} PodFacts;

/* fieldRef.fieldPath: "metadata.name", "metadata.labels['x']", "status.podIP", ... INVALID when it
 * is none that a kubelet knows. */
ErrCode podenv_field(Arena *a, const PodFacts *f, const char *path, const char **ret,
                     Error *err) MUST_USE;
/* "NAME=VALUE", ends with NULL; a later setting of a name replaces an earlier one. */
ErrCode podenv_build(Arena *a, const PodFacts *f, const cJSON *container, const Image *image,
                     const char *const **ret, Error *err) MUST_USE;
/* $(NAME) by `env`; "$$" is "$"; what is not known stays as it is. */
const char *podenv_expand(Arena *a, const char *text, const char *const *env);
/* command and args of the container, or the image's command; expanded. NULL: there is none. */
const char *const *podenv_command(Arena *a, const cJSON *container, const Image *image,
                                  const char *const *env);
