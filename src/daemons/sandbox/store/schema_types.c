#include "store/schema.h"

/* clang-format off */
const TypeRow schema_rows[] = {
{"ObjectMeta", "name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:l"
 " creationTimestamp:t deletionTimestamp:t deletionGracePeriodSeconds:l labels:map(s)"
 " annotations:map(s) ownerReferences:[]OwnerReference@uid finalizers:[]s@ managedFields:any"},
{"OwnerReference", "apiVersion!:s kind!:s name!:s uid!:s controller:b blockOwnerDeletion:b"},
{"LabelSelector", "matchLabels:map(s) matchExpressions:[]LabelSelectorRequirement"},
{"LabelSelectorRequirement", "key!:s operator!:s{In|NotIn|Exists|DoesNotExist} values:[]s"},
{"LocalObjectReference", "name:s"},
{"ObjectReference", "kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s"},
{"TypedLocalObjectReference", "apiGroup:s kind!:s name!:s"},
{"TypedObjectReference", "apiGroup:s kind!:s name!:s namespace:s"},
{"Condition", "type!:s status!:s observedGeneration:l lastTransitionTime:t lastUpdateTime:t"
 " lastProbeTime:t lastHeartbeatTime:t reason:s message:s"},

{"Namespace", "spec+:NamespaceSpec status+:NamespaceStatus"},
{"NamespaceSpec", "finalizers:[]s"},
{"NamespaceStatus", "phase:s=Active conditions:[]Condition@type"},

{"Pod", "spec+:PodSpec status:PodStatus"},
{"PodTemplateSpec", "metadata:ObjectMeta spec+:PodSpec"},
{"PodSpec", "volumes:[]Volume@name initContainers:[]Container@name containers!:[]Container@name"
 " ephemeralContainers:[]any restartPolicy:s{Always|OnFailure|Never}=Always"
 " terminationGracePeriodSeconds:l=30 activeDeadlineSeconds:l"
 " dnsPolicy:s{ClusterFirst|ClusterFirstWithHostNet|Default|None}=ClusterFirst"
 " nodeSelector:map(s)~ serviceAccountName:s serviceAccount:s automountServiceAccountToken:b"
 " nodeName:s hostNetwork:b hostPID:b hostIPC:b hostUsers:b shareProcessNamespace:b"
 " securityContext+:PodSecurityContext imagePullSecrets:[]LocalObjectReference@name hostname:s"
 " subdomain:s affinity:Affinity schedulerName:s=default-scheduler tolerations:[]Toleration"
 " hostAliases:[]HostAlias@ip priorityClassName:s priority:i dnsConfig:PodDNSConfig"
 " readinessGates:[]PodReadinessGate runtimeClassName:s enableServiceLinks:b"
 " preemptionPolicy:s{Never|PreemptLowerPriority} overhead:map(q)"
 " topologySpreadConstraints:[]TopologySpreadConstraint@topologyKey,whenUnsatisfiable"
 " setHostnameAsFQDN:b os:PodOS"},
{"PodOS", "name!:s{linux|windows}"},
{"PodReadinessGate", "conditionType!:s"},
{"PodDNSConfig", "nameservers:[]s searches:[]s options:[]PodDNSConfigOption"},
{"PodDNSConfigOption", "name:s value:s"},
{"HostAlias", "ip:s hostnames:[]s"},
{"Toleration", "key:s operator:s{Exists|Equal} value:s effect:s tolerationSeconds:l"},
{"TopologySpreadConstraint", "maxSkew!:i topologyKey!:s"
 " whenUnsatisfiable!:s{DoNotSchedule|ScheduleAnyway} labelSelector:LabelSelector~ minDomains:i"
 " nodeAffinityPolicy:s nodeTaintsPolicy:s matchLabelKeys:[]s"},
{"Affinity", "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAffinity"},
{"NodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector~"
 " preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm"},
{"NodeSelector", "nodeSelectorTerms!:[]NodeSelectorTerm"},
{"NodeSelectorTerm", "matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement"},
{"NodeSelectorRequirement", "key!:s operator!:s values:[]s"},
{"PreferredSchedulingTerm", "weight!:i preference!:NodeSelectorTerm"},
{"PodAffinity", "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm"
 " preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"},
{"PodAffinityTerm", "labelSelector:LabelSelector~ namespaces:[]s topologyKey!:s"
 " namespaceSelector:LabelSelector~ matchLabelKeys:[]s mismatchLabelKeys:[]s"},
{"WeightedPodAffinityTerm", "weight!:i podAffinityTerm!:PodAffinityTerm"},
{"PodSecurityContext", "runAsUser:l runAsGroup:l runAsNonRoot:b supplementalGroups:[]l fsGroup:l"
 " fsGroupChangePolicy:s{OnRootMismatch|Always} seccompProfile:SeccompProfile"
 " seLinuxOptions:any sysctls:[]any windowsOptions:any appArmorProfile:any"},
{"SeccompProfile", "type!:s{Localhost|RuntimeDefault|Unconfined} localhostProfile:s"},
{"SecurityContext", "capabilities:Capabilities privileged:b runAsUser:l runAsGroup:l runAsNonRoot:b"
 " readOnlyRootFilesystem:b allowPrivilegeEscalation:b procMount:s seccompProfile:SeccompProfile"
 " seLinuxOptions:any windowsOptions:any appArmorProfile:any"},
{"Capabilities", "add:[]s drop:[]s"},
{"Container", "name!:s image:s command:[]s args:[]s workingDir:s"
 " ports:[]ContainerPort@containerPort,protocol envFrom:[]EnvFromSource env:[]EnvVar@name"
 " resources+:ResourceRequirements resizePolicy:[]any restartPolicy:s{Always}"
 " volumeMounts:[]VolumeMount@mountPath"
 " volumeDevices:[]VolumeDevice@devicePath livenessProbe:Probe readinessProbe:Probe"
 " startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:s=/dev/termination-log"
 " terminationMessagePolicy:s{File|FallbackToLogsOnError}=File"
 " imagePullPolicy:s{Always|IfNotPresent|Never} securityContext:SecurityContext stdin:b"
 " stdinOnce:b tty:b"},
{"ContainerPort", "name:s hostPort:p containerPort!:p protocol:s{TCP|UDP|SCTP}=TCP hostIP:s"},
{"EnvFromSource", "prefix:s configMapRef:OptionalReference secretRef:OptionalReference"},
{"OptionalReference", "name:s optional:b"},
{"EnvVar", "name!:s value:s valueFrom:EnvVarSource"},
{"EnvVarSource", "fieldRef:ObjectFieldSelector~ resourceFieldRef:ResourceFieldSelector~"
 " configMapKeyRef:KeySelector~ secretKeyRef:KeySelector~"},
{"ObjectFieldSelector", "apiVersion:s=v1 fieldPath!:s"},
{"ResourceFieldSelector", "containerName:s resource!:s divisor:q=0"},
{"KeySelector", "name:s key!:s optional:b"},
{"ResourceRequirements", "limits:map(q) requests:map(q) claims:[]any"},
{"VolumeMount", "name!:s readOnly:b mountPath!:s subPath:s mountPropagation:s subPathExpr:s"
 " recursiveReadOnly:s"},
{"VolumeDevice", "name!:s devicePath!:s"},
{"Probe", "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction"
 " initialDelaySeconds:n timeoutSeconds:n=1 periodSeconds:n=10 successThreshold:n=1"
 " failureThreshold:n=3 terminationGracePeriodSeconds:l"},
{"ExecAction", "command:[]s"},
{"HTTPGetAction", "path:s=/ port!:x host:s scheme:s{HTTP|HTTPS}=HTTP httpHeaders:[]HTTPHeader"},
{"HTTPHeader", "name!:s value!:s"},
{"TCPSocketAction", "port!:x host:s"},
{"GRPCAction", "port!:p service:s="},
{"SleepAction", "seconds!:l"},
{"Lifecycle", "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:s"},
{"LifecycleHandler", "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction"},
{"Volume", "name!:s hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource"
 " secret:SecretVolumeSource configMap:ConfigMapVolumeSource"
 " persistentVolumeClaim:PersistentVolumeClaimVolumeSource downwardAPI:DownwardAPIVolumeSource"
 " projected:ProjectedVolumeSource ephemeral:any csi:any nfs:any"},
{"HostPathVolumeSource", "path!:s type:s="},
{"EmptyDirVolumeSource", "medium:s sizeLimit:q"},
{"SecretVolumeSource", "secretName:s items:[]KeyToPath defaultMode:i=420 optional:b"},
{"ConfigMapVolumeSource", "name:s items:[]KeyToPath defaultMode:i=420 optional:b"},
{"KeyToPath", "key!:s path!:s mode:i"},
{"PersistentVolumeClaimVolumeSource", "claimName!:s readOnly:b"},
{"DownwardAPIVolumeSource", "items:[]DownwardAPIVolumeFile defaultMode:i=420"},
{"DownwardAPIVolumeFile", "path!:s fieldRef:ObjectFieldSelector~"
 " resourceFieldRef:ResourceFieldSelector~ mode:i"},
{"ProjectedVolumeSource", "sources:[]VolumeProjection defaultMode:i=420"},
{"VolumeProjection", "secret:Projection configMap:Projection downwardAPI:DownwardAPIProjection"
 " serviceAccountToken:ServiceAccountTokenProjection"},
{"Projection", "name:s items:[]KeyToPath optional:b"},
{"DownwardAPIProjection", "items:[]DownwardAPIVolumeFile"},
{"ServiceAccountTokenProjection", "audience:s expirationSeconds:l=3600 path!:s"},
{"PodStatus", "phase:s conditions:[]Condition@type message:s reason:s nominatedNodeName:s hostIP:s"
 " hostIPs:[]IP podIP:s podIPs:[]IP@ip startTime:t initContainerStatuses:[]ContainerStatus"
 " containerStatuses:[]ContainerStatus qosClass:s ephemeralContainerStatuses:[]ContainerStatus"
 " observedGeneration:l"},
{"IP", "ip:s"},
{"ContainerStatus", "name:s state:ContainerState lastState:ContainerState ready:b restartCount:i"
 " image:s imageID:s containerID:s started:b"},
{"ContainerState", "waiting:ContainerStateWaiting running:ContainerStateRunning"
 " terminated:ContainerStateTerminated"},
{"ContainerStateWaiting", "reason:s message:s"},
{"ContainerStateRunning", "startedAt:t"},
{"ContainerStateTerminated", "exitCode:i signal:i reason:s message:s startedAt:t finishedAt:t"
 " containerID:s"},

{"Service", "spec+:ServiceSpec status:ServiceStatus"},
{"ServiceSpec", "ports:[]ServicePort@port,protocol selector:map(s)~ clusterIP:s clusterIPs:[]s"
 " type:s{ClusterIP|ExternalName|LoadBalancer|NodePort}=ClusterIP externalIPs:[]s"
 " sessionAffinity:s{ClientIP|None}=None loadBalancerIP:s loadBalancerSourceRanges:[]s"
 " externalName:s externalTrafficPolicy:s{Cluster|Local} healthCheckNodePort:i"
 " publishNotReadyAddresses:b sessionAffinityConfig:any ipFamilies:[]s ipFamilyPolicy:s"
 " allocateLoadBalancerNodePorts:b loadBalancerClass:s internalTrafficPolicy:s{Cluster|Local}"},
{"ServicePort", "name:s protocol:s{TCP|UDP|SCTP}=TCP appProtocol:s port!:p targetPort:x nodePort:n"},
{"ServiceStatus", "loadBalancer:LoadBalancerStatus conditions:[]Condition@type"},
{"LoadBalancerStatus", "ingress:[]LoadBalancerIngress"},
{"LoadBalancerIngress", "ip:s hostname:s ipMode:s ports:[]any"},
{"Endpoints", "subsets:[]EndpointSubset"},
{"EndpointSubset", "addresses:[]EndpointAddress notReadyAddresses:[]EndpointAddress"
 " ports:[]EndpointPort"},
{"EndpointAddress", "ip!:s hostname:s nodeName:s targetRef:ObjectReference~"},
{"EndpointPort", "name:s port:p protocol:s=TCP appProtocol:s"},
{"EndpointSlice", "addressType!:s{IPv4|IPv6|FQDN} endpoints:[]Endpoint ports:[]EndpointPort"},
{"Endpoint", "addresses!:[]s conditions:EndpointConditions hostname:s targetRef:ObjectReference~"
 " deprecatedTopology:map(s) nodeName:s zone:s hints:any"},
{"EndpointConditions", "ready:b serving:b terminating:b"},
{"ConfigMap", "immutable:b data:map(s) binaryData:map(d)"},
{"Secret", "immutable:b data:map(d) stringData:map(s) type:s=Opaque"},
{"ServiceAccount", "secrets:[]ObjectReference@name imagePullSecrets:[]LocalObjectReference"
 " automountServiceAccountToken:b"},
{"PersistentVolumeClaim", "spec+:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus"},
{"PersistentVolumeClaimSpec", "accessModes:[]s selector:LabelSelector~"
 " resources+:VolumeResourceRequirements volumeName:s storageClassName:s"
 " volumeMode:s{Block|Filesystem}=Filesystem dataSource:TypedLocalObjectReference~"
 " dataSourceRef:TypedObjectReference volumeAttributesClassName:s"},
{"VolumeResourceRequirements", "limits:map(q) requests:map(q)"},
{"PersistentVolumeClaimStatus", "phase:s accessModes:[]s capacity:map(q)"
 " conditions:[]Condition@type allocatedResources:map(q) allocatedResourceStatuses:map(s)"},
{"PersistentVolume", "spec+:PersistentVolumeSpec status:PersistentVolumeStatus"},
{"PersistentVolumeSpec", "capacity:map(q) accessModes:[]s claimRef:ObjectReference"
 " persistentVolumeReclaimPolicy:s{Delete|Recycle|Retain}=Retain storageClassName:s"
 " mountOptions:[]s volumeMode:s{Block|Filesystem}=Filesystem nodeAffinity:any"
 " hostPath:HostPathVolumeSource local:LocalVolumeSource csi:any nfs:any"},
{"LocalVolumeSource", "path!:s fsType:s"},
{"PersistentVolumeStatus", "phase:s message:s reason:s lastPhaseTransitionTime:t"},
{"Event", "involvedObject+:ObjectReference reason:s message:s source:EventSource firstTimestamp:t"
 " lastTimestamp:t count:i type:s eventTime:t series:EventSeries action:s"
 " related:ObjectReference reportingComponent:s reportingInstance:s"},
{"EventSource", "component:s host:s"},
{"EventSeries", "count:i lastObservedTime:t"},
{"Node", "spec+:NodeSpec status:NodeStatus"},
{"NodeSpec", "podCIDR:s podCIDRs:[]s@ providerID:s unschedulable:b taints:[]Taint"},
{"Taint", "key!:s value:s effect!:s timeAdded:t"},
{"NodeStatus", "capacity:map(q) allocatable:map(q) phase:s conditions:[]Condition@type"
 " addresses:[]NodeAddress@type daemonEndpoints:any nodeInfo:NodeSystemInfo images:[]any"
 " volumesInUse:[]s volumesAttached:[]any config:any"},
{"NodeAddress", "type!:s address!:s"},
{"NodeSystemInfo", "machineID:s systemUUID:s bootID:s kernelVersion:s osImage:s"
 " containerRuntimeVersion:s kubeletVersion:s kubeProxyVersion:s operatingSystem:s architecture:s"},
{"ResourceQuota", "spec:ResourceQuotaSpec status:ResourceQuotaStatus"},
{"ResourceQuotaSpec", "hard:map(q) scopes:[]s scopeSelector:any"},
{"ResourceQuotaStatus", "hard:map(q) used:map(q)"},

{"StatefulSet", "spec+:StatefulSetSpec status:StatefulSetStatus"},
{"StatefulSetSpec", "replicas:n=1 selector!:LabelSelector~ template+:PodTemplateSpec"
 " volumeClaimTemplates:[]PersistentVolumeClaimTemplate serviceName:s"
 " podManagementPolicy:s{OrderedReady|Parallel}=OrderedReady"
 " updateStrategy+:StatefulSetUpdateStrategy revisionHistoryLimit:n=10 minReadySeconds:n"
 " persistentVolumeClaimRetentionPolicy+:StatefulSetPVCRetention ordinals:StatefulSetOrdinals"},
{"PersistentVolumeClaimTemplate", "apiVersion:s kind:s metadata:ObjectMeta"
 " spec+:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus"},
{"StatefulSetUpdateStrategy", "type:s{RollingUpdate|OnDelete}=RollingUpdate"
 " rollingUpdate:RollingUpdateStatefulSet"},
{"RollingUpdateStatefulSet", "partition:n=0 maxUnavailable:x"},
{"StatefulSetPVCRetention", "whenDeleted:s{Retain|Delete}=Retain whenScaled:s{Retain|Delete}=Retain"},
{"StatefulSetOrdinals", "start:n"},
{"StatefulSetStatus", "observedGeneration:l replicas:i=0 readyReplicas:i currentReplicas:i"
 " updatedReplicas:i currentRevision:s updateRevision:s collisionCount:i"
 " conditions:[]Condition@type availableReplicas:i=0"},
{"Deployment", "spec+:DeploymentSpec status:DeploymentStatus"},
{"DeploymentSpec", "replicas:n=1 selector!:LabelSelector~ template+:PodTemplateSpec"
 " strategy+:DeploymentStrategy minReadySeconds:n revisionHistoryLimit:n=10 paused:b"
 " progressDeadlineSeconds:n=600"},
{"DeploymentStrategy", "type:s{Recreate|RollingUpdate}=RollingUpdate"
 " rollingUpdate:RollingUpdateDeployment"},
{"RollingUpdateDeployment", "maxUnavailable:x=25% maxSurge:x=25%"},
{"DeploymentStatus", "observedGeneration:l replicas:i updatedReplicas:i readyReplicas:i"
 " availableReplicas:i unavailableReplicas:i conditions:[]Condition@type collisionCount:i"},
{"ReplicaSet", "spec+:ReplicaSetSpec status:ReplicaSetStatus"},
{"ReplicaSetSpec", "replicas:n=1 minReadySeconds:n selector!:LabelSelector~ template+:PodTemplateSpec"},
{"ReplicaSetStatus", "replicas:i fullyLabeledReplicas:i readyReplicas:i availableReplicas:i"
 " observedGeneration:l conditions:[]Condition@type"},
{"ControllerRevision", "data:any revision:l"},
{"Job", "spec+:JobSpec status:JobStatus"},
{"JobSpec", "parallelism:n=1 completions:n activeDeadlineSeconds:n backoffLimit:n=6"
 " selector:LabelSelector~ manualSelector:b template+:PodTemplateSpec ttlSecondsAfterFinished:n"
 " completionMode:s{NonIndexed|Indexed}=NonIndexed suspend:b=false podFailurePolicy:any"
 " podReplacementPolicy:s{Failed|TerminatingOrFailed}=TerminatingOrFailed backoffLimitPerIndex:n"
 " maxFailedIndexes:n"},
{"JobStatus", "conditions:[]Condition@type startTime:t completionTime:t active:i succeeded:i"
 " failed:i terminating:i ready:i completedIndexes:s failedIndexes:s uncountedTerminatedPods:any"},
{"Lease", "spec:LeaseSpec"},
{"LeaseSpec", "holderIdentity:s leaseDurationSeconds:i acquireTime:t renewTime:t"
 " leaseTransitions:i"},
{"NetworkPolicy", "spec:any"},
{"PodDisruptionBudget", "spec:PodDisruptionBudgetSpec status:PodDisruptionBudgetStatus"},
{"PodDisruptionBudgetSpec", "minAvailable:x selector:LabelSelector~ maxUnavailable:x"
 " unhealthyPodEvictionPolicy:s{IfHealthyBudget|AlwaysAllow}"},
{"PodDisruptionBudgetStatus", "observedGeneration:l disruptedPods:map(t) disruptionsAllowed:i=0"
 " currentHealthy:i=0 desiredHealthy:i=0 expectedPods:i=0 conditions:[]Condition@type"},
{"Role", "rules:[]PolicyRule"},
{"ClusterRole", "rules:[]PolicyRule aggregationRule:AggregationRule"},
{"AggregationRule", "clusterRoleSelectors:[]LabelSelector"},
{"PolicyRule", "verbs!:[]s apiGroups:[]s resources:[]s resourceNames:[]s nonResourceURLs:[]s"},
{"RoleBinding", "subjects:[]Subject roleRef!:RoleRef~"},
{"ClusterRoleBinding", "subjects:[]Subject roleRef!:RoleRef~"},
{"RoleRef", "apiGroup:s=rbac.authorization.k8s.io kind!:s name!:s"},
{"Subject", "kind!:s apiGroup:s name!:s namespace:s"},
{"PriorityClass", "value:i globalDefault:b description:s preemptionPolicy:s=PreemptLowerPriority"},
{"StorageClass", "provisioner!:s parameters:map(s) reclaimPolicy:s{Delete|Retain}=Delete"
 " mountOptions:[]s allowVolumeExpansion:b allowedTopologies:[]any"
 " volumeBindingMode:s{Immediate|WaitForFirstConsumer}=Immediate"},
{NULL, NULL},
};
/* clang-format on */
