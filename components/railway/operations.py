"""What this program asks of Railway's API: each query and mutation, written out.

Types and sources are in `schema.graphql`, which a test holds every document against.
"""

from __future__ import annotations

from typing import Final

from components.railway.client import Operation

# Projects and environments

PROJECTS: Final = Operation(
    name="projects",
    repeatable=True,
    text="""
query projects($workspaceId: String, $after: String) {
  projects(workspaceId: $workspaceId, after: $after, first: 100) {
    edges { node {
      id name description deletedAt
      environments { edges { node { id name deletedAt } } }
    } }
    pageInfo { endCursor hasNextPage }
  }
}""",
)

PROJECT: Final = Operation(
    name="project",
    repeatable=True,
    text="""
query project($id: String!) {
  project(id: $id) {
    id name description deletedAt
    environments { edges { node { id name deletedAt } } }
  }
}""",
)

PROJECT_SERVICES: Final = Operation(
    name="project",
    repeatable=True,
    text="""
query project($id: String!) {
  project(id: $id) {
    services { edges { node { id name deletedAt } } }
  }
}""",
)

PROJECT_TOKEN: Final = Operation(
    name="projectToken",
    repeatable=True,
    text="query projectToken { projectToken { projectId environmentId } }",
)

PROJECT_CREATE: Final = Operation(
    name="projectCreate",
    text="""
mutation projectCreate($input: ProjectCreateInput!) {
  projectCreate(input: $input) {
    id name description
    environments { edges { node { id name deletedAt } } }
  }
}""",
)

PROJECT_UPDATE: Final = Operation(
    name="projectUpdate",
    repeatable=True,
    text="""
mutation projectUpdate($id: String!, $input: ProjectUpdateInput!) {
  projectUpdate(id: $id, input: $input) { id }
}""",
)

PROJECT_DELETE: Final = Operation(
    name="projectDelete",
    repeatable=True,
    text="mutation projectDelete($id: String!) { projectDelete(id: $id) }",
)

ENVIRONMENT_CREATE: Final = Operation(
    name="environmentCreate",
    text="""
mutation environmentCreate($input: EnvironmentCreateInput!) {
  environmentCreate(input: $input) { id name }
}""",
)

ENVIRONMENT_CONFIG: Final = Operation(
    name="environment",
    repeatable=True,
    text="""
query environment($id: String!, $projectId: String!) {
  environment(id: $id, projectId: $projectId) { config(decryptVariables: false) }
}""",
)

# Services

SERVICE: Final = Operation(
    name="service",
    repeatable=True,
    text="query service($id: String!) { service(id: $id) { id name deletedAt } }",
)

SERVICE_CREATE: Final = Operation(
    name="serviceCreate",
    text="""
mutation serviceCreate($input: ServiceCreateInput!) {
  serviceCreate(input: $input) { id name }
}""",
)

SERVICE_UPDATE: Final = Operation(
    name="serviceUpdate",
    repeatable=True,
    text="""
mutation serviceUpdate($id: String!, $input: ServiceUpdateInput!) {
  serviceUpdate(id: $id, input: $input) { id }
}""",
)

SERVICE_DELETE: Final = Operation(
    name="serviceDelete",
    repeatable=True,
    text="mutation serviceDelete($id: String!) { serviceDelete(id: $id) }",
)

INSTANCE: Final = Operation(
    name="serviceInstance",
    repeatable=True,
    text="""
query serviceInstance($serviceId: String!, $environmentId: String!) {
  serviceInstance(serviceId: $serviceId, environmentId: $environmentId) {
    deletedAt
    source { image repo }
    rootDirectory dockerfilePath watchPatterns
    startCommand preDeployCommand
    healthcheckPath healthcheckTimeout
    restartPolicyType restartPolicyMaxRetries
    numReplicas drainingSeconds overlapSeconds sleepApplication
  }
}""",
)

INSTANCE_UPDATE: Final = Operation(
    name="serviceInstanceUpdate",
    repeatable=True,
    text="""
mutation serviceInstanceUpdate(
  $serviceId: String!
  $environmentId: String!
  $input: ServiceInstanceUpdateInput!
) {
  serviceInstanceUpdate(
    serviceId: $serviceId
    environmentId: $environmentId
    input: $input
  )
}""",
)

