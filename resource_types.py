"""Type tokens, and the older names that other programs use for the same things."""

from __future__ import annotations

from collections.abc import Mapping

ACCESS_POINT = "aws:efs/accessPoint:AccessPoint"
ACCOUNT_PUBLIC_ACCESS_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
AWS_PROVIDER = "pulumi:providers:aws"
BACKUP_PLAN = "aws:backup/plan:Plan"
BACKUP_POLICY = "aws:efs/backupPolicy:BackupPolicy"
BACKUP_SELECTION = "aws:backup/selection:Selection"
BACKUP_VAULT = "aws:backup/vault:Vault"
BACKUP_VAULT_POLICY = "aws:backup/vaultPolicy:VaultPolicy"
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_ACL = "aws:s3/bucketAcl:BucketAcl"
BUCKET_ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:"
    "BucketServerSideEncryptionConfiguration"
)
BUCKET_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
BUCKET_LOGGING = "aws:s3/bucketLogging:BucketLogging"
BUCKET_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
BUCKET_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
CACHE_CLUSTER = "aws:elasticache/cluster:Cluster"
CERTIFICATE = "aws:acm/certificate:Certificate"
CERTIFICATE_VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
CLUSTER = "aws:ecs/cluster:Cluster"
CODE_DEPLOY_GROUP = "aws:codedeploy/deploymentGroup:DeploymentGroup"
DATABASE = "aws:rds/instance:Instance"
DATABASE_CLUSTER = "aws:rds/cluster:Cluster"
DATABASE_EVENTS = "aws:rds/eventSubscription:EventSubscription"
DATABASE_PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
DATABASE_SUBNETS = "aws:rds/subnetGroup:SubnetGroup"
DEFAULT_SECURITY_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
EC2_INSTANCE = "aws:ec2/instance:Instance"
ECS_ACCOUNT_SETTING = "aws:ecs/accountSettingDefault:AccountSettingDefault"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
EVENT_BUS_POLICY = "aws:cloudwatch/eventBusPolicy:EventBusPolicy"
FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
FILE_SYSTEM_POLICY = "aws:efs/fileSystemPolicy:FileSystemPolicy"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
FUNCTION = "aws:lambda/function:Function"
FUNCTION_PERMISSION = "aws:lambda/permission:Permission"
FUNCTION_POLICY = "aws:lambda/resourcePolicy:ResourcePolicy"
FUNCTION_URL = "aws:lambda/functionUrl:FunctionUrl"
GROUP_POLICY = "aws:iam/groupPolicy:GroupPolicy"
HTTP_API_STAGE = "aws:apigatewayv2/stage:Stage"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
INLINE_POLICY = "aws:iam/rolePolicy:RolePolicy"
INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
KEY = "aws:kms/key:Key"
KEY_POLICY = "aws:kms/keyPolicy:KeyPolicy"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
LISTENER = "aws:lb/listener:Listener"
LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LOG_DELIVERY = "aws:cloudwatch/logDelivery:LogDelivery"
LOG_DELIVERY_SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
LOG_RESOURCE_POLICY = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"
MANAGED_POLICY = "aws:iam/policy:Policy"
MOUNT_TARGET = "aws:efs/mountTarget:MountTarget"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
NETWORK_ACL = "aws:ec2/networkAcl:NetworkAcl"
NETWORK_ACL_RULE = "aws:ec2/networkAclRule:NetworkAclRule"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's name
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
REGISTRY_SCANNING = (
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration"
)
REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"
REST_API_STAGE = "aws:apigateway/stage:Stage"
ROLE = "aws:iam/role:Role"
ROLE_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ROUTE = "aws:ec2/route:Route"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE_TABLE_ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
RULE_GROUP = "aws:wafv2/ruleGroup:RuleGroup"
SCALABLE_TARGET = "aws:appautoscaling/target:Target"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type's name
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"  # noqa: S105 - same
SECRET_ROTATION = "aws:secretsmanager/secretRotation:SecretRotation"  # noqa: S105 - same
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"  # noqa: S105 - same
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SECURITY_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
SERVICE = "aws:ecs/service:Service"
SUBNET = "aws:ec2/subnet:Subnet"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
TASK_SET = "aws:ecs/taskSet:TaskSet"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
USER_POLICY = "aws:iam/userPolicy:UserPolicy"
VPC = "aws:ec2/vpc:Vpc"
VPC_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
WEB_ACL_ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
WEB_ACL_ASSOCIATION_CLASSIC = "aws:wafregional/webAclAssociation:WebAclAssociation"
WEB_ACL_LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
WEB_ACL_RULE = "aws:wafv2/webAclRule:WebAclRule"
WEB_ACL_RULE_GROUP = "aws:wafv2/webAclRuleGroupAssociation:WebAclRuleGroupAssociation"

_RAILWAY = "pulumi-python:dynamic/railway"

DATA: Mapping[str, frozenset[str]] = {
    "aws": frozenset(
        {
            BACKUP_VAULT,
            BUCKET,
            DATABASE,
            FILE_SYSTEM,
            KEY,
            REPOSITORY,
            SECRET,
        }
    ),
    "digitalocean": frozenset(
        {
            "digitalocean:index/databaseCluster:DatabaseCluster",
            "digitalocean:index/databaseDb:DatabaseDb",
            "digitalocean:index/databaseUser:DatabaseUser",
            "digitalocean:index/spacesBucket:SpacesBucket",
        }
    ),
    "docker": frozenset({"docker:index/volume:Volume"}),
    "railway": frozenset({f"{_RAILWAY}:Project", f"{_RAILWAY}:Volume"}),
}
"""Platform to the types whose replacement or deletion loses something."""

_DATA = frozenset[str]().union(*DATA.values())

_REMADE = "stromhaltig:docker:Files"
"""Component whose volumes hold what the program puts there, and nothing else."""

_LOAD_BALANCING = ("alb", "applicationloadbalancing", "elasticloadbalancingv2")
_LOAD_BALANCING_TYPES = (LISTENER, LISTENER_RULE, LOAD_BALANCER, TARGET_GROUP)

_OLDER: Mapping[str, str] = {
    **{
        f"aws:{module}/{type_.partition('/')[2]}": type_
        for module in _LOAD_BALANCING
        for type_ in _LOAD_BALANCING_TYPES
    },
    "aws:s3/bucketV2:BucketV2": BUCKET,
    "aws:s3/bucketAclV2:BucketAclV2": BUCKET_ACL,
    "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2": (
        BUCKET_LIFECYCLE
    ),
    "aws:s3/bucketLoggingV2:BucketLoggingV2": BUCKET_LOGGING,
    "aws:s3/bucketServerSideEncryptionConfigurationV2:"
    "BucketServerSideEncryptionConfigurationV2": BUCKET_ENCRYPTION,
    "aws:s3/bucketVersioningV2:BucketVersioningV2": BUCKET_VERSIONING,
}


def current(type_: str) -> str:
    """The name that a type has today; itself, where it never had another."""
    return _OLDER.get(type_, type_)


def holds_data(urn: str) -> bool:
    """Whether the replacement or deletion of a resource loses something."""
    *within, type_ = urn.split("::")[2].split("$")
    return current(type_) in _DATA and _REMADE not in within
