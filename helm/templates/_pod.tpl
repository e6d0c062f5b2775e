{{/* The Secret of the reference at `value`. Without a name its pods would never start. */}}
{{- define "txid.secretName" -}}
{{- $missing := printf "%s.name and secrets.existingSecret are both empty: set one of them to the name of the Secret" .value -}}
{{- required $missing (.ref.name | default .root.Values.secrets.existingSecret) -}}
{{- end -}}

{{/*
A variable from a Secret; nothing where the reference has no key. (dict "root" $ "env" "…" "value" "secrets.…" "ref" …)
*/}}
{{- define "txid.secretEnv" -}}
{{- if .ref.key }}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ include "txid.secretName" . }}
      key: {{ .ref.key }}
{{- end }}
{{- end -}}

{{/* The secrets that a component works with, and no other. */}}
{{- define "txid.secrets" -}}
{{- $all := dict
  "databaseUrl" "TXID__DATABASE__URL" "brokerUrl" "TXID__BROKER__URL" "redisUrl" "TXID__REDIS__URL"
  "masterKeys" "TXID__KEYS__MASTER" "s3AccessKeyId" "TXID__BLOBS__S3_ACCESS_KEY_ID"
  "s3SecretAccessKey" "TXID__BLOBS__S3_SECRET_ACCESS_KEY" -}}
{{- range $name := .names }}
{{- $ref := dict "root" $.root "value" (printf "secrets.%s" $name) "ref" (get $.root.Values.secrets $name) }}
{{- include "txid.secretEnv" (merge (dict "env" (get $all $name)) $ref) }}
{{- end }}
{{- end -}}

{{/* Of those who touch images and jobs. */}}
{{- define "txid.secrets.all" -}}
{{- $names := list "databaseUrl" "brokerUrl" "redisUrl" "masterKeys" "s3AccessKeyId" "s3SecretAccessKey" -}}
{{- include "txid.secrets" (dict "root" . "names" $names) -}}
{{- end -}}

{{- define "txid.podSecurity" -}}
runAsNonRoot: true
{{- range $key, $id := .root.Values.podSecurityContext }}
{{- if $id }}
{{ $key }}: {{ int64 $id }}
{{- end }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "txid.containerSecurity" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "txid.podLabels" -}}
{{- include "txid.labels" . }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
A pod's spec. root; component, worker (for labels); serviceAccount; configMap; container: name, command, env (text),
ports, probes and lifecycle (text); settings: resources, extraEnv, nodeSelector, tolerations, affinity; grace; blobs.
*/}}
{{- define "txid.podSpec" -}}
{{- $root := .root -}}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ .serviceAccount }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .grace }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
securityContext: {{ include "txid.podSecurity" . | nindent 2 }}
containers:
  - name: {{ .name }}
    image: {{ include "txid.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: {{ toJson .command }}
    env:
      - {name: TXID_CONFIG, value: /etc/txid/txid.toml}
      {{- with trim .env }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .settings.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .ports }}
    ports: {{ toYaml . | nindent 6 }}
    {{- end }}
    {{- with .probes }}
    {{- . | nindent 4 }}
    {{- end }}
    resources: {{ toYaml .settings.resources | nindent 6 }}
    securityContext: {{ include "txid.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/txid, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- if and .blobs $root.Values.blobVolume.existingClaim }}
      - {name: blobs, mountPath: /var/lib/txid}
      {{- end }}
      {{- with $root.Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap: {name: {{ .configMap }}}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  {{- if and .blobs $root.Values.blobVolume.existingClaim }}
  - name: blobs
    persistentVolumeClaim: {claimName: {{ $root.Values.blobVolume.existingClaim }}}
  {{- end }}
  {{- with $root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .settings.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .spread }}
{{- with $root.Values.topologySpread }}
topologySpreadConstraints:
{{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels: {{ include "txid.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What Deployments share above the pod; takes what podSpec takes, and `replicas` where nothing else scales. */}}
{{- define "txid.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .fullname }}
  labels: {{ include "txid.labels" . | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .settings.replicas }}
  {{- end }}
  {{- with .strategy }}
  strategy: {{ toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels: {{ include "txid.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{ include "txid.podLabels" . | nindent 8 }}
      annotations:
        checksum/config: {{ include "txid.config" .root | sha256sum }}
        {{- with .settings.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec: {{ include "txid.podSpec" . | nindent 6 }}
{{- end -}}

{{- define "txid.disruption" -}}
{{- with .settings.podDisruptionBudget -}}
{{- if .enabled -}}
{{- $min := not (or (kindIs "invalid" .minAvailable) (eq "" (toString .minAvailable))) -}}
{{- $max := not (or (kindIs "invalid" .maxUnavailable) (eq "" (toString .maxUnavailable))) -}}
{{- if eq $min $max -}}
{{- fail (printf "%s: podDisruptionBudget needs exactly one of minAvailable and maxUnavailable" $.fullname) -}}
{{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $.fullname }}
  labels: {{ include "txid.labels" $ | nindent 4 }}
spec:
  {{- if $min }}
  minAvailable: {{ .minAvailable }}
  {{- else }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- end }}
  selector:
    matchLabels: {{ include "txid.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the API server (HPA) or KEDA would refuse, or take and never scale by. */}}
{{- define "txid.checkReplicas" -}}
{{- $min := int .settings.autoscaling.minReplicas -}}{{- $max := int .settings.autoscaling.maxReplicas -}}
{{- if gt $min $max -}}
{{- fail (printf "%s: autoscaling.minReplicas (%d) is more than maxReplicas (%d): lower it, or raise that" .fullname $min $max) -}}
{{- end -}}
{{- end -}}

{{- define "txid.hpa" -}}
{{- include "txid.checkReplicas" . -}}
{{- if lt (int .settings.autoscaling.minReplicas) 1 -}}
{{- fail (printf "%s: autoscaling.minReplicas is 0, which only `kind: keda` can do: set at least 1" .fullname) -}}
{{- end }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .fullname }}
  labels: {{ include "txid.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .fullname }}}
  minReplicas: {{ .settings.autoscaling.minReplicas }}
  maxReplicas: {{ .settings.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .settings.autoscaling.targetCPUUtilizationPercentage }}}
  {{- with .settings.autoscaling.scaleDownStabilizationSeconds }}
  behavior:
    scaleDown: {stabilizationWindowSeconds: {{ . }}}
  {{- end }}
{{- end -}}