TRIGGERS: Final = Operation(
    name="deploymentTriggers",
    repeatable=True,
    text="""
query deploymentTriggers(
  $projectId: String!
  $environmentId: String!
  $serviceId: String!
) {
  deploymentTriggers(
    projectId: $projectId
    environmentId: $environmentId
    serviceId: $serviceId
    first: 50
  ) {
    edges { node { id branch repository } }
  }
}""",
)

TRIGGER_CREATE: Final = Operation(
    name="deploymentTriggerCreate",
    text="""
mutation deploymentTriggerCreate($input: DeploymentTriggerCreateInput!) {
  deploymentTriggerCreate(input: $input) { id }
}""",
)

TRIGGER_UPDATE: Final = Operation(
    name="deploymentTriggerUpdate",
    repeatable=True,
    text="""
mutation deploymentTriggerUpdate($id: String!, $input: DeploymentTriggerUpdateInput!) {
  deploymentTriggerUpdate(id: $id, input: $input) { id }
}""",
)

TRIGGER_DELETE: Final = Operation(
    name="deploymentTriggerDelete",
    repeatable=True,
    text="""
mutation deploymentTriggerDelete($id: String!) {
  deploymentTriggerDelete(id: $id)
}""",
)

# Deployments

LATEST_DEPLOYMENT: Final = Operation(
    name="serviceInstance",
    repeatable=True,
    text="""
query serviceInstance($serviceId: String!, $environmentId: String!) {
  serviceInstance(serviceId: $serviceId, environmentId: $environmentId) {
    deletedAt
    latestDeployment { id status }
  }
}""",
)

DEPLOYMENT: Final = Operation(
    name="deployment",
    repeatable=True,
    text="query deployment($id: String!) { deployment(id: $id) { id status } }",
)

DEPLOY: Final = Operation(
    name="serviceInstanceDeployV2",
    text="""
mutation serviceInstanceDeployV2($serviceId: String!, $environmentId: String!) {
  serviceInstanceDeployV2(serviceId: $serviceId, environmentId: $environmentId)
}""",
)

DEPLOYMENTS: Final = Operation(
    name="deployments",
    repeatable=True,
    text="""
query deployments($environmentId: String!, $serviceId: String!) {
  deployments(
    input: { environmentId: $environmentId, serviceId: $serviceId }
    first: 10
  ) {
    edges { node { id status createdAt canRollback meta } }
  }
}""",
)

ROLLBACK: Final = Operation(
    name="deploymentRollback",
    text="mutation deploymentRollback($id: String!) { deploymentRollback(id: $id) }",
)

LOGS: Final = Operation(
    name="deploymentLogs",
    repeatable=True,
    text="""
query deploymentLogs($deploymentId: String!, $startDate: DateTime, $limit: Int) {
  deploymentLogs(deploymentId: $deploymentId, startDate: $startDate, limit: $limit) {
    timestamp message severity
  }
}""",
)

BUILD_LOGS: Final = Operation(
    name="buildLogs",
    repeatable=True,
    text="""
query buildLogs($deploymentId: String!, $limit: Int) {
  buildLogs(deploymentId: $deploymentId, limit: $limit) { timestamp message }
}""",
)

METRICS: Final = Operation(
    name="metrics",
    repeatable=True,
    text="""
query metrics($environmentId: String!, $serviceId: String!, $startDate: DateTime!) {
  metrics(
    environmentId: $environmentId
    serviceId: $serviceId
    startDate: $startDate
    measurements: [CPU_USAGE, CPU_LIMIT, MEMORY_USAGE_GB, MEMORY_LIMIT_GB]
    sampleRateSeconds: 60
  ) { measurement values { ts value } }
}""",
)

TCP_PROXIES: Final = Operation(
    name="tcpProxies",
    repeatable=True,
    text="""
query tcpProxies($environmentId: String!, $serviceId: String!) {
  tcpProxies(environmentId: $environmentId, serviceId: $serviceId) {
    domain proxyPort applicationPort deletedAt
  }
}""",
)

# Variables

VARIABLES: Final = Operation(
    name="variables",
    repeatable=True,
    text="""
query variables($projectId: String!, $environmentId: String!, $serviceId: String!) {
  variables(
    projectId: $projectId
    environmentId: $environmentId
    serviceId: $serviceId
    unrendered: true
  )
}""",
)

VARIABLES_SET: Final = Operation(
    name="variableCollectionUpsert",
    repeatable=True,
    text="""
mutation variableCollectionUpsert($input: VariableCollectionUpsertInput!) {
  variableCollectionUpsert(input: $input)
}""",
)

