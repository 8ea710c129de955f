#include "store/schema.h"

/* clang-format off */
const TypeRow schema_rows[] = {
{"ObjectMeta", "name#1:s generateName#2:s namespace#3:s selfLink#4:s uid#5:s resourceVersion#6:s"
 " generation#7:l creationTimestamp#8:t deletionTimestamp#9:t deletionGracePeriodSeconds#10*:l"
 " labels#11:map(s) annotations#12:map(s) ownerReferences#13:[]OwnerReference@uid"
 " finalizers#14:[]s@ managedFields#17:any"},
{"OwnerReference", "apiVersion#5!:s kind#1!:s name#3!:s uid#4!:s controller#6*:b"
 " blockOwnerDeletion#7*:b"},
{"LabelSelector", "matchLabels#1:map(s) matchExpressions#2:[]LabelSelectorRequirement"},
{"LabelSelectorRequirement", "key#1!:s operator#2!:s{In|NotIn|Exists|DoesNotExist} values#3:[]s"},
{"LocalObjectReference", "name#1:s"},
{"ObjectReference", "kind#1:s namespace#2:s name#3:s uid#4:s apiVersion#5:s resourceVersion#6:s"
 " fieldPath#7:s"},
{"TypedLocalObjectReference", "apiGroup#1*:s kind#2!:s name#3!:s"},
{"TypedObjectReference", "apiGroup#1*:s kind#2!:s name#3!:s namespace#4*:s"},
{"Condition", "type!:s status!:s observedGeneration:l lastTransitionTime:t lastUpdateTime:t"
 " lastProbeTime:t lastHeartbeatTime:t reason:s message:s"},

{"Namespace", "spec#2+:NamespaceSpec status#3+:NamespaceStatus"},
{"NamespaceSpec", "finalizers#1:[]s"},
{"NamespaceStatus", "phase#1:s=Active conditions#2:[]Condition@type"},

{"Pod", "spec#2+:PodSpec status#3:PodStatus"},
{"PodTemplateSpec", "metadata#1:ObjectMeta spec#2+:PodSpec"},
{"PodSpec", "volumes#1:[]Volume@name initContainers#20:[]Container@name"
 " containers#2!:[]Container@name ephemeralContainers#34:[]any"
 " restartPolicy#3:s{Always|OnFailure|Never}=Always terminationGracePeriodSeconds#4*:l=30"
 " activeDeadlineSeconds#5*:l"
 " dnsPolicy#6:s{ClusterFirstWithHostNet|ClusterFirst|Default|None}=ClusterFirst"
 " nodeSelector#7:map(s)~ serviceAccountName#8:s serviceAccount#9:s"
 " automountServiceAccountToken#21*:b nodeName#10:s hostNetwork#11:b hostPID#12:b hostIPC#13:b"
 " hostUsers#37*:b shareProcessNamespace#27*:b securityContext#14+:PodSecurityContext"
 " imagePullSecrets#15:[]LocalObjectReference@name hostname#16:s subdomain#17:s"
 " affinity#18:Affinity schedulerName#19:s=default-scheduler tolerations#22:[]Toleration"
 " hostAliases#23:[]HostAlias@ip priorityClassName#24:s priority#25*:i dnsConfig#26:PodDNSConfig"
 " readinessGates#28:[]PodReadinessGate runtimeClassName#29*:s enableServiceLinks#30*:b"
 " preemptionPolicy#31*:s{Never|PreemptLowerPriority} overhead#32:map(q)"
 " topologySpreadConstraints#33:[]TopologySpreadConstraint@topologyKey,whenUnsatisfiable"
 " setHostnameAsFQDN#35*:b os#36:PodOS"},
{"PodOS", "name#1!:s{linux|windows}"},
{"PodReadinessGate", "conditionType#1!:s"},
{"PodDNSConfig", "nameservers#1:[]s searches#2:[]s options#3:[]PodDNSConfigOption"},
{"PodDNSConfigOption", "name#1:s value#2*:s"},
{"HostAlias", "ip#1:s hostnames#2:[]s"},
{"Toleration", "key#1:s operator#2:s{Exists|Equal} value#3:s effect#4:s tolerationSeconds#5*:l"},
{"TopologySpreadConstraint", "maxSkew#1!:i topologyKey#2!:s"
 " whenUnsatisfiable#3!:s{DoNotSchedule|ScheduleAnyway} labelSelector#4:LabelSelector~"
 " minDomains#5*:i nodeAffinityPolicy#6*:s nodeTaintsPolicy#7*:s matchLabelKeys#8:[]s"},
{"Affinity", "nodeAffinity#1:NodeAffinity podAffinity#2:PodAffinity"
 " podAntiAffinity#3:PodAffinity"},
{"NodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution#1:NodeSelector~"
 " preferredDuringSchedulingIgnoredDuringExecution#2:[]PreferredSchedulingTerm"},
{"NodeSelector", "nodeSelectorTerms#1!:[]NodeSelectorTerm"},
{"NodeSelectorTerm", "matchExpressions#1:[]NodeSelectorRequirement"
 " matchFields#2:[]NodeSelectorRequirement"},
{"NodeSelectorRequirement", "key#1!:s operator#2!:s values#3:[]s"},
{"PreferredSchedulingTerm", "weight#1!:i preference#2!:NodeSelectorTerm"},
{"PodAffinity", "requiredDuringSchedulingIgnoredDuringExecution#1:[]PodAffinityTerm"
 " preferredDuringSchedulingIgnoredDuringExecution#2:[]WeightedPodAffinityTerm"},
{"PodAffinityTerm", "labelSelector#1:LabelSelector~ namespaces#2:[]s topologyKey#3!:s"
 " namespaceSelector#4:LabelSelector~ matchLabelKeys#5:[]s mismatchLabelKeys#6:[]s"},
{"WeightedPodAffinityTerm", "weight#1!:i podAffinityTerm#2!:PodAffinityTerm"},
{"PodSecurityContext", "runAsUser#2*:l runAsGroup#6*:l runAsNonRoot#3*:b"
 " supplementalGroups#4:[]l fsGroup#5*:l fsGroupChangePolicy#9*:s{OnRootMismatch|Always}"
 " seccompProfile#10:SeccompProfile seLinuxOptions#1:any sysctls#7:[]any windowsOptions#8:any"
 " appArmorProfile#11:any"},
{"SeccompProfile", "type#1!:s{Localhost|RuntimeDefault|Unconfined} localhostProfile#2*:s"},
{"SecurityContext", "capabilities#1:Capabilities privileged#2*:b runAsUser#4*:l runAsGroup#8*:l"
 " runAsNonRoot#5*:b readOnlyRootFilesystem#6*:b allowPrivilegeEscalation#7*:b procMount#9*:s"
 " seccompProfile#11:SeccompProfile seLinuxOptions#3:any windowsOptions#10:any"
 " appArmorProfile#12:any"},
{"Capabilities", "add#1:[]s drop#2:[]s"},
{"Container", "name#1!:s image#2:s command#3:[]s args#4:[]s workingDir#5:s"
 " ports#6:[]ContainerPort@containerPort,protocol envFrom#19:[]EnvFromSource env#7:[]EnvVar@name"
 " resources#8+:ResourceRequirements resizePolicy#23:[]any restartPolicy#24*:s{Always}"
 " volumeMounts#9:[]VolumeMount@mountPath volumeDevices#21:[]VolumeDevice@devicePath"
 " livenessProbe#10:Probe readinessProbe#11:Probe startupProbe#22:Probe lifecycle#12:Lifecycle"
 " terminationMessagePath#13:s=/dev/termination-log"
 " terminationMessagePolicy#20:s{File|FallbackToLogsOnError}=File"
 " imagePullPolicy#14:s{Always|IfNotPresent|Never} securityContext#15:SecurityContext stdin#16:b"
 " stdinOnce#17:b tty#18:b"},
{"ContainerPort", "name#1:s hostPort#2:p containerPort#3!:p protocol#4:s{SCTP|TCP|UDP}=TCP"
 " hostIP#5:s"},
{"EnvFromSource", "prefix#1:s configMapRef#2:OptionalReference secretRef#3:OptionalReference"},
{"OptionalReference", "name#1.1:s optional#2*:b"},
{"EnvVar", "name#1!:s value#2:s valueFrom#3:EnvVarSource"},
{"EnvVarSource", "fieldRef#1:ObjectFieldSelector~ resourceFieldRef#2:ResourceFieldSelector~"
 " configMapKeyRef#3:KeySelector~ secretKeyRef#4:KeySelector~"},
{"ObjectFieldSelector", "apiVersion#1:s=v1 fieldPath#2!:s"},
{"ResourceFieldSelector", "containerName#1:s resource#2!:s divisor#3:q=0"},
{"KeySelector", "name#1.1:s key#2!:s optional#3*:b"},
{"ResourceRequirements", "limits#1:map(q) requests#2:map(q) claims:[]any"},
{"VolumeMount", "name#1!:s readOnly#2:b mountPath#3!:s subPath#4:s mountPropagation#5*:s"
 " subPathExpr#6:s recursiveReadOnly#7*:s"},
{"VolumeDevice", "name#1!:s devicePath#2!:s"},
{"Probe", "exec#1.1:ExecAction httpGet#1.2:HTTPGetAction tcpSocket#1.3:TCPSocketAction"
 " grpc#1.4:GRPCAction initialDelaySeconds#2:n timeoutSeconds#3:n=1 periodSeconds#4:n=10"
 " successThreshold#5:n=1 failureThreshold#6:n=3 terminationGracePeriodSeconds#7*:l"},
{"ExecAction", "command#1:[]s"},
{"HTTPGetAction", "path#1:s=/ port#2!:x host#3:s scheme#4:s{HTTP|HTTPS}=HTTP"
 " httpHeaders#5:[]HTTPHeader"},
{"HTTPHeader", "name#1!:s value#2!:s"},
{"TCPSocketAction", "port#1!:x host#2:s"},
{"GRPCAction", "port#1!:p service#2*:s="},
{"SleepAction", "seconds#1!:l"},
{"Lifecycle", "postStart#1:LifecycleHandler preStop#2:LifecycleHandler stopSignal:s"},
{"LifecycleHandler", "exec#1:ExecAction httpGet#2:HTTPGetAction tcpSocket#3:TCPSocketAction"
 " sleep#4:SleepAction"},
{"Volume", "name#1!:s hostPath#2.1:HostPathVolumeSource emptyDir#2.2:EmptyDirVolumeSource"
 " secret#2.6:SecretVolumeSource configMap#2.19:ConfigMapVolumeSource"
 " persistentVolumeClaim#2.10:PersistentVolumeClaimVolumeSource"
 " downwardAPI#2.16:DownwardAPIVolumeSource projected#2.26:ProjectedVolumeSource"
 " ephemeral#2.29:any csi#2.28:any nfs#2.7:any"},
{"HostPathVolumeSource", "path#1!:s type#2*:s="},
{"EmptyDirVolumeSource", "medium#1:s sizeLimit#2:q"},
{"SecretVolumeSource", "secretName#1:s items#2:[]KeyToPath defaultMode#3*:i=420 optional#4*:b"},
{"ConfigMapVolumeSource", "name#1.1:s items#2:[]KeyToPath defaultMode#3*:i=420 optional#4*:b"},
{"KeyToPath", "key#1!:s path#2!:s mode#3*:i"},
{"PersistentVolumeClaimVolumeSource", "claimName#1!:s readOnly#2:b"},
{"DownwardAPIVolumeSource", "items#1:[]DownwardAPIVolumeFile defaultMode#2*:i=420"},
{"DownwardAPIVolumeFile", "path#1!:s fieldRef#2:ObjectFieldSelector~"
 " resourceFieldRef#3:ResourceFieldSelector~ mode#4*:i"},
{"ProjectedVolumeSource", "sources#1:[]VolumeProjection defaultMode#2*:i=420"},
{"VolumeProjection", "secret#1:Projection configMap#3:Projection"
 " downwardAPI#2:DownwardAPIProjection serviceAccountToken#4:ServiceAccountTokenProjection"},
{"Projection", "name#1.1:s items#2:[]KeyToPath optional#4*:b"},
{"DownwardAPIProjection", "items#1:[]DownwardAPIVolumeFile"},
{"ServiceAccountTokenProjection", "audience#1:s expirationSeconds#2*:l=3600 path#3!:s"},
{"PodStatus", "phase#1:s conditions#2:[]Condition@type message#3:s reason#4:s"
 " nominatedNodeName#11:s hostIP#5:s hostIPs:[]IP podIP#6:s podIPs#12:[]IP@ip startTime#7:t"
 " initContainerStatuses#10:[]ContainerStatus containerStatuses#8:[]ContainerStatus qosClass#9:s"
 " ephemeralContainerStatuses#13:[]ContainerStatus observedGeneration:l"},
{"IP", "ip#1:s"},
{"ContainerStatus", "name#1:s state#2:ContainerState lastState#3:ContainerState ready#4:b"
 " restartCount#5:i image#6:s imageID#7:s containerID#8:s started#9*:b"},
{"ContainerState", "waiting#1:ContainerStateWaiting running#2:ContainerStateRunning"
 " terminated#3:ContainerStateTerminated"},
{"ContainerStateWaiting", "reason#1:s message#2:s"},
{"ContainerStateRunning", "startedAt#1:t"},
{"ContainerStateTerminated", "exitCode#1:i signal#2:i reason#3:s message#4:s startedAt#5:t"
 " finishedAt#6:t containerID#7:s"},

{"Service", "spec#2+:ServiceSpec status#3:ServiceStatus"},
{"ServiceSpec", "ports#1:[]ServicePort@port,protocol selector#2:map(s)~ clusterIP#3:s"
 " clusterIPs#18:[]s type#4:s{ClusterIP|ExternalName|LoadBalancer|NodePort}=ClusterIP"
 " externalIPs#5:[]s sessionAffinity#7:s{ClientIP|None}=None loadBalancerIP#8:s"
 " loadBalancerSourceRanges#9:[]s externalName#10:s externalTrafficPolicy#11:s{Cluster|Local}"
 " healthCheckNodePort#12:i publishNotReadyAddresses#13:b sessionAffinityConfig#14:any"
 " ipFamilies#19:[]s ipFamilyPolicy#17*:s allocateLoadBalancerNodePorts#20*:b"
 " loadBalancerClass#21*:s internalTrafficPolicy#22*:s{Cluster|Local}"},
{"ServicePort", "name#1:s protocol#2:s{SCTP|TCP|UDP}=TCP appProtocol#6*:s port#3!:p"
 " targetPort#4:x nodePort#5:n"},
{"ServiceStatus", "loadBalancer#1:LoadBalancerStatus conditions#2:[]Condition@type"},
{"LoadBalancerStatus", "ingress#1:[]LoadBalancerIngress"},
{"LoadBalancerIngress", "ip#1:s hostname#2:s ipMode:s ports#4:[]any"},
{"Endpoints", "subsets#2:[]EndpointSubset"},
{"EndpointSubset", "addresses#1:[]EndpointAddress notReadyAddresses#2:[]EndpointAddress"
 " ports#3:[]EndpointPort"},
{"EndpointAddress", "ip#1!:s hostname#3:s nodeName#4*:s targetRef#2:ObjectReference~"},
{"EndpointPort", "name#1:s port#2:p protocol#3:s=TCP appProtocol#4*:s"},
{"EndpointSlice", "addressType#4!:s{IPv4|IPv6|FQDN} endpoints#2:[]Endpoint"
 " ports#3:[]EndpointPort"},
{"Endpoint", "addresses#1!:[]s conditions#2:EndpointConditions hostname#3*:s"
 " targetRef#4:ObjectReference~ deprecatedTopology:map(s) nodeName#6*:s zone:s hints:any"},
{"EndpointConditions", "ready#1*:b serving#2*:b terminating#3*:b"},
{"ConfigMap", "immutable#4*:b data#2:map(s) binaryData#3:map(d)"},
{"Secret", "immutable#5*:b data#2:map(d) stringData#4:map(s) type#3:s=Opaque"},
{"ServiceAccount", "secrets#2:[]ObjectReference@name imagePullSecrets#3:[]LocalObjectReference"
 " automountServiceAccountToken#4*:b"},
{"PersistentVolumeClaim", "spec#2+:PersistentVolumeClaimSpec"
 " status#3+:PersistentVolumeClaimStatus"},
{"PersistentVolumeClaimSpec", "accessModes#1:[]s selector#4:LabelSelector~"
 " resources#2+:VolumeResourceRequirements volumeName#3:s storageClassName#5*:s"
 " volumeMode#6*:s{Block|Filesystem}=Filesystem dataSource#7:TypedLocalObjectReference~"
 " dataSourceRef#8:TypedObjectReference volumeAttributesClassName#9*:s"},
{"VolumeResourceRequirements", "limits#1:map(q) requests#2:map(q)"},
{"PersistentVolumeClaimStatus", "phase#1:s accessModes#2:[]s capacity#3:map(q)"
 " conditions#4:[]Condition@type allocatedResources:map(q) allocatedResourceStatuses:map(s)"},
{"PersistentVolume", "spec#2+:PersistentVolumeSpec status#3:PersistentVolumeStatus"},
{"PersistentVolumeSpec", "capacity#1:map(q) accessModes#3:[]s claimRef#4:ObjectReference"
 " persistentVolumeReclaimPolicy#5:s{Delete|Recycle|Retain}=Retain storageClassName#6:s"
 " mountOptions#7:[]s volumeMode#8*:s{Block|Filesystem}=Filesystem nodeAffinity#9:any"
 " hostPath#2.3:HostPathVolumeSource local#2.20:LocalVolumeSource csi#2.22:any nfs#2.5:any"},
{"LocalVolumeSource", "path#1!:s fsType#2*:s"},
{"PersistentVolumeStatus", "phase#1:s message#2:s reason#3:s lastPhaseTransitionTime:t"},
{"Event", "involvedObject#2+:ObjectReference reason#3:s message#4:s source#5:EventSource"
 " firstTimestamp#6:t lastTimestamp#7:t count#8:i type#9:s eventTime#10:t series#11:EventSeries"
 " action#12:s related#13:ObjectReference reportingComponent#14:s= reportingInstance#15:s="},
{"EventSource", "component#1:s host#2:s"},
{"EventSeries", "count#1:i lastObservedTime#2:t"},
{"Node", "spec#2+:NodeSpec status#3+:NodeStatus"},
{"NodeSpec", "podCIDR#1:s podCIDRs#7:[]s@ providerID#3:s unschedulable#4:b taints#5:[]Taint"},
{"Taint", "key#1!:s value#2:s effect#3!:s timeAdded#4:t"},
{"NodeStatus", "capacity#1:map(q) allocatable#2:map(q) phase#3:s conditions#4:[]Condition@type"
 " addresses#5:[]NodeAddress@type daemonEndpoints#6:any nodeInfo#7:NodeSystemInfo images#8:[]any"
 " volumesInUse#9:[]s volumesAttached#10:[]any config#11:any"},
{"NodeAddress", "type#1!:s address#2!:s"},
{"NodeSystemInfo", "machineID#1:s systemUUID#2:s bootID#3:s kernelVersion#4:s osImage#5:s"
 " containerRuntimeVersion#6:s kubeletVersion#7:s kubeProxyVersion#8:s operatingSystem#9:s"
 " architecture#10:s"},
{"ResourceQuota", "spec#2:ResourceQuotaSpec status#3+:ResourceQuotaStatus"},
{"ResourceQuotaSpec", "hard#1:map(q) scopes#2:[]s scopeSelector#3:any"},
{"ResourceQuotaStatus", "hard#1:map(q) used#2:map(q)"},

{"StatefulSet", "spec#2+:StatefulSetSpec status#3+:StatefulSetStatus"},
{"StatefulSetSpec", "replicas#1*:n=1 selector#2!:LabelSelector~ template#3+:PodTemplateSpec"
 " volumeClaimTemplates#4:[]PersistentVolumeClaimTemplate serviceName#5:s"
 " podManagementPolicy#6:s{OrderedReady|Parallel}=OrderedReady"
 " updateStrategy#7+:StatefulSetUpdateStrategy revisionHistoryLimit#8*:n=10 minReadySeconds#9:n"
 " persistentVolumeClaimRetentionPolicy#10+:StatefulSetPVCRetention"
 " ordinals#11:StatefulSetOrdinals"},
{"PersistentVolumeClaimTemplate", "apiVersion:s kind:s metadata#1:ObjectMeta"
 " spec#2+:PersistentVolumeClaimSpec status#3+:PersistentVolumeClaimStatus"},
{"StatefulSetUpdateStrategy", "type#1:s{RollingUpdate|OnDelete}=RollingUpdate"
 " rollingUpdate#2:RollingUpdateStatefulSet"},
{"RollingUpdateStatefulSet", "partition#1*:n=0 maxUnavailable#2:x"},
{"StatefulSetPVCRetention", "whenDeleted#1:s{Retain|Delete}=Retain"
 " whenScaled#2:s{Retain|Delete}=Retain"},
{"StatefulSetOrdinals", "start#1:n"},
{"StatefulSetStatus", "observedGeneration#1:l replicas#2:i=0 readyReplicas#3:i"
 " currentReplicas#4:i updatedReplicas#5:i currentRevision#6:s updateRevision#7:s"
 " collisionCount#9*:i conditions#10:[]Condition@type availableReplicas:i=0"},
{"Deployment", "spec#2+:DeploymentSpec status#3+:DeploymentStatus"},
{"DeploymentSpec", "replicas#1*:n=1 selector#2!:LabelSelector~ template#3+:PodTemplateSpec"
 " strategy#4+:DeploymentStrategy minReadySeconds#5:n revisionHistoryLimit#6*:n=10 paused#7:b"
 " progressDeadlineSeconds#9*:n=600"},
{"DeploymentStrategy", "type#1:s{Recreate|RollingUpdate}=RollingUpdate"
 " rollingUpdate#2:RollingUpdateDeployment"},
{"RollingUpdateDeployment", "maxUnavailable#1:x=25% maxSurge#2:x=25%"},
{"DeploymentStatus", "observedGeneration#1:l replicas#2:i updatedReplicas#3:i readyReplicas#7:i"
 " availableReplicas#4:i unavailableReplicas#5:i conditions#6:[]Condition@type"
 " collisionCount#8*:i"},
{"ReplicaSet", "spec#2+:ReplicaSetSpec status#3+:ReplicaSetStatus"},
{"ReplicaSetSpec", "replicas#1*:n=1 minReadySeconds#4:n selector#2!:LabelSelector~"
 " template#3+:PodTemplateSpec"},
{"ReplicaSetStatus", "replicas#1:i fullyLabeledReplicas#2:i readyReplicas#4:i"
 " availableReplicas#5:i observedGeneration#3:l conditions#6:[]Condition@type"},
{"ControllerRevision", "data#2:any revision#3:l"},
{"Job", "spec#2+:JobSpec status#3+:JobStatus"},
{"JobSpec", "parallelism#1*:n=1 completions#2*:n activeDeadlineSeconds#3*:n backoffLimit#7*:n=6"
 " selector#4:LabelSelector~ manualSelector#5*:b template#6+:PodTemplateSpec"
 " ttlSecondsAfterFinished#8*:n completionMode#9*:s{NonIndexed|Indexed}=NonIndexed"
 " suspend#10*:b=false podFailurePolicy#11:any"
 " podReplacementPolicy#14*:s{Failed|TerminatingOrFailed}=TerminatingOrFailed"
 " backoffLimitPerIndex#12*:n maxFailedIndexes#13*:n"},
{"JobStatus", "conditions#1:[]Condition@type startTime#2:t completionTime#3:t active#4:i"
 " succeeded#5:i failed#6:i terminating:i ready:i completedIndexes:s failedIndexes:s"
 " uncountedTerminatedPods:any"},
{"Lease", "spec#2:LeaseSpec"},
{"LeaseSpec", "holderIdentity#1*:s leaseDurationSeconds#2*:i acquireTime#3:t renewTime#4:t"
 " leaseTransitions#5*:i"},
{"NetworkPolicy", "spec#2:any"},
{"PodDisruptionBudget", "spec#2:PodDisruptionBudgetSpec status#3+:PodDisruptionBudgetStatus"},
{"PodDisruptionBudgetSpec", "minAvailable#1:x selector#2:LabelSelector~ maxUnavailable#3:x"
 " unhealthyPodEvictionPolicy#4*:s{IfHealthyBudget|AlwaysAllow}"},
{"PodDisruptionBudgetStatus", "observedGeneration#1:l disruptedPods#2:map(t)"
 " disruptionsAllowed#3:i=0 currentHealthy#4:i=0 desiredHealthy#5:i=0 expectedPods#6:i=0"
 " conditions:[]Condition@type"},
{"Role", "rules#2:[]PolicyRule"},
{"ClusterRole", "rules#2:[]PolicyRule aggregationRule#3:AggregationRule"},
{"AggregationRule", "clusterRoleSelectors#1:[]LabelSelector"},
{"PolicyRule", "verbs#1:[]s apiGroups#2:[]s resources#3:[]s resourceNames#4:[]s"
 " nonResourceURLs#5:[]s"},
{"RoleBinding", "subjects#2:[]Subject roleRef#3!:RoleRef~"},
{"ClusterRoleBinding", "subjects#2:[]Subject roleRef#3!:RoleRef~"},
{"RoleRef", "apiGroup#1:s=rbac.authorization.k8s.io kind#2!:s name#3!:s"},
{"Subject", "kind#1!:s apiGroup#2:s name#3!:s namespace#4:s"},
{"PriorityClass", "value#2:i globalDefault#3:b description#4:s"
 " preemptionPolicy#5*:s=PreemptLowerPriority"},
{"StorageClass", "provisioner#2!:s parameters#3:map(s) reclaimPolicy#4*:s{Delete|Retain}=Delete"
 " mountOptions#5:[]s allowVolumeExpansion#6*:b allowedTopologies#8:[]any"
 " volumeBindingMode#7*:s{Immediate|WaitForFirstConsumer}=Immediate"},

/* Questions and options: decoded, never stored. */
{"SelfSubjectAccessReview", "metadata#1:ObjectMeta spec#2:AccessReviewSpec status#3:AccessReviewStatus"},
{"SubjectAccessReview", "metadata#1:ObjectMeta spec#2:SubjectAccessReviewSpec"
 " status#3:AccessReviewStatus"},
{"AccessReviewStatus", "allowed#1:b reason#2:s evaluationError#3:s denied#4:b"},
{"AccessReviewSpec", "resourceAttributes#1:ResourceAttributes"
 " nonResourceAttributes#2:NonResourceAttributes"},
{"SubjectAccessReviewSpec", "resourceAttributes#1:ResourceAttributes"
 " nonResourceAttributes#2:NonResourceAttributes user#3:s groups#4:[]s uid#6:s"},
{"ResourceAttributes", "namespace#1:s verb#2:s group#3:s version#4:s resource#5:s subresource#6:s"
 " name#7:s"},
{"NonResourceAttributes", "path#1:s verb#2:s"},
{"SelfSubjectRulesReview", "metadata#1:ObjectMeta spec#2:SelfSubjectRulesReviewSpec"
 " status#3:RulesReviewStatus"},
{"RulesReviewStatus", "incomplete#3:b evaluationError#4:s"},
{"SelfSubjectRulesReviewSpec", "namespace#1:s"},
{"SelfSubjectReview", "metadata#1:ObjectMeta status#2:SelfSubjectReviewStatus"},
{"SelfSubjectReviewStatus", "userInfo#1:UserInfo"},
{"UserInfo", "username#1:s uid#2:s groups#3:[]s"},
{"TokenReview", "metadata#1:ObjectMeta spec#2:TokenReviewSpec status#3:TokenReviewStatus"},
{"TokenReviewStatus", "authenticated#1:b user#2:UserInfo error#3:s audiences#4:[]s"},
{"TokenReviewSpec", "token#1:s audiences#2:[]s"},
{"TokenRequest", "metadata#1:ObjectMeta spec#2:TokenRequestSpec status#3:TokenRequestStatus"},
{"TokenRequestStatus", "token#1:s expirationTimestamp#2:t"},
{"TokenRequestSpec", "audiences#1:[]s expirationSeconds#4*:l boundObjectRef#3:ObjectRef"},
{"ObjectRef", "kind#1:s apiVersion#2:s name#3:s uid#4:s"},
{"Eviction", "metadata#1:ObjectMeta deleteOptions#2:DeleteOptions"},
{"DeleteOptions", "gracePeriodSeconds#1*:l preconditions#2:Preconditions orphanDependents#3*:b"
 " propagationPolicy#4*:s dryRun#5:[]s"},
{"Preconditions", "uid#1*:s resourceVersion#2*:s"},
{NULL, NULL},
};
/* clang-format on */
