#include "kube/kube.h"

#define KIND(name, ...) const KubeKind KUBE_##name = {__VA_ARGS__}
KIND(NAMESPACE, "", "v1", "namespaces", "Namespace", false, NULL);
KIND(POD, "", "v1", "pods", "Pod", true, NULL);
KIND(SERVICE, "", "v1", "services", "Service", true, NULL);
KIND(CONFIGMAP, "", "v1", "configmaps", "ConfigMap", true, NULL);
KIND(SECRET, "", "v1", "secrets", "Secret", true, NULL);
KIND(SERVICEACCOUNT, "", "v1", "serviceaccounts", "ServiceAccount", true, NULL);
KIND(PVC, "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, NULL);
KIND(EVENT, "", "v1", "events", "Event", true, NULL);
KIND(NODE, "", "v1", "nodes", "Node", false, NULL);
KIND(ENDPOINTS, "", "v1", "endpoints", "Endpoints", true, NULL);
KIND(STATEFULSET, "apps", "v1", "statefulsets", "StatefulSet", true, NULL);
KIND(DEPLOYMENT, "apps", "v1", "deployments", "Deployment", true, NULL);
KIND(JOB, "batch", "v1", "jobs", "Job", true, NULL);
KIND(ROLE, "rbac.authorization.k8s.io", "v1", "roles", "Role", true, NULL);
KIND(ROLEBINDING, "rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true, NULL);
KIND(LEASE, "coordination.k8s.io", "v1", "leases", "Lease", true, NULL);
KIND(PDB, "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, "v1beta1");
KIND(NETWORKPOLICY, "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, NULL);
KIND(STORAGECLASS, "storage.k8s.io", "v1", "storageclasses", "StorageClass", false, NULL);
