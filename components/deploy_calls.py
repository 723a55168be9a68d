"""What Pulumi's AWS provider calls for each type that a stack is made of.

Per type, the calls that create, change, tag and delete it. How a call is bound to the
stack depends on what AWS knows of the thing when it is called:

- named: its ARN begins with the stack's name;
- creates: it gets an id of its own, and must be given the stack's tags;
- tags: it is tagged while it is made;
- claims: AWS made it along with something else, and it has no tags yet;
- changes: it has the stack's tags;
- unbound: AWS knows no resource for the call, or nothing of the resource that tells
  whose it is. Only its region is checked.

A call that makes one thing inside another stands in `creates` and in `changes`: the new
thing must be given the tags, and the one around it must have them. Names of actions are
those of the service authorization reference, which are not always those of the API.
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

BOUND = ("named", "creates", "tags", "claims", "changes", "unbound")
"""The ways in which a call is bound to the stack."""


class Calls(NamedTuple):
    """What is called in one service for one type: IAM actions without the service."""

    service: str
    named: str = ""
    creates: str = ""
    tags: str = ""
    claims: str = ""
    changes: str = ""
    unbound: str = ""

    def actions(self, bound: str) -> list[str]:
        """Whole names of those that are bound in this way."""
        return [f"{self.service}:{call}" for call in getattr(self, bound).split()]


_BUCKET_ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:"
    "BucketServerSideEncryptionConfiguration"
)

_KEY_USE = Calls(
    "kms",
    changes=(
        "CreateGrant Decrypt DescribeKey GenerateDataKey "
        "GenerateDataKeyWithoutPlaintext RetireGrant"
    ),
)
"""What services do with the stack's key in the name of whoever calls them."""

