{{/* The configuration as given, and what the chart adds: where to listen, and what the pod will give. */}}
{{- define "txid.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config.server "listen" "0.0.0.0:8080" -}}
{{- $_ := set $config.worker "listen" "0.0.0.0:9090" -}}
{{- $_ := set $config.worker "grace_period_ms" (include "txid.grace.workerMs" . | int) -}}
{{- range $section := keys $config | sortAlpha }}
[{{ $section }}]
{{- $values := get $config $section }}
{{- range $key := keys $values | sortAlpha }}
{{- $value := get $values $key }}
{{- if kindIs "invalid" $value }}
{{- fail (printf "config.%s.%s is null: leave it out instead" $section $key) }}
{{- end }}
{{- /* JSON of all but maps is TOML as well, and keeps 30000 from becoming 30000.0. */}}
{{- if kindIs "map" $value }}
{{- $pairs := list }}
{{- range $name := keys $value | sortAlpha }}
{{- $pairs = append $pairs (printf "%s = %s" (toJson $name) (get $value $name | toJson)) }}
{{- end }}
{{ $key }} = {{ printf "{%s}" (join ", " $pairs) }}
{{- else }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end -}}

{{/* Milliseconds of config.<section>.<key>, or what the program uses where it is not given. */}}
{{- define "txid.ms" -}}
{{- $given := dig .section .key nil .root.Values.config -}}
{{- if kindIs "invalid" $given -}}{{ .default }}{{- else -}}{{ int64 $given }}{{- end -}}
{{- end -}}

{{- define "txid.drainMs" -}}
{{- include "txid.ms" (dict "root" . "section" "worker" "key" "drain_deadline_ms" "default" 25000) -}}
{{- end -}}

{{/* drain deadline + margin, or config.worker.grace_period_ms where somebody insists. */}}
{{- define "txid.grace.workerMs" -}}
{{- $derived := add (include "txid.drainMs" . | int64) (mul 1000 (int64 .Values.shutdown.marginSeconds)) -}}
{{- include "txid.ms" (dict "root" . "section" "worker" "key" "grace_period_ms" "default" $derived) -}}
{{- end -}}

{{/* Rounded up: the pod never gives less than the program was told. */}}
{{- define "txid.grace.worker" -}}
{{- div (add 999 (include "txid.grace.workerMs" . | int64)) 1000 -}}
{{- end -}}

{{/* Pause before the stop + open requests + the relay's last work (10 s in the program) + margin. */}}
{{- define "txid.grace.scheduler" -}}
{{- $drain := include "txid.ms" (dict "root" . "section" "server" "key" "drain_deadline_ms" "default" 35000) | int64 -}}
{{- add (int64 .Values.shutdown.schedulerPreStopSeconds) (div (add 999 $drain) 1000) 10 (int64 .Values.shutdown.marginSeconds) -}}
{{- end -}}

{{/* Everything that must hold between values, so that a mistake shows here and not as pods that crash. */}}
{{- define "txid.check" -}}
{{- $ms := dict -}}
{{- range $rung := list
  (list "worker" "inference_limit_ms" 10000) (list "worker" "stage_deadline_ms" 20000)
  (list "broker" "consumer_timeout_ms" 1800000) (list "server" "sync_wait_ms" 30000)
  (list "server" "request_timeout_ms" 60000) (list "server" "drain_deadline_ms" 35000) -}}
{{- $name := printf "%s.%s" (index $rung 0) (index $rung 1) -}}
{{- $asked := dict "root" $ "section" (index $rung 0) "key" (index $rung 1) "default" (index $rung 2) -}}
{{- $_ := set $ms $name (include "txid.ms" $asked | int64) -}}
{{- end -}}
{{- $_ := set $ms "worker.drain_deadline_ms" (include "txid.drainMs" . | int64) -}}
{{- $_ := set $ms "worker.grace_period_ms" (include "txid.grace.workerMs" . | int64) -}}
{{- range $pair := list
  (list "worker.inference_limit_ms" 0 "worker.stage_deadline_ms")
  (list "worker.stage_deadline_ms" 0 "broker.consumer_timeout_ms")
  (list "worker.stage_deadline_ms" 2000 "worker.drain_deadline_ms")
  (list "worker.drain_deadline_ms" 0 "worker.grace_period_ms")
  (list "server.sync_wait_ms" 0 "server.request_timeout_ms")
  (list "server.sync_wait_ms" 0 "server.drain_deadline_ms") -}}
{{- $low := get $ms (index $pair 0) | int64 -}}{{- $high := get $ms (index $pair 2) | int64 -}}
{{- if ge (add $low (index $pair 1)) $high -}}
{{- fail (printf "config.%s (%d ms) + %d ms must be less than config.%s (%d ms)" (index $pair 0) $low (index $pair 1) (index $pair 2) $high) -}}
{{- end -}}
{{- end -}}

{{- range $path := list "database.url" "broker.url" "redis.url" "keys.master"
  "blobs.s3_access_key_id" "blobs.s3_secret_access_key" -}}
{{- $parts := splitList "." $path -}}
{{- if dig (index $parts 0) (index $parts 1) "" $.Values.config -}}
{{- fail (printf "config.%s is a secret: put it into a Secret and name that under `secrets`" $path) -}}
{{- end -}}
{{- end -}}
{{- if dig "batches" "buckets" list .Values.config -}}
{{- fail "config.batches.buckets may hold keys: give TXID__BATCHES__BUCKETS in scheduler.extraEnv instead" -}}
{{- end -}}
{{- range $pair := list (list "s3AccessKeyId" "s3SecretAccessKey") (list "s3SecretAccessKey" "s3AccessKeyId") -}}
{{- $one := index $pair 0 -}}{{- $other := index $pair 1 -}}
{{- if and (get $.Values.secrets $one).key (not (get $.Values.secrets $other).key) -}}
{{- fail (printf "secrets.%s.key is set and secrets.%s.key is not: set both, or neither for the environment's own credentials" $one $other) -}}
{{- end -}}
{{- end -}}

{{- $variables := list "TXID__DATABASE__URL" "TXID__BROKER__URL" "TXID__REDIS__URL" "TXID__KEYS__MASTER"
  "TXID__BLOBS__S3_ACCESS_KEY_ID" "TXID__BLOBS__S3_SECRET_ACCESS_KEY" "AWS_SECRET_ACCESS_KEY" -}}
{{- $settings := concat (list .Values.scheduler .Values.workerDefaults .Values.webhooks .Values.setup .Values.tests) .Values.workers -}}
{{- range $one := $settings -}}
{{- range dig "extraEnv" list $one -}}
{{- if and .value (has .name $variables) -}}
{{- fail (printf "extraEnv: %s is a secret: give valueFrom.secretKeyRef" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and (hasPrefix "file://" .Values.config.blobs.url) (not .Values.blobVolume.existingClaim) -}}
{{- fail "config.blobs.url is a folder: give blobVolume.existingClaim (ReadWriteMany), else each pod keeps images of its own" -}}
{{- end -}}

{{- $names := list -}}{{- $stages := list -}}
{{- range .Values.workers -}}
{{- $names = append $names .name -}}{{- $stages = concat $stages .stages -}}
{{- end -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail (printf "workers: each needs a name of its own, not %s" (join ", " $names)) -}}
{{- end -}}
{{- range $stage := list "ocr" "face_match" "liveness" "fraud" -}}
{{- if not (has $stage $stages) -}}
{{- fail (printf "workers: nobody runs the stage %s; its jobs would wait for ever" $stage) -}}
{{- end -}}
{{- end -}}
{{- end -}}
