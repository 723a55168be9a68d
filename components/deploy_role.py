"""Roles for deployments from GitHub Actions: one looks, one deploys, neither rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws

from components import iam
from components.deploy_permissions import (
    DEPLOY_PATH,
    POLICIES,
    Stack,
    Statement,
    boundary,
    identity,
    operations,
    reads,
    secret_values,
    state,
    statements,
)
from components.review_permissions import (
    review_boundary,
    review_reads,
    review_state,
    review_statements,
)
from components.state_backend import StateBackendFacts

GITHUB = "token.actions.githubusercontent.com"
"""Who issues the tokens of GitHub Actions."""

_AUDIENCE = "sts.amazonaws.com"
_NAME_LIMIT = 36
"""So that the longest name, `NAME-boundary` with Pulumi's suffix, fits IAM's 64."""


@dataclass(frozen=True, kw_only=True)
class ReviewRoleArgs:
    """What the role for stacks of pull requests needs to know: of all at once.

    environment: GitHub environment of their jobs, and of no others.
    stack_name: what names of their resources begin with, such as `stromhaltig-pr-`.
    secrets: first part of the names of their secrets, such as `stromhaltig/pr-*`.
    tags: what everything in them is tagged with, such as `pr-*`.
    region: where they are.
    function_name: function of the stack beside which they are, that makes databases.
    project: of Pulumi, by which the state is filed.
    base: the stack beside which they are, as the state calls it.
    stacks: they themselves, as the state calls them, such as `pr-*`.
    """

    environment: str
    stack_name: str
    secrets: str
    tags: Mapping[str, str]
    region: str
    function_name: str
    project: str
    base: str
    stacks: str


@dataclass(frozen=True, kw_only=True)
class DeployRoleArgs:
    """What deploy roles need to know.

    repository: `OWNER/NAME` on GitHub.
    environment: GitHub environment that deploys; its reviewers are the gate.
    preview_environment: GitHub environment that previews; another one.
    branch: only branch whose workflows may deploy.
    subject: what the subjects of the repository's tokens begin with, when that is
        not `repo:OWNER/NAME`. Repositories that were made, renamed or moved after
        15 July 2026 have their ids in it: `repo:OWNER@ID/NAME@ID`.
        https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
    repository_id: GitHub's number of the repository, which no other ever gets.
    github_provider_arn: OIDC provider for GitHub that the account has already; None
        makes it. An account takes one.
    account_id: of the roles and of the stack.
    partition: `aws` but in China and in GovCloud.
    stack_name: what names of the stack's resources begin with (36 characters), and
        those of no other stack.
    secrets: first part of the names of its secrets, such as `stromhaltig/production`.
    tags: what everything in the stack is tagged with; no other stack has the same.
    regions: where the stack has resources: its own, that of copied backups, and
        `us-east-1` with CloudFront.
    zone_ids: Route 53 zones in which it writes records.
    state: where its state is.
    preview_reads_secrets: let previews refresh, which compares secret values.
    review: makes a role for stacks of pull requests beside the stack.
    """

    repository: str
    environment: str
    preview_environment: str
    branch: str = "main"
    subject: str | None = None
    repository_id: int | None = None
    github_provider_arn: pulumi.Input[str] | None = None
    account_id: pulumi.Input[str]
    partition: str = "aws"
    stack_name: str
    secrets: str
    tags: Mapping[str, str]
    regions: Sequence[str]
    zone_ids: Sequence[str] = ()
    state: StateBackendFacts
    preview_reads_secrets: bool = False
    review: ReviewRoleArgs | None = None

    def __post_init__(self) -> None:
        """Refuse what would open the roles to more than was meant.

        Raises:
            ValueError: for no repository, one environment for two roles, a wildcard,
                and nothing that tells this stack from others.
        """
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise ValueError(f'repository: "{self.repository}" is not OWNER/NAME')
        if self.environment == self.preview_environment:
            raise ValueError(
                f'preview_environment: "{self.environment}" deploys; a preview of a '
                "pull request in it would get the rights to deploy"
            )
        names = {
            what: getattr(self, what)
            for what in ("environment", "preview_environment", "branch")
        }
        if self.review:
            names["review.environment"] = of_reviews = self.review.environment
            if of_reviews in (self.environment, self.preview_environment):
                raise ValueError(
                    f'review.environment: "{of_reviews}" is that of another role; a '
                    "pull request's stack would get its rights"
                )
        for what, name in names.items():
            if not re.fullmatch(r"[^*?:]+", name):
                raise ValueError(f'{what}: "{name}" is no single name')
        if not self.tags or not self.regions:
            raise ValueError("tags, regions: give both; they bound what is deployed")
        if not self.stack_name or len(self.stack_name) > _NAME_LIMIT:
            raise ValueError(
                f'stack_name: "{self.stack_name}" has not 1 to {_NAME_LIMIT} characters'
            )


class DeployRole(pulumi.ComponentResource):
    """Short-lived rights for GitHub's workflows, without a key that could be lost.

    All roles trust tokens of one repository in one GitHub environment, whose
    protection rules say who and what gets there; the role that deploys, tokens of one
    branch besides. Never trusted is the subject `repo:…:pull_request`, which every
    workflow of every pull request can have. AWS takes GitHub's claims `sub`, `aud`,
    `environment`, `ref`, `repository_id` and some more as conditions.
    https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/

    The preview role reads how the stack is set up, its state, and with the state's
    key the secrets in it: let people review before a workflow enters the environment.

    The apply role creates, changes and deletes what is the stack's by name or by tag,
    and nothing else; see `components.deploy_calls` for each type. Besides it runs what
    `stromhaltig deploy` and its like need: `components.deploy_permissions.operations`,
    which say also what is for people only. The boundary caps it
    and all roles that it makes: every role of the stack must have it, which
    `bounded_roles` sees to. Roles, policies and boundary stand under an IAM path that
    they cannot touch themselves: made and changed by an administrator, not by CI.

    The review role makes and unmakes stacks of pull requests beside this one: see
    `components.review_permissions`. It trusts every branch, for a pull request has its
    own, and has a boundary of its own, as every role of a review must, which holds
    nothing of this stack's data.

    What AWS cannot bind to a stack is bound to its regions only: health checks,
    response-headers policies, scalable targets, resource policies of logs, and that a
    task definition is made inactive. Nor can it bind which requests a rule of the
    listener takes: that of a review could take this stack's. A key, a
    certificate, a distribution, a backup plan or a default security group that has no
    tags yet can be claimed by tagging it. Nothing deletes backups: a vault that is
    not empty is an administrator's to destroy.
    """

    github_provider_arn: pulumi.Output[str]
    """ARN of the OIDC provider that the roles trust."""

    preview_role_arn: pulumi.Output[str]
    """Role of `pulumi preview`, for `aws-actions/configure-aws-credentials`."""

    apply_role_arn: pulumi.Output[str]
    """Role of `pulumi up`, and of the commands of `stromhaltig`."""

    boundary_arn: pulumi.Output[str]
    """Policy that every role of the stack must have as its boundary."""

    review_role_arn: pulumi.Output[str] | None
    """Role of `stromhaltig ci review` and `reap`; None without reviews."""

    review_boundary_arn: pulumi.Output[str] | None
    """Policy that every role of a review must have as its boundary, likewise."""

    def __init__(
        self,
        name: str,
        args: DeployRoleArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:DeployRole", name, None, opts)
        known = pulumi.Output.all(
            account_id=args.account_id,
            bucket_arn=args.state.bucket_arn,
            key_arn=args.state.key_arn,
        ).apply(lambda of: _known(args, of))

        self.github_provider_arn = self._github_provider(name, args)
        limit = self._policy(
            f"{name}-boundary",
            "The most that roles of the stack, and who deploys it, can do",
            known.apply(_boundary),
            # A name of its own, because its text has its ARN in it.
            physical=_boundary_name(args.stack_name),
        )
        self.boundary_arn = limit.arn
        preview = self._role(
            f"{name}-preview",
            f"Lets GitHub Actions preview {args.stack_name}",
            _claims(args, args.preview_environment),
            limit,
            hours=1,
        )
        apply = self._role(
            f"{name}-apply",
            f"Lets GitHub Actions apply {args.stack_name}",
            {
                **_claims(args, args.environment),
                "ref": f"refs/heads/{args.branch}",
            },
            limit,
            # A new database takes a quarter of an hour, and a release waits for its
            # tasks.
            hours=2,
        )
        looks = known.apply(lambda of: reads(of.stack))
        look = self._policy(f"{name}-look", "Look at the stack", looks)
        self._attach(f"{name}-preview-look", preview, look)
        self._attach(f"{name}-apply-look", apply, look)
        for part, make in _PARTS.items():
            policy = self._policy(
                f"{name}-{part}", f"Deploy the stack: {part}", known.apply(make)
            )
            self._attach(f"{name}-apply-{part}", apply, policy)
        self._inline(f"{name}-preview", preview, known.apply(_previews(args)))
        self._inline(f"{name}-apply", apply, known.apply(_applies))

        self.preview_role_arn = preview.arn
        self.apply_role_arn = apply.arn
        self.review_role_arn = self.review_boundary_arn = None
        if args.review:
            self._reviews(name, args, args.review, known)
        self.register_outputs(
            {
                "github_provider_arn": self.github_provider_arn,
                "preview_role_arn": self.preview_role_arn,
                "apply_role_arn": self.apply_role_arn,
                "boundary_arn": self.boundary_arn,
                "review_role_arn": self.review_role_arn,
                "review_boundary_arn": self.review_boundary_arn,
            }
        )

    def _reviews(
        self,
        name: str,
        args: DeployRoleArgs,
        review: ReviewRoleArgs,
        known: pulumi.Output[_Known],
    ) -> None:
        """The role for reviews, and what it and roles of theirs are kept to."""
        limit = self._policy(
            f"{name}-review-boundary",
            "The most that roles of reviews, and who deploys these, can do",
            known.apply(lambda of: _review_boundary(review, of)),
            physical=_review_boundary_name(args.stack_name),
        )
        role = self._role(
            f"{name}-review",
            f"Lets GitHub Actions deploy reviews beside {args.stack_name}",
            _claims(args, review.environment),
            limit,
            hours=1,
        )
        deploys = self._policy(
            f"{name}-reviews",
            "Deploy reviews",
            known.apply(
                lambda of: review_statements(*_review(review, of), review.function_name)
            ),
        )
        looks = self._policy(
            f"{name}-review-look",
            "Look at reviews",
            known.apply(lambda of: review_reads(_review(review, of)[0])),
        )
        self._attach(f"{name}-review-deploy", role, deploys)
        self._attach(f"{name}-review-look", role, looks)
        self._inline(
            f"{name}-review", role, known.apply(lambda of: _review_state(review, of))
        )
        self.review_role_arn = role.arn
        self.review_boundary_arn = limit.arn

    def _role(
        self,
        name: str,
        description: str,
        claims: Mapping[str, str],
        limit: aws.iam.Policy,
        hours: int,
    ) -> aws.iam.Role:
        return aws.iam.Role(
            name,
            description=description,
            path=DEPLOY_PATH,
            assume_role_policy=self.github_provider_arn.apply(
                lambda arn: _trust(arn, claims)
            ),
            permissions_boundary=limit.arn,
            max_session_duration=hours * 3600,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _github_provider(self, name: str, args: DeployRoleArgs) -> pulumi.Output[str]:
        if args.github_provider_arn is not None:
            return pulumi.Output.from_input(args.github_provider_arn)
        provider = aws.iam.OpenIdConnectProvider(
            name,
            url=f"https://{GITHUB}",
            client_id_lists=[_AUDIENCE],
            # Without thumbprints: AWS checks GitHub against its own authorities.
            opts=pulumi.ResourceOptions(parent=self),
        )
        return provider.arn

    def _policy(
        self,
        name: str,
        description: str,
        allowed: pulumi.Output[list[Statement]],
        physical: str | None = None,
    ) -> aws.iam.Policy:
        return aws.iam.Policy(
            name,
            name=physical,
            path=DEPLOY_PATH,
            description=description,
            policy=allowed.apply(lambda those: iam.document(*those)),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _attach(self, name: str, role: aws.iam.Role, policy: aws.iam.Policy) -> None:
        aws.iam.RolePolicyAttachment(
            name,
            role=role.name,
            policy_arn=policy.arn,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _inline(
        self, name: str, role: aws.iam.Role, allowed: pulumi.Output[list[Statement]]
    ) -> None:
        aws.iam.RolePolicy(
            name,
            role=role.name,
            policy=allowed.apply(lambda those: iam.document(*those)),
            opts=pulumi.ResourceOptions(parent=self),
        )


def bounded_roles(
    boundary_arn: pulumi.Input[str | None],
) -> pulumi.ResourceTransformation:
    """Return what gives every role below a resource the boundary; None gives none.

    For `transformations` of resource options, or for the whole program with
    `pulumi.runtime.register_stack_transformation`. Without it the apply role may not
    make the role. A role that has a boundary keeps its own.
    """

    def bound(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != "aws:iam/role:Role" or _has_boundary(args.props):
            return None
        props = {**args.props, "permissions_boundary": boundary_arn}
        return pulumi.ResourceTransformationResult(props, args.opts)

    return bound


def _has_boundary(props: Any) -> bool:
    names = ("permissions_boundary", "permissionsBoundary")
    return any(props.get(name) is not None for name in names)


class _Known(NamedTuple):
    """What statements are made of, once all of it is known."""

    stack: Stack
    bucket_arn: str
    key_arn: str

    @property
    def boundary_arn(self) -> str:
        """ARN of the policy that every role of the stack must have."""
        return self.policy_arn(_boundary_name(self.stack.name))

    def policy_arn(self, name: str) -> str:
        """ARN of a policy of deploy roles with this name."""
        place = f"arn:{self.stack.partition}:iam::{self.stack.account_id}"
        return f"{place}:policy{DEPLOY_PATH}{name}"


def _known(args: DeployRoleArgs, of: Mapping[str, str]) -> _Known:
    return _Known(
        stack=Stack(
            partition=args.partition,
            account_id=of["account_id"],
            name=args.stack_name,
            secrets=args.secrets,
            tags=args.tags,
            zone_ids=args.zone_ids,
            regions=args.regions,
        ),
        bucket_arn=of["bucket_arn"],
        key_arn=of["key_arn"],
    )


def _boundary_name(stack_name: str) -> str:
    return f"{stack_name}-boundary"


def _boundary(of: _Known) -> list[Statement]:
    """The state can be in another region than the stack."""
    return [*boundary(of.stack, of.boundary_arn), *_applies(of)]


def _part(services: Sequence[str]) -> Callable[[_Known], list[Statement]]:
    return lambda of: statements(of.stack, services)


_PARTS: Mapping[str, Callable[[_Known], list[Statement]]] = {
    **{part: _part(services) for part, services in POLICIES.items()},
    "identity": lambda of: identity(of.stack, of.boundary_arn),
    "operate": lambda of: operations(of.stack),
}
"""Policies of the apply role: 6,144 characters each at most, and ten of them."""


def _previews(args: DeployRoleArgs) -> Callable[[_Known], list[Statement]]:
    def allowed(of: _Known) -> list[Statement]:
        values = secret_values(of.stack) if args.preview_reads_secrets else []
        return [*state(of.bucket_arn, of.key_arn, writes=False), *values]

    return allowed


def _applies(of: _Known) -> list[Statement]:
    return state(of.bucket_arn, of.key_arn, writes=True)


def _review(review: ReviewRoleArgs, of: _Known) -> tuple[Stack, Stack, str]:
    """All reviews as one stack, their base, and the ARN of their boundary."""
    reviews = replace(
        of.stack,
        name=review.stack_name,
        secrets=review.secrets,
        tags=review.tags,
        regions=[review.region],
        zone_ids=(),
    )
    return reviews, of.stack, of.policy_arn(_review_boundary_name(of.stack.name))


def _review_boundary(review: ReviewRoleArgs, of: _Known) -> list[Statement]:
    return [
        *review_boundary(*_review(review, of), review.function_name),
        *_review_state(review, of),
    ]


def _review_state(review: ReviewRoleArgs, of: _Known) -> list[Statement]:
    return review_state(
        of.bucket_arn,
        of.key_arn,
        project=review.project,
        base=review.base,
        reviews=review.stacks,
    )


def _review_boundary_name(stack_name: str) -> str:
    return f"{stack_name}-review-boundary"


def _claims(args: DeployRoleArgs, environment: str) -> dict[str, str]:
    subject = args.subject or f"repo:{args.repository}"
    claims = {
        "aud": _AUDIENCE,
        "sub": f"{subject}:environment:{environment}",
        "repository": args.repository,
    }
    if args.repository_id is not None:
        claims["repository_id"] = str(args.repository_id)
    return claims


def _trust(provider_arn: str, claims: Mapping[str, str]) -> str:
    return iam.document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{GITHUB}:{claim}": value for claim, value in claims.items()
                }
            },
        }
    )
