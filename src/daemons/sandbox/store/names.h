/* store/names.h - what names, label keys and label values may look like. Each function returns NULL
 * when the text is good, else the sentence that Kubernetes says. */
#pragma once

const char *name_subdomain(const char *s);    /* RFC 1123 subdomain: most objects */
const char *name_label(const char *s);        /* RFC 1123 label: namespaces, containers, volumes */
const char *name_label_1035(const char *s);   /* services */
const char *name_path_segment(const char *s); /* roles and bindings */
const char *name_qualified(const char *s);    /* label and annotation keys */
const char *name_label_value(const char *s);
const char *name_config_key(const char *s); /* keys of ConfigMaps and Secrets */
const char *name_env(const char *s);
const char *name_port(const char *s); /* IANA service name */
