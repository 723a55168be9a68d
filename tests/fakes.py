"""What AWS would have answered: identifiers, ARNs and endpoints of the right form.

Only what programs read is here; a property that is missing resolves to None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime import rpc

ACCOUNT = "123456789012"
REGION = "eu-central-1"
REGISTRY_PASSWORD = "the-token-of-the-registry"

Answer = Callable[[dict[str, Any]], dict[str, Any]]

_RAILWAY = "pulumi-python:dynamic/railway:"
# What ids of our own providers for Railway are made of.
_RAILWAY_IDS = ("project_id", "environment_id", "volume_id", "service_id")

_EC2_PREFIXES: Mapping[str, str] = {
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/internetGateway:InternetGateway": "igw",
    "aws:ec2/routeTable:RouteTable": "rtb",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "rtbassoc",
    "aws:ec2/eip:Eip": "eipalloc",
    "aws:ec2/natGateway:NatGateway": "nat",
    "aws:ec2/instance:Instance": "i",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "sg",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpce",
    "aws:ec2/flowLog:FlowLog": "fl",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "sgr",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "sgr",
}

# Input that carries the physical name, where it is not called `name`.
_NAME_INPUTS: Mapping[str, str] = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:rds/instance:Instance": "identifier",
    "aws:elasticache/replicationGroup:ReplicationGroup": "replicationGroupId",
    "aws:ecs/taskDefinition:TaskDefinition": "family",
}

_ARNS: Mapping[str, str] = {
    "aws:acm/certificate:Certificate": (
        "arn:aws:acm:{region}:{account}:certificate/{uuid}"
    ),
    "aws:cloudfront/distribution:Distribution": (
        "arn:aws:cloudfront::{account}:distribution/{name}"
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        "arn:aws:logs:{region}:{account}:log-group:{name}"
    ),
    "aws:ecr/repository:Repository": "arn:aws:ecr:{region}:{account}:repository/{name}",
    "aws:ecs/cluster:Cluster": "arn:aws:ecs:{region}:{account}:cluster/{name}",
    "aws:ecs/service:Service": "arn:aws:ecs:{region}:{account}:service/{name}",
    "aws:ecs/taskDefinition:TaskDefinition": (
        "arn:aws:ecs:{region}:{account}:task-definition/{name}:1"
    ),
    "aws:efs/accessPoint:AccessPoint": (
        "arn:aws:elasticfilesystem:{region}:{account}:access-point/fsap-0{hex16}"
    ),
    "aws:efs/fileSystem:FileSystem": (
        "arn:aws:elasticfilesystem:{region}:{account}:file-system/fs-0{hex16}"
    ),
    "aws:iam/role:Role": "arn:aws:iam::{account}:role/{name}",
    "aws:iam/instanceProfile:InstanceProfile": (
        "arn:aws:iam::{account}:instance-profile/{name}"
    ),
    "aws:kms/key:Key": "arn:aws:kms:{region}:{account}:key/{uuid}",
    "aws:kms/alias:Alias": "arn:aws:kms:{region}:{account}:{name}",
    "aws:lb/loadBalancer:LoadBalancer": (
        "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex16}"
    ),
    "aws:lb/targetGroup:TargetGroup": (
        "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex16}"
    ),
    "aws:lb/listener:Listener": (
        "arn:aws:elasticloadbalancing:{region}:{account}:listener/app/{name}/{hex16}"
    ),
    "aws:lb/listenerRule:ListenerRule": (
        "arn:aws:elasticloadbalancing:{region}:{account}:listener-rule/app/{name}/"
        "{hex16}/{hex16}/{hex16}"
    ),
    "aws:rds/instance:Instance": "arn:aws:rds:{region}:{account}:db:{name}",
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
    "aws:scheduler/scheduleGroup:ScheduleGroup": (
        "arn:aws:scheduler:{region}:{account}:schedule-group/{name}"
    ),
    "aws:secretsmanager/secret:Secret": (
        "arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf"
    ),
}

# Types whose ID is their ARN.
_ARN_IDS = frozenset(
    {
        "aws:acm/certificate:Certificate",
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:ecs/cluster:Cluster",
        "aws:ecs/service:Service",
        "aws:lb/listener:Listener",
        "aws:lb/listenerRule:ListenerRule",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:secretsmanager/secret:Secret",
    }
)


# Types whose ID is a UUID.
_UUIDS = frozenset(
    {
        "digitalocean:index/app:App",
        "digitalocean:index/databaseCluster:DatabaseCluster",
        "digitalocean:index/project:Project",
        "digitalocean:index/uptimeCheck:UptimeCheck",
        "digitalocean:index/volume:Volume",
        "digitalocean:index/vpc:Vpc",
    }
)

# Types whose ID is the last part of their ARN.
_LAST_PART_IDS = frozenset(
    {"aws:efs/accessPoint:AccessPoint", "aws:efs/fileSystem:FileSystem"}
)


@dataclass(frozen=True)
class Created:
    """A resource that was just created, as its computed outputs see it.

    name: physical name. digest: 64 hexadecimal digits, stable, for made-up parts.
    """

    id: str
    name: str
    arn: str
    digest: str
    inputs: Mapping[str, Any]


def created(
    type_: str, name: str, inputs: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """ID and computed outputs of a resource with this type and logical name."""
    digest = hashlib.sha256(f"{type_} {name}".encode()).hexdigest()
    physical = inputs.get(_NAME_INPUTS.get(type_, "name")) or f"{name}-{digest[:7]}"
    uuid = _uuid(digest)
    arn = _ARNS.get(type_, "arn:aws:{service}:{region}:{account}:{name}").format(
        service=type_.split(":")[1].split("/")[0],
        region=REGION,
        account=ACCOUNT,
        name=physical,
        uuid=uuid,
        hex16=digest[:16],
    )
    if type_ in _EC2_PREFIXES:
        id_ = f"{_EC2_PREFIXES[type_]}-0{digest[:16]}"
    elif type_ == "aws:kms/key:Key" or type_ in _UUIDS:
        id_ = uuid
    elif type_ == "digitalocean:index/droplet:Droplet":
        id_ = str(int(digest[:7], 16))
    elif type_ in _LAST_PART_IDS:
        id_ = arn.rpartition("/")[-1]
    else:
        id_ = arn if type_ in _ARN_IDS else physical
    outputs: dict[str, Any] = {"arn": arn, "name": physical}
    if type_ in _COMPUTED:
        outputs |= _COMPUTED[type_](Created(id_, physical, arn, digest, inputs))
    if type_.startswith(_RAILWAY):
        known = {**inputs, **outputs}
        id_ = "/".join(str(known[key]) for key in _RAILWAY_IDS if key in known)
    return id_, outputs


def _uuid(digest: str) -> str:
    return (
        f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    )


def _certificate(new: Created) -> dict[str, Any]:
    domains = [new.inputs["domainName"], *new.inputs.get("subjectAlternativeNames", [])]
    return {
        "domainValidationOptions": [
            {
                "domainName": domain,
                "resourceRecordName": f"_{new.digest[:32]}.{domain}.",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_{new.digest[32:]}.acm-validations.aws.",
            }
            for domain in domains
        ]
    }


def _database(new: Created) -> dict[str, Any]:
    port = new.inputs.get("port", 5432)
    address = f"{new.name}.c{new.digest[:10]}.{REGION}.rds.amazonaws.com"
    return {
        "identifier": new.name,
        "address": address,
        "endpoint": f"{address}:{port}",
        "port": port,
        "resourceId": f"db-{new.digest[:26].upper()}",
        "engineVersionActual": "15.13",
    }


def _cache(new: Created) -> dict[str, Any]:
    return {
        "memberClusters": [
            f"{new.name}-{number:03}"
            for number in range(1, new.inputs["numCacheClusters"] + 1)
        ],
        "primaryEndpointAddress": (
            f"master.{new.name}.{new.digest[:6]}.euc1.cache.amazonaws.com"
        ),
    }


def _password(new: Created) -> dict[str, Any]:
    length = new.inputs["length"]
    return {"result": (new.digest * (length // len(new.digest) + 1))[:length]}


def _random_id(new: Created) -> dict[str, Any]:
    # Others for other keepers.
    seed = f"{new.digest} {sorted((new.inputs.get('keepers') or {}).items())}"
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return {"hex": digest[: 2 * new.inputs["byteLength"]]}


def _pem(label: str, content: str) -> str:
    return f"-----BEGIN {label}-----\n{content}\n-----END {label}-----\n"


def _container(new: Created) -> dict[str, Any]:
    ended = {"exitCode": 0, "containerLogs": ""} if new.inputs.get("attach") else {}
    return {"name": new.name, **ended}


def _cluster(new: Created) -> dict[str, Any]:
    host = f"{new.name}-do-user-1-0.{new.digest[0]}.db.ondigitalocean.com"
    return {
        "clusterUrn": f"do:dbaas:{new.id}",
        "host": host,
        "privateHost": f"private-{host}",
        "port": 25060,
        "user": "doadmin" if new.inputs["engine"] == "pg" else "default",
        "password": f"AVNS_{new.digest[:19]}",
    }


def _domain(new: Created) -> dict[str, Any]:
    """A domain of Railway, with what its owner enters where it is managed."""
    host = f"{new.digest[:8]}.up.railway.app"
    name = new.inputs.get("domain_name")
    record = {"type": "CNAME", "name": name, "value": host}
    proof = {"type": "TXT", "name": f"_railway.{name}", "value": new.digest[:32]}
    records = [record, proof] if name else []
    return {"domain": name or host, "dns_records": records}


def _revision(new: Created) -> str:
    """Another one for each other set of inputs."""
    return hashlib.sha256(repr(sorted(new.inputs.items())).encode()).hexdigest()[:16]


_COMPUTED: Mapping[str, Callable[[Created], dict[str, Any]]] = {
    "aws:acm/certificate:Certificate": _certificate,
    "aws:cloudfront/distribution:Distribution": lambda new: {
        "domainName": f"d{new.digest[:13]}.cloudfront.net",
        "hostedZoneId": "Z2FDTNDATAQYW2",
    },
    "aws:ec2/eip:Eip": lambda new: {
        "allocationId": new.id,
        "publicIp": f"198.51.100.{int(new.digest[:2], 16)}",
    },
    "aws:ec2/instance:Instance": lambda new: {
        "primaryNetworkInterfaceId": f"eni-0{new.digest[:16]}",
    },
    "aws:ec2/natGateway:NatGateway": lambda new: {
        "publicIp": f"198.51.100.{int(new.digest[:2], 16)}",
    },
    "aws:ec2/vpc:Vpc": lambda new: {
        "defaultSecurityGroupId": f"sg-0{new.digest[16:32]}",
        "mainRouteTableId": f"rtb-0{new.digest[16:32]}",
    },
    "aws:ecr/repository:Repository": lambda new: {
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{new.name}",
        "registryId": ACCOUNT,
    },
    "aws:ecs/taskDefinition:TaskDefinition": lambda new: {
        "revision": 1,
        "arnWithoutRevision": new.arn.rpartition(":")[0],
    },
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:kms/key:Key": lambda new: {"keyId": new.id},
    "aws:lb/loadBalancer:LoadBalancer": lambda new: {
        "dnsName": f"{new.name}-1234567890.{REGION}.elb.amazonaws.com",
        "zoneId": "Z215JYRZR1TBD5",
        "arnSuffix": new.arn.split(":loadbalancer/")[-1],
    },
    "aws:lb/targetGroup:TargetGroup": lambda new: {
        "arnSuffix": "targetgroup/" + new.arn.split(":targetgroup/")[-1],
    },
    "aws:rds/instance:Instance": _database,
    "aws:route53/record:Record": lambda new: {
        "fqdn": new.inputs["name"].rstrip("."),
    },
    "aws:s3/bucket:Bucket": lambda new: {
        "bucket": new.name,
        "bucketDomainName": f"{new.name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{new.name}.s3.{REGION}.amazonaws.com",
    },
    "aws:secretsmanager/secretVersion:SecretVersion": lambda new: {
        "versionId": _uuid(new.digest),
        "arn": new.inputs["secretId"],
    },
    "aws:sqs/queue:Queue": lambda new: {
        "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{new.name}",
    },
    "digitalocean:index/app:App": lambda new: {
        "appUrn": f"do:app:{new.id}",
        "defaultIngress": f"https://{new.inputs['spec']['name']}-"
        f"{new.digest[:5]}.ondigitalocean.app",
    },
    "digitalocean:index/containerRegistry:ContainerRegistry": lambda new: {
        "endpoint": f"registry.digitalocean.com/{new.name}",
        "serverUrl": "registry.digitalocean.com",
    },
    "digitalocean:index/databaseCluster:DatabaseCluster": _cluster,
    "digitalocean:index/databaseUser:DatabaseUser": lambda new: {
        "password": f"AVNS_{new.digest[:19]}",
    },
    "digitalocean:index/droplet:Droplet": lambda new: {
        "dropletUrn": f"do:droplet:{new.id}",
    },
    "digitalocean:index/reservedIp:ReservedIp": lambda new: {
        "ipAddress": f"203.0.113.{int(new.digest[:2], 16)}",
        "reservedIpUrn": f"do:reservedip:203.0.113.{int(new.digest[:2], 16)}",
    },
    "digitalocean:index/spacesBucket:SpacesBucket": lambda new: {
        "bucketUrn": f"do:space:{new.name}",
    },
    "digitalocean:index/spacesKey:SpacesKey": lambda new: {
        "accessKey": f"DO00{new.digest[:16].upper()}",
        "secretKey": new.digest[:43],
    },
    "digitalocean:index/sshKey:SshKey": lambda new: {
        "fingerprint": bytes.fromhex(new.digest[:32]).hex(":"),
    },
    "digitalocean:index/volume:Volume": lambda new: {
        "volumeUrn": f"do:volume:{new.id}",
    },
    "docker-build:index:Image": lambda new: {
        "contextHash": new.digest[::-1],
        "digest": f"sha256:{new.digest}" if new.inputs["push"] else "",
        "ref": new.inputs["tags"][0],
    },
    "docker:index/container:Container": _container,
    "docker:index/remoteImage:RemoteImage": lambda new: {
        # The same reference is the same image; another one is another.
        "imageId": f"sha256:{hashlib.sha256(new.inputs['name'].encode()).hexdigest()}",
    },
    "pulumi-python:dynamic/railway:Deployment": lambda new: {
        "deployment_id": _uuid(new.digest),
        "status": "SUCCESS",
    },
    "pulumi-python:dynamic/railway:Domain": _domain,
    "pulumi-python:dynamic/railway:Project": lambda new: {
        "project_id": _uuid(new.digest),
        "environment_id": _uuid(new.digest[::-1]),
        "owned": True,
    },
    "pulumi-python:dynamic/railway:Service": lambda new: {
        "service_id": _uuid(new.digest),
        "revision": _revision(new),
    },
    "pulumi-python:dynamic/railway:Variables": lambda new: {
        "revision": _revision(new),
    },
    "pulumi-python:dynamic/railway:Volume": lambda new: {
        "volume_id": _uuid(new.digest),
    },
    "random:index/randomId:RandomId": _random_id,
    "random:index/randomPassword:RandomPassword": _password,
    "tls:index/privateKey:PrivateKey": lambda new: {
        "privateKeyPem": _pem("PRIVATE KEY", new.digest),
    },
    "tls:index/selfSignedCert:SelfSignedCert": lambda new: {
        "certPem": _pem("CERTIFICATE", new.digest),
    },
}

ANSWERS: Mapping[str, Answer] = {
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": lambda args: {
        "id": "pl-a3a144ca",
        "name": args["name"],
        "arn": f"arn:aws:ec2:{REGION}:aws:prefix-list/pl-a3a144ca",
        "maxEntries": 55,
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda args: {
        "id": REGION,
        "names": [f"{REGION}{letter}" for letter in "abc"],
        "zoneIds": [f"euc1-az{number}" for number in (1, 2, 3)],
    },
    "aws:index/getCallerIdentity:getCallerIdentity": lambda args: {
        "id": ACCOUNT,
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/operator",
        "userId": "AIDACKCEVSQ6C2EXAMPLE",
    },
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": lambda args: {
        "id": REGION,
        "userName": "AWS",
        "password": REGISTRY_PASSWORD,
        "authorizationToken": REGISTRY_PASSWORD,
        "proxyEndpoint": f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
        "expiresAt": "2026-01-01T12:00:00Z",
    },
    "digitalocean:index/getDatabaseCa:getDatabaseCa": lambda args: {
        "id": args["clusterId"],
        "clusterId": args["clusterId"],
        "certificate": _pem("CERTIFICATE", args["clusterId"]),
    },
    "digitalocean:index/getDomain:getDomain": lambda args: {
        "id": args["name"],
        "name": args["name"],
        "domainUrn": f"do:domain:{args['name']}",
        "ttl": 1800,
        "zoneFile": "",
    },
    "pulumi:pulumi:readStackOutputs": lambda args: {
        "name": args["name"],
        "outputs": {},
        "secretOutputNames": [],
    },
    "aws:ssm/getParameter:getParameter": lambda args: {
        "id": args["name"],
        "name": args["name"],
        "arn": f"arn:aws:ssm:{REGION}::parameter{args['name']}",
        "type": "String",
        # The provider marks every value secret and repeats those that are not.
        "value": rpc.wrap_rpc_secret("ami-0123456789abcdef0"),
        "insecureValue": "ami-0123456789abcdef0",
        "version": 1,
    },
}
"""Data source token -> answer to its arguments."""