# Volumes

VOLUMES: Final = Operation(
    name="environment",
    repeatable=True,
    text="""
query environment($id: String!, $projectId: String!) {
  environment(id: $id, projectId: $projectId) {
    volumeInstances(first: 100) { edges { node {
      id volumeId serviceId mountPath state deletedAt isPendingDeletion
      currentSizeMB sizeMB
      volume { name }
    } } }
  }
}""",
)

VOLUME_CREATE: Final = Operation(
    name="volumeCreate",
    text="""
mutation volumeCreate($input: VolumeCreateInput!) {
  volumeCreate(input: $input) { id name }
}""",
)

VOLUME_UPDATE: Final = Operation(
    name="volumeUpdate",
    repeatable=True,
    text="""
mutation volumeUpdate($volumeId: String!, $input: VolumeUpdateInput!) {
  volumeUpdate(volumeId: $volumeId, input: $input) { id }
}""",
)

VOLUME_MOUNT: Final = Operation(
    name="volumeInstanceUpdate",
    repeatable=True,
    text="""
mutation volumeInstanceUpdate(
  $volumeId: String!
  $environmentId: String!
  $input: VolumeInstanceUpdateInput!
) {
  volumeInstanceUpdate(
    volumeId: $volumeId
    environmentId: $environmentId
    input: $input
  )
}""",
)

VOLUME_BACKUPS: Final = Operation(
    name="volumeInstanceBackupList",
    repeatable=True,
    text="""
query volumeInstanceBackupList($volumeInstanceId: String!) {
  volumeInstanceBackupList(volumeInstanceId: $volumeInstanceId) {
    id name createdAt usedMB
  }
}""",
)

VOLUME_BACK_UP: Final = Operation(
    name="volumeInstanceBackupCreate",
    text="""
mutation volumeInstanceBackupCreate($volumeInstanceId: String!, $name: String) {
  volumeInstanceBackupCreate(volumeInstanceId: $volumeInstanceId, name: $name) {
    workflowId
  }
}""",
)

VOLUME_DELETE: Final = Operation(
    name="volumeDelete",
    repeatable=True,
    text="""
mutation volumeDelete($volumeId: String!) {
  volumeDelete(volumeId: $volumeId)
}""",
)

# Domains

DOMAINS: Final = Operation(
    name="domains",
    repeatable=True,
    text="""
query domains($projectId: String!, $environmentId: String!, $serviceId: String!) {
  domains(
    projectId: $projectId
    environmentId: $environmentId
    serviceId: $serviceId
  ) {
    serviceDomains { id domain targetPort deletedAt }
    customDomains {
      id domain targetPort deletedAt
      status {
        dnsRecords { fqdn recordType requiredValue }
        verificationDnsHost verificationToken
      }
    }
  }
}""",
)

CUSTOM_DOMAIN_CREATE: Final = Operation(
    name="customDomainCreate",
    text="""
mutation customDomainCreate($input: CustomDomainCreateInput!) {
  customDomainCreate(input: $input) { id }
}""",
)

CUSTOM_DOMAIN_UPDATE: Final = Operation(
    name="customDomainUpdate",
    repeatable=True,
    text="""
mutation customDomainUpdate($id: String!, $environmentId: String!, $targetPort: Int) {
  customDomainUpdate(id: $id, environmentId: $environmentId, targetPort: $targetPort)
}""",
)

CUSTOM_DOMAIN_DELETE: Final = Operation(
    name="customDomainDelete",
    repeatable=True,
    text="mutation customDomainDelete($id: String!) { customDomainDelete(id: $id) }",
)

SERVICE_DOMAIN_CREATE: Final = Operation(
    name="serviceDomainCreate",
    text="""
mutation serviceDomainCreate($input: ServiceDomainCreateInput!) {
  serviceDomainCreate(input: $input) { id }
}""",
)

SERVICE_DOMAIN_UPDATE: Final = Operation(
    name="serviceDomainUpdate",
    repeatable=True,
    text="""
mutation serviceDomainUpdate($input: ServiceDomainUpdateInput!) {
  serviceDomainUpdate(input: $input)
}""",
)

SERVICE_DOMAIN_DELETE: Final = Operation(
    name="serviceDomainDelete",
    repeatable=True,
    text="mutation serviceDomainDelete($id: String!) { serviceDomainDelete(id: $id) }",
)
