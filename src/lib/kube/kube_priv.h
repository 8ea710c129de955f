/* kube/kube_priv.h - inside of the client: what calls and watches share. */
#pragma once
#include "core/map.h"
#include "http/client.h"
#include "kube/kube.h"
#include <sys/stat.h>

struct Kube {
    Loop *l;
    HttpClient *http;
    char *server; /* without a slash at its end */
    char *field_manager;
    char *auth_header; /* "Authorization: Bearer ..", or NULL */
    char *token_file;
    struct stat token_stat; /* of the file that auth_header came from */
    Map *versions;          /* group -> the version of it that this server has, a KubeKind's text */
    KubeCall *calls;
};

/* Version of the kind at this server; NULL while it has not been asked. */
const char *kube_version(const Kube *k, const KubeKind *kind);
void kube_set_version(Kube *k, const KubeKind *kind, const cJSON *group);
/* "/api/v1/namespaces/x/pods/y/log": segments escaped, parts that are NULL left out. */
typedef struct KubePath {
    const KubeKind *kind;
    const char *ns, *name, *sub;
} KubePath;
char *kube_path(Arena *a, const Kube *k, const KubePath *p);
/* Append NAME=VALUE to a path, with '?' or '&'; nothing when value is empty. */
char *kube_query(Arena *a, const char *path, const char *name, const char *value);

/* Send with our address, token and type; spec.url is the path. NULL with err set when there is no
 * token. */
HttpCall *kube_http(Kube *k, const HttpCallSpec *spec, const char *content_type, Error *err);
/* Read the token file again when it changed; true when the token is another one now. */
bool kube_token_refresh(Kube *k, Error *err);
/* Milliseconds that a 429 or 503 asks us to wait, 1 s to 30 s. */
uint64_t kube_retry_after(const HttpResponse *r);
