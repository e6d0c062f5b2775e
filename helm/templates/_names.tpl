{{/* Room for "-worker-" and a name of 20 letters within the 63 that Kubernetes allows. */}}
{{- define "txid.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "txid.serviceAccount" -}}
{{- .Values.serviceAccount.existingName | default (include "txid.fullname" .) -}}
{{- end -}}

{{- define "txid.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a component; (dict "root" $ "component" "worker" "worker" "ocr") */}}
{{- define "txid.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .worker }}
txid/worker: {{ . }}
{{- end }}
{{- end -}}

{{- define "txid.labels" -}}
{{ include "txid.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* An entry of `workers` over workerDefaults, as JSON. */}}
{{- define "txid.worker" -}}
{{- mergeOverwrite (deepCopy .root.Values.workerDefaults) (deepCopy .worker) | toJson -}}
{{- end -}}

{{/* Inference threads of a merged worker: what it asks for, else its whole CPUs. */}}
{{- define "txid.threads" -}}
{{- if .threads -}}
{{- int .threads -}}
{{- else -}}
{{- $cpu := dig "limits" "cpu" "" .resources | toString -}}
{{- if not $cpu -}}
{{- fail (printf "worker %s: give `threads` or `resources.limits.cpu`; without either it would take every CPU of its node" .name) -}}
{{- end -}}
{{- if hasSuffix "m" $cpu -}}
{{- max 1 (div (trimSuffix "m" $cpu | int) 1000) -}}
{{- else -}}
{{- max 1 ($cpu | float64 | floor | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
