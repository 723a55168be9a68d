"""A Spaces bucket for uploads and dumps, and a key that opens only it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class SpacesArgs:
    """What the bucket needs to know.

    region: of Spaces, such as `fra1`.
    dump_days: days after which what is under `dumps/` goes (guide: 30).
    noncurrent_days: days that a replaced or deleted object can be brought back.
    protect: whether Pulumi refuses to delete it.
    force_destroy: whether deleting it deletes what is in it.
    """

    region: str
    dump_days: int = 30
    noncurrent_days: int = 7
    protect: bool = True
    force_destroy: bool = False


class Spaces(pulumi.ComponentResource):
    """A private, versioned bucket, with an access key for it alone.

    App Platform's own disk is lost with each container: what has to last goes here.
    Buckets are not made with the API token but with a Spaces key of the account, which
    the provider reads from `digitalocean:spacesAccessId` and
    `digitalocean:spacesSecretKey`.
    """

    bucket: pulumi.Output[str]
    """Name."""

    project_urn: pulumi.Output[str]
    """`do:space:NAME`, as a project lists it."""

    endpoint: str
    """`https://REGION.digitaloceanspaces.com`."""

    region: str
    """Of Spaces."""

    access_key: pulumi.Output[str]
    """Key ID; secret, because it is half of a credential."""

    secret_key: pulumi.Output[str]
    """Secret."""

    def __init__(
        self, name: str, args: SpacesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:digitalocean:Spaces", name, None, opts)

        bucket = digitalocean.SpacesBucket(
            name,
            region=args.region,
            acl="private",
            versioning={"enabled": True},
            lifecycle_rules=[
                {
                    "id": "superseded",
                    "enabled": True,
                    "noncurrent_version_expiration": {"days": args.noncurrent_days},
                    "abort_incomplete_multipart_upload_days": 1,
                },
                {
                    "id": "dumps",
                    "enabled": True,
                    "prefix": "dumps/",
                    "expiration": {"days": args.dump_days},
                },
            ],
            force_destroy=args.force_destroy,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        key = digitalocean.SpacesKey(
            name,
            grants=[{"bucket": bucket.name, "permission": "readwrite"}],
            opts=pulumi.ResourceOptions(
                parent=self, additional_secret_outputs=["secretKey"]
            ),
        )

        self.bucket = bucket.name
        self.project_urn = bucket.bucket_urn
        self.region = args.region
        self.endpoint = f"https://{args.region}.digitaloceanspaces.com"
        self.access_key = pulumi.Output.secret(key.access_key)
        self.secret_key = pulumi.Output.secret(key.secret_key)
        self.register_outputs({"bucket": self.bucket})
