"""Backups on the Docker host: what they may read, where keys are, where copies go."""

from __future__ import annotations

from components.docker.backup import Backup, BackupArgs, Offsite
from components.docker.confinement import LogRotation

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
OFFSITE = Offsite(
    endpoint="https://s3.example.org",
    bucket="backups",
    region="auto",
    prefix="stromhaltig-docker",
    access_key="the-access-key",
    secret_key="the-secret-key",
    image="rclone/rclone:1.71",
)


def backup(**args):
    defaults = {
        "image": "postgres:15",
        "network": "internal",
        "edge": "edge",
        "database_host": "database",
        "database_name": "stromhaltig",
        "database_password": "swordfish",
        "uploads": "app-uploads",
        "upload_dir": "/app/uploads",
        "time": "02:30",
        "database_days": 30,
        "uploads_days": 7,
        "offsite": None,
        "protect": True,
        "keep": True,
        "logs": LogRotation(),
    }
    return Backup("app", BackupArgs(**(defaults | args)))


def files(graph, carrier):
    uploads = graph.one(CONTAINER, carrier)["uploads"]
    return {u["file"].rpartition("/")[2]: u for u in uploads}


def test_the_script_gets_what_the_settings_say(graph):
    graph.build(lambda: backup(time="04:15", database_days=3, uploads_days=2))
    container = graph.one(CONTAINER, "app-backup")

    assert container["entrypoints"] == ["bash", "/run/backup/backup.sh"]
    assert container["command"] == ["run"]
    assert {
        "BACKUP_TIME=04:15",
        "DATABASE_DAYS=3",
        "UPLOADS_DAYS=2",
        "OFFSITE=false",
    } <= set(container["envs"])


def test_the_password_is_in_a_file_that_libpq_accepts(graph):
    graph.build(backup)
    pgpass = files(graph, "app-backup-files")["pgpass"]

    assert pgpass["content"] == "database:5432:stromhaltig:stromhaltig:swordfish\n"
    assert int(pgpass["permissions"], 8) & 0o077 == 0
    assert graph.one(CONTAINER, "app-backup-files").secrets
    assert "swordfish" not in str(graph.one(CONTAINER, "app-backup").inputs)


def test_uploads_are_read_and_never_written(graph):
    graph.build(backup)
    container = graph.one(CONTAINER, "app-backup")
    mounts = {mount["volumeName"]: mount for mount in container["volumes"]}

    assert mounts["app-uploads"]["readOnly"] is True
    assert container["capabilities"]["adds"] == ["CAP_DAC_READ_SEARCH"]


def test_backups_are_protected_and_outlive_the_stack_where_asked(graph):
    graph.build(backup)
    assert graph.one(VOLUME, "app-backups").protect is True
    assert graph.one(VOLUME, "app-backups").retain_on_delete is True

    graph.build(lambda: backup(protect=False, keep=False))
    assert graph.one(VOLUME, "app-backups").protect is False
    assert graph.one(VOLUME, "app-backups").retain_on_delete is False


def test_health_tells_when_there_is_no_backup(graph):
    graph.build(lambda: backup(offsite=OFFSITE))

    for name, shell in (("backup", "bash"), ("backup-upload", "sh")):
        tests = graph.one(CONTAINER, f"app-{name}")["healthcheck"]["tests"]
        assert tests[:2] == ["CMD", shell]
        assert tests[-1] == "status"


def test_without_a_bucket_nothing_leaves_the_host(graph):
    graph.build(backup)

    assert not [c for c in graph.all(CONTAINER) if "upload" in c.name]
    assert graph.one(CONTAINER, "app-backup")["networksAdvanced"] == [
        {"name": "internal"}
    ]


def test_copies_go_out_from_a_container_that_cannot_reach_the_database(graph):
    graph.build(lambda: backup(offsite=OFFSITE))
    upload = graph.one(CONTAINER, "app-backup-upload")

    assert upload["networksAdvanced"] == [{"name": "edge"}]
    assert "REMOTE=offsite:backups/stromhaltig-docker" in upload["envs"]
    assert "OFFSITE=true" in graph.one(CONTAINER, "app-backup")["envs"]


def test_keys_of_the_bucket_are_in_a_file_only(graph):
    graph.build(lambda: backup(offsite=OFFSITE))
    config = files(graph, "app-backup-upload-files")["rclone.conf"]

    assert "endpoint = https://s3.example.org\n" in config["content"]
    assert "access_key_id = the-access-key\n" in config["content"]
    assert "secret_access_key = the-secret-key\n" in config["content"]
    assert graph.one(CONTAINER, "app-backup-upload-files").secrets
    upload = graph.one(CONTAINER, "app-backup-upload")
    assert "the-" not in str(upload.inputs)
    assert "RCLONE_CONFIG=/run/backup/rclone.conf" in upload["envs"]
