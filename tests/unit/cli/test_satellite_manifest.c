/* The manifest of a site: every setting arrives where it belongs, and nothing else changes. */
#include "satellite_manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char CA[] = "-----BEGIN CERTIFICATE-----\nMIIB: \"x\" # not a comment\n"
                         "-----END CERTIFICATE-----\n";

static const SatelliteSite FULL = {.name = "osl-04",
                                   .central = "central.example:9090",
                                   .central_name = "central",
                                   .region = "eu",
                                   .labels = "tier=edge,x=no",
                                   .service_type = "NodePort",
                                   .image = "reg.example:5000/sat:1",
                                   .sidecar_image = "reg.example/side@sha256:" /* 64 digits */
                                                    "00000000000000000000000000000000"
                                                    "00000000000000000000000000000000",
                                   .ca_pem = CA};

static const cJSON *kind(const YamlDocs *docs, const char *name)
{
    for (size_t i = 0; i < docs->n; i++)
        if (str_eq(json_str_at(docs->at[i], "kind", ""), name))
            return docs->at[i];
    return NULL;
}

static const char *env(const YamlDocs *docs, const char *name)
{
    const cJSON *var;
    cJSON_ArrayForEach(
        var,
        json_at(
            kind(docs, "Deployment"),
            "spec.template.spec.containers.0.env")) if (str_eq(json_str_at(var, "name", ""),
                                                               name)) return json_str_at(var,
                                                                                         "value",
                                                                                         NULL);
    return NULL;
}

static void every_setting_arrives(void **state)
{
    static const char *const WANT[][2] = {{"PGSWARM_CENTRAL_ADDR", "central.example:9090"},
                                          {"PGSWARM_CENTRAL_NAME", "central"},
                                          {"PGSWARM_CENTRAL_CA_FILE", "/etc/pg-swarm/ca.crt"},
                                          {"PGSWARM_K8S_CLUSTER", "osl-04"},
                                          {"PGSWARM_REGION", "eu"},
                                          {"PGSWARM_LABELS", "tier=edge,x=no"},
                                          {"PGSWARM_SERVICE_TYPE", "NodePort"},
                                          {"PGSWARM_LOG_LEVEL", "info"}};
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    assert_int_equal(satellite_manifest(a, &FULL, &docs, &err), ERR_OK);
    for (size_t i = 0; i < sizeof WANT / sizeof *WANT; i++)
        assert_string_equal(env(&docs, WANT[i][0]), WANT[i][1]);
    assert_string_equal(env(&docs, "PGSWARM_SIDECAR_IMAGE"), FULL.sidecar_image);
    const cJSON *box = json_at(kind(&docs, "Deployment"), "spec.template.spec.containers.0");
    assert_string_equal(json_str_at(box, "image", ""), FULL.image);
    const cJSON *data = json_at(kind(&docs, "ConfigMap"), "data");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(data, "ca.crt")), CA);
}

static bool sees_nodes(const YamlDocs *docs)
{
    const cJSON *rule;
    cJSON_ArrayForEach(rule, json_at(kind(docs, "ClusterRole"), "rules"))
    {
        if (str_eq(json_str_at(rule, "resources.0", ""), "nodes"))
            return cJSON_GetArraySize(json_at(rule, "verbs")) == 2;
    }
    return false;
}

/* Nodes are looked at for NodePort only, so only then it may. */
static void rights_follow_the_service_type(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    SatelliteSite s = FULL;
    assert_int_equal(satellite_manifest(a, &s, &docs, &err), ERR_OK);
    assert_true(sees_nodes(&docs));
    s.service_type = "LoadBalancer";
    assert_int_equal(satellite_manifest(a, &s, &docs, &err), ERR_OK);
    assert_false(sees_nodes(&docs));
}

