"""What the app needs from whatever platform runs it.

The only module that knows the app: its port, health checks, directories, routes,
and every environment variable of the deployment guide's section "Production
Environment Variables". Platforms render it into their own formats; the settings
check the operator's values against it. Adding a variable or a secret is one line
in `VARIABLES`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypedDict, TypeVar

_T = TypeVar("_T")

GENERATED_LENGTH = 48
"""Letters and digits of a generated secret: 285 bits, over the 256 of HS256."""


class Kind(Enum):
    """Who provides a variable's value."""

    PLAIN = "plain"
    """The stack file, under `app`; visible in the task definition."""

    GENERATED = "generated"
    """A secret made once per stack, unless the operator brings their own."""

    OPERATOR = "operator"
    """A secret that only the operator knows, under `secrets`."""

    PLATFORM = "platform"
    """The platform: constants of the container, and addresses of what it creates."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a value must be, in words and as a test.

    says: completes "is not ..." and "must be ...", as in "true or false".
    accepts: whether a value is one.
    choices: the accepted values where they can be listed, to find the nearest.
    """

    says: str
    accepts: Callable[[str], bool]
    choices: tuple[str, ...] = ()

    def __call__(self, value: str) -> str:
        """Return the value.

        Raises:
            ValueError: when it breaks the rule. The message shows the value: use
                `accepts` for secrets.
        """
        if self.accepts(value):
            return value
        raise ValueError(
            f'"{value}" is not {self.says}{nearest_hint(value, self.choices)}'
        )


def one_of(*choices: str) -> Rule:
    """Accept exactly these values."""
    says = " or ".join(choices) if len(choices) == 2 else f"one of {', '.join(choices)}"
    return Rule(says=says, accepts=choices.__contains__, choices=choices)


def integer(low: int, high: int) -> Rule:
    """Accept whole numbers of a range, written in decimal."""
    return Rule(
        says=f"a whole number from {low} to {high}",
        accepts=lambda value: (
            re.fullmatch(r"0|[1-9][0-9]{0,14}", value) is not None
            and low <= int(value) <= high
        ),
    )


def at_least(length: int) -> Rule:
    """Accept text of a length, without spaces or line breaks around it."""
    return Rule(
        says=f"at least {length} characters long, without spaces around it",
        accepts=lambda value: len(value) >= length and value == value.strip(),
    )


def matching(says: str, pattern: str) -> Rule:
    """Accept text that matches a regular expression from end to end."""
    compiled = re.compile(pattern)
    return Rule(says=says, accepts=lambda value: compiled.fullmatch(value) is not None)


def nearest_hint(word: str, choices: tuple[str, ...]) -> str:
    """Return `. Did you mean "..."?` for the choice most like a word, or nothing."""
    close = difflib.get_close_matches(word, choices, n=1)
    return f'. Did you mean "{close[0]}"?' if close else ""


_NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})
_NO_ROTATIONS: Mapping[str, int] = MappingProxyType({})
_UNITS: Mapping[str, int] = MappingProxyType({"KB": 1024, "MB": 1024**2, "GB": 1024**3})
_BOOLEAN = one_of("true", "false")
_SIZE = matching("a size like 100MB (KB, MB or GB)", r"[1-9][0-9]*(KB|MB|GB)")
_PRESENT = matching("text without spaces around it", r"\S(.*\S)?")


