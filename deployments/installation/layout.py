"""Where an installation keeps what: all under its home, except Ray's folder, whose path must be short."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of the installation whose state folder is `home`."""

    home: Path

    @property
    def mark(self) -> str:
        """Tells this installation's processes from another's; the same for the same home."""
        return blake2b(str(self.home.resolve()).encode(), digest_size=4).hexdigest()

    @property
    def secrets(self) -> Path:
        """Folder that only the owner reads."""
        return self.home / "secrets"

    @property
    def pgdata(self) -> Path:
        """The embedded PostgreSQL's data folder."""
        return self.home / "postgres"

    @property
    def ports_file(self) -> Path:
        """The ports that `up` chose."""
        return self.home / "ports.json"

    @property
    def running_file(self) -> Path:
        """What `up` deployed last: version and settings."""
        return self.home / "running.json"

    @property
    def applied_demo(self) -> Path:
        """What the demo tenant was when `up` last applied it, as a hash."""
        return self.home / "demo_applied"

    @property
    def log(self) -> Path:
        """What `ray start` said."""
        return self.home / "up.log"

    @property
    def ray(self) -> Path:
        """Ray's and HAProxy's folder; not under home, for socket paths 70 bytes below it end at 97."""
        return Path("/tmp") / f"konstruct-{self.mark}"  # noqa: S108 - made with mode 0700, never adopted

    @property
    def logs(self) -> Path:
        """What runs now writes its logs here: ours to worker-*.err, Ray Serve's to serve/."""
        return self.ray / "session_latest" / "logs"

    @property
    def last_logs(self) -> Path:
        """The logs of what ran before."""
        return self.home / "last-logs"

    @property
    def haproxy_config(self) -> Path:
        """The configuration that Ray Serve writes for HAProxy (in a folder per node beside it)."""
        return self.ray / "h" / "haproxy.cfg"