/* What is printed is YAML that reads back as the same tree, whatever the CA holds. */
static void printed_and_read_again(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs, again;
    Error err = {0};
    AUTO_STRBUF out = {0};
    assert_int_equal(satellite_manifest(a, &FULL, &docs, &err), ERR_OK);
    for (size_t i = 0; i < docs.n; i++) {
        strbuf_adds(&out, "---\n");
        yaml_write(&out, docs.at[i]);
    }
    assert_int_equal(yaml_parse_all(a, sv(out.p), 65536, &again, &err), ERR_OK);
    assert_int_equal(again.n, docs.n);
    for (size_t i = 0; i < docs.n; i++)
        assert_true(json_equal(docs.at[i], again.at[i]));
}

/* The token is in no other object than its Secret, and that is there before what reads it. */
static void token_in_a_secret(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    SatelliteSite s = FULL;
    assert_int_equal(satellite_manifest(a, &s, &docs, &err), ERR_OK);
    assert_null(kind(&docs, "Secret"));
    size_t without = docs.n;
    s.enrolment_token = "0123456789abcdef";
    assert_int_equal(satellite_manifest(a, &s, &docs, &err), ERR_OK);
    assert_int_equal(docs.n, without + 1);
    const cJSON *secret = docs.at[docs.n - 2];
    assert_string_equal(json_str_at(secret, "kind", ""), "Secret");
    assert_string_equal(json_str_at(secret, "stringData.token", ""), s.enrolment_token);
    for (size_t i = 0; i < docs.n; i++) {
        AUTO_STRBUF out = {0};
        yaml_write(&out, docs.at[i]);
        assert_true((strstr(out.p, s.enrolment_token) != NULL) == (docs.at[i] == secret));
    }
    const cJSON *volume = json_at(docs.at[docs.n - 1], "spec.template.spec.volumes.1");
    assert_string_equal(json_str_at(volume, "secret.secretName", ""),
                        json_str_at(secret, "metadata.name", "?"));
}

static void what_is_not_given_stays(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new();
    YamlDocs docs;
    Error err = {0};
    SatelliteSite s = {.name = "a", .central = "[::1]:9090", .ca_pem = CA};
    assert_int_equal(satellite_manifest(a, &s, &docs, &err), ERR_OK);
    assert_string_equal(env(&docs, "PGSWARM_SERVICE_TYPE"), "ClusterIP");
    assert_string_equal(env(&docs, "PGSWARM_SIDECAR_IMAGE"), "pg-swarm/failover-sidecar:dev");
    assert_null(env(&docs, "PGSWARM_CENTRAL_NAME"));
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        SatelliteSite site;
        const char *field;
    } CASES[] = {
        {{.name = "", .central = "h:1", .ca_pem = CA}, "name"},
        {{.name = "a b", .central = "h:1", .ca_pem = CA}, "name"},
        {{.name = "a", .central = "h", .ca_pem = CA}, "central"},
        {{.name = "a", .central = ":9", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "h:", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "h:0", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "h:65536", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "::1:9", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "https://h:9", .ca_pem = CA}, "central"},
        {{.name = "a", .central = "h:1", .central_name = "A b", .ca_pem = CA}, "central-name"},
        {{.name = "a", .central = "h:1", .service_type = "Any", .ca_pem = CA}, "service-type"},
        {{.name = "a", .central = "h:1", .image = "a b", .ca_pem = CA}, "image"},
        {{.name = "a", .central = "h:1", .sidecar_image = "", .ca_pem = CA}, "sidecar-image"},
        {{.name = "a", .central = "h:1", .labels = "x", .ca_pem = CA}, "label"},
        {{.name = "a", .central = "h:1", .ca_pem = "no"}, "ca"},
        {{.name = "a", .central = "h:1"}, "ca"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        AUTO_ARENA a = arena_new();
        YamlDocs docs;
        Error err = {0};
        assert_int_not_equal(satellite_manifest(a, &CASES[i].site, &docs, &err), ERR_OK);
        size_t n = strlen(CASES[i].field);
        assert_memory_equal(err.msg, CASES[i].field, n);
        assert_int_equal(err.msg[n], ':');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_arrives),          cmocka_unit_test(printed_and_read_again),
        cmocka_unit_test(rights_follow_the_service_type), cmocka_unit_test(token_in_a_secret),
        cmocka_unit_test(what_is_not_given_stays),        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