@dataclass(frozen=True)
class Variable:
    """An environment variable of the app.

    name: as the app reads it.
    kind: who provides the value.
    default: the value when nobody says otherwise; None when there is no sensible one.
    description: what it does, with its unit, and why the default is what it is.
    rule: what a value must be.
    optional: the app does without it; every other variable is needed in production.
    previous: of a generated secret, the variable that holds the value before its last
        rotation, for as long as the app shall accept both.
    """

    name: str
    kind: Kind
    default: str | None
    description: str
    rule: Rule
    optional: bool = False
    previous: str | None = None

    @property
    def secret(self) -> bool:
        """Whether the value is confidential.

        Addresses that the platform makes carry credentials; its constants do not.
        """
        if self.kind is Kind.PLATFORM:
            return self.default is None
        return self.kind is not Kind.PLAIN


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "NODE_ENV",
        Kind.PLAIN,
        "production",
        "Mode of Node, Express and React. Staging runs the production build too.",
        one_of("production", "staging"),
    ),
    Variable(
        "PORT",
        Kind.PLATFORM,
        "3001",
        "TCP port that the app listens on.",
        integer(1024, 65535),
    ),
    Variable(
        "HOST",
        Kind.PLATFORM,
        "0.0.0.0",  # noqa: S104 - inside the container; the platform decides who gets in
        "Address that the app listens on: every one of the container.",
        one_of("0.0.0.0"),  # noqa: S104
    ),
    Variable(
        "DATABASE_URL",
        Kind.PLATFORM,
        None,
        "PostgreSQL connection with user, password and sslmode.",
        matching("a postgresql:// address", r"postgres(ql)?://\S+"),
    ),
    Variable(
        "DB_POOL_MIN",
        Kind.PLAIN,
        "2",
        "Database connections that each task keeps open.",
        integer(0, 100),
    ),
    Variable(
        "DB_POOL_MAX",
        Kind.PLAIN,
        "20",
        "Database connections that each task may open. A roll-out doubles the tasks, "
        "and a db.t4g.micro takes about 80 connections in all.",
        integer(1, 500),
    ),
    Variable(
        "DB_IDLE_TIMEOUT",
        Kind.PLAIN,
        "30000",
        "Milliseconds after which an idle database connection is closed.",
        integer(1000, 3_600_000),
    ),
    Variable(
        "JWT_SECRET",
        Kind.GENERATED,
        None,
        "Key that signs sessions. Another key signs everybody out, unless the app "
        "still accepts the one before.",
        at_least(32),
        previous="JWT_SECRET_PREVIOUS",
    ),
    Variable(
        "JWT_EXPIRES_IN",
        Kind.PLAIN,
        "24h",
        "Life of a session. With a unit: a bare number would mean milliseconds.",
        matching("a duration like 24h (s, m, h or d)", r"[1-9][0-9]*[smhd]"),
    ),
    Variable(
        "BCRYPT_SALT_ROUNDS",
        Kind.PLAIN,
        "12",
        "Work factor of password hashes. One more doubles the time of a login.",
        integer(10, 15),
    ),
    Variable(
        "RATE_LIMIT_WINDOW_MS",
        Kind.PLAIN,
        "900000",
        "Milliseconds over which requests are counted: 15 minutes.",
        integer(1000, 86_400_000),
    ),
    Variable(
        "RATE_LIMIT_MAX_REQUESTS",
        Kind.PLAIN,
        "1000",
        "Requests that one client may make in the window.",
        integer(1, 1_000_000),
    ),
    Variable(
        "UPLOAD_DIR",
        Kind.PLATFORM,
        "/app/uploads",
        "Directory of uploaded files; the platform mounts it writable. On AWS and "
        "Railway they last with the setting `uploads`; without it they go with the "
        "container.",
        matching("an absolute path", r"(/[A-Za-z0-9._-]+)+"),
    ),
    Variable(
        "MAX_FILE_SIZE",
        Kind.PLAIN,
        "100MB",
        "Largest file that can be uploaded.",
        _SIZE,
    ),
    Variable(
        "LOG_LEVEL",
        Kind.PLAIN,
        "info",
        "Least severe messages that are written.",
        one_of("error", "warn", "info", "debug"),
    ),
    Variable(
        "LOG_FILE",
        Kind.PLAIN,
        "/app/logs/app.log",
        "File that the app writes beside its standard output. It goes with the task; "
        "standard output is what is kept.",
        matching("a file in /app/logs, the writable one", r"/app/logs/[A-Za-z0-9._-]+"),
    ),
    Variable(
        "LOG_MAX_SIZE",
        Kind.PLAIN,
        "100MB",
        "Size at which the log file is rotated.",
        _SIZE,
    ),
    Variable(
        "LOG_MAX_FILES",
        Kind.PLAIN,
        "10",
        "Rotated log files that are kept. With LOG_MAX_SIZE: 1 GB of a task's 20 GB.",
        integer(1, 100),
    ),
    Variable(
        "GEMINI_API_KEY",
        Kind.OPERATOR,
        None,
        "Key of Google's Gemini API.",
        _PRESENT,
    ),
    Variable(
        "OPENAI_API_KEY",
        Kind.OPERATOR,
        None,
        "Key of the OpenAI API.",
        _PRESENT,
    ),
    Variable(
        "SMTP_HOST",
        Kind.PLAIN,
        None,
        "Mail server that takes outgoing mail. Only you know it: without one the app "
        "sends no mail.",
        matching(
            "a host name like smtp.example.org",
            r"(?=.{4,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+",
        ),
    ),
    Variable(
        "SMTP_PORT",
        Kind.PLAIN,
        "587",
        "Port of the mail server: 587 (STARTTLS) or 465 (TLS). AWS blocks 25.",
        integer(1, 65535),
    ),
    Variable(
        "SMTP_USER",
        Kind.PLAIN,
        "noreply@stromhaltig.de",
        "User at the mail server.",
        matching("a user name without spaces", r"\S+"),
    ),
    Variable(
        "SMTP_PASS",
        Kind.OPERATOR,
        None,
        "Password at the mail server.",
        _PRESENT,
    ),
    Variable(
        "SENTRY_DSN",
        Kind.OPERATOR,
        None,
        "Where errors are reported: the project's DSN at Sentry.",
        matching("a DSN like https://KEY@HOST/PROJECT", r"https://[^\s@/]+@\S+/\S+"),
    ),
    Variable(
        "HEALTH_CHECK_TOKEN",
        Kind.GENERATED,
        None,
        "Shows the details of the health check to who sends it.",
        at_least(16),
    ),
    Variable(
        "REDIS_URL",
        Kind.PLATFORM,
        None,
        "Redis or Valkey connection, where the platform has a cache.",
        matching("a redis:// or rediss:// address", r"rediss?://\S+"),
        optional=True,
    ),
    Variable(
        "ENABLE_COMPRESSION",
        Kind.PLAIN,
        "true",
        "Compresses responses.",
        _BOOLEAN,
    ),
    Variable(
        "ENABLE_CACHE",
        Kind.PLATFORM,
        "false",
        "Caches in Redis; true exactly where the platform provides REDIS_URL. Without "
        "it the app would retry a cache that is not there on every request.",
        _BOOLEAN,
    ),
    Variable(
        "TRUSTED_PROXIES",
        Kind.PLATFORM,
        "1",
        "Proxies in front of the app, each of which adds who asked it to "
        "X-Forwarded-For; what stands before those is the client's own word. With one "
        "too few, every client would be the outer proxy, and share its rate limit.",
        integer(1, 3),
    ),
    Variable(
        "JWT_SECRET_PREVIOUS",
        Kind.PLATFORM,
        None,
        "Key that signed sessions before the last rotation: accepted, and signs none. "
        "There while `accept_previous` is true.",
        at_least(32),
        optional=True,
    ),
)


