/* What a pod's author and a pod itself can send the kubelet: $(NAME) expansion, field paths, the
 * answer to a probe, log output. */
#include "kubelet/crilog.h"
#include "kubelet/podenv.h"
#include "kubelet/probe.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void log_in_pieces(const char *p, size_t n)
{
    AUTO_STRBUF out = {0};
    AUTO_STRBUF rest = {0};
    size_t cut = n ? (unsigned char)p[0] % n : 0;
    crilog_format(&out, &rest, "T stdout", sv_n(p, cut), false);
    crilog_format(&out, &rest, "T stdout", sv_n(p + cut, n - cut), true);
    if (rest.n || (n && out.n == 0))
        abort(); /* nothing may be lost or kept back */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = arena_new();
    AUTO_JSON pod = cJSON_CreateObject();
    const char *const env[] = {"A=1", "LONG_NAME=two", "E=", NULL};
    const char *text = arena_strndup(a, (const char *)data, size), *field;
    js_set_str(pod, "metadata.labels[a.b/c]", "x");
    PodFacts facts = {.pod = pod, .ns = "n", .pod_ip = "i", .host_ip = "h", .node = "o"};
    podenv_expand(a, text, env);
    if (podenv_field(a, &facts, text, &field, NULL) == ERR_OK && !field)
        abort();
    int status = probe_http_status((const char *)data, size);
    if (status < 0 || status > 999)
        abort();
    log_in_pieces((const char *)data, size);
    return 0;
}
