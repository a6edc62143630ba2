{{- define "inbox.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "inbox.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "inbox.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "inbox.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "inbox.selector" -}}
app.kubernetes.io/name: {{ include "inbox.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inbox.labels" -}}
{{ include "inbox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "inbox.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "inbox.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "inbox.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "inbox.secret" -}}
{{ .Values.secret.existingSecret | default (include "inbox.fullname" .) }}
{{- end }}

{{- define "inbox.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if .Values.ingress.enabled -}}
{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ .Values.ingress.host }}
{{- else if .Values.httpRoute.enabled -}}
https://{{ first .Values.httpRoute.hostnames }}
{{- end -}}
{{- end }}

{{- /* What would deploy, and not work. */ -}}
{{- define "inbox.check" -}}
{{- if not (or .Values.valkey.enabled .Values.redis.url .Values.secret.existingSecret) }}
{{- fail "set redis.url to your Redis or Valkey, or valkey.enabled=true to deploy one for a start" }}
{{- end }}
{{- if and .Values.valkey.enabled .Values.redis.url }}
{{- fail "set redis.url or valkey.enabled, not both" }}
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.trustedProxies) }}
{{- fail "set trustedProxies to the network of your ingress controller's pods, such as 10.42.0.0/16, or to none" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "set httpRoute.parentRefs to the Gateways that the route belongs to" }}
{{- end }}
{{- end }}

{{- /* The environment of both Deployments. What `settings` has replaces what the chart sets. */ -}}
{{- define "inbox.env" -}}
{{- $root := .root -}}
{{- $values := dict -}}
{{- with include "inbox.publicUrl" $root }}{{ $_ := set $values "INBOX_PUBLIC_URL" . }}{{ end -}}
{{- with $root.Values.trustedProxies }}{{ $_ := set $values "INBOX_TRUSTED_PROXIES" . }}{{ end -}}
{{- $_ := set $values "INBOX_METRICS_PORT" $root.Values.metrics.port -}}
{{- $_ := set $values "INBOX_METRICS_HOST" "0.0.0.0" -}}
{{- $values = merge (deepCopy $root.Values.settings) .own $values -}}
{{- range $name, $value := $values }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
- name: INBOX_SECRET_KEY
  valueFrom:
    secretKeyRef: {name: {{ include "inbox.secret" $root }}, key: secret-key}
{{- if $root.Values.valkey.enabled }}
- name: VALKEY_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "inbox.fullname" $root }}-valkey, key: password}
- name: INBOX_REDIS_URL
  value: redis://:$(VALKEY_PASSWORD)@{{ include "inbox.fullname" $root }}-valkey:6379/0
{{- else }}
- name: INBOX_REDIS_URL
  valueFrom:
    secretKeyRef: {name: {{ include "inbox.secret" $root }}, key: redis-url}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels of the pods whose metrics are scraped. */ -}}
{{- define "inbox.metricsSelector" -}}
{{ include "inbox.selector" . }}
inbox-gateway/metrics: "true"
{{- end }}

{{- define "inbox.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "inbox.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "inbox.spread" -}}
{{- range $key := .root.Values.topologyKeys }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "inbox.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end }}

{{- /* The parts of a pod that both Deployments share. */ -}}
{{- define "inbox.pod" -}}
serviceAccountName: {{ include "inbox.serviceAccount" .root }}
automountServiceAccountToken: false
# Variables of Services whose names begin with `inbox` would look like settings.
enableServiceLinks: false
securityContext:
  {{- include "inbox.podSecurity" 10001 | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
topologySpreadConstraints:
  {{- include "inbox.spread" . | nindent 2 }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: data
    emptyDir: {sizeLimit: 100Mi}
  - name: tmp
    emptyDir: {sizeLimit: 100Mi}
  {{- with .root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "inbox.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