def stand_in(variable: Variable, word: str) -> str:
    """Return a value with a word in it that the app would take for a variable.

    Raises:
        ValueError: when its rule is not one that a word can meet.
    """
    candidates = (
        word,
        f"{word}.invalid",
        f"{word}:{word}",
        f"https://{word}@sentry.invalid/1",
        f"https://hooks.slack.com/services/{word}",
    )
    for value in candidates:
        if variable.rule.accepts(value):
            return value
    raise ValueError(f"no word stands in for {variable.name}")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A secret that a stack makes up by itself.

    variable: what it is made up for.
    length: letters and digits.
    generation: how often it was made up anew; each generation has a value of its own.
    """

    variable: str
    length: int = GENERATED_LENGTH
    generation: int = 0

    @property
    def label(self) -> str:
        """End of the name of what makes it up: another one for each generation."""
        label = self.variable.lower().replace("_", "-")
        return f"{label}-{self.generation}" if self.generation else label


class EcsSecret(TypedDict, Generic[_T]):
    """A secret variable in an ECS container definition."""

    name: str
    valueFrom: _T


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that a platform starts, in a container of the app's image.

    It ends by itself, with 0 when all is done, and writes to `temp_dir` only, but for
    one that restores.

    name: in lower case; part of physical names.
    command: what the container runs.
    description: what it does, for whoever sees it in a console.
    variables: what it reads of the app's environment.
    prefix: where in the bucket of backups it puts what it makes; None for a job that
        needs no bucket.
    uploads: needs the directory of uploads mounted; to read it is enough.
    restores: goes the other way: reads below `prefix`, and writes the uploads. It is
        started when somebody asks for it, with more arguments to its command; the
        others at set times.
    """

    name: str
    command: tuple[str, ...]
    description: str
    variables: tuple[str, ...]
    prefix: str | None = None
    uploads: bool = False
    restores: bool = False


