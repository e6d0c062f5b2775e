{{- define "txid.network.ports" -}}
{{- range $index, $port := . }}
{{- if $index }}
{{ end -}}
- {protocol: TCP, port: {{ $port }}}
{{- end }}
{{- end -}}

{{/* Egress to the named peers of networkPolicy, and to DNS and the collector, which everybody needs. */}}
{{- define "txid.network.egress" -}}
{{- $policy := .root.Values.networkPolicy -}}
- to: {{ toYaml $policy.dns.to | nindent 4 }}
  ports:
  {{- range $policy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- $peers := .peers -}}
{{- if dig "telemetry" "otlp_endpoint" "" .root.Values.config -}}
{{- $peers = append $peers "collector" -}}
{{- end -}}
{{- if hasPrefix "file://" .root.Values.config.blobs.url -}}
{{- $peers = without $peers "objectStore" -}}
{{- end -}}
{{- range $peers }}
{{- $peer := get $policy . }}
# {{ . }}
- to: {{ toYaml $peer.to | nindent 4 }}
  ports: {{ include "txid.network.ports" $peer.ports | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "txid.network.policy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "txid.fullname" .root }}-{{ .component }}
  labels: {{ include "txid.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels: {{ include "txid.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}
