{{- define "location.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "location.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "location.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "location.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "location.selector" -}}
app.kubernetes.io/name: {{ include "location.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: code-location
{{- end -}}

{{- define "location.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "location.selector" . }}
{{- end -}}

{{- define "location.image" -}}
{{- $image := required "image.repository is needed: the image of the code location" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $image }}@{{ .Values.image.digest }}
{{- else -}}
{{ $image }}:{{ required "image.tag or image.digest is needed" .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "location.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "location.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where none is created" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "location.workerServiceAccount" -}}
{{- default (printf "%s-worker" (include "location.fullname" .)) .Values.workers.serviceAccount.name -}}
{{- end -}}

{{- define "location.claim" -}}
{{- default (printf "%s-data" (include "location.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}

{{/* What pods of runs get, in dagster-k8s's words: the run launcher reads it off the code location. */}}
{{- define "location.containerContext" -}}
k8s:
  namespace: {{ .Release.Namespace }}
  service_account_name: {{ include "location.serviceAccount" . }}
  image_pull_policy: {{ .Values.image.pullPolicy }}
  {{- with .Values.imagePullSecrets }}
  image_pull_secrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .Values.envSecrets }}
  env_secrets: {{ toJson . }}
  {{- end }}
  {{- with .Values.envConfigMaps }}
  env_config_maps: {{ toJson . }}
  {{- end }}
  resources: {{ toJson .Values.runResources }}
  labels:
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/component: run
  run_k8s_config:
    container_config:
      security_context: {{ include "location.containerSecurity" . | fromYaml | toJson }}
      volume_mounts: {{ include "location.mounts" . | fromYamlArray | toJson }}
      {{- with .Values.env }}
      env:
        {{- range $name, $value := . }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      {{- end }}
    pod_spec_config:
      security_context: {{ include "location.podSecurity" . | fromYaml | toJson }}
      volumes: {{ include "location.volumes" . | fromYamlArray | toJson }}
      {{- with .Values.runPodSpec }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.runAnnotations }}
    pod_template_spec_metadata:
      annotations: {{ toJson . }}
    {{- end }}
{{- end -}}

{{- define "location.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.uid }}
runAsGroup: {{ .Values.uid }}
fsGroup: {{ .Values.uid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "location.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "location.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.manifest.configMap }}
- name: manifest
  configMap: {name: {{ .Values.manifest.configMap }}}
{{- end }}
{{- if .Values.persistence.enabled }}
- name: data
  persistentVolumeClaim: {claimName: {{ include "location.claim" . }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "location.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.manifest.configMap }}
- {name: manifest, mountPath: {{ .Values.manifest.mountPath }}, subPath: manifest.json, readOnly: true}
{{- end }}
{{- if .Values.persistence.enabled }}
- {name: data, mountPath: {{ .Values.persistence.mountPath }}}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
