#include "store/names.h"
#include "core/str.h"
#include <ctype.h>

#define LABEL_WORDS                                                                              \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and " \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "   \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_WORDS                                                                           \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "  \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used " \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(const char *s, size_t n)
{
    if (!n || !lower_alnum(s[0]) || !lower_alnum(s[n - 1])) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!lower_alnum(s[i]) && s[i] != '-') {
            return false;
        }
    }
    return true;
}

const char *name_label(const char *s)
{
    if (strlen(s) > 63) {
        return "must be no more than 63 characters";
    }
    return is_label(s, strlen(s)) ? NULL : LABEL_WORDS;
}

const char *name_subdomain(const char *s)
{
    if (strlen(s) > 253) {
        return "must be no more than 253 characters";
    }
    StrView rest = sv(s);
    do {
        StrView part = sv_cut(&rest, '.');
        if (!is_label(part.p, part.n)) {
            return SUBDOMAIN_WORDS;
        }
    } while (rest.p);
    return NULL;
}

const char *name_label_1035(const char *s)
{
    if (strlen(s) > 63) {
        return "must be no more than 63 characters";
    }
    return is_label(s, strlen(s)) && !isdigit((unsigned char)s[0])
               ? NULL
               : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                 "start with an alphabetic character, and end with an alphanumeric character "
                 "(e.g. 'my-name',  or 'abc-123', regex used for validation is "
                 "'[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *name_path_segment(const char *s)
{
    if (str_eq(s, ".") || str_eq(s, "..")) {
        return "may not be '.' or '..'";
    }
    return strchr(s, '/') ? "may not contain '/'" : strchr(s, '%') ? "may not contain '%'" : NULL;
}

static bool is_word(const char *s, size_t n)
{
    if (!n || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1])) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i])) {
            return false;
        }
    }
    return true;
}

const char *name_qualified(const char *s)
{
    const char *slash = strchr(s, '/');
    if (slash) {
        char prefix[256];
        size_t n = (size_t)(slash - s);
        if (n == 0 || n > 253) {
            return "prefix part must be non-empty";
        }
        memcpy(prefix, s, n);
        prefix[n] = '\0';
        if (name_subdomain(prefix)) {
            return "prefix part " SUBDOMAIN_WORDS;
        }
        s = slash + 1;
    }
    if (!*s) {
        return "name part must be non-empty";
    }
    if (strlen(s) > 63) {
        return "name part must be no more than 63 characters";
    }
    return is_word(s, strlen(s))
               ? NULL
               : "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                 "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
                 "'123-abc', regex used for validation is "
                 "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

const char *name_label_value(const char *s)
{
    if (strlen(s) > 63) {
        return "must be no more than 63 characters";
    }
    return !*s || is_word(s, strlen(s))
               ? NULL
               : "a valid label must be an empty string or consist of alphanumeric characters, "
                 "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                 "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                 "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *name_config_key(const char *s)
{
    size_t n = strlen(s);
    bool ok = n > 0 && n <= 253 && !str_eq(s, ".") && !str_starts(s, "..");
    for (size_t i = 0; ok && i < n; i++) {
        ok = isalnum((unsigned char)s[i]) || strchr("-_.", s[i]);
    }
    return ok ? NULL
              : "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')";
}

const char *name_env(const char *s)
{
    bool ok = *s && !isdigit((unsigned char)*s);
    for (; ok && *s; s++) {
        ok = isalnum((unsigned char)*s) || strchr("-_.", *s);
    }
    return ok ? NULL
              : "a valid environment variable name must consist of alphabetic characters, digits, "
                "'_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or "
                "'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
                "'[-._a-zA-Z][-._a-zA-Z0-9]*')";
}

const char *name_port(const char *s)
{
    bool letter = false;
    for (const char *p = s; *p; p++) {
        letter = letter || (*p >= 'a' && *p <= 'z');
    }
    if (strlen(s) > 15) {
        return "must be no more than 15 characters";
    }
    return is_label(s, strlen(s)) && letter && !strstr(s, "--")
               ? NULL
               : "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
}
