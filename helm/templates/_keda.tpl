{{/*
One trigger for each queue that the worker takes from, named as in shared/src/queue: <prefix>verify.<stage>.<lane>.
The management API (protocol http) counts waiting and unacknowledged jobs; AMQP sees waiting ones only, and a worker
that is busy with its last jobs would be taken away. cooldownPeriod is for 1 to 0; leaving slowly is `behavior`.
*/}}
{{- define "txid.scaledObject" -}}
{{- include "txid.checkReplicas" . -}}
{{- $root := .root -}}{{- $scaling := .settings.autoscaling -}}
{{- $prefix := dig "broker" "prefix" "txid." $root.Values.config -}}
{{- $perPod := dict
  "interactive" ($scaling.jobsPerPod.interactive | default (mul 2 .threads))
  "batch" ($scaling.jobsPerPod.batch | default (mul 20 .threads)) -}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .fullname }}
  labels: {{ include "txid.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .fullname }}}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  pollingInterval: {{ $scaling.pollingIntervalSeconds }}
  cooldownPeriod: {{ $scaling.cooldownPeriodSeconds }}
  {{- with $scaling.fallbackReplicas }}
  fallback: {failureThreshold: 3, replicas: {{ . }}}
  {{- end }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: {{ $scaling.scaleDownStabilizationSeconds }}
  triggers:
  {{- range $stage := .settings.stages }}
  {{- range $lane := list "interactive" "batch" }}
    - type: rabbitmq
      name: {{ printf "%s-%s" ($stage | replace "_" "-") $lane }}
      metadata:
        protocol: http
        mode: QueueLength
        queueName: {{ printf "%sverify.%s.%s" $prefix $stage $lane | quote }}
        value: {{ get $perPod $lane | int | quote }}
      authenticationRef: {name: {{ include "txid.fullname" $root }}-broker}
  {{- end }}
  {{- end }}
{{- end -}}