_OF_EVERY_JOB = ("LOG_LEVEL", "NODE_ENV")

JOBS: tuple[Job, ...] = (
    Job(
        name="dump",
        command=("npm", "run", "job:dump"),
        description="Dumps the database into the bucket of backups",
        variables=(*_OF_EVERY_JOB, "DATABASE_URL"),
        prefix="dumps/",
    ),
    Job(
        name="archive",
        command=("npm", "run", "job:archive"),
        description="Archives the uploaded files into the bucket of backups",
        variables=(*_OF_EVERY_JOB, "UPLOAD_DIR"),
        prefix="uploads/",
        uploads=True,
    ),
    Job(
        name="unpack",
        command=("npm", "run", "job:unpack", "--"),
        description="Puts files of an archive back among the uploads",
        variables=(*_OF_EVERY_JOB, "UPLOAD_DIR"),
        prefix="uploads/",
        uploads=True,
        restores=True,
    ),
    Job(
        name="maintain",
        command=("npm", "run", "job:maintain"),
        description="Vacuums the database and rebuilds bloated indexes",
        variables=(*_OF_EVERY_JOB, "DATABASE_URL"),
    ),
)
"""Guide: sections "Backup & Recovery" and "Database Maintenance"."""


@dataclass(frozen=True, kw_only=True)
class AppContract:
    """The app as a platform sees it.

    health_path: readiness: 200 when the app and its database work.
    liveness_path: 200 while the process works, whatever becomes of the database: a
        database outage must not restart every task.
    log_dir, temp_dir: with `upload_dir` the only directories that the app writes to.
    secret_dir: where the app finds secrets that come as files.
    client_dir: the client's build in the image, for a proxy that serves it itself.
    migrate_command: run to the end before a new version starts (guide: deploy.sh).
    jobs: run at set times, or when somebody asks.
    start_command: what starts the app: the image's own, for platforms that have to do
        something before.
    uid, gid: the image's unprivileged user (guide: Dockerfile).
    routes: what the app answers: the API, and the client for everything else.
    api_path: what every path of the API begins with.
    login_path: takes passwords, and so is what guessing is tried on.
    upload_path: takes requests as large as `upload_bytes`; no other takes more than
        some KB.
    static_paths: files that are named after their content, and so never change. What
        else the client consists of has to be asked for anew.
    variables: the environment.
    """

    health_path: str = "/api/health"
    liveness_path: str = "/api/health/live"
    log_dir: str = "/app/logs"
    temp_dir: str = "/tmp"  # noqa: S108 - the container's own, mounted per task
    secret_dir: str = "/run/secrets"  # noqa: S105 - where, not what
    client_dir: str = "/app/client/dist"
    migrate_command: tuple[str, ...] = ("npm", "run", "migrate")
    jobs: tuple[Job, ...] = JOBS
    start_command: tuple[str, ...] = ("node", "dist/main.js")
    uid: int = 1001
    gid: int = 1001
    routes: tuple[str, ...] = ("/api/*", "/*")
    api_path: str = "/api/"
    login_path: str = "/api/auth/login"
    upload_path: str = "/api/documents/upload"
    static_paths: tuple[str, ...] = ("/assets/*",)
    variables: tuple[Variable, ...] = VARIABLES

    @property
    def port(self) -> int:
        """TCP port that the container listens on."""
        return int(self._value("PORT"))

    @property
    def upload_dir(self) -> str:
        """Directory of uploaded files."""
        return self._value("UPLOAD_DIR")

    @property
    def writable_dirs(self) -> tuple[str, ...]:
        """Directories to mount writable over a read-only root file system."""
        return (self.upload_dir, self.log_dir, self.temp_dir)

    def upload_bytes(self, overrides: Mapping[str, str] = _NO_OVERRIDES) -> int:
        """Return the size of the largest file that can be uploaded.

        Args:
            overrides: values of PLAIN variables that replace the defaults.
        """
        size = self._value("MAX_FILE_SIZE", overrides)
        return int(size[:-2]) * _UNITS[size[-2:]]

    def variable(self, name: str) -> Variable | None:
        """Return the variable of this name, if the app has one."""
        return next((v for v in self.variables if v.name == name), None)

    def of_kind(self, *kinds: Kind) -> tuple[Variable, ...]:
        """Return the variables of these kinds, in the contract's order."""
        return tuple(v for v in self.variables if v.kind in kinds)

    def to_generate(
        self,
        given: Collection[str],
        rotations: Mapping[str, int] = _NO_ROTATIONS,
        *,
        previous: bool = False,
    ) -> dict[str, Generated]:
        """Return the secrets to make up, by the variable that holds them.

        Args:
            given: names of the secrets that the operator brought.
            rotations: how often a secret was rotated, by its name.
            previous: whether the app gets the values before the last rotation too,
                where it has a variable for them.
        """
        made: dict[str, Generated] = {}
        for variable in self.of_kind(Kind.GENERATED):
            if variable.name in given:
                continue
            generation = rotations.get(variable.name, 0)
            wanted = Generated(variable=variable.name, generation=generation)
            made[variable.name] = wanted
            if previous and variable.previous and generation:
                made[variable.previous] = replace(wanted, generation=generation - 1)
        return made

    def problems(self, overrides: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield a variable's name and what is wrong, for values that are not secret.

        Looks at each value, then at those that belong together.

        Args:
            overrides: values of PLAIN variables that replace the defaults.
        """
        broken = set()
        for name, value in overrides.items():
            variable = self.variable(name)
            if variable is None or variable.kind is not Kind.PLAIN:
                raise KeyError(f"{name} is not a plain variable of the app")
            if not variable.rule.accepts(value):
                broken.add(name)
                hint = nearest_hint(value, variable.rule.choices)
                yield name, f'"{value}" is not {variable.rule.says}{hint}'
        if not broken & {"DB_POOL_MIN", "DB_POOL_MAX"}:
            low = self._value("DB_POOL_MIN", overrides)
            high = self._value("DB_POOL_MAX", overrides)
            if int(low) > int(high):
                yield "DB_POOL_MIN", f"{low} is more than DB_POOL_MAX, {high}"

    def environment(
        self,
        overrides: Mapping[str, str] = _NO_OVERRIDES,
        *,
        cache: bool = False,
        proxies: int = 1,
    ) -> dict[str, str]:
        """Return the values that are not secret.

        Sorted by name, so that an unchanged program never makes a new revision.

        Args:
            overrides: values of PLAIN variables that replace the defaults.
            cache: whether the platform provides REDIS_URL.
            proxies: how many are between client and app.

        Raises:
            KeyError: for an override that is not a PLAIN variable.
            ValueError: for an override that breaks a rule.
        """
        for name, problem in self.problems(overrides):
            raise ValueError(f"{name}: {problem}")
        values = {v.name: v.default for v in self.variables if not v.secret}
        values |= overrides
        if cache:
            values["ENABLE_CACHE"] = "true"
        values["TRUSTED_PROXIES"] = str(proxies)
        return {n: value for n, value in sorted(values.items()) if value is not None}

    def docker_environment(
        self, overrides: Mapping[str, str], secrets: Collection[str]
    ) -> list[str]:
        """Render the environment of a container whose secrets are files.

        `docker inspect` shows an environment to everybody who may talk to Docker.
        The app reads NAME from the file that NAME_FILE names.

        Args:
            overrides: values of PLAIN variables that replace the defaults.
            secrets: names of the secret variables that exist as `secret_file`.

        Raises:
            KeyError: as `environment` and `ecs_secrets`.
            ValueError: as `environment`.
        """
        self._check_secrets(secrets)
        values = self.environment(overrides, cache="REDIS_URL" in secrets)
        values |= {f"{name}_FILE": self.secret_file(name) for name in secrets}
        return [f"{name}={value}" for name, value in sorted(values.items())]

    def secret_file(self, name: str) -> str:
        """Return where the app finds a secret that comes as a file."""
        return f"{self.secret_dir}/{name}"

    def ecs_secrets(self, references: Mapping[str, _T]) -> list[EcsSecret[_T]]:
        """Render the secrets for an ECS container definition, sorted by name.

        Args:
            references: for each secret variable that exists the ARN, with the JSON
                key and version where there are any, that ECS reads at the start; as
                text, or as what becomes text once the secret exists.

        Raises:
            KeyError: for a reference that is not a secret variable, and when one is
                missing that the app cannot do without anywhere.
        """
        self._check_secrets(references)
        return [
            {"name": name, "valueFrom": reference}
            for name, reference in sorted(references.items())
        ]

    def job_environment(
        self, job: Job, overrides: Mapping[str, str], *, bucket: _T, region: str
    ) -> dict[str, str | _T]:
        """Return the values that a job reads and that are not secret, sorted by name.

        Args:
            job: one of `jobs`.
            overrides: values of PLAIN variables that replace the defaults; those that
                the job does not read are left out.
            bucket: name of the bucket of backups, as text, or as what becomes text
                once it exists. A job without a prefix is not told.
            region: of that bucket.

        Raises:
            KeyError, ValueError: as `environment`.
        """
        values: dict[str, str | _T] = {
            name: value
            for name, value in self.environment(overrides).items()
            if name in job.variables
        }
        if job.prefix is not None:
            values |= {
                "AWS_REGION": region,
                "BACKUP_BUCKET": bucket,
                "BACKUP_PREFIX": job.prefix,
            }
        return dict(sorted(values.items()))

    def job_secrets(self, job: Job) -> tuple[str, ...]:
        """Return the names of the secrets that a job reads, and cannot do without."""
        return tuple(
            variable.name
            for variable in self.variables
            if variable.secret and variable.name in job.variables
        )

    def health_command(self, path: str | None = None) -> list[str]:
        """Return a health check of the container that needs nothing but Node.

        The image has no curl. Exits with 1 on anything but 200, a redirect included,
        on a network error, and after 4 s without an answer. In the form that ECS and
        Docker share: CMD, the program, its arguments.

        Args:
            path: what is asked; None means `liveness_path`.
        """
        script = (
            f"fetch('http://127.0.0.1:{self.port}{path or self.liveness_path}',"
            "{redirect:'manual',signal:AbortSignal.timeout(4000)})"
            ".then(r=>process.exit(r.status===200?0:1),()=>process.exit(1))"
        )
        return ["CMD", "node", "-e", script]

    def _check_secrets(self, names: Collection[str]) -> None:
        for name in names:
            variable = self.variable(name)
            if variable is None or not variable.secret:
                raise KeyError(f"{name} is not a secret variable of the app")
        for variable in self.of_kind(Kind.GENERATED, Kind.PLATFORM):
            needed = variable.secret and not variable.optional
            if needed and variable.name not in names:
                raise KeyError(f"{variable.name} has no reference to a secret")

    def _value(self, name: str, overrides: Mapping[str, str] = _NO_OVERRIDES) -> str:
        if name in overrides:
            return overrides[name]
        return next(v.default for v in self.variables if v.name == name and v.default)


APP = AppContract()
"""The Stromhaltig web app."""
