"""`python -m simulator`: a Slack on this machine until Ctrl-C; secrets come from the environment."""

import argparse
import os
import sys

from simulator.serving import serve
from simulator.slack import App, SlackSimulator

DEFAULT_PORT = 8790
SLACK_RETRIES_PER_SPEED = (0.0, 60.0, 300.0)


def main() -> int:
    """Serve until interrupted; returns the exit status."""
    options = _options()
    slack = SlackSimulator(
        [_app(options)],
        webhook=options.webhook,
        host=options.host,
        port=options.port,
        honour_client_msg_id=not options.ignore_client_msg_id,
        retry_seconds=[seconds / options.retry_speed for seconds in SLACK_RETRIES_PER_SPEED],
    )
    try:
        serve([slack], lambda: print(f"Slack is simulated at {slack.url}, events go to {options.webhook}.", flush=True))
    except OSError as error:
        print(
            f"The simulator cannot listen on {options.host}:{options.port}: {error.strerror}.",
            file=sys.stderr,
        )
        print("End what holds the port, or choose another with --port.", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    default = App()
    parser = argparse.ArgumentParser("python -m simulator", description=__doc__)
    parser.add_argument("--webhook", default="http://127.0.0.1:8000/slack/events", help="where events are sent")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--tenant", default=default.tenant, help="whose app it is")
    parser.add_argument("--name", default=default.name, help="the employee's name")
    parser.add_argument("--team", default=default.team)
    parser.add_argument("--app", default=default.app)
    parser.add_argument("--bot-user", default=default.bot_user)
    parser.add_argument("--ignore-client-msg-id", action="store_true", help="deliver a repeated post twice")
    parser.add_argument("--retry-speed", type=float, default=1.0, help="60 turns Slack's minute into a second")
    parser.epilog = "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET are the app's secrets."
    return parser.parse_args()


def _app(options: argparse.Namespace) -> App:
    default = App()
    return App(
        tenant=options.tenant,
        name=options.name,
        team=options.team,
        app=options.app,
        bot_user=options.bot_user,
        bot_token=os.environ.get("SLACK_BOT_TOKEN", default.bot_token),
        signing_secret=os.environ.get("SLACK_SIGNING_SECRET", default.signing_secret),
    )


if __name__ == "__main__":
    sys.exit(main())
