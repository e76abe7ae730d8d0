"""How this Slack behaves where Slacks differ."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    """May be changed while it runs."""

    honour_client_msg_id: bool = True
    mentions_twice: bool = True
    # Whether an app hears of its own messages, edits, deletions and reactions, as Slack tells it.
    own_events: bool = False
    # False: a GovSlack, which has no streaming methods.
    streaming: bool = True
    stream_seconds: float = 300.0
    # Calls per minute and workspace, by method; what is not named has no limit.
    rates: dict[str, int] = field(default_factory=dict)
    # A commercial app outside the Marketplace reads history once a minute, 15 messages at a time.
    non_marketplace: bool = False
    # Where a download of a private file is redirected to, such as another host.
    redirect_files_to: str = ""
    # Whether an org-wide installation's events name the workspace among the authorizations.
    org_events_name_team: bool = False
    # Names of users and channels, by id; others are made of the id.
    names: dict[str, str] = field(default_factory=dict)
    # What the next installation is: for the whole organisation, or refused by the person.
    org_installation: bool = False
    deny_installation: bool = False
    token_rotation: bool = False
    token_seconds: float = 43_200.0
    # How long a Socket Mode connection lives until Slack asks for a new one; 0: for ever.
    socket_seconds: float = 0.0