TABLE: Mapping[str, Sequence[Calls]] = {
    "aws:acm/certificate:Certificate": (
        Calls(
            "acm",
            creates="RequestCertificate",
            tags="AddTagsToCertificate",
            changes=(
                "AddTagsToCertificate DeleteCertificate RemoveTagsFromCertificate "
                "UpdateCertificateOptions"
            ),
        ),
    ),
    # It only waits.
    "aws:acm/certificateValidation:CertificateValidation": (),
    "aws:appautoscaling/policy:Policy": (
        Calls(
            "application-autoscaling",
            unbound="DeleteScalingPolicy PutScalingPolicy",
        ),
        Calls(
            "cloudwatch",
            named="DeleteAlarms PutMetricAlarm",
        ),
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        Calls(
            "application-autoscaling",
            unbound="DeleteScheduledAction PutScheduledAction",
        ),
    ),
    "aws:appautoscaling/target:Target": (
        Calls(
            "application-autoscaling",
            unbound=(
                "DeregisterScalableTarget RegisterScalableTarget TagResource "
                "UntagResource"
            ),
        ),
    ),
    "aws:backup/plan:Plan": (
        Calls(
            "backup",
            creates="CreateBackupPlan",
            tags="TagResource",
            changes="DeleteBackupPlan TagResource UntagResource UpdateBackupPlan",
        ),
    ),
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": (
        Calls(
            "backup",
            named=(
                "CreateRestoreTestingPlan DeleteRestoreTestingPlan TagResource "
                "UntagResource UpdateRestoreTestingPlan"
            ),
        ),
    ),
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": (
        Calls(
            "backup",
            named=(
                "CreateRestoreTestingSelection DeleteRestoreTestingSelection "
                "UpdateRestoreTestingSelection"
            ),
        ),
    ),
    "aws:backup/selection:Selection": (
        Calls(
            "backup",
            changes="CreateBackupSelection DeleteBackupSelection",
        ),
    ),
    "aws:backup/vault:Vault": (
        Calls(
            "backup",
            named=("CreateBackupVault DeleteBackupVault TagResource UntagResource"),
        ),
        Calls(
            "backup-storage",
            unbound="MountCapsule",
        ),
        _KEY_USE,
    ),
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": (
        Calls(
            "backup",
            named="DeleteBackupVaultLockConfiguration PutBackupVaultLockConfiguration",
        ),
    ),
    "aws:budgets/budget:Budget": (
        Calls(
            "budgets",
            named="ModifyBudget TagResource UntagResource",
        ),
    ),
    "aws:cloudfront/distribution:Distribution": (
        Calls(
            "cloudfront",
            creates="CreateDistribution",
            tags="TagResource",
            changes=(
                "AllowVendedLogDeliveryForResource CreateInvalidation "
                "DeleteDistribution TagResource UntagResource UpdateDistribution"
            ),
        ),
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        Calls(
            "cloudfront",
            unbound=(
                "CreateResponseHeadersPolicy DeleteResponseHeadersPolicy "
                "UpdateResponseHeadersPolicy"
            ),
        ),
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": (
        Calls(
            "cloudwatch",
            named="DeleteAlarms PutCompositeAlarm TagResource UntagResource",
        ),
    ),
    "aws:cloudwatch/dashboard:Dashboard": (
        Calls(
            "cloudwatch",
            named="DeleteDashboards PutDashboard",
        ),
    ),
    "aws:cloudwatch/eventRule:EventRule": (
        Calls(
            "events",
            named="DeleteRule DisableRule EnableRule PutRule TagResource UntagResource",
        ),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": (
        Calls(
            "events",
            named="PutTargets RemoveTargets",
        ),
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": (
        Calls(
            "logs",
            named="CreateDelivery",
            tags="TagResource",
            changes=(
                "CreateDelivery DeleteDelivery TagResource UntagResource "
                "UpdateDeliveryConfiguration"
            ),
        ),
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": (
        Calls(
            "logs",
            named=(
                "DeleteDeliveryDestination PutDeliveryDestination TagResource "
                "UntagResource"
            ),
        ),
    ),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": (
        Calls(
            "logs",
            named="DeleteDeliverySource PutDeliverySource TagResource UntagResource",
        ),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        Calls(
            "logs",
            named=(
                "AssociateKmsKey CreateLogGroup DeleteLogGroup "
                "DeleteRetentionPolicy DisassociateKmsKey PutRetentionPolicy "
                "TagResource UntagResource"
            ),
        ),
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": (
        Calls(
            "logs",
            named="DeleteMetricFilter PutMetricFilter",
        ),
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": (
        Calls(
            "logs",
            unbound="DeleteResourcePolicy PutResourcePolicy",
        ),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        Calls(
            "cloudwatch",
            named=(
                "DeleteAlarms DisableAlarmActions EnableAlarmActions PutMetricAlarm "
                "TagResource UntagResource"
            ),
        ),
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (
        Calls(
            "ec2",
            claims="CreateTags",
            changes=(
                "RevokeSecurityGroupEgress RevokeSecurityGroupIngress CreateTags "
                "DeleteTags"
            ),
        ),
    ),
    "aws:ec2/eip:Eip": (
        Calls(
            "ec2",
            creates="AllocateAddress",
            tags="CreateTags",
            changes=(
                "AssociateAddress DisassociateAddress ReleaseAddress CreateTags "
                "DeleteTags"
            ),
        ),
    ),
    "aws:ec2/flowLog:FlowLog": (
        Calls(
            "ec2",
            creates="CreateFlowLogs",
            tags="CreateTags",
            changes="CreateFlowLogs DeleteFlowLogs CreateTags DeleteTags",
        ),
    ),
    "aws:ec2/instance:Instance": (
        Calls(
            "ec2",
            # Its image is Amazon's, its volume and its interface have no tags.
            named="RunInstances",
            creates="RunInstances",
            tags="CreateTags",
            changes=(
                "RunInstances ModifyInstanceAttribute "
                "ModifyInstanceCreditSpecification ModifyInstanceMetadataOptions "
                "MonitorInstances StartInstances StopInstances TerminateInstances "
                "UnmonitorInstances CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        Calls(
            "ec2",
            creates="CreateInternetGateway",
            tags="CreateTags",
            changes=(
                "AttachInternetGateway DeleteInternetGateway DetachInternetGateway "
                "CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:ec2/natGateway:NatGateway": (
        Calls(
            "ec2",
            creates="CreateNatGateway",
            tags="CreateTags",
            changes="CreateNatGateway DeleteNatGateway CreateTags DeleteTags",
        ),
    ),
    "aws:ec2/route:Route": (
        Calls(
            "ec2",
            changes="CreateRoute DeleteRoute ReplaceRoute",
        ),
    ),
    "aws:ec2/routeTable:RouteTable": (
        Calls(
            "ec2",
            creates="CreateRouteTable",
            tags="CreateTags",
            changes="CreateRouteTable DeleteRouteTable CreateTags DeleteTags",
        ),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        Calls(
            "ec2",
            changes=(
                "AssociateRouteTable DisassociateRouteTable "
                "ReplaceRouteTableAssociation"
            ),
        ),
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        Calls(
            "ec2",
            creates="CreateSecurityGroup",
            tags="CreateTags",
            changes=(
                "CreateSecurityGroup DeleteSecurityGroup RevokeSecurityGroupEgress "
                "RevokeSecurityGroupIngress CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:ec2/subnet:Subnet": (
        Calls(
            "ec2",
            creates="CreateSubnet",
            tags="CreateTags",
            changes=(
                "CreateSubnet DeleteSubnet ModifySubnetAttribute CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:ec2/vpc:Vpc": (
        Calls(
            "ec2",
            creates="CreateVpc",
            tags="CreateTags",
            changes="DeleteVpc ModifyVpcAttribute CreateTags DeleteTags",
        ),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        Calls(
            "ec2",
            creates="CreateVpcEndpoint",
            tags="CreateTags",
            changes=(
                "CreateVpcEndpoint DeleteVpcEndpoints ModifyVpcEndpoint CreateTags "
                "DeleteTags"
            ),
        ),
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": (
        Calls(
            "ecr",
            named="DeleteLifecyclePolicy PutLifecyclePolicy",
        ),
    ),
    "aws:ecr/repository:Repository": (
        Calls(
            "ecr",
            named=(
                "BatchDeleteImage CreateRepository DeleteRepository "
                "PutImageScanningConfiguration PutImageTagMutability TagResource "
                "UntagResource"
            ),
        ),
        _KEY_USE,
    ),
    "aws:ecs/cluster:Cluster": (
        Calls(
            "ecs",
            named=(
                "CreateCluster DeleteCluster UpdateCluster UpdateClusterSettings "
                "TagResource UntagResource"
            ),
        ),
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": (
        Calls(
            "ecs",
            named="PutClusterCapacityProviders",
        ),
    ),
    "aws:ecs/service:Service": (
        Calls(
            "ecs",
            named="CreateService DeleteService UpdateService TagResource UntagResource",
        ),
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        Calls(
            "ecs",
            named="RegisterTaskDefinition TagResource UntagResource",
            unbound="DeregisterTaskDefinition",
        ),
    ),
    "aws:efs/accessPoint:AccessPoint": (
        Calls(
            "elasticfilesystem",
            creates="CreateAccessPoint",
            tags="TagResource",
            changes="CreateAccessPoint DeleteAccessPoint TagResource UntagResource",
        ),
    ),
    "aws:efs/backupPolicy:BackupPolicy": (
        Calls(
            "elasticfilesystem",
            changes="PutBackupPolicy",
        ),
    ),
    "aws:efs/fileSystem:FileSystem": (
        Calls(
            "elasticfilesystem",
            creates="CreateFileSystem",
            tags="TagResource",
            changes=(
                "DeleteFileSystem PutLifecycleConfiguration TagResource "
                "UntagResource UpdateFileSystem UpdateFileSystemProtection"
            ),
        ),
        _KEY_USE,
    ),
    "aws:efs/fileSystemPolicy:FileSystemPolicy": (
        Calls(
            "elasticfilesystem",
            changes="DeleteFileSystemPolicy PutFileSystemPolicy",
        ),
    ),
    "aws:efs/mountTarget:MountTarget": (
        Calls(
            "elasticfilesystem",
            changes=(
                "CreateMountTarget DeleteMountTarget ModifyMountTargetSecurityGroups"
            ),
        ),
        # The interface itself has no tags.
        Calls(
            "ec2",
            named="CreateNetworkInterface DeleteNetworkInterface",
            changes="CreateNetworkInterface",
        ),
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": (
        Calls(
            "elasticache",
            named=(
                "CreateCacheParameterGroup DeleteCacheParameterGroup "
                "ModifyCacheParameterGroup ResetCacheParameterGroup "
                "AddTagsToResource RemoveTagsFromResource"
            ),
        ),
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": (
        Calls(
            "elasticache",
            named=(
                "CreateReplicationGroup CreateSnapshot DecreaseReplicaCount "
                "DeleteReplicationGroup IncreaseReplicaCount ModifyReplicationGroup "
                "AddTagsToResource RemoveTagsFromResource"
            ),
        ),
        # For logs, as the firewall's.
        Calls(
            "logs",
            unbound=(
                "CreateLogDelivery DeleteLogDelivery PutResourcePolicy "
                "UpdateLogDelivery"
            ),
        ),
        _KEY_USE,
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": (
        Calls(
            "elasticache",
            named=(
                "CreateCacheSubnetGroup DeleteCacheSubnetGroup "
                "ModifyCacheSubnetGroup AddTagsToResource RemoveTagsFromResource"
            ),
        ),
    ),
    "aws:iam/role:Role": (
        Calls(
            "iam",
            named=(
                "CreateRole DeleteRole PassRole PutRolePermissionsBoundary TagRole "
                "UntagRole UpdateAssumeRolePolicy UpdateRole"
            ),
        ),
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        Calls("iam", named="DeleteRolePolicy PutRolePolicy"),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        Calls("iam", named="AttachRolePolicy DetachRolePolicy"),
    ),
    "aws:kms/alias:Alias": (
        Calls(
            "kms",
            named="CreateAlias DeleteAlias UpdateAlias",
            changes="CreateAlias DeleteAlias UpdateAlias",
        ),
    ),
    "aws:kms/key:Key": (
        Calls(
            "kms",
            creates="CreateKey",
            tags="TagResource",
            changes=(
                "DescribeKey DisableKeyRotation EnableKeyRotation PutKeyPolicy "
                "ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription"
            ),
        ),
    ),
    "aws:lambda/function:Function": (
        Calls(
            "lambda",
            named=(
                "CreateFunction DeleteFunction PutFunctionConcurrency TagResource "
                "UntagResource UpdateFunctionCode UpdateFunctionConfiguration"
            ),
        ),
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        Calls(
            "lambda",
            named=(
                "DeleteFunctionEventInvokeConfig PutFunctionEventInvokeConfig "
                "UpdateFunctionEventInvokeConfig"
            ),
        ),
    ),
    "aws:lambda/invocation:Invocation": (
        Calls(
            "lambda",
            named="InvokeFunction",
        ),
    ),
    "aws:lambda/permission:Permission": (
        Calls(
            "lambda",
            named="AddPermission RemovePermission",
        ),
    ),
    "aws:lb/listener:Listener": (
        Calls(
            "elasticloadbalancing",
            creates="CreateListener",
            tags="AddTags",
            changes=(
                "AddTags CreateListener DeleteListener ModifyListener "
                "ModifyListenerAttributes RemoveTags"
            ),
        ),
    ),
    "aws:lb/listenerCertificate:ListenerCertificate": (
        Calls(
            "elasticloadbalancing",
            changes="AddListenerCertificates RemoveListenerCertificates",
        ),
    ),
    "aws:lb/listenerRule:ListenerRule": (
        Calls(
            "elasticloadbalancing",
            creates="CreateRule",
            tags="AddTags",
            changes=(
                "AddTags CreateRule DeleteRule ModifyRule RemoveTags SetRulePriorities"
            ),
        ),
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        Calls(
            "elasticloadbalancing",
            creates="CreateLoadBalancer",
            tags="AddTags",
            changes=(
                "AddTags DeleteLoadBalancer ModifyLoadBalancerAttributes RemoveTags "
                "SetSecurityGroups SetSubnets"
            ),
        ),
    ),
    "aws:lb/targetGroup:TargetGroup": (
        Calls(
            "elasticloadbalancing",
            creates="CreateTargetGroup",
            tags="AddTags",
            changes=(
                "AddTags DeleteTargetGroup ModifyTargetGroup "
                "ModifyTargetGroupAttributes RemoveTags"
            ),
        ),
    ),
    "aws:rds/eventSubscription:EventSubscription": (
        Calls(
            "rds",
            named=(
                "CreateEventSubscription DeleteEventSubscription "
                "ModifyEventSubscription AddTagsToResource RemoveTagsFromResource"
            ),
        ),
    ),
    "aws:rds/instance:Instance": (
        Calls(
            "rds",
            named=(
                "CreateDBInstance CreateDBSnapshot DeleteDBInstance "
                "ModifyDBInstance RebootDBInstance AddTagsToResource "
                "RemoveTagsFromResource"
            ),
        ),
        _KEY_USE,
    ),
    "aws:rds/parameterGroup:ParameterGroup": (
        Calls(
            "rds",
            named=(
                "CreateDBParameterGroup DeleteDBParameterGroup "
                "ModifyDBParameterGroup ResetDBParameterGroup AddTagsToResource "
                "RemoveTagsFromResource"
            ),
        ),
    ),
    "aws:rds/subnetGroup:SubnetGroup": (
        Calls(
            "rds",
            named=(
                "CreateDBSubnetGroup DeleteDBSubnetGroup ModifyDBSubnetGroup "
                "AddTagsToResource RemoveTagsFromResource"
            ),
        ),
    ),
    "aws:route53/healthCheck:HealthCheck": (
        Calls(
            "route53",
            unbound=(
                "ChangeTagsForResource CreateHealthCheck DeleteHealthCheck "
                "UpdateHealthCheck"
            ),
        ),
    ),
    "aws:route53/record:Record": (
        Calls(
            "route53",
            named="ChangeResourceRecordSets",
        ),
    ),
    "aws:s3/bucket:Bucket": (
        Calls(
            "s3",
            named=(
                "CreateBucket DeleteBucket DeleteObject DeleteObjectVersion "
                "ListBucketVersions PutBucketTagging"
            ),
        ),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        Calls(
            "s3",
            named="PutLifecycleConfiguration",
        ),
    ),
    "aws:s3/bucketLogging:BucketLogging": (
        Calls(
            "s3",
            named="PutBucketLogging",
        ),
    ),
    "aws:s3/bucketNotification:BucketNotification": (
        Calls(
            "s3",
            named="PutBucketNotification",
        ),
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": (
        Calls(
            "s3",
            named="PutBucketOwnershipControls",
        ),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": (
        Calls(
            "s3",
            named="DeleteBucketPolicy PutBucketPolicy",
        ),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        Calls(
            "s3",
            named="PutBucketPublicAccessBlock",
        ),
    ),
    _BUCKET_ENCRYPTION: (
        Calls(
            "s3",
            named="PutEncryptionConfiguration",
        ),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (
        Calls(
            "s3",
            named="PutBucketVersioning",
        ),
    ),
    "aws:scheduler/schedule:Schedule": (
        Calls(
            "scheduler",
            named="CreateSchedule DeleteSchedule UpdateSchedule",
        ),
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": (
        Calls(
            "scheduler",
            named="CreateScheduleGroup DeleteScheduleGroup TagResource UntagResource",
        ),
    ),
    "aws:secretsmanager/secret:Secret": (
        Calls(
            "secretsmanager",
            named=(
                "CreateSecret DeleteSecret RestoreSecret TagResource UntagResource "
                "UpdateSecret"
            ),
        ),
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": (
        Calls(
            "secretsmanager",
            named="DeleteResourcePolicy PutResourcePolicy ValidateResourcePolicy",
        ),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": (
        Calls(
            "secretsmanager",
            named="GetSecretValue PutSecretValue UpdateSecretVersionStage",
        ),
        _KEY_USE,
    ),
    "aws:sns/topic:Topic": (
        Calls(
            "sns",
            named=(
                "CreateTopic DeleteTopic SetTopicAttributes TagResource UntagResource"
            ),
        ),
        _KEY_USE,
    ),
    "aws:sns/topicPolicy:TopicPolicy": (
        Calls(
            "sns",
            named="SetTopicAttributes",
        ),
    ),
    "aws:sns/topicSubscription:TopicSubscription": (
        Calls(
            "sns",
            named="Subscribe",
            # AWS knows no resource for a subscription.
            unbound="SetSubscriptionAttributes Unsubscribe",
        ),
    ),
    "aws:sqs/queue:Queue": (
        Calls(
            "sqs",
            named="CreateQueue DeleteQueue SetQueueAttributes TagQueue UntagQueue",
        ),
    ),
    "aws:sqs/queuePolicy:QueuePolicy": (
        Calls(
            "sqs",
            named="SetQueueAttributes",
        ),
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": (
        Calls(
            "sqs",
            named="SetQueueAttributes",
        ),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        Calls(
            "ec2",
            creates="AuthorizeSecurityGroupEgress",
            tags="CreateTags",
            changes=(
                "AuthorizeSecurityGroupEgress ModifySecurityGroupRules "
                "RevokeSecurityGroupEgress CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        Calls(
            "ec2",
            creates="AuthorizeSecurityGroupIngress",
            tags="CreateTags",
            changes=(
                "AuthorizeSecurityGroupIngress ModifySecurityGroupRules "
                "RevokeSecurityGroupIngress CreateTags DeleteTags"
            ),
        ),
    ),
    "aws:wafv2/webAcl:WebAcl": (
        Calls(
            "wafv2",
            named="CreateWebACL DeleteWebACL TagResource UntagResource UpdateWebACL",
        ),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": (
        Calls(
            "wafv2",
            named="AssociateWebACL DisassociateWebACL",
        ),
        Calls(
            "elasticloadbalancing",
            changes="SetWebACL",
        ),
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": (
        Calls(
            "wafv2",
            named="DeleteLoggingConfiguration PutLoggingConfiguration",
        ),
        Calls(
            "logs",
            unbound="CreateLogDelivery DeleteLogDelivery PutResourcePolicy "
            "UpdateLogDelivery",
        ),
    ),
    "docker-build:index:Image": (
        Calls(
            "ecr",
            named=(
                "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload "
                "GetDownloadUrlForLayer InitiateLayerUpload PutImage "
                "UploadLayerPart"
            ),
            unbound="GetAuthorizationToken",
        ),
    ),
}
"""Type to its calls, without those that only read."""
